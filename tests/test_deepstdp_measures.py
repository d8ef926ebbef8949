"""What is measured of clusterings and features: NMI, entropy, Fisher information, the linear probe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan, log, sqrt
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy, one_hot

from neurohw.data.dataset import as_input
from neurohw.data.load import load_dataset
from neurohw.deepstdp.convnets import ConvNet
from neurohw.deepstdp.fisher import batch_fisher_trace, fisher_trace
from neurohw.deepstdp.measures import cluster_entropy, nmi
from neurohw.deepstdp.probe import DECAY, accuracy, linear_probe
from neurohw.errors import InputError
from tests.convnets import small_network


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(dropout: float = 0.5) -> ConvNet:
    generator = seeded(0)
    net = small_network(generator, dropout)
    for module in net.modules():
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(std=0.5, generator=generator)
    return net


def images(n: int) -> Tensor:
    return torch.randn(n, 3, 16, 16, generator=seeded(1))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_nmi_is_that_of_its_definition_with_the_geometric_mean(pairs: list[tuple[int, int]]) -> None:
    a, b = torch.tensor(pairs).T
    h_a, h_b, h_ab = (_entropy(events) for events in (a.tolist(), b.tolist(), pairs))
    expected = (h_a + h_b - h_ab) / sqrt(h_a * h_b) if h_a and h_b else float(h_a == h_b)
    assert nmi(a, b) == pytest.approx(expected, abs=1e-9)


def _entropy(events: Sequence[Any]) -> float:
    return -sum(n / len(events) * log(n / len(events)) for n in Counter(events).values())


def test_nmi_leaves_out_what_either_assignment_leaves_unlabelled() -> None:
    a, b = torch.tensor([0, 0, 1, 1, -1, 2]), torch.tensor([1, 1, 0, 0, 0, -1])
    assert nmi(a, b) == 1
    assert isnan(nmi(torch.tensor([0, -1]), torch.tensor([-1, 0])))


def test_nmi_of_pure_clusters_is_bounded_by_their_number() -> None:
    clusters = torch.arange(1000) % 100
    assert nmi(clusters, clusters % 10) == pytest.approx(sqrt(log(10) / log(100)))


def test_nmi_refuses_assignments_of_other_samples() -> None:
    with pytest.raises(InputError, match="nmi"):
        nmi(torch.zeros(3, dtype=torch.long), torch.zeros(4, dtype=torch.long))


def test_entropy_is_a_share_of_that_of_clusters_equally_used() -> None:
    assert cluster_entropy(torch.arange(30) % 10, 10) == pytest.approx(1)
    assert cluster_entropy(torch.arange(30) % 10, 100) == pytest.approx(0.5)
    assert cluster_entropy(torch.tensor([3, 3, 3, -1]), 10) == 0
    by_hand = -(0.75 * log(0.75) + 0.25 * log(0.25)) / log(4)
    assert cluster_entropy(torch.tensor([0, 0, 2, 0, -1, -1]), 4) == pytest.approx(by_hand)
    assert isnan(cluster_entropy(torch.tensor([-1]), 4))


@pytest.mark.parametrize(("labels", "clusters"), [([0], 1), ([4], 4)])
def test_entropy_refuses_what_are_no_clusters(labels: list[int], clusters: int) -> None:
    with pytest.raises(InputError, match="cluster_entropy"):
        cluster_entropy(torch.tensor(labels), clusters)


def test_fisher_trace_is_that_of_gradients_vectorised_over_samples() -> None:
    net, x, y = network(), images(19), torch.arange(19) % 5
    layers = nn.Sequential(*net.body, *net.after, net.head).eval()

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(functional_call(layers, parameters, (image[None],)), label[None])

    parameters = {name: p.detach() for name, p in layers.named_parameters()}
    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    expected = sum(float(g.double().square().sum()) for g in gradients.values()) / 19
    assert fisher_trace(net, x, y) == pytest.approx(expected, rel=1e-5)


def test_measuring_leaves_modes_as_they_were() -> None:
    net = network().train()
    net.body[1].eval()
    before = [module.training for module in net.modules()]
    fisher_trace(net, images(2), torch.arange(2))
    assert [module.training for module in net.modules()] == before


def test_fisher_trace_of_softmax_regression_in_closed_form() -> None:
    layer, x, y = nn.Linear(7, 4), torch.randn(30, 7, generator=seeded(2)), torch.arange(30) % 4
    nn.init.normal_(layer.weight, generator=seeded(3))
    nn.init.normal_(layer.bias, generator=seeded(4))
    error = torch.softmax(layer(x).detach(), 1) - one_hot(y, 4)
    trace = (error.square().sum(1) * (x.square().sum(1) + 1)).mean()
    assert fisher_trace(layer, x, y) == pytest.approx(float(trace), rel=1e-5)
    mean_gradient = torch.cat([error.T @ x, error.sum(0)[:, None]], dim=1) / 30
    assert batch_fisher_trace(layer, x, y) == pytest.approx(float(mean_gradient.square().sum()), rel=1e-5)


def test_fisher_trace_leaves_out_unlabelled_samples_and_frozen_parameters() -> None:
    net, x, y = network(), images(6), torch.tensor([0, 1, -1, 2, -1, 3])
    assert fisher_trace(net, x, y) == pytest.approx(fisher_trace(net, x[y >= 0], y[y >= 0]))
    everything = fisher_trace(net, x, y)
    net.body.requires_grad_(False)
    head_only = fisher_trace(net, x, y)
    assert 0 < head_only < everything
    with pytest.raises(InputError, match="no sample"):
        fisher_trace(net, x, torch.full((6,), -1))


def test_batch_form_is_of_mini_batch_means_and_leaves_out_a_part_of_a_batch() -> None:
    net, x, y = network(), images(11), torch.arange(11) % 5
    means = [batch_fisher_trace(net, x[i : i + 4], y[i : i + 4]) for i in (0, 4)]
    assert batch_fisher_trace(net, x, y, batch_size=4) == pytest.approx(sum(means) / 2, rel=1e-5)
    assert batch_fisher_trace(net, x, y, batch_size=1) == pytest.approx(fisher_trace(net, x, y), rel=1e-5)


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    data = load_dataset("digits")
    train, test = (as_input(part, data.levels) for part in (data.train_images, data.test_images))
    return (train, data.train_labels), (test, data.test_labels)


def test_probe_is_the_logistic_regression_of_scikit_learn() -> None:
    train, test = digits()
    mean, std = train[0].mean(0), train[0].std(0, correction=0)
    scale = torch.where(std > 0, 1 / std, 0.0)
    other = LogisticRegression(C=1 / (DECAY * len(train[1])), max_iter=1000, tol=1e-6)
    other.fit(((train[0] - mean) * scale).numpy(), train[1].numpy())
    expected = other.score(((test[0] - mean) * scale).numpy(), test[1].numpy())
    layer = linear_probe(*train, 10)
    assert accuracy(layer, *test) == pytest.approx(expected, abs=0.002)
    assert expected > 0.94
    with torch.no_grad():
        logits = layer(test[0]) - layer(test[0]).mean(1, keepdim=True)
    theirs = torch.from_numpy(other.decision_function(((test[0] - mean) * scale).numpy())).float()
    assert (logits - theirs).std() < 0.01 * theirs.std()  # of a loss within 1e-5 of the minimum


def test_probe_does_not_depend_on_the_scale_of_a_feature() -> None:
    train, test = digits()
    scale = torch.logspace(-3, 3, 64)
    scaled = [(part[0] * scale + scale, part[1]) for part in (train, test)]
    assert accuracy(linear_probe(*scaled[0], 10), *scaled[1]) == pytest.approx(
        accuracy(linear_probe(*train, 10), *test), abs=0.004
    )


def test_probe_draws_nothing_and_learns_nothing_of_the_test_labels() -> None:
    train, test = digits()
    before = torch.random.get_rng_state()
    assert torch.equal(linear_probe(*train, 10).weight, linear_probe(*train, 10).weight)
    assert torch.equal(torch.random.get_rng_state(), before)
    shuffled = test[1][torch.randperm(len(test[1]), generator=seeded(5))]
    assert accuracy(linear_probe(*train, 10), test[0], shuffled) < 0.2


def test_probe_refuses_labels_of_other_samples() -> None:
    with pytest.raises(InputError, match="probe"):
        linear_probe(torch.zeros(3, 2), torch.zeros(4, dtype=torch.long), 2)


def test_nine_of_ten_are_90_percent() -> None:
    """Single precision would make 0.8999999762 of them, and leave 90 % unreached."""
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.eye(2)
    assert accuracy(layer, torch.eye(2)[torch.zeros(10, dtype=torch.long)], torch.tensor([0] * 9 + [1])) == 0.9

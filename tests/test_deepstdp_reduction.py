"""Features as they are clustered, k-means, and the order of learning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.data import load_dataset
from neurohw.deepstdp.clusterers import KMeansClusterer, RandomLabels, STDPClusterer, TrueClasses
from neurohw.deepstdp.kmeans import k_means
from neurohw.deepstdp.measures import nmi
from neurohw.deepstdp.reduction import reduced
from neurohw.deepstdp.sampling import order_of
from neurohw.deepstdp.stdp_clustering import cluster
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.errors import Diverged


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlated(n: int = 400, d: int = 12) -> Tensor:
    return torch.randn(n, d, generator=seeded()) @ torch.randn(d, d, generator=seeded(1)) + 3


def test_whitened_components_are_uncorrelated_with_unit_variance_and_the_largest_come_first() -> None:
    features = correlated()
    whitened = reduced(features, 8, unit_norm=False).double()
    covariance = whitened.T @ whitened / (len(whitened) - 1)
    torch.testing.assert_close(covariance, torch.eye(8, dtype=torch.float64), atol=1e-5, rtol=0)
    plain = reduced(features, 8, whitened=False, unit_norm=False).double()
    largest = torch.linalg.svdvals(features.double() - features.double().mean(0)).square()[:8] / (len(features) - 1)
    torch.testing.assert_close(plain.var(0), largest, rtol=1e-5, atol=0)


def test_rows_have_unit_norm_and_components_without_variance_are_left_out() -> None:
    features = torch.cat([correlated(50, 5), torch.ones(50, 3), correlated(50, 5)], 1)
    result = reduced(features, 256)
    assert result.shape == (50, 5)
    torch.testing.assert_close(result.norm(dim=1), torch.ones(50))
    assert reduced(correlated(7, 30), 256).shape == (7, 6)


@pytest.mark.parametrize(
    ("broken", "says"), [(torch.ones(9, 4), "the same for all"), (torch.full((9, 4), float("nan")), "no finite")]
)
def test_features_that_say_nothing_have_diverged(broken: Tensor, says: str) -> None:
    with pytest.raises(Diverged, match=says):
        reduced(broken, 4)


def test_k_means_finds_groups_that_are_apart_and_counts_its_iterations() -> None:
    centres = 10 * torch.eye(4, 8)
    truth = torch.arange(200) % 4
    features = centres[truth] + 0.1 * torch.randn(200, 8, generator=seeded())
    found = min((k_means(features, 4, 20, seed) for seed in range(8)), key=lambda it: _inertia(features, it.labels))
    assert all(len(truth[found.labels == cluster].unique()) == 1 for cluster in range(4))
    assert 1 < found.iterations < 20
    assert k_means(torch.randn(500, 8, generator=seeded()), 20, 3, 0).iterations == 3
    assert torch.equal(k_means(features, 4, 20, 5).labels, k_means(features, 4, 20, 5).labels)


def _inertia(features: Tensor, labels: Tensor) -> float:
    return sum(float((f - f.mean(0)).square().sum()) for f in (features[labels == label] for label in labels.unique()))


def test_uniform_sampling_gives_every_cluster_with_members_the_same_share() -> None:
    labels = torch.tensor([0] * 90 + [2] * 9 + [3] + [-1] * 5)
    order = order_of(labels, 3, "uniform", seeded())
    assert len(order) == 3 * 105
    counts = labels[order].bincount(minlength=4)
    assert counts[1] == 0
    assert (labels[order] >= 0).all()
    assert counts[[0, 2, 3]].tolist() == pytest.approx([105] * 3, abs=2)
    assert 50 < len(order[labels[order] == 0].unique()) < 75  # 105 of 90, with replacement
    few = order_of(labels, 1, "uniform", seeded())
    assert len(few[labels[few] == 0].unique()) == int((labels[few] == 0).sum())  # 35 of 90: none twice


def test_shuffled_sampling_is_permutations_of_what_has_a_label() -> None:
    labels = torch.tensor([0, 1, -1, 2, 2])
    order = order_of(labels, 2, "shuffled", seeded())
    assert sorted(order[:4].tolist()) == sorted(order[4:].tolist()) == [0, 1, 3, 4]
    assert order.tolist() != order_of(labels, 2, "shuffled", seeded(1)).tolist()


def test_energies_are_the_papers_and_those_of_what_was_counted() -> None:
    features = torch.nn.functional.normalize(torch.randn(300, 16, generator=seeded()))
    found = KMeansClusterer(10, 2)(features, 0)
    by_hand = 2 * 300 * (10 * 16 * 3.7e-12 + (10 * 31 + 16) * 0.9e-12)
    assert found.joules == pytest.approx(by_hand)
    assert found.formula_joules == pytest.approx(by_hand)
    spiking = _stdp(1)(features, 0)
    p_in, p_exc = spiking.remarks["input_probability"], spiking.remarks["excitatory_probability"]
    additions = (p_in * 160 + (p_in + p_exc) * 160 + p_exc * 90) * 50 * 300
    assert spiking.formula_joules == pytest.approx(0.9e-12 * additions)
    assert 0 < spiking.joules < spiking.formula_joules
    assert _stdp(2)(features, 0).joules > 1.5 * spiking.joules


def test_each_pass_is_charged_at_its_own_rates_and_one_that_only_labels_not_for_learning() -> None:
    features = torch.nn.functional.normalize(torch.randn(100, 16, generator=seeded()))
    parameters = STDPParameters(timesteps=50, passes=2, labels="frozen", threshold_step=0.5)
    generator = torch.Generator().manual_seed(0)
    network = STDPNetwork(32, 10, parameters, generator)
    order = torch.randperm(100, generator=generator)
    rates = [(float(e.input_spikes.sum()) / (50 * 100 * 16), float(e.output_spikes.sum()) / (50 * 100 * 10))
             for e in cluster(features[order], network, generator).events]  # fmt: skip
    learning = [p_in * 160 + (p_in + p_exc) * 160 + p_exc * 90 for p_in, p_exc in rates[:2]]
    labelling = rates[2][0] * 160 + rates[2][1] * 90
    by_hand = 0.9e-12 * (sum(learning) + labelling) * 50 * 100
    found = STDPClusterer(lambda inputs, draws: STDPNetwork(inputs, 10, parameters, draws))(features, 0)
    assert found.formula_joules == pytest.approx(by_hand, rel=1e-9)


def _stdp(passes: int, **values: Any) -> STDPClusterer:
    parameters = STDPParameters(timesteps=50, passes=passes, **values)
    return STDPClusterer(lambda inputs, draws: STDPNetwork(inputs, 10, parameters, draws))


def test_all_draws_come_from_the_seed() -> None:
    features = torch.nn.functional.normalize(torch.randn(200, 16, generator=seeded()))
    for clusterer in (KMeansClusterer(10, 5), _stdp(1), RandomLabels(10)):
        first, again, other = (clusterer(features, seed) for seed in (1, 1, 2))
        assert torch.equal(first.labels, again.labels)
        assert not torch.equal(first.labels, other.labels)


def test_true_classes_are_labels_whatever_the_features_and_cost_nothing() -> None:
    classes = torch.tensor([2, 0, 1, 1, 2, 0])
    for seed, features in enumerate((torch.zeros(6, 4), torch.randn(6, 4, generator=seeded()))):
        found = TrueClasses(classes.clone())(features, seed)
        assert found.labels.tolist() == [2, 0, 1, 1, 2, 0]
        assert (found.joules, found.formula_joules, found.remarks) == (0, 0, {})


def test_samples_sorted_by_class_are_clustered_as_well_as_mixed_ones() -> None:
    digits = load_dataset("digits")
    classes, by_class = digits.train_labels[:500].sort(stable=True)
    features = reduced(digits.train_images[by_class].float(), 256)
    parameters = STDPParameters(timesteps=200, v_decay=100.0, trace_decay=20.0, gain=300.0, labels="frozen")
    found = STDPClusterer(lambda inputs, draws: STDPNetwork(inputs, 20, parameters, draws))(features, seed=1)
    assert (
        nmi(found.labels, classes) > 0.27
    )  # 0.33 to 0.38 with other seeds; shown in the order of the classes 0.17 to 0.20

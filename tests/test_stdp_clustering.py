"""STDP clustering from features to labels: coding, seeds, resumption, counts, silence, calibration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from neurohw.data.load import load_dataset
from neurohw.deepstdp.poisson import halves, spike_probabilities, spike_trains
from neurohw.deepstdp.stdp_clustering import Clustering, cluster
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.errors import InputError

SMALL = STDPParameters(timesteps=100)


def unit_rows(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(n, d, generator=seeded(seed)))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clustered(features: Tensor, seed: int = 1, neurons: int = 10, **values: Any) -> Clustering:
    return by_new(features, neurons, STDPParameters(**{"timesteps": 100} | values), seed)


def by_new(features: Tensor, neurons: int, parameters: STDPParameters, seed: int = 1, **told: Any) -> Clustering:
    generator = seeded(seed)
    return cluster(features, STDPNetwork(2 * features.shape[1], neurons, parameters, generator), generator, **told)


def test_positive_and_negative_features_have_inputs_of_their_own() -> None:
    features = torch.tensor([[0.5, -0.25, 0.0, -2.0]])
    assert halves(features).tolist() == [[0.5, 0, 0, 0, 0, 0.25, 0, 2.0]]
    assert spike_probabilities(features, 2.0).tolist() == [[1.0, 0, 0, 0, 0, 0.5, 0, 1.0]]


def test_trains_have_the_probabilities_of_their_features() -> None:
    features = unit_rows(3, 6)
    trains = spike_trains(features, 1.0, 20000, seeded(2))
    assert trains.dtype == torch.uint8
    expected = spike_probabilities(features, 1.0)
    spread = (expected * (1 - expected) / 20000).sqrt()
    assert ((trains.double().mean(1) - expected).abs() <= 4 * spread + 1e-12).all()


def test_a_sample_draws_the_same_wherever_a_batch_ends() -> None:
    features = unit_rows(5, 4)
    generator, whole = seeded(3), spike_trains(features, 1.0, 10, seeded(3))
    parts = [spike_trains(part, 1.0, 10, generator) for part in features.split([2, 3])]
    assert torch.equal(torch.cat(parts), whole)


def test_a_seed_gives_the_same_labels_and_another_others() -> None:
    features = unit_rows(40, 16)
    first, again, other = (clustered(features, seed) for seed in (1, 1, 2))
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.spike_counts, again.spike_counts)
    assert not torch.equal(first.labels, other.labels)


def test_a_clustering_goes_on_where_its_state_was_kept() -> None:
    features = unit_rows(50, 16)
    whole = by_new(features, 10, SMALL)
    generator = seeded(1)
    network = STDPNetwork(32, 10, SMALL, generator)
    first = cluster(features[:37], network, generator)
    state, drawn = network.state_dict(), generator.get_state()
    resumed = STDPNetwork(32, 10, SMALL, seeded(99))
    resumed.load_state_dict(state)
    network.weights.zero_()  # what was kept is a copy
    second = cluster(features[37:], resumed, seeded(0).set_state(drawn))
    assert torch.equal(torch.cat([first.spike_counts, second.spike_counts]), whole.spike_counts)


def test_a_frozen_pass_labels_and_changes_nothing() -> None:
    features, generator = unit_rows(30, 16), seeded(1)
    network = STDPNetwork(32, 10, SMALL, generator)
    cluster(features, network, generator)
    weights, thresholds = network.weights.clone(), network.thresholds.clone()
    spikes = spike_trains(features, SMALL.rate_scale, SMALL.timesteps, generator)
    counts = network.present(spikes, learn=False).counts
    assert torch.equal(network.weights, weights)
    assert torch.equal(network.thresholds, thresholds)
    frozen = clustered(features, labels="frozen")
    assert frozen.spike_counts.tolist() == counts.tolist()
    assert [int(events.potentiations.sum()) > 0 for events in frozen.events] == [True, False]


def test_samples_that_are_alike_share_a_label() -> None:
    """Four groups in 32 dimensions, well apart: almost every sample is with its own."""
    centres = torch.linalg.qr(torch.randn(32, 4, generator=seeded(0)))[0].T
    truth = torch.randint(4, (600,), generator=seeded(1))
    features = torch.nn.functional.normalize(centres[truth] + 0.05 * torch.randn(600, 32, generator=seeded(2)))
    labels = clustered(features, neurons=12, timesteps=200).labels[300:]
    of_each = [truth[300:][labels == label] for label in labels.unique()]
    pure = sum(int(members.bincount().max()) for members in of_each)
    assert pure > 0.95 * 300


def test_events_are_those_of_the_equations() -> None:
    features = unit_rows(6, 8)
    result = clustered(features, neurons=4, eta_pre=0.0, weight_mean=0.0)
    (events,) = result.events
    assert torch.equal(events.output_spikes, result.spike_counts.sum(1))
    assert torch.equal(events.inhibitions, 3 * events.output_spikes)
    assert not events.depressions.any()
    assert (events.integrations <= 4 * events.input_spikes).all()
    assert (events.integrations >= 4 * (events.input_spikes - 16 * 5 * events.output_spikes)).all()
    assert (events.potentiations <= 8 * events.output_spikes).all()  # the half of the wrong sign has no trace
    trains = spike_trains(features, 1.0, 100, _after_weights(16, 4))
    assert events.input_spikes.tolist() == trains.sum((1, 2), dtype=torch.int64).tolist()
    assert result.input_probabilities[-1] == pytest.approx(trains.double().mean().item() * 2)


def test_additions_are_counted_one_by_one() -> None:
    """A loop over Algorithm 2 in plain Python, with two features and three neurons: each addition as it is done."""
    p = STDPParameters(
        timesteps=60, v_decay=50.0, gain=8.0, weight_mean=0.0, eta_pre=1e-3, eta_post=0.01, competition="inhibition"
    )
    features, generator = torch.tensor([[0.9, -0.5], [-0.7, 0.6]]), seeded(1)
    network = STDPNetwork(4, 3, p, generator)
    w, epsilon, done = network.weights.numpy().copy(), [0.0] * 3, []
    for sample in (trains := spike_trains(features, 1.0, 60, seeded(2))).tolist():
        v, rest, pre, post = [p.v_rest] * 3, [0] * 3, [0.0] * 4, [0.0] * 3
        spikes = integrations = depressions = potentiations = inhibitions = 0
        for step in sample:
            active = [i for i in range(4) if step[i]]
            spikes += len(active)
            pre = [1.0 if i in active else pre[i] * math.exp(-1 / p.trace_decay) for i in range(4)]
            for j in range(3):
                epsilon[j] *= math.exp(-1 / p.threshold_decay)
                post[j] *= math.exp(-1 / p.trace_decay)
                v[j] = p.v_rest + math.exp(-1 / p.v_decay) * (v[j] - p.v_rest)
                rest[j] = max(rest[j] - 1, 0)
                for i in active if rest[j] == 0 else ():
                    v[j] += p.gain * w[j, i]
                    integrations += 1
            firing = [j for j in range(3) if rest[j] == 0 and v[j] > p.v_threshold + epsilon[j]]
            for j in firing:
                v[j], rest[j], post[j] = p.v_reset, p.refractory, p.trace_peak
                epsilon[j] += p.threshold_step
            for j, i in itertools.product([j for j in range(3) if post[j]], active):
                w[j, i] = max(w[j, i] - p.eta_pre * post[j], 0.0)
                depressions += 1
            for j, i in itertools.product(firing, [i for i in range(4) if pre[i]]):
                w[j, i] = min(w[j, i] + p.eta_post * pre[i], p.weight_max)
                potentiations += 1
            for k, j in itertools.product(firing, range(3)):
                v[j] -= p.inhibition * (j != k)
                inhibitions += j != k
        done.append([spikes, integrations, depressions, potentiations, inhibitions])
    found = network.present(trains)
    assert found.events.tolist() == done
    assert min(map(min, done)) > 0
    assert any(some[1] < 3 * some[0] for some in done)  # neurons were at rest
    assert network.weights.numpy() == pytest.approx(w)


def _after_weights(inputs: int, neurons: int) -> torch.Generator:
    generator = seeded(1)
    STDPNetwork(inputs, neurons, SMALL, generator)
    return generator


def test_progress_tells_all_passes() -> None:
    seen: list[tuple[int, int]] = []
    by_new(unit_rows(40, 8), 10, STDPParameters(timesteps=100, passes=2), progress=lambda *at: seen.append(at))
    assert seen == [(32, 80), (40, 80), (72, 80), (80, 80)]


def test_a_sample_without_a_spike_gets_the_closest_neuron_or_none() -> None:
    features = unit_rows(8, 16)
    features[3] = 1e-3  # too weak to fire anything
    closest = clustered(features, seed=5, gain=30.0)
    assert closest.silent.tolist() == [False] * 3 + [True] + [False] * 4
    assert 0 <= closest.labels[3] < 10
    assert clustered(features, seed=5, gain=30.0, silent_samples="none").labels[3] == -1


def test_the_closest_neuron_is_that_whose_potential_lacks_least_of_its_own_threshold() -> None:
    """Drives in mV, of a threshold of 13; neuron 2 fires for the first sample, which raises its threshold by 7.2."""
    drives = torch.tensor([[0.0, 0, 20], [2, 4, 1], [1, 2, 4]], dtype=torch.float64)  # of each sample
    parameters = STDPParameters(
        timesteps=100, v_decay=1e-3, gain=1.0, eta_pre=0.0, eta_post=0.0, weight_mean=0.0, initial_weight=0.1,
        threshold_step=0.45,
    )  # fmt: skip
    network = STDPNetwork(6, 3, parameters, seeded(0))
    network.weights[:, :3] = drives.T
    found = cluster(torch.eye(3), network, seeded(0))
    assert found.silent.tolist() == [False, True, True]
    assert found.spike_counts[0].tolist() == [0, 0, 16]  # 0.45 n < 7
    assert found.labels.tolist() == [2, 1, 1]  # 4 - (13 + 7.2) is less than 2 - 13


def test_a_silent_network_and_wrong_features_are_named() -> None:
    features = unit_rows(5, 8)
    with pytest.raises(InputError, match=r"no neuron spiked for any sample; raise stdp\.gain \(now 0.01\) or"):
        clustered(features, gain=0.01)
    with pytest.raises(InputError, match=r"neurons never spiked"):
        clustered(features[:1], silent_neurons="refuse", neurons=100)
    features[2, 1] = float("nan")
    with pytest.raises(InputError, match="sample 2 has a NaN"):
        clustered(features)
    with pytest.raises(InputError, match=r"got shape \[0, 8\]"):
        clustered(features[:0])
    with pytest.raises(InputError, match="got 8 per sample; the network takes 4"):
        cluster(unit_rows(5, 8), STDPNetwork(8, 10, SMALL, seeded(1)), seeded(1))


@pytest.mark.parametrize("wrong", [{"timesteps": 0}, {"gain": -1.0}, {"competition": "loudest"}, {"v_deacy": 20.0}])
def test_a_wrong_parameter_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        STDPParameters(**wrong)


def test_the_defaults_fire_as_often_as_the_paper_says() -> None:
    """0.0019 spikes per neuron and step over 5,000 samples: here 1,000, thresholds rising five times as fast."""
    result = by_new(unit_rows(1000, 256), 100, STDPParameters(threshold_step=5 * 0.45))
    assert result.excitatory_probabilities[-1] == pytest.approx(0.0019, rel=0.03)
    assert result.input_probabilities[-1] == pytest.approx(0.05, rel=0.01)
    assert not result.silent.any()


def test_digits_are_clustered_about_as_well_as_by_k_means() -> None:
    """The settings that `STDPParameters` recommends for clustering, three passes over few samples."""
    digits = load_dataset("digits")
    whitened = PCA(32, whiten=True, random_state=0).fit_transform(digits.train_images.reshape(1297, -1).numpy() / 16)
    features = torch.nn.functional.normalize(torch.from_numpy(whitened).float())
    parameters = STDPParameters(v_decay=100.0, trace_decay=20.0, gain=300.0, passes=3, labels="frozen")

    def agreement(labels: Any) -> float:
        return float(normalized_mutual_info_score(digits.train_labels, labels, average_method="geometric"))

    k_means = [agreement(KMeans(30, n_init=1, random_state=seed).fit_predict(features.numpy())) for seed in range(3)]
    assert agreement(by_new(features, 30, parameters, 0).labels) > sum(k_means) / 3 - 0.05

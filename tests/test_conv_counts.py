"""What convolutions do on crossbars and around them, counted, against accounts by hand."""

from __future__ import annotations

import pytest
import torch

from neurohw.clock import Clock
from neurohw.loading import load_experiment
from neurohw.networks.conv import AveragePool, MaxPool
from neurohw.networks.shapes import Convolution
from neurohw.runs.build import build_network
from neurohw.runs.circuit import build_circuit
from neurohw.runs.meters import metered
from neurohw.seeding import Streams
from neurohw.training.rules import build_rule
from tests.test_conv import network, on_ideal, settings


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("optimizer", ["pulsed-sgd", "adam"])
def test_counts_are_those_of_an_account_by_hand(optimizer: str, n: int) -> None:
    """Images of 1 x 4 x 4, 3 kernels of 3 x 3 at 4 x 4 positions, pooled by 2 to 12, then 12 to 5; half absent.

    Kernels have 3 x 9 = 27 cells, of which 13 or 14 are there (round(0.5 * 27) = 14 are absent); dense ones 60.
    """
    conv = [{"channels": 3, "kernel": 3, "padding": 1, "pool": "max", "prune": 0.5}]
    experiment = load_experiment("quickstart", {
        "training.optimizer": optimizer, "network.layers": [16, 5], "network.conv": conv, "network.init": "torch",
        "network.neurons": ["relu", "hardsigm"], "training.learning_rate": [0.1, 0.1], "training.dropout": [],
        "target.k": 1,
    })  # fmt: skip
    streams = Streams(0)
    parts = metered(experiment, build_network(experiment, streams, Clock()), build_circuit(experiment, streams, 5))
    ours, rule = parts.network, build_rule(optimizer, parts.network.layers, [0.1, 0.1])
    assert [layer.array.n_cells for layer in ours.layers] == [13, 60]
    x = torch.rand(n, 16, generator=torch.Generator().manual_seed(0))
    state = ours.respond(x, train=True)
    contrast = ours.contrast(state, torch.zeros(n, 5))
    with ours.clock.during("update"):
        for layer, products in contrast:
            rule.apply(layer, products)
    counts = parts.ledger.counts()
    positions, neurons = 16, 3 * 16
    of_kernels, of_dense = counts["W1"], counts["W2"]
    assert of_kernels["forward"]["reads"] == n * positions
    assert of_kernels["forward"]["dac_conversions"] == n * positions * 9
    assert of_kernels["forward"]["adc_conversions"] == n * neurons
    assert "backward" not in of_kernels
    assert of_dense["forward"]["reads"] == of_dense["backward"]["reads_transposed"] == n
    assert of_dense["backward"]["adc_conversions"] == n * 12
    digital = counts["digital"]
    pooled = 12 * 3  # comparisons of windows of 4
    assert digital["forward"]["adds"] == n * (neurons + 5 + pooled)  # biases at every position, and comparisons
    assert digital["forward"]["activations"] == n * (neurons + 5)
    assert digital["update"]["adds"] == n * (neurons + 5)  # errors summed into biases
    assert digital["update"]["bias_updates"] == 3 + 5
    if optimizer == "adam":
        assert digital["update"]["macs"] == n * (positions * 13 + 60) + 8 * (13 + 60)
        assert digital["update"]["optimizer_words"] == 4 * (13 + 60)
        assert of_kernels["update"]["programmed_cells"] <= 13
    else:
        assert of_kernels["update"]["outer_products"] == n * positions


@pytest.mark.parametrize(("neurons", "competing"), [("relu", 0), ("wta", 9 * 7 * 6 * 4)])
def test_errors_that_meet_in_a_neuron_are_added(neurons: str, competing: int) -> None:
    """By hand: errors at what windows and patches cover, less the neurons that they cover.

    6 maps of 9 x 7 in 4 x 3 averages of 4 x 4: (15 x 11 - 63) 6. 6 maps of 4 x 3 in 2 x 2 patches of 3 x 3:
    (5 x 4 - 12) 6. 5 maps of 2 x 2, the largest of 2 x 2 windows: 20. And 4 errors of the
    outputs; nobody asks for those of the image.
    """
    work = network(settings(**{"network.neurons": (neurons, "relu", "identity")}), on_ideal()).operations()
    adds = sum(n for part, _, event, n in work.of_contrasts(1) if (part, event) == ("digital", "adds"))
    assert adds == 612 + 48 + 20 + 4 + competing
    separate = Convolution(channels=2, kernel=3, pool="max", pool_size=2)
    assert MaxPool((2, 6, 6), separate).adds_back == AveragePool((2, 6, 6), separate).adds_back == 0

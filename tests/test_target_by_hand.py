"""The target circuit against a plain loop over samples and outputs, three batches in a row (Eqs. 1, 2, 9 to 13)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neurohw.circuits.analog_target import AnalogTarget
from neurohw.circuits.target import IdealTarget, TargetRule

N, K, GAMMA, ETA = 20, 3, 0.4, 0.1
Numbers = NDArray[np.float64]


def by_hand(y: Numbers, mask: Numbers, h: Numbers, a: Numbers, rule: TargetRule) -> tuple[Numbers, Numbers, Numbers]:
    """Return targets, thresholds and the moving average after a batch."""
    target, averaged = np.zeros_like(y), []
    for b, sample in enumerate(y):
        ranked = sorted(range(N), key=lambda i: (-(sample[i] - h[i]), i))
        hot = np.array([float(i in ranked[:K]) for i in range(N)])
        target[b] = (hot * (1 - rule.smoothing) + K / N * rule.smoothing) * mask[b]
        averaged.append(target[b] if rule.average_of == "target" else hot)
        a = rule.eta * averaged[-1] + (1 - rule.eta) * a
    activity = a if rule.average == "ema" else np.mean(averaged, 0)
    return target, h + rule.gamma * (activity - rule.frequency), a


@pytest.mark.parametrize("kind", [IdealTarget, AnalogTarget])
@pytest.mark.parametrize("average", ["batch", "ema"])
@pytest.mark.parametrize("average_of", ["target", "winners"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("batches", [(1, 1, 1), (16, 16, 5)])
def test_targets_and_thresholds_are_those_of_a_plain_loop(
    kind: Any, average: str, average_of: str, smoothing: float, batches: tuple[int, ...]
) -> None:
    rule = TargetRule(N, K, GAMMA, 0.8 * K / N, average, ETA, average_of, smoothing)
    circuit = kind(rule, ties="lowest", dtype=torch.float64)
    state, random = circuit.initial(), np.random.default_rng(0)
    h, a = np.zeros(N), np.zeros(N)
    for batch in batches:
        mask = (random.random((batch, N)) < 0.8).astype(np.float64)
        y = np.round(8 * random.random((batch, N))) / 8 * mask  # with ties
        target, h, a = by_hand(y, mask, h, a, rule)
        decision = circuit(torch.from_numpy(y), state, active=torch.from_numpy(mask))
        state = decision.homeostasis
        np.testing.assert_allclose(decision.target.numpy(), target, atol=1e-12)
        np.testing.assert_allclose(state.threshold.numpy(), h, atol=1e-12)
        h = state.threshold.numpy()  # to the last bit, so that ties stay ties


@pytest.mark.parametrize("kind", [IdealTarget, AnalogTarget])
def test_a_dropped_output_has_no_target_from_a_label_either(kind: Any) -> None:
    circuit = kind(TargetRule(N, K, GAMMA, smoothing=0.3))
    mask = torch.ones(1, N)
    mask[0, [5, 7]] = 0.0  # one of class 2, which has outputs 4 and 5, and one of another class
    found = circuit(torch.zeros(1, N), circuit.initial(), active=mask, labels=torch.tensor([2])).target[0]
    low = 0.3 * 2 / N
    expected = torch.tensor([low] * 4 + [0.7 + low, 0.0, low, 0.0] + [low] * 12)
    torch.testing.assert_close(found, expected)

"""Tiki-Taka and its kin, and mixed precision, against plain loops, pulse for pulse.

Steps are certain and equal and pulses are counted out, so that nothing is left to chance. What is tried is where
conventions differ: layers cut into uneven tiles, ranges that are not symmetric, weights in other units than the
device's, batches smaller and larger than a sweep of the columns, samples of zeros, both signs, a restart amid a sweep.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from neurohw.crossbar.base import OuterProducts, Product, SynapseArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.tiled import split_evenly
from neurohw.devices.library import load_device

Floats = np.ndarray[Any, np.dtype[np.float64]]

STEP, TRAIN, LOW, HIGH = 1e-4, 31, -0.6, 0.9
CERTAIN = dict.fromkeys(("step_dtod", "step_ctoc", "asymmetry_dtod", "w_max_dtod", "w_min_dtod"), 0.0)
DEVICE = load_device("constant_step").with_parameters({**CERTAIN, "step": STEP, "w_max": HIGH, "w_min": LOW})
SHAPE, TILE = (7, 9), (3, 4)
TIES = 0.05  # share of the weights that may be a pulse off: a number of pulses that float32 rounds otherwise


class Loop:
    """A crossbar of Tiki-Taka: A and C in whole pulses."""

    def __init__(self, weights: Floats, every: int = 1, **_: float) -> None:
        self.slow, self.fast = weights / STEP, np.zeros_like(weights)
        self.n, self.every, self.passed, self.turn = weights.shape[1], every, 0, 0

    def pulsed(self, where: Floats, asked: Floats, most: float) -> Floats:
        """Return whole pulses `where`, more the nearest whole numbers to `asked`."""
        pulses = np.clip(np.round(asked), -most, most)
        moved: Floats = np.clip(where + pulses, LOW / STEP, HIGH / STEP)
        return moved

    def update(self, post: Floats, pre: Floats, gain: float, fast_rate: float = 1.0) -> None:
        """A += fast_rate * products; after every `every` batches, C_j += gain A_j."""
        self.fast = self.pulsed(self.fast, fast_rate * post.T @ pre / STEP, len(post) * TRAIN)
        self.passed += 1
        if self.passed % self.every == 0:
            j = self.turn % self.n
            self.slow[:, j] = self.pulsed(self.slow[:, j], gain * self.fast[:, j], TRAIN)
            self.turn += 1


class BufferedLoop(Loop):
    """Version 2: one sample at a time passes; a column that is due is read when its part of the batch is written.

    With `chop` = 1 the sign of a column flips at every read; AGAD subtracts what was read before the last flip.
    """

    def __init__(self, weights: Floats, every: int = 1, memory: float = 1000.0, chop: float = 0.0, tail: float = 0.0):
        super().__init__(weights, every)
        self.memory, self.chop, self.tail = memory, chop, tail
        self.sums, self.signs, self.reads = np.zeros_like(weights), np.ones(self.n), np.zeros(self.n, int)
        self.mean, self.reference = np.zeros_like(weights), np.zeros_like(weights)
        self.largest = [0.0, 0.0]

    def update(self, post: Floats, pre: Floats, gain: float, fast_rate: float = 0.5) -> None:
        """A += kappa * products, H_j += lambda A_j, and a pulse where H reaches 1."""
        for side, values in enumerate((pre, post)):
            found = abs(values).max(1)
            if found.any():
                mean, before = found[found > 0].mean(), self.largest[side]
                self.largest[side] = before + 0.01 * (mean - before) if before else mean
        if not all(self.largest):
            return  # nothing but zeros so far
        kappa = fast_rate * TRAIN * STEP / (self.largest[0] * self.largest[1])
        sweep = self.every * self.n
        rate = gain / kappa * sweep / self.memory
        for first in range(0, len(post), sweep):
            d, x = post[first : first + sweep], pre[first : first + sweep]
            self.fast = self.pulsed(self.fast, kappa * d.T @ (x * self.signs) / STEP, len(d) * TRAIN)
            for _ in d:
                self.passed += 1
                if self.passed % self.every == 0:
                    self.transfer(self.turn % self.n, rate)
                    self.turn += 1

    def transfer(self, j: int, rate: float) -> None:
        """Read a column of A, and pulse what is full."""
        flip = max(2, math.ceil(1 / self.chop)) if self.tail else 1
        read = self.fast[:, j].copy()
        if self.tail:
            if self.reads[j] and self.reads[j] % flip == 0:
                self.reference[:, j] = self.mean[:, j]
            self.mean[:, j] += min(1.0, self.tail / flip) * (read - self.mean[:, j])
            read -= self.reference[:, j]
        self.sums[:, j] += self.signs[j] * rate * read
        full = abs(self.sums[:, j]) >= 1
        if not self.tail or self.reads[j] > flip:
            self.slow[:, j] += full * np.sign(self.sums[:, j])
        self.sums[full, j] = 0.0
        self.reads[j] += 1
        if self.chop and self.reads[j] % flip == 0:
            self.signs[j] *= -1


class MixedLoop(Loop):
    """Mixed precision: products are summed, whole steps of the sum are pulsed and leave it."""

    def __init__(self, weights: Floats) -> None:
        super().__init__(weights)
        self.sums = np.zeros_like(weights)

    def update(self, post: Floats, pre: Floats, gain: float, fast_rate: float = 0.0) -> None:
        """chi += gain * products."""
        self.sums += gain * post.T @ pre / STEP
        self.slow += np.trunc(self.sums)
        self.sums -= np.trunc(self.sums)


CASES: dict[str, tuple[type[Loop], str, dict[str, float]]] = {
    "v1": (Loop, "tiki-taka", {"every": 3}),
    "v2": (BufferedLoop, "tiki-taka-v2", {"every": 2, "memory": 50.0}),
    "chopped": (BufferedLoop, "chopped-tiki-taka", {"every": 1, "memory": 20.0, "chop": 1.0}),
    "agad": (BufferedLoop, "agad", {"every": 1, "memory": 20.0, "chop": 0.4, "tail": 1.5}),
    "mixed": (MixedLoop, "mixed-precision", {}),
}


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("weight_range", [None, 2.5])
@pytest.mark.parametrize("case", CASES)
def test_what_arrives_is_what_a_plain_loop_gives(case: str, weight_range: float | None, batch: int) -> None:
    kind, writing, parameters = CASES[case]
    scale = 1.0 if weight_range is None else weight_range / HIGH
    draws = np.random.default_rng(4)

    def make(weights: Floats, seed: int) -> SynapseArray:
        return build_array(
            "analog", torch.tensor(weights, dtype=torch.float32), device=DEVICE, weight_range=weight_range, tile=TILE,
            writing=writing, writing_parameters=parameters, read_path=ReadPath.perfect(), construction_seed=seed,
            pulses=PulseScheme(TRAIN, kind="deterministic"),
        )  # fmt: skip

    start = draws.integers(-500, 500, SHAPE) * STEP
    array = make(start * scale, 1)
    blocks = [(r, c) for r in split_evenly(SHAPE[0], TILE[0]) for c in split_evenly(SHAPE[1], TILE[1])]
    loops = [kind(start[block], **parameters) for block in blocks]
    for turn in range(60):
        post = (0.1 * draws.standard_normal((batch, SHAPE[0]))).astype(np.float32)
        pre = draws.standard_normal((batch, SHAPE[1])).clip(min=0).astype(np.float32)
        if turn % 7 == 3:
            post[: batch // 2] = 0.0
        sign, rate = (-1) ** turn, 0.0313
        terms = (Product(torch.tensor(post), torch.tensor(pre), sign),)
        array.update(OuterProducts(terms, 1 / batch), rate * scale)
        for loop, (rows, columns) in zip(loops, blocks, strict=True):
            loop.update(sign * post[:, rows].astype(float), pre[:, columns].astype(float), rate / batch)
        if turn == 31:
            saved, array = array.state_dict(), make(0 * start, 2)
            array.load_state_dict(saved)
    wanted = np.zeros(SHAPE)
    for loop, block in zip(loops, blocks, strict=True):
        wanted[block] = loop.slow
    found = array.snapshot().numpy() / (STEP * scale)
    assert abs(wanted - start / STEP).max() > 3
    off = abs(found - wanted)
    assert off.max() < 1.01
    assert (off > 0.01).mean() <= TIES


@pytest.mark.parametrize("remedy", ["tiki-taka", "tiki-taka-v2", "chopped-tiki-taka", "agad", "mixed-precision"])
def test_what_updates_left_over_is_forgotten_where_weights_are_programmed(remedy: str) -> None:
    """A hidden array at its bounds is programmed to 0, sums and means of it are 0."""
    device = DEVICE.with_parameters({"step": 0.01})
    array = build_array("analog", torch.zeros(SHAPE), device=device, remedy=remedy, read_path=ReadPath.perfect())
    ones = OuterProducts((Product(torch.full((1, SHAPE[0]), 0.95), torch.ones(1, SHAPE[1])),), 1.0)
    for _ in range(250):
        array.update(ones, 0.0101)
    kept = {"cells.fast.cell.kept", *(f"cells.buffer.{name}" for name in ("chi", "sum", "mean", "reference"))}
    before = {name: tensor.clone() for name, tensor in array.state_dict().items() if name in kept}
    writes = array.program(torch.full(SHAPE, 0.2))
    torch.testing.assert_close(array.snapshot(), torch.full(SHAPE, 0.2), rtol=0, atol=0.01)
    assert any(float(tensor.abs().max()) > 0.4 for tensor in before.values())
    for name in before:
        assert float(array.state_dict()[name].abs().max()) < 0.01, name
    if remedy != "mixed-precision":
        assert (writes.pulses_down or 0) > 63 * 20  # those of the hidden array, too

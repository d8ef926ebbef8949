"""What the pulse trains of an update do, expected from the same arithmetic that draws them (`crossbar.pulses`).

Sample b has k_b = gain max|x_b| max|d_b| / dw; its trains have BL_b = ceil(k_b) slots, at most `length`; a line j
pulses with probability p_j = |x_j| / max|x| sqrt(k_b / BL_b) in each slot, likewise the other side, and cells step
where both pulse (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333, with update management).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trains:
    """How an array writes.

    Args:
        granularity: mean step of a weight, dw, in the device's units.
        output_scale: weights are the device's times this.
        gain: factor on the learning rate.
        length: most pulses in a train.
        kind: "parallel" (trains on both sides) or "serial" (a digital circuit forms the products, and cells are
            written one by one).
        crossbars: crossbars of devices that get the same trains.
        fast_rate: share of a train that a typical sample fills, where products go to a fast array; None: no such.
        words: words of digital memory that an update reads and writes per cell and term.
        potentiates: pulses of both polarities potentiate, each its own device of a pair.
    """

    granularity: float
    output_scale: float = 1.0
    gain: float = 1.0
    length: int = 31
    kind: str = "parallel"
    crossbars: int = 1
    fast_rate: float | None = None
    words: int = 0
    potentiates: bool = False


@dataclass(frozen=True)
class Expected:
    """What the trains of one term do on one crossbar of devices.

    Args:
        slots: BL_b of every sample.
        line_pulses: on all lines of both sides.
        lines: pulses on the lines of the inputs times n_post, plus those on the lines of the outputs times n_pre.
        coincidences: of both polarities.
        net: those that potentiate less those that depress; 0 where it was not asked for.
    """

    slots: list[int]
    line_pulses: float
    lines: float
    coincidences: float
    net: float

    @property
    def half_selected(self) -> float:
        """Cells at half the voltage, summed over slots: either line pulses, but not both."""
        return self.lines - 2 * self.coincidences


@dataclass(frozen=True)
class Lines:
    """One side of a term: values [B, n], and of each sample the largest |value| and their sum."""

    values: Tensor
    largest: list[float]
    total: list[float]

    @classmethod
    def of(cls, values: Tensor, scratch: dict[torch.Size, Tensor]) -> Lines:
        """Look at values [B, n]; two numbers a sample leave a GPU.

        Args:
            values: [B, n].
            scratch: memory that is used again, by shape: taking it anew costs more than the sums.
        """
        if values.shape not in scratch:
            scratch[values.shape] = torch.empty_like(values, memory_format=torch.contiguous_format)
        sizes = torch.abs(values, out=scratch[values.shape])
        return cls(values, sizes.amax(1).tolist(), sizes.sum(1).tolist())

    def chances(self, chance: list[float]) -> tuple[list[float], list[float]]:
        """Return sums of the pulse probabilities chance_b |value_bi|, at most 1 each, without and with sign."""
        each = (self.values * self.values.new_tensor(chance)[:, None]).clamp_(-1.0, 1.0)
        return each.abs().sum(1).tolist(), each.sum(1).tolist()


def expected_trains(post: Lines, pre: Lines, gain: float, trains: Trains, polarity: bool = True) -> Expected:
    """Return what is expected of W += gain * sum_b post_b (x) pre_b.

    Args:
        post: of [B, n_post]; pre: of [B, n_pre].
        gain: signed, in the device's units.
        trains: step and length.
        polarity: whether the polarities are wanted.
    """
    if trains.fast_rate is not None:  # the typical sample fills its share of a train
        typical = sum(x * d for x, d in zip(pre.largest, post.largest, strict=True)) / len(pre.largest)
        gain = math.copysign(trains.fast_rate * trains.length * trains.granularity / (typical or 1.0), gain)
    per_product, longest = abs(gain) / trains.granularity, trains.length
    slots, x_chance, d_chance, saturated = [], [], [], False
    for x_max, d_max in zip(pre.largest, post.largest, strict=True):  # of a batch: few numbers, faster than arrays
        pulses = per_product * x_max * d_max  # k_b
        train = min(math.ceil(pulses), longest)
        per_slot = pulses / train if train else 0.0
        of_x = min(math.sqrt(per_slot), 1.0)
        saturated |= per_slot > 1
        slots.append(train)
        x_chance.append(of_x / x_max if train else 0.0)
        d_chance.append(per_slot / (of_x * d_max) if train else 0.0)
    x_lines = [chance * total for chance, total in zip(x_chance, pre.total, strict=True)]
    d_lines = [chance * total for chance, total in zip(d_chance, post.total, strict=True)]
    net = 0.0
    if saturated or polarity:  # a line pulses at most once a slot
        d_lines, d_signed = post.chances(d_chance)
        if polarity:
            _, x_signed = pre.chances(x_chance)
            net = math.copysign(1.0, gain) * _dot(slots, x_signed, d_signed)
    n_post, n_pre = post.values.shape[1], pre.values.shape[1]
    on_lines = sum(n * (d + x) for n, d, x in zip(slots, d_lines, x_lines, strict=True))
    lines = sum(n * (d * n_pre + x * n_post) for n, d, x in zip(slots, d_lines, x_lines, strict=True))
    return Expected(slots, on_lines, lines, _dot(slots, x_lines, d_lines), net)


def _dot(slots: list[int], x: list[float], d: list[float]) -> float:
    return sum(n * a * b for n, a, b in zip(slots, x, d, strict=True))


def line_by_line(delta: Tensor, step: float) -> tuple[float, float, float]:
    """Return slots and pulses up and down that write delta [n_post, n_pre] one line of the shorter side at a time.

    A line takes as many slots as its largest change has steps.
    """
    along = 0 if delta.shape[1] <= delta.shape[0] else 1
    least, most = torch.aminmax(delta, dim=along)
    slots = torch.maximum(-least, most).div_(step).ceil_().sum()
    net, size = delta.sum(), torch.linalg.vector_norm(delta, 1)
    up, down = (size + net) / (2 * step), (size - net) / (2 * step)
    return float(slots), float(up), float(down)

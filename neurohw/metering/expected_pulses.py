"""What the pulse trains of an update do, expected from the same arithmetic that draws them (`crossbar.pulses`).

Sample b has k_b = gain max|x_b| max|d_b| / dw; its trains have BL_b = ceil(k_b) slots, at most `length`; a line j
pulses with probability p_j = |x_j| / max|x| sqrt(k_b / BL_b) in each slot, likewise the other side, and cells step
where both pulse (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333, with update management).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving, Trains
from neurohw.metering.polarities import POLARITIES, Polarities, turns


@dataclass(frozen=True)
class Driven:
    """What the lines of one crossbar do in the trains of one term, carrying polarities one way.

    Args:
        slots: of every sample, its sub-phases included; longest: if no train ended early.
        line_pulses: on all lines of both sides.
        half_up, half_down: cells at half the voltage of a pulse that potentiates, or depresses, summed over sub-phases:
            either of their lines pulses, but not both.
    """

    slots: list[int]
    longest: list[int]
    line_pulses: float
    half_up: float
    half_down: float


@dataclass(frozen=True)
class Expected:
    """What the trains of one term do on one crossbar of devices.

    Args:
        driven: by how lines carry polarities.
        bits: random ones of the trains, one a line and slot; sub-phases share them.
        coincidences: pulses given to cells, of both polarities.
        net: those that potentiate less those that depress.
    """

    driven: dict[Polarities, Driven]
    bits: float
    coincidences: float
    net: float


class Signed(NamedTuple):
    """Of the lines of one side that have a value above 0, and of those that have one below."""

    rising: float
    falling: float

    @property
    def whole(self) -> float:
        """Of all of them."""
        return self.rising + self.falling

    @property
    def number(self) -> int:
        """How many signs there are, 0 to 2."""
        return (self.rising > 0) + (self.falling > 0)


@dataclass(frozen=True)
class Lines:
    """One side of a term: values [B, n], and of each sample the largest |value|, and their sums by sign."""

    values: Tensor
    largest: list[float]
    total: list[Signed]

    @classmethod
    def of(cls, values: Tensor, scratch: dict[torch.Size, Tensor]) -> Lines:
        """Look at values [B, n]; four numbers a sample leave a GPU.

        Args:
            values: [B, n].
            scratch: memory that is used again, by shape: taking it anew costs more than the sums.
        """
        if values.shape not in scratch:
            scratch[values.shape] = torch.empty_like(values, memory_format=torch.contiguous_format)
        sizes = scratch[values.shape]
        if values.device.type == "cpu":  # numpy takes two thirds of torch's time
            each = values.numpy()
            total, net = np.abs(each, out=sizes.numpy()).sum(1).tolist(), each.sum(1).tolist()
            least, most = each.min(1).tolist(), each.max(1).tolist()
        else:
            torch.abs(values, out=sizes)
            sums = values.amin(1), values.amax(1), sizes.sum(1), values.sum(1)
            least, most, total, net = torch.stack(sums).tolist()
        largest = [max(-low, high) for low, high in zip(least, most, strict=True)]
        return cls(values, largest, _by_sign(total, net, least, most))

    def pulsing(self, chance: list[float], saturated: bool) -> list[Signed]:
        """Return how many lines pulse in a slot of each sample, with probability chance_b |value_bi|, at most 1."""
        if not saturated:
            return [Signed(p * lines.rising, p * lines.falling) for p, lines in zip(chance, self.total, strict=True)]
        each = (self.values * self.values.new_tensor(chance)[:, None]).clamp_(-1.0, 1.0)
        sums = each.abs().sum(1), each.sum(1), each.amin(1), each.amax(1)
        return _by_sign(*torch.stack(sums).tolist())


def _by_sign(total: list[float], net: list[float], least: list[float], most: list[float]) -> list[Signed]:
    """Return the sums of |value| by sign, of the sums of |value| and of values; exactly 0 where a sign is not there."""
    found = []
    for size, signed, low, high in zip(total, net, least, most, strict=True):
        if low < 0 < high:
            found.append(Signed(max((size + signed) / 2, high), max((size - signed) / 2, -low)))
        else:
            found.append(Signed(0.0, size) if low < 0 else Signed(size, 0.0))
    return found


def expected_trains(post: Lines, pre: Lines, gain: float, trains: Trains) -> Expected:
    """Return what is expected of W += gain * sum_b post_b (x) pre_b.

    Args:
        post: of [B, n_post]; pre: of [B, n_pre].
        gain: signed, in the device's units.
        trains: step and length.
    """
    driving = trains.driving
    per_product, longest = abs(gain) / driving.granularity, trains.length
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
    x, d = pre.pulsing(x_chance, False), post.pulsing(d_chance, saturated)  # a line pulses at most once a slot
    if driving.chopped:
        x = [Signed(lines.whole / 2, lines.whole / 2) for lines in x]
    if gain < 0:
        d = [Signed(lines.falling, lines.rising) for lines in d]
    each, shape = list(zip(slots, x, d, strict=True)), (post.values.shape[1], pre.values.shape[1])
    both = sum(train * x.whole * d.whole for train, x, d in each)
    net = sum(train * (x.rising - x.falling) * (d.rising - d.falling) for train, x, d in each)
    driven = {way: _driven(way, each, shape, trains) for way in POLARITIES}
    return Expected(driven, float(sum(slots) * sum(shape)), both, 0.0 if driving.opposed else net)


_Sample = tuple[int, Signed, Signed]  # slots, inputs' and outputs' lines that pulse in one


def _driven(way: Polarities, samples: list[_Sample], shape: tuple[int, int], trains: Trains) -> Driven:
    """Return what the lines of a crossbar [n_post, n_pre] do; outputs' signs are those of a gain above 0."""
    pair = trains.driving.pair
    slots, longest, line_pulses, up, down = [], [], 0.0, 0.0, 0.0
    for train, x, d in samples:
        turn = turns(way, x.number, d.number, pair)
        slots.append(train * turn.sub_phases)
        longest.append(trains.length * max(1, turn.sub_phases))
        line_pulses += train * (x.whole * turn.inputs + d.whole * turn.outputs)
        for gates, same, other in ((x.rising, d.rising, d.falling), (x.falling, d.falling, d.rising)):
            if not gates or not train:
                continue
            rises, falls = _half_selected("in-turn" if pair else way, gates, same, other, shape)
            up, down = up + train * rises, down + train * falls
    return Driven(slots, longest, line_pulses, *of_devices(trains.driving, up, down))


def of_devices(driving: Driving, up: float, down: float) -> tuple[float, float]:
    """Return the rises and falls of devices that are those of weights.

    Pairs that only potentiate rise either way, and those that go opposite ways do both.
    """
    if driving.pair:
        return up + down, 0.0
    return ((up + down) / 2, (up + down) / 2) if driving.opposed else (up, down)


def _half_selected(
    way: Polarities, inputs: float, same: float, other: float, shape: tuple[int, int]
) -> tuple[float, float]:
    """Return the cells at half the voltage of a rise, and of a fall, of inputs of one sign and outputs of both.

    Lines that carry both polarities together are shared by them as the outputs that pulse are.
    """
    n_post, n_pre = shape
    if way == "in-turn":
        rises, falls = (outputs and inputs * n_post + outputs * n_pre - 2 * inputs * outputs
                        for outputs in (same, other))  # fmt: skip
        return rises, falls
    outputs = same + other
    halves = inputs * n_post + outputs * n_pre - 2 * inputs * outputs
    return halves * same / outputs, halves * other / outputs


def hidden_gain(terms: Sequence[tuple[Lines, Lines]], gain: float, trains: Trains) -> float:
    """Return the gain of products (post, pre) that go to a hidden array: a typical sample fills its share of a train.

    That is the product of the means of max |x| and max |d| over the samples of all terms, those of zeros left out; of
    this update, where the engine has running means (see `neurohw.crossbar.transfer`).
    """
    driving = trains.driving
    if driving.fast_rate is None:
        return gain
    posts, pres = ([value for lines in side for value in lines.largest if value] for side in zip(*terms, strict=True))
    if not posts or not pres:
        return gain
    typical = sum(posts) / len(posts) * sum(pres) / len(pres)
    return math.copysign(driving.fast_rate * trains.length * driving.granularity / typical, gain)


def line_events(expected: list[list[Expected]], way: Polarities, crossbars: int) -> dict[str, float]:
    """Return `polarities.LINE_EVENTS` of terms, one after the other, each on tiles that pulse at the same time.

    Args:
        expected: by term and tile.
        way: how lines carry polarities.
        crossbars: that get the same trains in each tile.
    """
    terms = [[tile.driven[way] for tile in tiles] for tiles in expected]
    every = [driven for tiles in terms for driven in tiles]
    return {
        "pulse_slots": sum(sum(map(max, zip(*(tile.slots for tile in tiles), strict=True))) for tiles in terms),
        "longest_slots": sum(sum(map(max, zip(*(tile.longest for tile in tiles), strict=True))) for tiles in terms),
        "line_pulses": crossbars * sum(driven.line_pulses for driven in every),
        "half_selected_up": crossbars * sum(driven.half_up for driven in every),
        "half_selected_down": crossbars * sum(driven.half_down for driven in every),
    }


@dataclass(frozen=True)
class LineByLine:
    """A change that is written one line of the shorter side at a time.

    Args:
        together: slots, where a line takes as many as its largest change has steps, up or down.
        rises, falls: slots of a line's largest rise, and of its largest fall, one after the other.
        up, down: pulses of each polarity.
        gates: the lines are those of the inputs.
    """

    together: float
    rises: float
    falls: float
    up: float
    down: float
    gates: bool

    @classmethod
    def of(cls, delta: Tensor, step: float) -> LineByLine:
        """Return what writes delta [n_post, n_pre] in steps of `step`."""
        gates = delta.shape[1] <= delta.shape[0]
        lines = 0 if gates else 1
        least, most = delta.amin(lines), delta.amax(lines)  # torch.aminmax takes five times as long on the CPU
        falls, rises = least.clamp_(max=0).div_(-step).ceil_(), most.clamp_(min=0).div_(step).ceil_()
        net, size = delta.sum(), torch.linalg.vector_norm(delta, 1)
        up, down = (size + net) / (2 * step), (size - net) / (2 * step)
        together = torch.maximum(falls, rises).sum()
        return cls(float(together), float(rises.sum()), float(falls.sum()), float(up), float(down), gates)

    def slots(self, polarities: Polarities, pair: bool) -> tuple[float, float, float]:
        """Return time slots, and pulses that raise, and lower, the lines that are written one at a time.

        Bit and source lines that are written one at a time carry one polarity at a time as well. The two crossbars of
        a pair that only potentiates take rises and falls at the same time.
        """
        if pair:
            return self.together, self.rises + self.falls, 0.0
        if polarities == "together" and self.gates:
            share = self.up / (self.up + self.down) if self.up + self.down else 0.0
            return self.together, self.together * share, self.together * (1 - share)
        return self.rises + self.falls, self.rises, self.falls

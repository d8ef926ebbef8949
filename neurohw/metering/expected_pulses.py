"""What the pulse trains of an update do, expected from the same arithmetic that draws them (`crossbar.pulses`).

Sample b has k_b = gain max|x_b| max|d_b| / dw; its trains have BL_b = ceil(k_b) slots, at most `length`; a line j
pulses with probability p_j = |x_j| / max|x| sqrt(k_b / BL_b) in each slot, likewise the other side, and cells step
where both pulse (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333, with update management).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Trains
from neurohw.metering.polarities import POLARITIES, Polarities, turns


@dataclass(frozen=True)
class Driven:
    """What the lines of one crossbar do in the trains of one term, carrying polarities one way.

    Args:
        slots: of every sample, its sub-phases included; longest: if no train ended early.
        line_pulses: on all lines of both sides.
        crossed: cells along the lines that pulse, summed over pulses.
        coincidences: pulses given to cells, of both polarities.
    """

    slots: list[int]
    longest: list[int]
    line_pulses: float
    crossed: float
    coincidences: float

    @property
    def half_selected(self) -> float:
        """Cells at half the voltage, summed over sub-phases: either line pulses, but not both."""
        return self.crossed - 2 * self.coincidences


@dataclass(frozen=True)
class Expected:
    """What the trains of one term do on one crossbar of devices.

    Args:
        driven: by how lines carry polarities.
        bits: random ones of the trains, one a line and slot; sub-phases share them.
        coincidences: pulses given to cells, of both polarities.
        net: those that potentiate less those that depress; 0 where it was not asked for.
    """

    driven: dict[Polarities, Driven]
    bits: float
    coincidences: float
    net: float


@dataclass(frozen=True)
class Lines:
    """One side of a term: values [B, n], and of each sample the largest |value|, their sum, and the signs they have."""

    values: Tensor
    largest: list[float]
    total: list[float]
    signs: list[int]

    @classmethod
    def of(cls, values: Tensor, scratch: dict[torch.Size, Tensor]) -> Lines:
        """Look at values [B, n]; three numbers a sample leave a GPU.

        Args:
            values: [B, n].
            scratch: memory that is used again, by shape: taking it anew costs more than the sums.
        """
        if values.shape not in scratch:
            scratch[values.shape] = torch.empty_like(values, memory_format=torch.contiguous_format)
        sizes = scratch[values.shape]
        if values.device.type == "cpu":  # numpy takes two thirds of torch's time
            each = values.numpy()
            total = np.abs(each, out=sizes.numpy()).sum(1).tolist()
            least, most = each.min(1).tolist(), each.max(1).tolist()
        else:
            torch.abs(values, out=sizes)
            least, most, total = torch.stack([values.amin(1), values.amax(1), sizes.sum(1)]).tolist()
        largest = [max(-low, high) for low, high in zip(least, most, strict=True)]
        signs = [(low < 0) + (high > 0) for low, high in zip(least, most, strict=True)]
        return cls(values, largest, total, signs)

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
        polarity: whether the polarities of the cells' pulses are wanted.
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
    x_lines = [chance * total for chance, total in zip(x_chance, pre.total, strict=True)]
    d_lines = [chance * total for chance, total in zip(d_chance, post.total, strict=True)]
    net = 0.0
    if saturated or polarity:  # a line pulses at most once a slot
        d_lines, d_signed = post.chances(d_chance)
        if polarity:
            _, x_signed = pre.chances(x_chance)
            net = math.copysign(1.0, gain) * _dot(slots, x_signed, d_signed)
    both, shape = _dot(slots, x_lines, d_lines), (post.values.shape[1], pre.values.shape[1])
    x_signs = [2 if sign and driving.chopped else sign for sign in pre.signs]
    each = list(zip(slots, x_lines, d_lines, x_signs, post.signs, strict=True))
    driven = {way: _driven(way, each, both, shape, trains) for way in POLARITIES}
    return Expected(driven, float(sum(slots) * sum(shape)), both, net)


_Sample = tuple[int, float, float, int, int]  # slots, inputs' and outputs' lines that pulse in one, signs of both


def _driven(way: Polarities, samples: list[_Sample], both: float, shape: tuple[int, int], trains: Trains) -> Driven:
    """Return what the lines do whose pulses give `both` pulses to the cells of a crossbar [n_post, n_pre]."""
    n_post, n_pre = shape
    slots, longest, line_pulses, crossed = [], [], 0.0, 0.0
    for train, x, d, x_signs, d_signs in samples:
        turn = turns(way, x_signs, d_signs, trains.driving.pair)
        slots.append(train * turn.sub_phases)
        longest.append(trains.length * max(1, turn.sub_phases))
        of_inputs, of_outputs = train * x * turn.inputs, train * d * turn.outputs
        line_pulses += of_inputs + of_outputs
        crossed += of_inputs * n_post + of_outputs * n_pre
    return Driven(slots, longest, line_pulses, crossed, both)


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
        "half_selected": crossbars * sum(driven.half_selected for driven in every),
    }


def _dot(slots: list[int], x: list[float], d: list[float]) -> float:
    return sum(n * a * b for n, a, b in zip(slots, x, d, strict=True))


@dataclass(frozen=True)
class LineByLine:
    """A change that is written one line of the shorter side at a time.

    Args:
        together: slots, where a line takes as many as its largest change has steps, up or down.
        in_turn: slots, where it takes those of its largest rise, then those of its largest fall.
        up, down: pulses of each polarity.
        gates: the lines are those of the inputs.
    """

    together: float
    in_turn: float
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
        together, in_turn = torch.maximum(falls, rises).sum(), (falls + rises).sum()
        return cls(float(together), float(in_turn), float(up), float(down), gates)

    def slots(self, polarities: Polarities, pair: bool) -> tuple[float, float]:
        """Return time slots, and pulses of the lines that are written one at a time.

        Bit and source lines that are written one at a time carry one polarity at a time as well. The two crossbars of
        a pair that only potentiates take rises and falls at the same time.
        """
        if pair:
            return self.together, self.in_turn
        slots = self.together if polarities == "together" and self.gates else self.in_turn
        return slots, slots

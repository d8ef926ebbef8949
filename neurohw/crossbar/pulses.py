"""From outer products to pulses: how many potentiating and depressing pulses each cell gets.

Stochastic trains: sample b gets BL_b slots; in each slot line j carries a pulse with probability
p_bj = (|x_bj| / max|x_b|) sqrt(k_b / BL_b), k_b = rate max|x_b| max|d_b| / dw, likewise the other side, and a cell
steps where both sides pulse (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333, with aihwkit's update management: where
k_b exceeds a full train, the inputs keep p_bj = |x_bj| / max|x_b|, and the other side takes k_b / BL_b, clipped at 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.crossbar.periphery import PulseScheme


@dataclass(frozen=True)
class PulseCounts:
    """Pulses of one polarity for some cells.

    Args:
        cells: [M], flat indices of the cells that get any, in [n_post, n_pre].
        numbers: [M], pulses of each, whole numbers of at least 1.
        up: True where they potentiate.
    """

    cells: Tensor
    numbers: Tensor
    up: bool

    def inverted(self) -> PulseCounts:
        """Return the same pulses with the other polarity."""
        return PulseCounts(self.cells, self.numbers, not self.up)


def pulse_counts(
    post: Tensor, pre: Tensor, gain: float, granularity: float, scheme: PulseScheme, generator: torch.Generator
) -> Iterator[PulseCounts]:
    """Yield the pulses that write W += gain * sum_b post_b (x) pre_b with steps of `granularity`.

    Args:
        post: [B, n_post]; pre: [B, n_pre].
        gain: factor of the products, in units of the cells' weights; its sign turns the polarity.
        granularity: mean step, same units.
        scheme: length and kind of the trains.
        generator: draws the trains.
    """
    if gain == 0.0:
        return
    if gain < 0:
        post, gain = -post, -gain
    if scheme.kind == "deterministic":
        yield from _deterministic(post, pre, gain, granularity, scheme)
    else:
        yield from _stochastic(post, pre, gain / granularity, scheme, generator)


def dense_counts(wanted: Tensor, generator: torch.Generator) -> Iterator[PulseCounts]:
    """Yield whole pulses for a wanted number per cell [n_post, n_pre]; what lies between two is drawn at random."""
    whole = wanted.abs()
    floor = whole.floor()
    noise = torch.rand(wanted.shape, generator=generator, device=wanted.device, dtype=wanted.dtype)
    counts = torch.where(noise < whole - floor, floor + 1, floor)
    yield from whole_counts(torch.where(wanted < 0, -counts, counts))


def _deterministic(
    post: Tensor, pre: Tensor, gain: float, granularity: float, scheme: PulseScheme
) -> Iterator[PulseCounts]:
    """The nearest whole number of pulses to the batch's sum, at most `length` per sample; remainders are lost."""
    most = scheme.length * post.shape[0]
    yield from whole_counts((post.t() @ pre).mul_(gain / granularity).round_().clamp_(-most, most))


def whole_counts(counts: Tensor, cells: Tensor | None = None) -> Iterator[PulseCounts]:
    """Yield the pulses of signed whole numbers.

    Args:
        counts: [n_post, n_pre], or [M] for the cells with these flat indices.
        cells: [M]; None: all of them, in order.
    """
    some = flat_nonzero(counts)
    numbers = counts.reshape(-1).index_select(0, some)
    index = some if cells is None else cells.index_select(0, some)
    for up in (True, False):
        part = flat_nonzero(numbers > 0 if up else numbers < 0)
        if len(part):
            yield PulseCounts(index.index_select(0, part), numbers.index_select(0, part).abs_(), up)


def _crossed(rows: Tensor, columns: Tensor, counts: Tensor, n_pre: int, up: bool) -> PulseCounts:
    """Return the pulses of the cells where lines cross: counts [R, C] of rows [R] and columns [C]."""
    some = flat_nonzero(counts)
    places = torch.add(rows.int()[:, None] * n_pre, columns.int()).view(-1)  # half the memory of 64-bit indices
    return PulseCounts(places.index_select(0, some).long(), counts.reshape(-1).index_select(0, some), up)


def _stochastic(
    post: Tensor, pre: Tensor, gain: float, scheme: PulseScheme, generator: torch.Generator
) -> Iterator[PulseCounts]:
    x_max, d_max = pre.abs().amax(1), post.abs().amax(1)
    pulses = gain * x_max * d_max  # of the sample's largest product, k
    if scheme.update_bl_management:
        slots = pulses.ceil().clamp_(max=scheme.length)
    else:
        slots = torch.full_like(pulses, float(scheme.length)).mul_(pulses > 0)
    lengths = slots.long()
    if not int(lengths.sum()):
        return
    if scheme.update_management or scheme.update_bl_management:
        per_slot = pulses / slots.clamp(min=1)
        of_x = per_slot.sqrt().clamp_(max=1.0)
        d_chance = per_slot.div_(of_x.clamp(min=1e-30)).div_(d_max.clamp(min=1e-30))
        x_chance = of_x.div_(x_max.clamp(min=1e-30))
    else:
        x_chance = d_chance = (gain / slots.clamp(min=1)).sqrt_()
    x_bits, columns = _trains(pre, x_chance, lengths, generator)
    if not len(columns):
        return
    d_bits, rows = _trains(post, d_chance, lengths, generator)
    if not len(rows):
        return
    if bool((pre < 0).any()):
        both, net = d_bits.abs() @ x_bits.abs().t(), d_bits @ x_bits.t()
        yield _crossed(rows, columns, (both + net).mul_(0.5), pre.shape[1], True)
        yield _crossed(rows, columns, (both - net).mul_(0.5), pre.shape[1], False)
        return
    for up, half in ((True, d_bits.clamp(min=0)), (False, d_bits.clamp(max=0).neg_())):
        some = flat_nonzero(half.amax(1))
        if len(some):
            yield _crossed(rows[some], columns, half.index_select(0, some) @ x_bits.t(), pre.shape[1], up)


def _trains(values: Tensor, chance: Tensor, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the signed bits of the lines that pulse at all, [lines, slots of all samples], and those lines.

    Only values other than zero are drawn for.

    Args:
        values: [B, n]; chance: [B], probability of a pulse per unit of |value|; lengths: [B], slots of each sample.
    """
    n = values.shape[1]
    place = flat_nonzero(values)
    sample, value = place.div(n, rounding_mode="floor"), values.reshape(-1).index_select(0, place)
    line, repeats = place - sample * n, lengths.index_select(0, sample)
    draws, ends = repeats.cumsum(0), lengths.cumsum(0)
    # value e takes `repeats[e]` draws, one per slot of its sample
    number = int(draws[-1]) if len(draws) else 0
    entry = _indices(repeats, number)
    draw = torch.rand(number, generator=generator, device=values.device)
    certain = value.abs() * chance.index_select(0, sample)
    hit = flat_nonzero(draw < certain.index_select(0, entry))
    entry = entry.index_select(0, hit)
    shift = draws - repeats - (ends - lengths).index_select(0, sample)
    slot = hit - shift.index_select(0, entry)
    line = line.index_select(0, entry)
    carries = torch.zeros(n, dtype=torch.bool, device=values.device)
    carries[line] = True
    order = carries.cumsum(0).sub_(1)
    used, slots = int(order[-1]) + 1, int(ends[-1])
    bits = values.new_zeros(used * slots)
    bits[order.index_select(0, line).mul_(slots).add_(slot)] = value.sign().index_select(0, entry)
    return bits.view(used, slots), flat_nonzero(carries)


def _indices(repeats: Tensor, number: int) -> Tensor:
    """Return 0, 1, 2, ..., each so many times, `number` in all (torch's threads may wait 10 ms for each other)."""
    if repeats.device.type == "cpu":
        return torch.from_numpy(np.repeat(np.arange(len(repeats)), repeats.numpy()))
    return torch.repeat_interleave(repeats, output_size=number)


def flat_nonzero(values: Tensor) -> Tensor:
    """Return the flat indices of what is not zero, in order (numpy's search is four times torch's on the CPU)."""
    mask = values if values.dtype == torch.bool else values != 0
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.reshape(-1).nonzero()[:, 0]

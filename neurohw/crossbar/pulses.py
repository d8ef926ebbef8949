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
from torch.nn.functional import embedding_bag

from neurohw.crossbar.periphery import PulseScheme

_FEW = 0.1  # of the slots of the lines: up to this share, adding pulses one by one is faster than a product


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


def _stochastic(
    post: Tensor, pre: Tensor, gain: float, scheme: PulseScheme, generator: torch.Generator
) -> Iterator[PulseCounts]:
    x_size, d_size = pre.abs(), post.abs()
    x_max, d_max = x_size.amax(1), d_size.amax(1)
    pulses = gain * x_max * d_max  # of the sample's largest product, k
    if scheme.update_bl_management:
        slots = pulses.ceil().clamp_(max=scheme.length)
    else:
        slots = torch.full_like(pulses, float(scheme.length)).mul_(pulses > 0)
    length = int(slots.max()) if len(slots) else 0
    if not length:
        return
    if scheme.update_management or scheme.update_bl_management:
        per_slot = pulses / slots.clamp(min=1)
        of_x = per_slot.sqrt().clamp_(max=1.0)
        d_chance = per_slot.div_(of_x.clamp(min=1e-30)).div_(d_max.clamp(min=1e-30))
        x_chance = of_x.div_(x_max.clamp(min=1e-30))
    else:
        x_chance = d_chance = (gain / slots.clamp(min=1)).sqrt_()
    used = torch.arange(length, device=slots.device) < slots[:, None]  # [B, slots]
    lines, places = _trains(post, d_chance[:, None] * used, generator)
    columns, n_post = flat_nonzero(x_size.amax(0)), post.shape[1]
    if not len(columns) or not len(lines):
        return
    chance = x_size.index_select(1, columns).mul_(x_chance[:, None])[:, None] * used[:, :, None]
    bits = torch.rand(chance.shape, generator=generator, device=pre.device) < chance
    if bool((pre < 0).any()):  # slots of negative inputs come behind the others: in them, a falling line rises
        negative = pre.index_select(1, columns)[:, None] < 0
        bits = torch.cat([bits & ~negative, bits & negative])
        lines, order = torch.cat([lines, (lines + n_post) % (2 * n_post)]).sort()
        places = torch.cat([places, places + used.numel()]).index_select(0, order)
    rows, counts = _coincidences(lines, places, bits.view(-1, len(columns)).to(pre.dtype))
    yield from _crossed(rows, columns, counts, (n_post, pre.shape[1]))


def _trains(values: Tensor, chances: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw the pulses of values [B, n], and return the line and the slot of each, line after line.

    Line i carries the pulses of positive values, line n + i those of negative ones. Every sample has as many slots as
    the longest train, one sample after the other. Only values other than zero are drawn for.

    Args:
        values: [B, n]; chances: [B, slots], probability of a pulse per unit of |value|.
    """
    (batch, length), n = chances.shape, values.shape[1]
    entry = flat_nonzero(torch.cat([(values > 0).t(), (values < 0).t()]))
    line = _quotient(entry, batch)
    sample = entry - line * batch
    chance = chances.index_select(0, sample).mul_(values[sample, line % n].abs_()[:, None])
    hit = flat_nonzero(torch.rand(chance.shape, generator=generator, device=values.device) < chance)
    place = _quotient(hit, length)
    before = sample.sub_(torch.arange(len(sample), device=values.device)).mul_(length)
    return line.index_select(0, place), before.index_select(0, place).add_(hit)


def _coincidences(lines: Tensor, places: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lines that pulse, and how often each of them does together with each column.

    Few pulses are added up one by one, many as a matrix product.

    Args:
        lines, places: [P], line and slot of each pulse, line after line.
        table: [slots, columns], 1 where a column pulses.
    """
    used, order, number = torch.unique_consecutive(lines, return_inverse=True, return_counts=True)
    if len(lines) < _FEW * len(used) * len(table):
        return used, embedding_bag(places, table, number.cumsum(0).sub_(number), mode="sum")
    bits = table.new_zeros(len(used), len(table))
    bits.view(-1)[order.mul_(len(table)).add_(places)] = 1.0
    return used, bits @ table


def _crossed(lines: Tensor, columns: Tensor, counts: Tensor, shape: tuple[int, int]) -> Iterator[PulseCounts]:
    """Yield the pulses of the cells where lines cross: counts [R, C] of lines [R], see `_trains`, and columns [C]."""
    some = flat_nonzero(counts)
    line = _quotient(some, len(columns))
    column = columns.index_select(0, some - line * len(columns))
    cells = (lines % shape[0] * shape[1]).index_select(0, line).add_(column)
    numbers = counts.view(-1).index_select(0, some)
    rising = int(torch.searchsorted(some, len(columns) * int((lines < shape[0]).sum())))
    for part, up in ((slice(rising), True), (slice(rising, None), False)):
        if len(cells[part]):
            yield PulseCounts(cells[part], numbers[part], up)


def _quotient(places: Tensor, by: int) -> Tensor:
    """Return places // by (numpy divides by a constant four times as fast as torch on the CPU)."""
    if places.device.type == "cpu":
        return torch.from_numpy(places.numpy() // by)
    return places.div(by, rounding_mode="floor")


def flat_nonzero(values: Tensor) -> Tensor:
    """Return the flat indices of what is not zero, in order (numpy's search is four times torch's on the CPU)."""
    mask = values if values.dtype == torch.bool else values != 0
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.reshape(-1).nonzero()[:, 0]

"""From outer products to pulses: how many potentiating and depressing pulses each cell gets.

Stochastic trains: sample b gets BL_b slots; in each slot line j carries a pulse with probability
p_bj = (|x_bj| / max|x_b|) sqrt(k_b / BL_b), k_b = rate max|x_b| max|d_b| / dw, likewise the other side, and a cell
steps where both sides pulse (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333, with aihwkit's update management: where
k_b exceeds a full train, the inputs keep p_bj = |x_bj| / max|x_b|, and the other side takes k_b / BL_b, clipped at 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from neurohw.crossbar.base import OuterProducts
from neurohw.crossbar.periphery import PulseScheme
from neurohw.draws import uniform
from neurohw.places import flat_nonzero

_FEW = 0.1  # of the slots of the lines: up to this share, adding pulses one by one is faster than a product
_MOST = 2**26  # slots of lines that are drawn in a round, whose memory they bound: a convolution has many samples


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
    products: OuterProducts,
    gain: float,
    granularity: float,
    scheme: PulseScheme,
    generator: torch.Generator,
    together: float | None = None,
) -> Iterator[PulseCounts]:
    """Yield the pulses that write W += gain * products (their scale aside) with steps of `granularity`.

    Hardware writes sample after sample, so that a cell's rising and falling pulses alternate. Here the samples are
    written in rounds, in their order; in a round every cell gets its rising and its falling pulses at once, and a
    random half of the rows get the falling ones first, so that neither polarity has the last word. Of two terms of
    opposite signs the second one has it in one round in as many as it has samples, as it has in every sample.

    Args:
        products: what is written.
        gain: factor of the products, in units of the cells' weights; its sign turns the polarity.
        granularity: mean step, same units.
        scheme: length and kind of the trains.
        generator: draws the trains.
        together: pulses that a typical cell may get in a round; None: all, where the polarities never meet in a device,
            as where the products have one sign.
    """
    if gain == 0.0:
        return
    if scheme.kind == "deterministic":
        for term in products.terms:
            yield from _deterministic(term.post, term.pre, gain * term.sign / granularity, scheme)
    else:
        post, pre = products.in_turn()
        post, turned = (post, 1) if gain > 0 else (-post, -1)
        lead = len(products.terms) * (products.terms[0].sign - products.terms[-1].sign) * turned / 4
        yield from _stochastic(post, pre, abs(gain) / granularity, scheme, generator, together, lead)


def dense_counts(wanted: Tensor, generator: torch.Generator) -> Iterator[PulseCounts]:
    """Yield whole pulses for a wanted number per cell [n_post, n_pre]; what lies between two is drawn at random."""
    size = wanted.abs()
    counts = size.floor()
    noise = uniform(wanted.shape, generator, wanted.dtype)
    counts.add_(noise < size.sub_(counts)).copysign_(wanted)  # torch.where takes eight times as long on the CPU
    yield from whole_counts(counts)


def _deterministic(post: Tensor, pre: Tensor, gain: float, scheme: PulseScheme) -> Iterator[PulseCounts]:
    """The nearest whole number of pulses to the batch's sum, at most `length` per sample; remainders are lost."""
    most = scheme.length * post.shape[0]
    yield from whole_counts((post.t() @ pre).mul_(gain).round_().clamp_(-most, most))


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
    post: Tensor,
    pre: Tensor,
    gain: float,
    scheme: PulseScheme,
    generator: torch.Generator,
    together: float | None,
    lead: float,
) -> Iterator[PulseCounts]:
    """Yield the pulses of W += gain * post^T pre, in steps.

    Args:
        lead: the share of the rows that get their rising pulses first is 1/2 + lead / (samples of the round).
    """
    negative_inputs = bool((pre < 0).any())
    if not negative_inputs and not (bool((post > 0).any()) and bool((post < 0).any())):
        together = None  # pulses of one polarity have no order
    sizes = pre.abs()
    slots, x_chance, d_chance = _chances(sizes.amax(1), post.abs().amax(1), gain, scheme)
    columns = flat_nonzero(sizes.amax(0))
    x = sizes.index_select(1, columns).mul_(x_chance[:, None])
    length, rounds = _length_and_rounds(x, post, d_chance, slots, together)
    if not length or not len(columns):
        return
    rounds = max(rounds, math.ceil(len(slots) * length * (len(columns) + post.shape[1]) / _MOST))
    used = torch.arange(length, device=slots.device) < slots[:, None]  # [B, slots]
    negative = pre.index_select(1, columns) < 0 if negative_inputs else None
    batch, n_post = post.shape
    for i in range(rounds):
        part = slice(batch * i // rounds, batch * (i + 1) // rounds)
        samples = part.stop - part.start
        share = 0.5 + lead / samples if samples > 1 and together is not None else None
        rows, first = _row_order(post, share, generator)
        values = post[part] if rows is None else post[part].index_select(1, rows)
        lines, places = _trains(values, d_chance[part, None] * used[part], generator)
        if not len(lines):
            continue
        chance = x[part, None] * used[part, :, None]
        bits = uniform(chance.shape, generator) < chance
        if negative is not None:  # slots of negative inputs come behind the others: in them, a falling line rises
            bits = torch.cat([bits & ~negative[part, None], bits & negative[part, None]])
            lines, order = torch.cat([lines, (lines + n_post) % (2 * n_post)]).sort()
            places = torch.cat([places, places + used[part].numel()]).index_select(0, order)
        crossing, counts = _coincidences(lines, places, bits.view(-1, len(columns)).to(pre.dtype))
        yield from _crossed(crossing, rows, first, columns, counts, (n_post, pre.shape[1]))


def _row_order(post: Tensor, share: float | None, generator: torch.Generator) -> tuple[Tensor | None, Tensor]:
    """Return a random share of the rows with the others behind them, and how many they are.

    None and all of them, if the share is None.
    """
    n_post, device = post.shape[1], post.device
    if share is None:
        return None, torch.full((), n_post, device=device)
    first = torch.rand((), generator=generator, device=device).add_(n_post * share).long()
    late = torch.randperm(n_post, generator=generator, device=device) >= first
    return late.sort(stable=True).indices, first


def _chances(x_max: Tensor, d_max: Tensor, gain: float, scheme: PulseScheme) -> tuple[Tensor, Tensor, Tensor]:
    """Return the length of each sample's train, and both sides' chances of a pulse per unit of |x| and |d|, [B]."""
    pulses = gain * x_max * d_max  # of the sample's largest product, k
    slots = train_slots(pulses, scheme)
    if scheme.update_management or scheme.update_bl_management:
        per_slot = pulses / slots.clamp(min=1)
        of_x = per_slot.sqrt().clamp_(max=1.0)
        d_chance = per_slot.div_(of_x.clamp(min=1e-30)).div_(d_max.clamp(min=1e-30))
        return slots, of_x.div_(x_max.clamp(min=1e-30)), d_chance
    chance = (gain / slots.clamp(min=1)).sqrt_()
    return slots, chance, chance


def train_slots(pulses: Tensor, scheme: PulseScheme) -> Tensor:
    """Return the length of each sample's train, whose largest product is worth so many pulses, [B]."""
    if scheme.update_bl_management:
        return pulses.ceil().clamp_(max=scheme.length)
    return torch.full_like(pulses, float(scheme.length)).mul_(pulses > 0)


def _length_and_rounds(
    x: Tensor, post: Tensor, d_chance: Tensor, slots: Tensor, together: float | None
) -> tuple[int, int]:
    """Return the longest train, and in how many rounds the samples are written.

    A typical cell gets sum E^2 / sum E pulses of the batch, E_ij = sum_b slots_b p_bi q_bj the expected ones of each.
    Of few samples sum E^2 is a sum over pairs of them, in less memory than E.
    """
    batch = len(slots)
    if together is None or batch <= 2:
        return int(slots.max()) if batch else 0, 1 if together is None else batch
    x = x.clamp(max=1.0).mul_(slots[:, None])
    d = (post.abs() * d_chance[:, None]).clamp_(max=1.0)
    few = batch**2 < x.shape[1] * d.shape[1]
    squares = (x @ x.t()).mul_(d @ d.t()).sum() if few else (d.t() @ x).square_().sum()
    typical = squares / x.sum(1).dot(d.sum(1)).clamp(min=1e-30)
    length, typical = torch.stack([slots.amax(), typical]).tolist()
    return int(length), min(batch, max(1, math.ceil(typical / together)))


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
    hit = flat_nonzero(uniform(chance.shape, generator) < chance)
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


def _crossed(
    lines: Tensor, rows: Tensor | None, first: Tensor, columns: Tensor, counts: Tensor, shape: tuple[int, int]
) -> Iterator[PulseCounts]:
    """Yield the pulses of the cells where lines cross: counts [R, C] of lines [R], see `_trains`, and columns [C].

    Args:
        rows: [n_post], the row of each line; None: lines are numbered as rows.
        first: of so many lines the rising pulses come before the falling ones, of the others behind them.
    """
    n_post, n_pre = shape
    some = flat_nonzero(counts)
    line = _quotient(some, len(columns))
    column = columns.index_select(0, some - line * len(columns))
    row = lines % n_post if rows is None else rows.index_select(0, lines % n_post)
    cells = (row * n_pre).index_select(0, line).add_(column)
    numbers = counts.view(-1).index_select(0, some)
    ends = torch.searchsorted(lines, torch.stack([first, torch.full_like(first, n_post)]))
    before, rising = torch.searchsorted(some, ends.mul_(len(columns))).tolist()
    for part, up in ((slice(before), True), (slice(rising, None), False), (slice(before, rising), True)):
        if len(cells[part]):
            yield PulseCounts(cells[part], numbers[part], up)


def _quotient(places: Tensor, by: int) -> Tensor:
    """Return places // by (numpy divides by a constant four times as fast as torch on the CPU)."""
    if places.device.type == "cpu":
        return torch.from_numpy(places.numpy() // by)
    return places.div(by, rounding_mode="floor")

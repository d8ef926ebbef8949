"""From products to pulses: the distribution of counts, their limits, signs, and what cells of one line share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from neurohw.crossbar import pulses
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, dense_counts, pulse_counts, whole_counts

REPEATS = 4000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def written(post: Tensor, pre: Tensor, *arguments: Any, **options: Any) -> Iterator[PulseCounts]:
    return pulse_counts(OuterProducts((Product(post, pre),), 1.0), *arguments, **options)


def signed(trains: object, shape: tuple[int, int]) -> Tensor:
    """Return the signed number of pulses of every cell."""
    total = torch.zeros(shape)
    for part in trains:  # type: ignore[attr-defined]
        assert (part.numbers >= 1).all()
        assert (part.numbers == part.numbers.round()).all()
        assert part.cells.unique().numel() == part.cells.numel()
        total.view(-1)[part.cells] += part.numbers if part.up else -part.numbers
    return total


def draws(post: Tensor, pre: Tensor, gain: float, scheme: PulseScheme, repeats: int = REPEATS) -> Tensor:
    """Return the pulses of one product again and again, with steps of 1: [repeats, n_post, n_pre].

    A hundred copies of the lines make one large crossbar, whose blocks on the diagonal share no line.
    """
    generator, copies = seeded(1), torch.arange(100)
    (n_post, n_pre), found = (post.shape[1], pre.shape[1]), []
    for _ in range(repeats // 100):
        trains = written(post.repeat(1, 100), pre.repeat(1, 100), gain, 1.0, scheme, generator)
        all_blocks = signed(trains, (100 * n_post, 100 * n_pre)).view(100, n_post, 100, n_pre)
        found.append(all_blocks[copies, :, copies])
    return torch.cat(found)


POST, PRE = torch.tensor([[1.0, -0.5, 0.0]]), torch.tensor([[0.8, 0.2, 0.0, -0.4]])


@pytest.mark.parametrize("gain", [0.5, 4.0, -4.0])
def test_the_mean_is_the_product_and_the_variance_binomial(gain: float) -> None:
    """n p and n p (1 - p), p = k / BL |x| |d| / (max|x| max|d|); managed: k = gain max|x| max|d|, BL = ceil k."""
    found = draws(POST, PRE, gain, PulseScheme())
    wanted = gain * POST.t() @ PRE
    length = math.ceil(abs(gain) * 0.8)
    variance = wanted.abs() * (1 - wanted.abs() / length)
    assert ((found.mean(0) - wanted).abs() <= 5 * (variance / REPEATS).sqrt() + 1e-6).all()
    assert ((found.var(0) - variance).abs() <= 0.15 * variance + 0.02).all()
    assert found.abs().max() <= length


def test_update_management_gives_both_sides_equal_chances() -> None:
    """Without it tiny errors clip the chances of the inputs: x = 1 and d = 0.01 at gain 100, with trains of 4.

    Managed, k = 1: |x| = 1 gets its one pulse. Unmanaged, sqrt(100 / 4) = 5: p_x = 1 (clipped), p_d = 0.05.
    """
    post, pre = torch.tensor([[0.01]]), torch.tensor([[1.0]])
    managed = draws(post, pre, 100.0, PulseScheme(4, update_bl_management=False))
    plain = draws(post, pre, 100.0, PulseScheme(4, update_management=False, update_bl_management=False))
    assert managed.mean().item() == pytest.approx(1.0, abs=5 * math.sqrt(0.75 / REPEATS))
    assert plain.mean().item() == pytest.approx(0.2, abs=5 * math.sqrt(0.19 / REPEATS))


def test_length_management_shortens_the_train() -> None:
    """k = 1.5 with 2 slots, p = 3/4, or with 31: the same mean, another variance."""
    post = pre = torch.ones(1, 1)
    for scheme, length in ((PulseScheme(), 2), (PulseScheme(update_bl_management=False), 31)):
        found = draws(post, pre, 1.5, scheme)
        assert found.mean().item() == pytest.approx(1.5, abs=0.1)
        assert found.var().item() == pytest.approx(1.5 * (1 - 1.5 / length), rel=0.15)


def test_a_full_train_keeps_the_proportions_of_the_inputs() -> None:
    """k = 50 in 31 slots: inputs keep p_x = |x| / max|x|, the other side takes k / 31, clipped at 1."""
    post, pre = torch.tensor([[1.0, 0.4]]), torch.tensor([[1.0, 0.3]])
    found = draws(post, pre, 50.0, PulseScheme()).mean(0) / 31
    chance = torch.tensor([[1.0, 0.4 * 50 / 31]]).t() @ pre
    assert ((found - chance).abs() <= 5 * (chance * (1 - chance) / 31 / REPEATS).sqrt() + 1e-6).all()


def test_samples_of_a_batch_have_trains_of_their_own_lengths() -> None:
    """Two samples, k = 9 and k = 0.3: the counts add."""
    post, pre = torch.tensor([[1.0, 0.0], [0.0, 0.1]]), torch.tensor([[1.0, 0.0], [0.0, 0.3 / 0.9]])
    found = draws(post, pre, 9.0, PulseScheme())
    assert (found[:, 0, 0] == 9).all()
    assert found[:, 1, 1].mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / REPEATS))
    assert found[:, 1, 1].max() <= 1
    assert not found[:, 0, 1].any()
    assert not found[:, 1, 0].any()


@pytest.mark.parametrize("signs", [1.0, -1.0])
def test_cells_of_a_line_share_its_train(signs: float) -> None:
    """cov(n_ij, n_ik) = BL p_i q_j q_k (1 - p_i); cells that share no line are independent. Also with negative x."""
    post, pre = torch.tensor([[1.0, 0.6]]), torch.tensor([[1.0, signs * 0.5]])
    found = draws(post, pre, 8.0, PulseScheme(update_bl_management=False), 8000)
    share = math.sqrt(8.0 / 31)
    p, q = torch.tensor([1.0, 0.6]) * share, torch.tensor([1.0, 0.5]) * share
    centred = found - found.mean(0)
    row = (centred[:, :, 0] * centred[:, :, 1]).mean(0) * signs
    column = (centred[:, 0, :] * centred[:, 1, :]).mean(0)
    torch.testing.assert_close(row, 31 * p * (1 - p) * q[0] * q[1], rtol=0, atol=0.15)
    torch.testing.assert_close(column, 31 * q * (1 - q) * p[0] * p[1], rtol=0, atol=0.15)
    assert abs((centred[:, 0, 0] * centred[:, 1, 1]).mean().item()) < 0.15
    assert row.min() > 0.3  # far above the tolerance


@pytest.mark.parametrize("kind", ["stochastic", "deterministic"])
def test_nothing_wanted_is_nothing_pulsed(kind: str) -> None:
    scheme, ones, zeros = PulseScheme(kind=kind), torch.ones(2, 3), torch.zeros(2, 3)
    for post, pre, gain in ((ones, ones, 0.0), (zeros, ones, 1.0), (ones, zeros, 1.0), (zeros, zeros, 1.0)):
        assert not signed(written(post, pre, gain, 1.0, scheme, seeded()), (3, 3)).any()


def test_deterministic_counts_are_the_nearest_whole_numbers_of_the_batch() -> None:
    post, pre = torch.randn(6, 4, generator=seeded(2)), torch.randn(6, 5, generator=seeded(3))
    scheme = PulseScheme(length=3, kind="deterministic")
    for gain in (0.7, -5.0):
        found = signed(written(post, pre, gain, 0.5, scheme, seeded()), (4, 5))
        assert torch.equal(found, (gain / 0.5 * post.t() @ pre).round().clamp(-18, 18))
    assert (found.abs() == 18).any()  # 3 a sample, where the wanted number is larger


@pytest.mark.parametrize("scheme", [PulseScheme(), PulseScheme(kind="deterministic")], ids=lambda s: s.kind)
def test_the_sign_of_the_gain_turns_the_polarity(scheme: PulseScheme) -> None:
    post, pre = torch.randn(3, 4, generator=seeded(2)), torch.randn(3, 5, generator=seeded(3))
    one = signed(written(post, pre, 6.0, 1.0, scheme, seeded(4)), (4, 5))
    other = signed(written(-post, pre, -6.0, 1.0, scheme, seeded(4)), (4, 5))
    turned = signed(written(post, pre, -6.0, 1.0, PulseScheme(kind="deterministic"), seeded(4)), (4, 5))
    assert torch.equal(one, other)
    assert ((turned * (post.t() @ pre)) <= 0).all()
    assert one.any()


def test_fractions_of_a_pulse_are_drawn() -> None:
    wanted = torch.tensor([[0.3, -2.7], [4.0, 0.0]])
    generator = seeded(5)
    found = torch.stack([signed(dense_counts(wanted, generator), (2, 2)) for _ in range(REPEATS)])
    assert ((found - wanted).abs() < 1).all()
    assert ((found.mean(0) - wanted).abs() < 5 * 0.46 / math.sqrt(REPEATS)).all()


def test_whole_numbers_can_be_given_for_some_cells() -> None:
    expected = torch.zeros(2, 5)
    expected[0, 4], expected[1, 1] = 1, -3
    counts, cells = torch.tensor([1.0, 0.0, -3.0]), torch.tensor([4, 9, 6])
    assert torch.equal(signed(whole_counts(counts, cells), (2, 5)), expected)
    assert torch.equal(signed(whole_counts(expected), (2, 5)), expected)


def test_few_pulses_are_added_up_as_many_are_multiplied() -> None:
    """Lines 1, 2 and 5 pulse in some slots; the counts with every column, one by one and as a matrix product."""
    table = (torch.rand(40, 6, generator=seeded(1)) < 0.5).float()
    bits = torch.rand(3, 40, generator=seeded(2)) < 0.3
    order, places = bits.nonzero(as_tuple=True)
    lines = torch.tensor([1, 2, 5])
    for share in (0.0, 1.1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulses, "_FEW", share)
            used, counts = pulses._coincidences(lines[order], places, table)
        assert torch.equal(used, lines)
        assert torch.equal(counts, bits.float() @ table)


@pytest.mark.parametrize("share", [0.0, 1.1], ids=["product", "sum"])
def test_both_signs_of_both_sides_meet_in_the_right_cells(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certain pulses: k = 9 slots of the first sample, 4 of the second, whose largest lines fill them."""
    monkeypatch.setattr(pulses, "_FEW", share)
    post = torch.tensor([[3.0, -3.0, 0.0, 0.0], [0.0, -2.0, 0.0, 2.0]])
    pre = torch.tensor([[3.0, 0.0, -3.0], [-2.0, 2.0, 0.0]])
    for gain in (1.0, -1.0):
        found = signed(written(post, pre, gain, 1.0, PulseScheme(), seeded()), (4, 3))
        assert torch.equal(found, gain * post.t() @ pre)


# order


def certain(products: OuterProducts, gain: float = 9.0, together: float = 1e9) -> list[PulseCounts]:
    """Return the pulses of factors of 0, 1 and -1: nine in every cell where both sides are not 0."""
    return list(pulse_counts(products, gain, 1.0, PulseScheme(), seeded(), together))


@pytest.mark.parametrize("gain", [9.0, -9.0])
@pytest.mark.parametrize("signs", [(-1, 1), (1, -1)])
def test_two_phases_of_one_sample_are_written_one_after_the_other(signs: tuple[int, int], gain: float) -> None:
    ones = torch.ones(1, 40)
    found = certain(OuterProducts(tuple(Product(ones, ones, sign) for sign in signs), 1.0), gain)
    assert [part.up for part in found] == [sign * gain > 0 for sign in signs]
    assert all(len(part.cells) == 1600 for part in found)


@pytest.mark.parametrize(("signs", "share"), [((1, 1), 0.5), ((-1, 1), 0.5 - 1 / 8), ((1, -1), 0.5 + 1 / 8)])
def test_rising_pulses_come_first_in_a_share_of_the_rows(signs: tuple[int, int], share: float) -> None:
    """Four samples of two terms: the second term of opposite sign has the last word in 1 of 4 rows more, not in all.

    With equal signs, samples that rise and fall alternate.
    """
    pre = torch.ones(4, 3)
    post = torch.ones(4, 400) if signs[0] != signs[1] else torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None].expand(4, 400)
    early, falling, late = certain(OuterProducts(tuple(Product(post, pre, sign) for sign in signs), 1.0))
    assert (early.up, falling.up, late.up) == (True, False, True)
    assert len(early.cells) == pytest.approx(1200 * share, abs=3)
    assert len(early.cells) + len(late.cells) == len(falling.cells) == 1200
    assert not set(early.cells.tolist()) & set(late.cells.tolist())


def test_a_batch_is_written_in_as_many_rounds_as_a_typical_cell_needs() -> None:
    """Sample b pulses column b alone, 9 times; half of the rows rise. A typical cell of 8 samples gets 9 pulses."""
    post, pre = torch.cat([torch.ones(8, 5), -torch.ones(8, 5)], 1), torch.eye(8)
    for together, rounds in ((9.0, 1), (4.5, 2), (1e-3, 8)):
        found = certain(OuterProducts((Product(post, pre),), 1.0), together=together)
        columns = [sorted({cell % 8 for cell in part.cells.tolist()}) for part in found]
        expected = [list(range(8 * i // rounds, 8 * (i + 1) // rounds)) for i in range(rounds)]
        assert [c for i, c in enumerate(columns) if i == 0 or c != columns[i - 1]] == expected


@pytest.mark.parametrize(("post", "pre", "parts"), [(1.0, 1.0, 1), (-1.0, 1.0, 1), (1.0, -1.0, 8)])
def test_pulses_of_one_polarity_need_no_rounds(post: float, pre: float, parts: int) -> None:
    """All cells rise, or all fall, 72 times; with negative inputs a batch is still written in rounds."""
    products = OuterProducts((Product(torch.full((8, 5), post), torch.full((8, 3), pre)),), 1.0)
    found = certain(products, together=1e-3)
    assert len(found) == parts
    total = torch.zeros(15).index_add_(0, torch.cat([p.cells for p in found]), torch.cat([p.numbers for p in found]))
    assert {part.up for part in found} == {post * pre > 0}
    assert torch.equal(total, torch.full((15,), 72.0))


class Largest(TorchDispatchMode):
    """Sees every tensor that torch makes within, and keeps the size of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.entries = max(self.entries, made.numel() if isinstance(made, Tensor) else 0)
        return made


@pytest.mark.parametrize(("together", "vectors"), [(None, 120_000), (1000.0, 12_000)])
def test_the_positions_of_a_convolution_fit_into_memory(together: float | None, vectors: int) -> None:
    """120,000 vectors, as of 153 images of MNIST, in trains of up to 31; 12,000 have 144 million pairs."""
    g = seeded()
    post, pre = torch.randn(vectors, 20, generator=g).mul_(3e-4), torch.rand(vectors, 20, generator=g)
    wanted = 4e4 * post.t() @ pre
    with Largest() as largest:
        found = signed(written(post, pre, 4e4, 1.0, PulseScheme(31), g, together), (20, 20))
    assert largest.entries <= 2**26
    spread = float((4e4 * post.abs().t() @ pre.abs()).sqrt().mean())
    assert float((found - wanted).square().mean().sqrt()) <= 1.2 * spread

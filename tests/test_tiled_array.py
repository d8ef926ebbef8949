"""Large matrices on small crossbars: the public suite, and equality with the uncut array."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product, Writes
from neurohw.crossbar.build import build_array
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.tiled import TiledArray, split_evenly
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.testing import MakeArray, SynapseArrayConformance


def ideal_tiles(weights: Tensor) -> TiledArray:
    return TiledArray(weights, (2, 3), lambda block, place: IdealArray(block))


class TestTiledArray(SynapseArrayConformance):
    shape = (5, 7)

    @pytest.fixture
    def make_array(self) -> MakeArray:
        return ideal_tiles


def test_a_limit_splits_evenly() -> None:
    assert [s.stop - s.start for s in split_evenly(784, 256)] == [196] * 4
    assert [s.stop - s.start for s in split_evenly(7, 3)] == [2, 2, 3]
    assert split_evenly(5, 5) == [slice(0, 5)]
    with pytest.raises(InputError, match="at least one line"):
        split_evenly(5, 0)


def test_tiles_equal_the_uncut_array_through_a_history() -> None:
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    whole, cut = IdealArray(weights), ideal_tiles(weights)
    for sign in (1, -1):
        post, pre = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (5, 7))
        products = OuterProducts((Product(post, pre, sign), Product(post.flip(0), pre)), scale=0.5)
        delta = torch.randn(5, 7, generator=generator, dtype=torch.float64)
        for array in (whole, cut):
            array.update(products, 0.1)
            array.increment(delta)
        torch.testing.assert_close(cut.read(pre), whole.read(pre))
        torch.testing.assert_close(cut.read_transposed(post), whole.read_transposed(post))
    torch.testing.assert_close(cut.snapshot(), whole.snapshot())


def test_the_state_is_prefixed_by_place() -> None:
    assert set(ideal_tiles(torch.zeros(4, 3)).state_dict()) == {"tile.0.0.weights", "tile.1.0.weights"}


def test_it_is_exact_only_if_all_tiles_are() -> None:
    array = ideal_tiles(torch.zeros(4, 3))
    assert array.exact
    assert array.exact_writes
    noisy = build_array("aihwkit", torch.zeros(4, 3), device="ideal", tile=(2, 3))
    assert isinstance(noisy, TiledArray)
    assert not noisy.exact
    perfect = build_array("analog", torch.zeros(4, 3), device="ecram", tile=(2, 3), read_path=ReadPath.perfect())
    assert (perfect.exact, perfect.exact_writes) == (True, False)


def test_writes_add_up_unless_one_tile_cannot_count() -> None:
    assert Writes.total([Writes(1, 2), Writes(3, 4)]) == Writes(4, 6)
    assert Writes.total([Writes(1, 2), Writes(None, 4)]) == Writes(None, 6)


def test_aihwkit_tiles_have_devices_of_their_own_and_read_like_one_matrix() -> None:
    weights = (torch.rand(6, 8, generator=torch.Generator().manual_seed(3)) - 0.5) * 0.2

    def build(name: str = "W1") -> TiledArray:
        array = build_array(
            "aihwkit", weights, device="gokmen_vlasov", read_path=ReadPath.perfect(), tile=(3, 4), name=name
        )
        assert isinstance(array, TiledArray)
        return array

    def bounds(array: TiledArray, i: int, j: int) -> Tensor:
        return array.grid[i][j].hidden_parameters()["max_bound"]  # type: ignore[attr-defined,no-any-return]

    array = build()
    pre = torch.rand(3, 8)
    torch.testing.assert_close(array.read(pre), pre @ array.snapshot().t())
    assert not torch.equal(bounds(array, 0, 0), bounds(array, 0, 1))
    assert torch.equal(bounds(array, 1, 1), bounds(build(), 1, 1))
    assert not torch.equal(bounds(array, 1, 1), bounds(build("W2"), 1, 1))


def test_what_happens_aside_draws_from_a_stream_of_each_tile_and_leaves_no_trace() -> None:
    array = build_array("analog", torch.zeros(4, 3), device="ecram", tile=(2, 3), read_path=ReadPath(None, None, 0.1))
    before = {name: tensor.clone() for name, tensor in array.state_dict().items()}
    with array.aside(5):
        first, second = array.read(torch.zeros(3, 3)).split(2, dim=1)
        array.elapse(10.0)
    assert not torch.equal(first, second)
    assert all(torch.equal(tensor, before[name]) for name, tensor in array.state_dict().items())


@pytest.mark.parametrize("how", ["global", "per-column"])
def test_each_tile_compensates_its_own_drift(how: str) -> None:
    """nu rises with the conductance: in tiles of one weight each factor is another, and all weights come back."""
    numbers = {"retention.drift_nu": 0.1, "retention.drift_nu_state": 0.1, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
    device = load_device("taox_hfox").with_parameters(numbers)
    weights = torch.linspace(0.2, 0.8, 6).view(2, 3).repeat_interleave(4, 0).repeat_interleave(5, 1)
    array = build_array("analog", weights, device=device, tile=(4, 5), reference="offset", read_path=ReadPath.perfect())
    with array.compensating(how):
        array.elapse(2.0)
        torch.testing.assert_close(array.snapshot(), weights)
        torch.testing.assert_close(array.read(torch.eye(15)).t(), weights)
    assert (array.snapshot() - weights).abs().min() > 0.01


def test_one_tile_is_not_wrapped() -> None:
    array = build_array("aihwkit", torch.zeros(4, 3), device="ideal", tile=(4, 3))
    assert not isinstance(array, TiledArray)

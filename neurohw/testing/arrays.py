"""What every synapse array must do."""

from __future__ import annotations

import io
import math

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product, SynapseArray
from neurohw.errors import NeurohwError
from neurohw.testing.array_accounts import ArrayAccountConformance, MakeArray


class SynapseArrayConformance(ArrayAccountConformance):
    """What every crossbar must do, whatever its physics.

    A subclass gives the fixture `make_array`, a function that makes an array of initial weights [n_post, n_pre], and,
    where the array is not ideal, the numbers below. Arrays that cannot be seeded are tested by statistics: with the
    tolerances of 6 standard errors a test fails by chance less than once in 10^8 per number.

    Attributes, besides those of `ArrayAccountConformance`:
        read_tolerance: largest relative error of a noiseless read.
        read_sigma: standard deviation of one output of one read, converter steps included; 0: reads are noiseless.
        reads: how often a noisy read is repeated to average it.
        can_increment: False where the array refuses.
        update_gain: (least, most) projection of the written change on the asked one, over `updates` calls.
        updates: how many calls of `update` are averaged.
        program_tolerance: largest root-mean-square distance to the target after `program`, and to the initial weights
            at the start, relative to theirs.
    """

    read_tolerance: float = 1e-5
    read_sigma: float = 0.0
    reads: int = 4000
    can_increment: bool = True
    update_gain: tuple[float, float] = (0.9999, 1.0001)
    updates: int = 20
    program_tolerance: float = 1e-5

    def test_declares_what_it_is(self, array: SynapseArray) -> None:
        assert array.shape == self.shape
        assert array.dtype == self.dtype
        assert isinstance(array.exact, bool)
        assert isinstance(array.exact_writes, bool)
        assert array.snapshot().shape == self.shape
        assert array.snapshot().dtype == self.dtype

    def test_it_starts_with_the_weights_it_is_given(self, array: SynapseArray, weights: Tensor) -> None:
        """As closely as it programs them: few cells cannot hold their weight, or are written with noise."""
        left = (array.snapshot() - weights).square().mean().sqrt()
        assert left <= self.program_tolerance * weights.square().mean().sqrt()

    @pytest.mark.parametrize("batch", [1, 3])
    def test_reads_have_shape_and_dtype(self, array: SynapseArray, batch: int) -> None:
        n_post, n_pre = self.shape
        out = array.read(torch.ones(batch, n_pre, dtype=self.dtype), times=7)
        back = array.read_transposed(torch.ones(batch, n_post, dtype=self.dtype), times=7)
        assert (out.shape, out.dtype) == ((batch, n_post), self.dtype)
        assert (back.shape, back.dtype) == ((batch, n_pre), self.dtype)

    def test_reads_are_products_with_the_snapshot_on_average(
        self, array: SynapseArray, signs: tuple[Tensor, Tensor]
    ) -> None:
        pre, post = signs
        weights = array.snapshot()
        self.assert_equal_on_average(self.mean_read(array, pre), pre @ weights.t())
        self.assert_equal_on_average(self.mean_transposed(array, post), post @ weights)

    def test_exact_means_exact(self, array: SynapseArray, generator: torch.Generator) -> None:
        if not array.exact:
            pytest.skip("reads of this array are not exact")
        pre = torch.rand(4, self.shape[1], generator=generator, dtype=self.dtype)
        post = torch.randn(4, self.shape[0], generator=generator, dtype=self.dtype)
        self.assert_close(array.read(pre), pre @ array.snapshot().t())
        self.assert_close(array.read_transposed(post), post @ array.snapshot())

    def test_exact_writes_mean_exact(self, array: SynapseArray, generator: torch.Generator) -> None:
        if not array.exact_writes:
            pytest.skip("writes of this array are not exact")
        terms = (Product(*self.pattern(generator), 1), Product(*self.pattern(generator), -1))
        products = OuterProducts(terms, scale=self.update_size)
        before = array.snapshot()
        array.update(products, 0.5)
        self.assert_close(array.snapshot() - before, 0.5 * products.dense())

    def test_both_directions_see_the_same_cells(self, array: SynapseArray, signs: tuple[Tensor, Tensor]) -> None:
        """<e, W x> = <W' e, x>: the read of the other side is the adjoint."""
        pre, post = signs
        forward = (post * self.mean_read(array, pre)).sum()
        backward = (self.mean_transposed(array, post) * pre).sum()
        spread = self.standard_error() * math.sqrt(post.numel() + pre.numel())
        assert abs(forward - backward) <= 6 * spread + 10 * self.read_tolerance * abs(forward).clamp(min=0.1)

    def test_reads_do_not_change_the_weights(self, array: SynapseArray) -> None:
        before = array.snapshot()
        array.read(torch.ones(2, self.shape[1], dtype=self.dtype))
        array.read_transposed(torch.ones(2, self.shape[0], dtype=self.dtype))
        assert torch.equal(array.snapshot(), before)

    def test_a_snapshot_is_a_copy(self, array: SynapseArray) -> None:
        before = array.snapshot()
        array.snapshot().zero_()
        assert torch.equal(array.snapshot(), before)

    def test_the_initial_weights_are_copied(self, make_array: MakeArray, weights: Tensor) -> None:
        array = make_array(weights)
        before = array.snapshot()
        weights.zero_()
        assert torch.equal(array.snapshot(), before)

    def test_no_time_changes_nothing(self, array: SynapseArray) -> None:
        before = array.snapshot()
        array.elapse(0.0)
        assert torch.equal(array.snapshot(), before)

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("rate", [1.0, -0.5])
    def test_an_update_moves_the_weights_as_asked(
        self, array: SynapseArray, make_array: MakeArray, generator: torch.Generator, sign: int, rate: float
    ) -> None:
        if self.refuses(array, "can_update"):
            return
        post, pre = self.pattern(generator)
        products = OuterProducts((Product(post, pre, sign),), scale=self.update_size / abs(rate))
        self.assert_moves(make_array, products, rate)

    def test_two_terms_are_both_written(
        self, array: SynapseArray, make_array: MakeArray, generator: torch.Generator
    ) -> None:
        if self.refuses(array, "can_update"):
            return
        (post, pre), (other_post, other_pre) = self.pattern(generator), self.pattern(generator)
        terms = (Product(post, pre, 1), Product(other_post, other_pre, -1))
        self.assert_moves(make_array, OuterProducts(terms, scale=self.update_size), 1.0)

    def test_weights_shrink_by_what_was_read(
        self, make_array: MakeArray, weights: Tensor, generator: torch.Generator
    ) -> None:
        """dW = -rate diag(sum_b d_b) W beside the outer products, for one output of which d is 0."""
        array = make_array(weights)
        if not self.can_update or not self.can_increment:
            return
        share = self.update_size / self.weight_scale
        decay = torch.rand(2, self.shape[0], generator=generator, dtype=self.dtype).index_fill_(1, torch.tensor(0), 0.0)
        nothing = Product(torch.zeros_like(decay), torch.zeros(2, self.shape[1], dtype=self.dtype))
        before = array.snapshot()
        for _ in range(self.updates):
            array.update(OuterProducts((nothing,), scale=2.0, decay=decay), share / 2)
        left = (1 - share * decay.sum(0, keepdim=True).t()) ** self.updates
        self.assert_projection(array.snapshot() - before, (left - 1) * before)
        assert torch.equal(array.snapshot()[0], before[0])

    def test_a_zero_rate_writes_nothing(self, array: SynapseArray, generator: torch.Generator) -> None:
        if self.refuses(array, "can_update"):
            return
        before = array.snapshot()
        array.update(OuterProducts((Product(*self.pattern(generator)),), scale=1.0), rate=0.0)
        assert torch.equal(array.snapshot(), before)

    def test_zero_products_write_nothing(self, array: SynapseArray) -> None:
        if self.refuses(array, "can_update"):
            return
        before = array.snapshot()
        n_post, n_pre = self.shape
        for post, pre in ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0)):
            product = Product(torch.full((2, n_post), post).to(self.dtype), torch.full((2, n_pre), pre).to(self.dtype))
            array.update(OuterProducts((product, product), scale=1.0), rate=0.1)
        assert torch.equal(array.snapshot(), before)

    def test_an_increment_moves_the_weights_as_asked(
        self, array: SynapseArray, make_array: MakeArray, generator: torch.Generator
    ) -> None:
        if self.refuses(array, "can_increment"):
            return
        wanted = torch.randn(self.shape, generator=generator, dtype=self.dtype).clamp(-2, 2) * self.update_size
        array = make_array(torch.zeros(self.shape, dtype=self.dtype))
        for _ in range(self.updates):
            array.increment(wanted)
        self.assert_projection(array.snapshot(), wanted * self.updates)

    def test_programming_approaches_the_target(self, array: SynapseArray, generator: torch.Generator) -> None:
        target = (torch.rand(self.shape, generator=generator, dtype=self.dtype) * 2 - 1) * self.weight_scale
        array.program(target)
        distance = (array.snapshot() - target).square().mean().sqrt()
        assert distance <= self.program_tolerance * target.square().mean().sqrt()

    def test_a_saved_array_comes_back(self, make_array: MakeArray, weights: Tensor, generator: torch.Generator) -> None:
        array = make_array(weights)
        if self.can_update:
            array.update(OuterProducts((Product(*self.pattern(generator)),), scale=1.0), rate=self.update_size)
        array.elapse(3.0)
        file = io.BytesIO()
        torch.save(array.state_dict(), file)
        file.seek(0)
        restored = make_array(torch.zeros_like(weights).fill_diagonal_(self.weight_scale))
        restored.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(restored.snapshot(), array.snapshot())
        again = restored.state_dict()
        assert again.keys() == array.state_dict().keys()
        assert all(isinstance(tensor, Tensor) for tensor in again.values())

    def test_what_happens_aside_leaves_no_trace(self, make_array: MakeArray, weights: Tensor) -> None:
        """Reads and time within change nothing after it; the same stream draws the same noise, another another."""
        array = make_array(weights)
        before = {name: tensor.clone() for name, tensor in array.state_dict().items()}
        pre, post = torch.ones(2, self.shape[1], dtype=self.dtype), torch.ones(2, self.shape[0], dtype=self.dtype)
        seen = []
        for seed in (1, 2, 1):
            with array.aside(seed):
                first = array.read(pre), array.read_transposed(post)
                if self.replays:
                    array.elapse(3.0)
                seen.append((*first, array.read(pre)))
        after = array.state_dict()
        if self.replays:
            assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
            assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[2], strict=True))
        if self.read_sigma:
            assert not torch.equal(seen[0][0], seen[1][0])
        assert torch.equal(array.snapshot(), make_array(weights).snapshot())

    def test_a_state_is_a_copy(self, array: SynapseArray) -> None:
        before = array.snapshot()
        for tensor in array.state_dict().values():
            if tensor.is_floating_point():
                tensor.zero_()
        assert torch.equal(array.snapshot(), before)

    # what the tests are made of

    @pytest.fixture
    def signs(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return inputs [1, n_pre] and errors [1, n_post] of -1 and 1, which every converter represents exactly."""
        n_post, n_pre = self.shape
        pre = torch.randint(0, 2, (1, n_pre), generator=generator) * 2 - 1
        post = torch.randint(0, 2, (1, n_post), generator=generator) * 2 - 1
        return pre.to(self.dtype), post.to(self.dtype)

    def refuses(self, array: SynapseArray, ability: str) -> bool:
        """Return whether the subclass declares that the array lacks an ability; then it refuses, and stays as it is."""
        if getattr(self, ability):
            return False
        post, pre = (torch.ones(1, n, dtype=self.dtype) for n in self.shape)
        products = OuterProducts((Product(post, pre),), scale=1.0)
        before = array.snapshot()
        with pytest.raises(NeurohwError):
            array.update(products, 0.1) if ability == "can_update" else array.increment(products.dense())
        assert torch.equal(array.snapshot(), before)
        return True

    def pattern(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return (post [2, n_post], pre [2, n_pre]) whose products have both signs."""
        n_post, n_pre = self.shape
        post = torch.randn(2, n_post, generator=generator, dtype=self.dtype).clamp(-2, 2) / 2
        pre = torch.rand(2, n_pre, generator=generator, dtype=self.dtype)
        return post, pre

    def mean_read(self, array: SynapseArray, pre: Tensor) -> Tensor:
        """Return the mean of repeated reads of one input."""
        return array.read(pre.expand(self._repeats(), -1).contiguous()).mean(0, keepdim=True)

    def mean_transposed(self, array: SynapseArray, post: Tensor) -> Tensor:
        """Return the mean of repeated transposed reads of one input."""
        return array.read_transposed(post.expand(self._repeats(), -1).contiguous()).mean(0, keepdim=True)

    def _repeats(self) -> int:
        return self.reads if self.read_sigma else 1

    def standard_error(self) -> float:
        """Return the standard deviation of a mean read."""
        return self.read_sigma / math.sqrt(self.reads)

    def assert_equal_on_average(self, found: Tensor, wanted: Tensor) -> None:
        """Assert equality within 6 standard errors of the mean, or the relative tolerance of a noiseless read."""
        allowed = 6 * self.standard_error() + self.read_tolerance * wanted.abs().max().clamp(min=0.1)
        assert (found - wanted).abs().max() <= allowed

    def assert_close(self, found: Tensor, wanted: Tensor) -> None:
        """Assert equality within the relative tolerance of a noiseless read."""
        assert (found - wanted).abs().max() <= self.read_tolerance * wanted.abs().max().clamp(min=0.1)

    def assert_moves(self, make_array: MakeArray, products: OuterProducts, rate: float) -> None:
        """Assert that many updates from zero weights move them along rate * products, by the expected amount."""
        array = make_array(torch.zeros(self.shape, dtype=self.dtype))
        before = array.snapshot()
        for _ in range(self.updates):
            array.update(products, rate)
        self.assert_projection(array.snapshot() - before, rate * products.dense() * self.updates)

    def assert_projection(self, moved: Tensor, wanted: Tensor) -> None:
        """Assert that the projection of a change on the wanted one lies within `update_gain`."""
        gain = ((moved * wanted).sum() / wanted.square().sum()).item()
        least, most = self.update_gain
        assert least <= gain <= most, f"moved {gain:.3f} times what was asked, but expected {least} to {most}"

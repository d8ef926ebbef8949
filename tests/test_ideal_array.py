"""The ideal array: the public suite in both precisions, and the order of terms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.ideal import IdealArray
from neurohw.errors import InputError
from neurohw.testing import MakeArray, SynapseArrayConformance


class TestIdealArrayInSinglePrecision(SynapseArrayConformance):
    @pytest.fixture
    def make_array(self) -> MakeArray:
        return IdealArray


class TestIdealArrayInDoublePrecision(SynapseArrayConformance):
    dtype = torch.float64
    read_tolerance = 1e-13

    @pytest.fixture
    def make_array(self) -> MakeArray:
        return IdealArray


def test_the_written_change_is_the_dense_one() -> None:
    generator = torch.Generator().manual_seed(1)

    def draw(size: int) -> Tensor:
        return torch.randn(4, size, generator=generator, dtype=torch.float64)

    products = OuterProducts((Product(draw(3), draw(5)), Product(draw(3), draw(5), -1)), scale=0.25)
    array = IdealArray(torch.zeros(3, 5, dtype=torch.float64))
    array.update(products, 0.3)
    torch.testing.assert_close(array.snapshot(), 0.3 * products.dense(), rtol=1e-12, atol=1e-14)


def test_build_array_makes_it_in_any_precision_and_never_cuts_it() -> None:
    array = build_array("ideal", torch.ones(40, 30), tile=(8, 8), dtype=torch.float64)
    assert isinstance(array, IdealArray)
    assert array.dtype == torch.float64


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InputError, match=r"'memristor'.*ideal, analog, aihwkit"):
        build_array("memristor", torch.ones(2, 2))

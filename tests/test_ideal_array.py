"""The ideal array: the public suite in both precisions, and the order of terms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import Remedy
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


class TestIdealArrayInBfloat16(SynapseArrayConformance):
    read_tolerance = 2**-6

    @pytest.fixture
    def make_array(self) -> MakeArray:
        return lambda weights: IdealArray(weights, torch.bfloat16)


@pytest.mark.parametrize("batch", [1, 16, 128])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("by_neuron", [False, True])
def test_bfloat16_is_off_by_its_rounding_and_no_more(batch: int, transposed: bool, by_neuron: bool) -> None:
    """y - W x within 2^-8 sum |w x| + 2^-9 |y|, and seen to be above 0; small changes of W add up."""
    generator = torch.Generator().manual_seed(batch)
    weights = torch.randn(70, 50, generator=generator)
    array = IdealArray(weights, torch.bfloat16)
    for _ in range(100):
        array.increment(torch.full((70, 50), 1e-4))  # each below the rounding of most weights
    weights = weights + 0.01
    inputs = torch.randn(batch, 70 if transposed else 50, generator=generator)
    matrix = (weights if transposed else weights.t()).double()
    given = inputs.t().contiguous().t() if by_neuron else inputs
    out = (array.read_transposed if transposed else array.read)(given)
    right = inputs.double() @ matrix
    error, bound = (out.double() - right).abs(), inputs.double().abs() @ matrix.abs() * 2**-8 + right.abs() * 2**-9
    assert out.dtype == torch.float32
    assert bool((error <= 1.02 * bound + 1e-5).all())
    assert float(error.mean()) > 1e-4
    assert not array.exact
    torch.testing.assert_close(array.snapshot(), weights, rtol=0, atol=3e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_blocks_of_a_large_product_change_no_bit(monkeypatch: pytest.MonkeyPatch, transposed: bool) -> None:
    """States of a relaxation, neuron after neuron, and sizes that blocks do not divide."""
    multiplied = []
    multiply = torch.mm
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(1501, 1603, generator=generator)
    states = torch.rand(1501 if transposed else 1603, 7, generator=generator)
    array = IdealArray(weights)
    right = (weights.t().contiguous() if transposed else weights) @ states

    def counted(rows: Tensor, states: Tensor, out: Tensor) -> Tensor:
        multiplied.append(len(rows))
        return multiply(rows, states, out=out)

    monkeypatch.setattr(torch, "mm", counted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    given = states.t()
    assert torch.equal((array.read_transposed if transposed else array.read)(given), right.t())
    assert len(multiplied) > 1
    assert sum(multiplied) == (1603 if transposed else 1501)


def test_precision_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.ones(4, 3)
    for precision, fast, products in (
        ("float32", True, torch.float32), ("bfloat16", False, torch.bfloat16), ("auto", False, torch.float32),
        ("auto", True, torch.bfloat16),
    ):  # fmt: skip
        monkeypatch.setattr("neurohw.crossbar.precision.multiplies_bfloat16", lambda device, fast=fast: fast)
        array = build_array("ideal", weights, precision=precision)
        assert isinstance(array, IdealArray)
        assert array.product_dtype == products
        assert array.exact == (products == torch.float32)
    with pytest.raises(InputError, match=r"precision: got 'half'; allowed: float32, bfloat16, auto"):
        build_array("ideal", weights, precision="half")
    with pytest.raises(InputError, match=r"precision: got 'bfloat16' for weights of torch.float64; allowed: float32"):
        build_array("ideal", weights, dtype=torch.float64, precision="bfloat16")
    with pytest.raises(InputError, match=r'precision: got \'bfloat16\', which backend "aihwkit" does not read'):
        build_array("aihwkit", weights, device="ecram", precision="bfloat16")


def test_the_written_change_is_the_dense_one() -> None:
    generator = torch.Generator().manual_seed(1)

    def draw(size: int) -> Tensor:
        return torch.randn(4, size, generator=generator, dtype=torch.float64)

    products = OuterProducts((Product(draw(3), draw(5)), Product(draw(3), draw(5), -1)), scale=0.25)
    array = IdealArray(torch.zeros(3, 5, dtype=torch.float64))
    array.update(products, 0.3)
    torch.testing.assert_close(array.snapshot(), 0.3 * products.dense(), rtol=1e-12, atol=1e-14)


def test_build_array_makes_it_in_any_precision() -> None:
    array = build_array("ideal", torch.ones(40, 30), dtype=torch.float64)
    assert isinstance(array, IdealArray)
    assert array.dtype == torch.float64


@pytest.mark.parametrize(
    ("backend", "settings", "said"),
    [
        (
            "ideal",
            {"device": "ecram"},
            "device: got 'ecram', which backend \"ideal\" does not read; read by: analog, aih",
        ),
        (
            "analog",
            {"device": "ecram", "remedy": Remedy("differential"), "writing": "agad"},
            "remedy: got a whole remedy, 'differential', beside writing; allowed: one of them",
        ),
        ("ideal", {"tile": (8, 8)}, r"tile: got \(8, 8\), .*read by: analog, aihwkit"),
        ("ideal", {"remedy": "agad"}, r"remedy: got 'agad'"),
        ("ideal", {"read_path": ReadPath(adc_bits=4)}, "read_path: got ReadPath"),
        ("ideal", {"backward": ReadPath()}, "backward: got ReadPath"),
        ("ideal", {"pulses": PulseScheme(length=5)}, "pulses: got PulseScheme"),
        ("ideal", {"fault_map": torch.zeros(2, 2)}, "fault_map: got tensor.*read by: analog"),
        ("ideal", {"weight_range": 2.0}, "weight_range: got 2.0"),
        ("ideal", {"remedy_parameters": {"fast_rate": 1}}, "remedy_parameters: got {'fast_rate': 1}"),
        ("analog", {"device_overrides": {"w_max": 1}}, "device_overrides: got .*read by: aihwkit"),
        (
            "analog",
            {"batch_seconds": 2.0},
            r'batch_seconds: got 2\.0, which backend "analog" does not .*read by: aihwkit',
        ),
        (
            "aihwkit",
            {"read_path": ReadPath(coding="bit-serial")},
            r"read_path\.coding: got 'bit-serial'.*read by: analog",
        ),
        ("aihwkit", {"pulses": PulseScheme(kind="deterministic")}, r"pulses\.kind: got 'deterministic'"),
        ("aihwkit", {"dtype": torch.float64}, r"dtype: got torch\.float64.*read by: ideal"),
        ("aihwkit", {"torch_device": "cuda"}, "torch_device: got 'cuda'.*read by: ideal, analog"),
        ("aihwkit", {"reference": "column"}, "reference: got 'column'"),
        ("analog", {"devise": 1}, "devise: unknown setting; backend 'analog' reads: absent, backward, "),
        ("analog", {"device": None}, "backend 'analog' needs a device"),
    ],
)
def test_build_array_refuses_what_its_back_end_does_not_read(backend: str, settings: dict[str, Any], said: str) -> None:
    device = {} if backend == "ideal" else {"device": "ecram"}
    with pytest.raises(InputError, match=said):
        build_array(backend, torch.ones(2, 2), **{**device, **settings})


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InputError, match=r"'memristor'.*ideal, analog, aihwkit"):
        build_array("memristor", torch.ones(2, 2))


def test_every_write_clips_to_bounds() -> None:
    array = build_array("ideal", torch.tensor([[0.0, 0.5], [0.9, 1.0]]), bounds=(0.0, 1.0))
    assert not array.exact_writes
    ones = torch.ones(1, 2)
    array.update(OuterProducts((Product(ones, ones),), 1.0), 0.25)
    assert array.snapshot().tolist() == [[0.25, 0.75], [1.0, 1.0]]
    array.increment(torch.full((2, 2), -0.5))
    assert array.snapshot().tolist() == [[0.0, 0.25], [0.5, 0.5]]
    array.program(torch.tensor([[-1.0, 2.0], [0.5, 0.5]]))
    assert array.snapshot().tolist() == [[0.0, 1.0], [0.5, 0.5]]
    with pytest.raises(InputError, match="bounds"):
        build_array("analog", torch.zeros(2, 2), device="ecram", bounds=(0.0, 1.0))

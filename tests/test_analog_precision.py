"""Analog reads whose products are in bfloat16: what they lose against float64, and where they are refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath, converter_step
from neurohw.devices.laws import SoftBounds
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.report.naming import flatten, name_points
from neurohw.runs.run import run

N_POST, N_PRE = 40, 300


def array(path: ReadPath, precision: str = "bfloat16", weights: Tensor | None = None) -> AnalogArray:
    if weights is None:
        weights = torch.randn(N_POST, N_PRE, generator=torch.Generator().manual_seed(1)) * 0.2
    made = build_array("analog", weights, device="soft_bounds", read_path=path, precision=precision)
    assert isinstance(made, AnalogArray)
    return made


def as_laid_out(values: Tensor, by_neuron: bool) -> Tensor:
    return values.t().contiguous().t() if by_neuron else values


@pytest.mark.parametrize("by_neuron", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bits", [(7, 9), (9, 9), (8, 6)])
@pytest.mark.parametrize("batch", [1, 16, 200])
def test_off_by_the_rounding_of_weights_and_a_quarter_step_at_most(
    batch: int, bits: tuple[int, int], transposed: bool, by_neuron: bool
) -> None:
    path = ReadPath(dac_bits=bits[0], adc_bits=bits[1], read_noise=0.0, output_bound=20.0)
    reads = array(path)
    assert reads.product_dtype == torch.bfloat16
    weights = reads.snapshot().double()
    weights = weights.t() if transposed else weights
    most = 2 ** (bits[0] - 1) - 1
    codes = torch.randint(-most, most + 1, (batch, weights.shape[1]), generator=torch.Generator().manual_seed(2))
    codes[:, 0] = most  # so that a vector is scaled by 1
    x = as_laid_out((codes / most).float(), by_neuron)
    read = reads.read_transposed if transposed else reads.read
    out = read(x)
    x64 = codes.double() / most
    step = 2 * path.output_bound * converter_step(bits[1])
    exact = x64 @ weights.t()
    # half a step is the ADC's own
    allowed = 0.75 * step + 2**-9 * (x64.abs() @ weights.abs().t()) + 1e-5
    within = exact.abs() < path.output_bound - step
    assert bool(within.any())
    assert bool(((out - exact).abs() <= allowed)[within].all())
    if batch > 1:  # else nothing was rounded, and the test sees nothing
        assert float((out - exact).abs()[within].max()) > 0.5 * step


@pytest.mark.parametrize("transposed", [False, True])
def test_large_codes_are_those_of_the_adc(transposed: bool) -> None:
    """Of weights that bfloat16 has, an output below 128 steps is off by 1/4 step, a larger one by nothing."""
    path = ReadPath(read_noise=0.0, output_bound=1.5 if transposed else 5.0)
    draws = torch.Generator().manual_seed(4)
    drawn = (torch.rand(N_POST, N_PRE, generator=draws) * 0.4 - 0.2).bfloat16().float()
    bounds_alike = DevicePopulation(SoftBounds(w_max_dtod=0.0, w_min_dtod=0.0))  # so that no weight is clipped to one
    reads = AnalogArray(drawn, bounds_alike, read_path=path, precision="bfloat16")
    weights = reads.snapshot()
    assert torch.equal(weights, weights.bfloat16().float())
    weights = weights.double().t() if transposed else weights.double()
    codes = torch.randint(-63, 64, (3000, weights.shape[1]), generator=draws)
    codes[:, 0] = 63
    step = 2 * path.output_bound * converter_step(path.adc_bits)
    exact = codes.double() / 63 @ weights.t() / step
    out = (reads.read_transposed if transposed else reads.read)((codes / 63).float()).double() / step
    large, small = (exact.abs() > 129) & (exact.abs() < 254), exact.abs() < 127
    assert int(large.sum()) > 100
    assert float((out - exact).abs()[large].max()) < 0.501
    assert 0.6 < float((out - exact).abs()[small].max()) < 0.751


def test_noise_is_that_of_float32_and_what_is_lost_is_far_below_it() -> None:
    """The same draws: where reads differ, they differ by a step of the ADC; the error of a read hardly grows."""
    path, quiet = ReadPath(), ReadPath(adc_bits=None, read_noise=0.0)
    x = torch.rand(2000, N_PRE, generator=torch.Generator().manual_seed(3))
    rounded, exact, true = array(path).read(x), array(path, "float32").read(x), array(quiet, "float32").read(x)
    step = 2 * path.output_bound * converter_step(path.adc_bits)
    assert float((rounded - exact).abs().max()) <= 1.001 * step
    assert abs(float((rounded - exact).mean())) < 0.01 * path.read_noise
    assert not torch.equal(rounded, exact)
    within = true.abs() < path.output_bound - 0.5
    errors = [float((out - true)[within].square().mean()) for out in (rounded, exact)]
    assert 0.99 < errors[0] / errors[1] < 1.02


def test_a_write_is_seen_by_the_next_read() -> None:
    path = ReadPath(read_noise=0.0)
    reads = array(path, weights=torch.zeros(N_POST, N_PRE))
    x = torch.ones(1, N_PRE)
    assert float(reads.read(x).abs().max()) < 0.2
    reads.update(OuterProducts((Product(torch.ones(1, N_POST), x),), 1.0), 0.02)
    moved = reads.snapshot().sum(1)
    assert float(moved.min()) > 3
    assert torch.allclose(reads.read(x)[0], moved, atol=0.1)


@pytest.mark.parametrize("change", [
    {"dac_bits": 10}, {"adc_bits": 10}, {"adc_bits": None}, {"input_noise": 0.01}, {"column_gain": 0.01},
    {"column_offset": 0.01}, {"nonlinearity": 0.1},
])  # fmt: skip
def test_refused_where_it_would_be_coarser_than_the_converters(
    change: dict[str, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurohw.crossbar.precision.multiplies_bfloat16", lambda device: True)
    path = ReadPath(**change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precision: got 'bfloat16' for reads that it would make coarser; allowed: "):
        array(path)
    assert array(path, "auto").product_dtype == torch.float32
    assert array(ReadPath(), "auto").product_dtype == torch.bfloat16


def test_an_experiment_asks_for_it(tmp_path: object) -> None:
    keys = {"hardware.device": "ecram", "hardware.precision": "bfloat16", "training.epochs": 1, "data.train_limit": 200}
    record = run(load_experiment("quickstart", keys), out=f"{tmp_path}/rounded")
    assert record.config["hardware"]["precision"] == "bfloat16"
    assert not [warning for warning in record.warnings if "bfloat16" in warning]
    with pytest.raises(InputError, match="precision: got 'bfloat16' for reads"):
        run(load_experiment("quickstart", {**keys, "hardware.adc_bits": 12}), out=f"{tmp_path}/finer")
    with pytest.raises(InputError, match='which backend "aihwkit" does not read; read by: ideal, analog'):
        load_experiment("quickstart", {**keys, "hardware.backend": "aihwkit"})


def test_reports_name_what_is_not_as_usual() -> None:
    keys = {"hardware.device": "ecram"}
    configs = [flatten(load_experiment("quickstart", {**keys, "hardware.precision": p}).canonical())
               for p in ("float32", "bfloat16")]  # fmt: skip
    assert [name.variant for name in name_points(configs)] == ["ecram", "ecram, precision=bfloat16"]

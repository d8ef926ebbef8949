"""Every term of a read, y = ADC( g (W DAC(x + noise)) / (1 + a |W x|) + o + noise ), against its closed form.

All draws are seeded; tolerances of statistics are at least 5 standard errors wide.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.reading import Reader
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.laws import ConstantStep, SoftBounds
from neurohw.errors import InputError

INF = math.inf
N_IN, N_OUT = 12, 6
WEIGHTS = torch.rand(N_IN, N_OUT, generator=torch.Generator().manual_seed(1)) * 2 - 1
INPUTS = torch.rand(5, N_IN, generator=torch.Generator().manual_seed(2)) * 1.8 - 0.9
READS = 20_000


def quiet(**parts: Any) -> ReadPath:
    """Return a path in which only the named parts are not perfect."""
    own: dict[str, Any] = {"dac_bits": None, "adc_bits": None, "read_noise": 0.0, "input_bound": INF,
                           "output_bound": INF}  # fmt: skip
    return ReadPath(**{**own, **parts})


def reader(scaled: bool = False, seed: int = 0, n_out: int = N_OUT, **parts: Any) -> Reader:
    return Reader(quiet(**parts), n_out, torch.Generator().manual_seed(seed), scaled)


def rounded(values: Tensor, bits: int, bound: float) -> Tensor:
    """Return the nearest of 2^bits - 1 evenly spaced values from -bound to bound."""
    step = 2 * bound / (2**bits - 2)
    return ((values.double() / step).round() * step).clamp(-bound, bound)


def spread(path: Reader, inputs: Tensor, variance: Tensor | None = None) -> Tensor:
    """Return the standard deviation of each output of one input over many reads."""
    return path(inputs.expand(READS, -1).contiguous(), WEIGHTS, variance).std(0)


def test_nothing_changes_a_perfect_read() -> None:
    assert torch.equal(reader()(INPUTS, WEIGHTS, None), INPUTS @ WEIGHTS)


@pytest.mark.parametrize("bits", [2, 4, 7])
@pytest.mark.parametrize("bound", [0.5, 1.0, 3.0])
def test_converters_have_two_to_the_b_less_one_codes(bits: int, bound: float) -> None:
    one, ramp = torch.ones(1, 1), torch.linspace(-bound, bound, 4001)[:, None]
    for path in (reader(n_out=1, dac_bits=bits, input_bound=bound), reader(n_out=1, adc_bits=bits, output_bound=bound)):
        codes = path(ramp, one, None).unique()
        assert len(codes) == 2**bits - 1
        torch.testing.assert_close(codes, torch.linspace(-bound, bound, 2**bits - 1))
        torch.testing.assert_close(path(ramp, one, None), rounded(ramp, bits, bound).float())


def test_outputs_are_clipped_at_the_bound() -> None:
    found = reader(output_bound=0.7)(INPUTS, WEIGHTS, None)
    torch.testing.assert_close(found, (INPUTS @ WEIGHTS).clamp(-0.7, 0.7))
    assert (found.abs() == 0.7).any()


def test_a_vector_beyond_the_bound_is_scaled_and_one_within_is_not() -> None:
    path = reader(dac_bits=4, input_bound=1.0)
    torch.testing.assert_close(path(INPUTS, WEIGHTS, None), rounded(INPUTS, 4, 1.0).float() @ WEIGHTS)
    inputs = INPUTS * torch.tensor([[3.0], [0.5], [7.0], [1.0], [0.1]])
    largest = inputs.abs().amax(1, keepdim=True).clamp(min=1.0)
    scaled = rounded(inputs / largest, 4, 1.0).float() * largest
    torch.testing.assert_close(path(inputs, WEIGHTS, None), scaled @ WEIGHTS)


def test_a_batch_is_scaled_by_one_factor_where_that_is_asked_for() -> None:
    path = reader(dac_bits=4, input_bound=1.0, input_scale="batch")
    largest = 3.0 * INPUTS.abs().max()
    scaled = rounded(3 * INPUTS / largest, 4, 1.0).float() * largest
    torch.testing.assert_close(path(3.0 * INPUTS, WEIGHTS, None), scaled @ WEIGHTS)
    small = torch.tensor([[0.05] * N_IN, [8.0] * N_IN])
    assert not path(small, WEIGHTS, None)[0].any()  # half a step of the DAC is 8 / 14
    assert reader(dac_bits=4, input_bound=1.0)(small, WEIGHTS, None)[0].any() == (0.05 > 1 / 14)
    with pytest.raises(InputError, match=r"input_scale: got 'sample'; allowed: vector, batch"):
        quiet(input_scale="sample")


KINDS: dict[str, dict[str, Any]] = {
    "amplitude": {}, "bit-serial": {"coding": "bit-serial"}, "signed passes": {"signed_passes": True},
    "both": {"signed_passes": True, "coding": "bit-serial"}, "no DAC": {"dac_bits": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scaled", [False, True], ids=["forward", "backward"])
def test_a_read_does_not_depend_on_the_other_samples(kind: str, scaled: bool) -> None:
    """Alone as beside a sample of 8.0, sample after sample or neuron after neuron."""
    path = reader(scaled, **{"dac_bits": 7, "adc_bits": 9, "input_bound": 1.0, "output_bound": 12.0, **KINDS[kind]})
    alone = path(INPUTS[:1], WEIGHTS, None)
    assert alone.any()
    beside = torch.cat([INPUTS[:1], torch.full((2, N_IN), 8.0), torch.zeros(1, N_IN)])
    for inputs in (beside, beside.t().contiguous().t()):
        found = path(inputs, WEIGHTS, None)
        torch.testing.assert_close(found[:1], alone, rtol=1e-5, atol=1e-5)
        assert not found[3].any()


@pytest.mark.parametrize("kind", ["reads", "tiles", "transfers"])
def test_no_read_of_an_array_depends_on_the_other_samples(kind: str) -> None:
    path = quiet(dac_bits=7, adc_bits=9, input_bound=1.0, output_bound=12.0)
    law = ConstantStep(w_max=2.0, w_min=-2.0, w_max_dtod=0.0, w_min_dtod=0.0)
    remedy = "tiki-taka-v2" if kind == "transfers" else "none"

    def make(block: Tensor, _: str = "") -> AnalogArray:
        return AnalogArray(block, DevicePopulation(law), remedy, path)

    array = TiledArray(WEIGHTS.t(), (4, 5), make) if kind == "tiles" else make(WEIGHTS.t())
    sides = [(array.read, INPUTS), (array.read_transposed, INPUTS[:, :N_OUT] * 1e-3)]
    if isinstance(array, AnalogArray) and kind == "transfers":
        sides = [(lambda lines: array._read_columns(array.cells.slow, lines), INPUTS)]  # type: ignore[attr-defined]
    for read, inputs in sides:
        loud = torch.cat([inputs, torch.full((1, inputs.shape[1]), 8.0)])
        torch.testing.assert_close(
            read(loud)[:-1], torch.cat([read(row[None]) for row in inputs]), rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 1e6])
def test_errors_of_any_size_are_read_with_the_same_relative_accuracy(size: float) -> None:
    """Each vector's largest meets the bound, so that tiny errors pass a coarse converter."""
    path = reader(scaled=True, dac_bits=5, input_bound=1.0)
    found = path(INPUTS * size, WEIGHTS, None) / size
    largest = INPUTS.abs().amax(1, keepdim=True)
    torch.testing.assert_close(found, (rounded(INPUTS / largest, 5, 1.0).float() * largest) @ WEIGHTS)


def test_zero_and_empty_batches_read_as_zero_and_empty() -> None:
    for scaled in (False, True):
        path = reader(scaled=scaled, dac_bits=5, adc_bits=5, input_bound=1.0, output_bound=1.0)
        assert not path(torch.zeros(2, N_IN), WEIGHTS, None).any()
        assert path(torch.zeros(0, N_IN), WEIGHTS, None).shape == (0, N_OUT)


# noise


def test_output_noise_has_the_asked_spread() -> None:
    torch.testing.assert_close(spread(reader(read_noise=0.3), INPUTS[0]), torch.full((N_OUT,), 0.3), rtol=0.03, atol=0)


def test_input_noise_adds_the_squares_of_the_weights() -> None:
    """sigma_y^2 = sigma^2 sum_i W_i^2."""
    expected = 0.1 * WEIGHTS.square().sum(0).sqrt()
    torch.testing.assert_close(spread(reader(input_noise=0.1), INPUTS[0]), expected, rtol=0.03, atol=0)


def test_noise_on_every_cell_adds_the_squares_of_the_inputs() -> None:
    """sigma_y^2 = sigma^2 sum_i x_i^2."""
    expected = (0.1 * INPUTS[0].norm()).expand(N_OUT)
    torch.testing.assert_close(spread(reader(weight_noise=0.1), INPUTS[0]), expected, rtol=0.03, atol=0)


def test_a_variance_per_cell_adds_the_weighted_squares_of_the_inputs() -> None:
    """sigma_y^2 = sum_i x_i^2 v_ij + sigma_w^2 |x|^2 + sigma_y^2."""
    variance = torch.rand(N_IN, N_OUT, generator=torch.Generator().manual_seed(3)) * 0.02
    expected = (INPUTS[0].square() @ variance + 0.05**2 * INPUTS[0].square().sum() + 0.1**2).sqrt()
    found = spread(reader(weight_noise=0.05, read_noise=0.1), INPUTS[0], variance)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)


def test_noise_of_cells_is_independent_of_converters_and_of_their_units() -> None:
    """With a fine ADC and DAC the spreads are those without, whatever the bounds."""
    for bound in (1.0, 4.0):
        fine = {"dac_bits": 14, "adc_bits": 16, "input_bound": bound, "output_bound": 20.0}
        expected = math.sqrt(0.1**2 * INPUTS[0].square().sum() + 0.05**2)
        found = spread(reader(weight_noise=0.1, read_noise=0.05, **fine), INPUTS[0])
        torch.testing.assert_close(found, torch.full((N_OUT,), expected), rtol=0.03, atol=0)
        moved = spread(reader(input_noise=0.1, **fine), INPUTS[0])
        torch.testing.assert_close(moved, 0.1 * WEIGHTS.square().sum(0).sqrt(), rtol=0.03, atol=0)


def test_noise_is_fresh_and_independent_between_outputs_and_samples() -> None:
    path = reader(read_noise=0.1)
    found = path(INPUTS[0].expand(READS, -1).contiguous(), WEIGHTS, None)
    others = torch.corrcoef(torch.cat([found[1:], found[:-1]], 1).t()) - torch.eye(2 * N_OUT)
    assert others.abs().max() < 6 / math.sqrt(READS)


@pytest.mark.parametrize("batch", [11, 12, 48, 49])
@pytest.mark.parametrize("relative", [0.0, 0.1])
def test_a_read_is_the_same_however_many_vectors_it_has(batch: int, relative: float) -> None:
    """Means, spread, independence and layout are those of single ones."""
    weights = torch.randn(30, 40, generator=torch.Generator().manual_seed(1)) * 0.1
    inputs = torch.rand(batch, 40, generator=torch.Generator().manual_seed(2)) * 3
    array = AnalogArray(weights, read_path=quiet(read_noise=0.05, relative_noise=relative, input_bound=1.0))
    reads = torch.stack([array.read(inputs) for _ in range(400)])
    assert reads[0].is_contiguous()
    exact, scale = inputs @ array.snapshot().t(), inputs.amax(1, keepdim=True).clamp(min=1.0)
    expected = ((0.05 * scale).square() + relative**2 * inputs.square() @ array.snapshot().t().square()).sqrt()
    error = (reads - exact) / expected
    assert error.mean(0).abs().max() < 5 / 400**0.5
    assert error.std(0).sub(1).abs().max() < 5 / 800**0.5
    flat = error.reshape(400, -1)
    assert torch.corrcoef(flat[:, ::7].t()).fill_diagonal_(0).abs().max() < 6 / 400**0.5


def test_relative_noise_of_an_array_is_relative_to_the_conductance() -> None:
    """sigma_y^2 = r^2 sum_i x_i^2 ((w_i - zero)^2 + zero^2), zero the weight without conductance, a reference at 0."""
    device = DevicePopulation(
        ConstantStep(w_max=2.0, w_min=-2.0, w_max_dtod=0.0, w_min_dtod=0.0), zero=-2.5, signed=False
    )
    path = quiet(relative_noise=0.02)
    array = AnalogArray(WEIGHTS.t(), device, read_path=path, generator=torch.Generator().manual_seed(4))
    found = array.read(INPUTS[0].expand(READS, -1).contiguous()).std(0)
    expected = 0.02 * (INPUTS[0][:, None] * ((WEIGHTS + 2.5).square() + 2.5**2).sqrt()).norm(dim=0)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)


def test_the_devices_own_read_noise_adds_in_quadrature() -> None:
    law = ConstantStep(w_max=2.0, w_min=-2.0)
    array = AnalogArray(WEIGHTS.t(), DevicePopulation(law, read_noise=0.03), read_path=quiet(weight_noise=0.04))
    found = array.read(INPUTS[0].expand(READS, -1).contiguous()).std(0)
    torch.testing.assert_close(found, (0.05 * INPUTS[0].norm()).expand(N_OUT), rtol=0.03, atol=0)
    assert not array.exact


# a weight's noise over that of one device, where no reference is less: the root of the sum of squared shares
DEVICES = {
    "none": ("none", {}, 2, 1.0),
    "differential": ("differential", {}, 2, math.sqrt(2)),
    "reference-cell": ("reference-cell", {}, 2, math.sqrt(2)),
    "one-sided": ("one-sided", {}, 1, math.sqrt(2)),
    "four devices": ("several-cells", {"devices": 4}, 2, 0.5),
    "significances 4, 2, 1": ("several-cells", {"devices": 3, "base": 2.0}, 2, math.sqrt(16 + 4 + 1) / 7),
    "mixed-precision on a reference": ("mixed-precision", {"zero_shift": True}, 2, math.sqrt(2)),
    "mixed-precision on a pair": ("mixed-precision", {}, 1, math.sqrt(2)),
    "tiki-taka-v2 on references": ("tiki-taka-v2", {"zero_shift": True}, 2, math.sqrt(2)),
    "agad": ("agad", {}, 2, 1.0),
}


def unit_cells(kind: str, path: ReadPath, read_noise: float = 0.0, signed: bool = False) -> AnalogArray:
    remedy, parameters, sided, _ = DEVICES[kind]
    law = SoftBounds(step=0.001, w_max=1.0, w_min=-1.0, step_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0)
    device = DevicePopulation(law, read_noise=read_noise, zero=-1.2, sided=sided, signed=signed)
    generator = torch.Generator().manual_seed(7)
    return AnalogArray(WEIGHTS.t() / 2, device, remedy, path, generator=generator, remedy_parameters=parameters)


def one_hot_spreads(array: AnalogArray | TiledArray) -> tuple[float, float]:
    """Return the standard deviation of reads of single cells, forward and transposed, over 60,000 of each."""
    n_post, n_pre = array.shape
    pre, post = (torch.eye(n)[:2].repeat(60_000 // 2 // m, 1) for n, m in ((n_pre, n_post), (n_post, n_pre)))
    found = []
    for out, lines in ((array.read(pre), 2), (array.read_transposed(post), 2)):
        apart = out.view(-1, lines, out.shape[1])
        found.append((apart - apart.mean(0)).std().item())
    return found[0], found[1]


@pytest.mark.parametrize("kind", DEVICES)
def test_the_noise_of_a_weight_is_that_of_its_devices(kind: str) -> None:
    """Every device draws its own: whether the device's file or the read path says how much, and from both sides."""
    for signed in (True, False):
        referred = not signed and kind in ("none", "four devices", "significances 4, 2, 1", "agad")
        of_one = 0.05 * math.hypot(DEVICES[kind][-1], referred)  # one reference device more
        for given in ({"path": quiet(), "read_noise": 0.05}, {"path": quiet(weight_noise=0.05)}):
            array = unit_cells(kind, signed=signed, **given)  # type: ignore[arg-type]
            assert one_hot_spreads(array) == pytest.approx((of_one, of_one), rel=0.02)


def test_tiles_have_the_noise_of_their_devices() -> None:
    path = quiet(weight_noise=0.05)
    array = TiledArray(WEIGHTS.t() / 2, (4, 5), lambda block, _: AnalogArray(
        block, DevicePopulation(ConstantStep(w_max=2.0, w_min=-2.0)), "differential", path))  # fmt: skip
    assert one_hot_spreads(array) == pytest.approx((0.05 * math.sqrt(2),) * 2, rel=0.02)


def test_relative_noise_is_that_of_every_device_and_its_reference() -> None:
    """r^2 sum over devices of (share (w - zero))^2, from conductances: per siemens of each device."""
    for kind in DEVICES:
        array = unit_cells(kind, quiet(relative_noise=0.02))
        siemens = {k.removeprefix("slow."): g for k, g in array.conductances().items() if not k.startswith("fast.")}
        shares = {"cell0": 4 / 7, "cell1": 2 / 7, "cell2": 1 / 7} if "significances" in kind else {}
        shares = dict.fromkeys((f"cell{i}" for i in range(4)), 0.25) if kind == "four devices" else shares
        expected = 0.02 * sum((shares.get(name, 1.0) * g).square() for name, g in siemens.items()).sqrt()  # type: ignore[union-attr]
        found = array.read(torch.eye(N_IN)[3].expand(READS, -1).contiguous()).std(0)
        torch.testing.assert_close(found, expected[:, 3], rtol=0.03, atol=0)


def test_transfers_read_the_hidden_devices_with_their_noise() -> None:
    """Constant noise of two devices and noise relative to their conductances."""
    array = unit_cells("tiki-taka-v2 on references", quiet(weight_noise=0.05, relative_noise=0.02))
    fast = array.cells.fast  # type: ignore[attr-defined]
    found = array._read_columns(fast, torch.eye(N_IN)[3].expand(READS, -1).contiguous()).std(0)
    pair = torch.stack(list(fast.conductances().values()))[:, :, 3]
    torch.testing.assert_close(found, (2 * 0.05**2 + 0.02**2 * pair.square().sum(0)).sqrt(), rtol=0.03, atol=0)


# coding


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_bit_serial_equals_amplitude_without_noise_and_adc(bits: int, bound: float) -> None:
    """Also with an output bound that nothing reaches, and for signed inputs in two passes."""
    parts: dict[str, Any] = {"dac_bits": bits, "input_bound": bound, "output_bound": 1000.0}
    amplitude = reader(**parts)(INPUTS, WEIGHTS, None)
    torch.testing.assert_close(reader(**parts, coding="bit-serial")(INPUTS, WEIGHTS, None), amplitude)
    torch.testing.assert_close(reader(**parts, coding="pulse-width")(INPUTS, WEIGHTS, None), amplitude)
    torch.testing.assert_close(reader(**parts, signed_passes=True)(INPUTS, WEIGHTS, None), amplitude)
    both = reader(**parts, signed_passes=True, coding="bit-serial")(INPUTS, WEIGHTS, None)
    torch.testing.assert_close(both, amplitude)


def test_bit_serial_converts_every_bit_by_itself() -> None:
    """Step by step: bit k is applied at the full bound, converted, and weighted by its place."""
    found = reader(dac_bits=4, adc_bits=5, input_bound=1.0, output_bound=4.0, coding="bit-serial")(
        INPUTS, WEIGHTS, None
    )
    codes = (INPUTS.double() * 7).round()
    expected = torch.zeros(5, N_OUT, dtype=torch.float64)
    for bit in range(3):
        digit = codes.sign() * ((codes.abs() // 2**bit) % 2)
        expected += rounded(digit @ WEIGHTS.double(), 5, 4.0) * 2**bit / 7
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_bit_serial_adds_the_noise_of_every_bit() -> None:
    """Three reads weighted 1/7, 2/7, 4/7: sigma sqrt(21) / 7."""
    found = spread(reader(dac_bits=4, read_noise=0.1, input_bound=1.0, coding="bit-serial"), INPUTS[0])
    torch.testing.assert_close(found, torch.full((N_OUT,), 0.1 * math.sqrt(21) / 7), rtol=0.03, atol=0)


def test_signed_passes_convert_each_sign_by_itself() -> None:
    parts: dict[str, Any] = {"adc_bits": 4, "output_bound": 2.0}
    found = reader(**parts, signed_passes=True)(INPUTS, WEIGHTS, None)
    plus, minus = INPUTS.clamp(min=0) @ WEIGHTS, INPUTS.clamp(max=0).neg() @ WEIGHTS
    torch.testing.assert_close(found.double(), rounded(plus, 4, 2.0) - rounded(minus, 4, 2.0), rtol=1e-5, atol=1e-5)
    noisy = spread(reader(read_noise=0.1, signed_passes=True), INPUTS[0])
    torch.testing.assert_close(noisy, torch.full((N_OUT,), 0.1 * math.sqrt(2)), rtol=0.03, atol=0)


# errors of the outputs


def test_nonlinearity_compresses_large_outputs() -> None:
    """y / (1 + a |y| / bound), in output units with and without an ADC."""
    ideal = INPUTS @ WEIGHTS
    for bound in (5.0, 12.0):
        expected = ideal / (1 + 0.2 * ideal.abs() / bound)
        path = {"nonlinearity": 0.2, "output_bound": bound}
        torch.testing.assert_close(reader(**path)(INPUTS, WEIGHTS, None), expected)
        torch.testing.assert_close(reader(**path, adc_bits=18)(INPUTS, WEIGHTS, None), expected, rtol=0, atol=1e-4)
    with pytest.raises(InputError, match=r"nonlinearity=0\.2 is relative to a finite output_bound"):
        quiet(nonlinearity=0.2)


def test_compression_and_gain_act_on_the_noise_of_cells_and_not_on_that_of_outputs() -> None:
    """d/ds of g s / (1 + a |s| / bound) = g / (1 + a |s| / bound)^2, times sigma_w |x|; output noise in quadrature."""
    path = reader(column_gain=0.3, nonlinearity=4.0, output_bound=2.0, weight_noise=0.02, read_noise=0.01)
    slope = path.state_dict()["gain"] / (1 + 2 * (INPUTS[0] @ WEIGHTS).abs()) ** 2
    expected = ((0.02 * INPUTS[0].norm() * slope).square() + 0.01**2).sqrt()
    torch.testing.assert_close(spread(path, INPUTS[0]), expected, rtol=0.03, atol=0)


def test_gain_and_offset_of_an_output_are_fixed() -> None:
    """Two inputs determine them; every other read obeys, with or without an ADC; the spreads are as asked."""
    n = 4000
    weights = torch.ones(1, n)
    for converter in ({}, {"adc_bits": 20, "output_bound": 8.0}):
        path = reader(n_out=n, column_gain=0.1, column_offset=0.05, **converter)
        offset = path(torch.zeros(1, 1), weights, None)[0]
        gain = path(torch.ones(1, 1), weights, None)[0] - offset
        torch.testing.assert_close(path(torch.full((1, 1), -3.0), weights, None)[0], offset - 3 * gain,
                                   rtol=0, atol=2e-4)  # fmt: skip
        assert (gain.mean().item(), gain.std().item()) == pytest.approx((1.0, 0.1), rel=0.06)
        assert offset.std().item() == pytest.approx(0.05, rel=0.06)
        assert abs(offset.mean().item()) < 5 * 0.05 / math.sqrt(n)


def test_gain_acts_after_compression_and_noise_after_both() -> None:
    path = reader(column_gain=0.1, column_offset=0.1, nonlinearity=3.0, output_bound=10.0, read_noise=0.02)
    errors = path.state_dict()
    ideal = INPUTS[0] @ WEIGHTS
    expected = errors["gain"] * ideal / (1 + 0.3 * ideal.abs()) + errors["offset"]
    found = path(INPUTS[0].expand(READS, -1).contiguous(), WEIGHTS, None)
    assert (found.mean(0) - expected).abs().max() < 6 * 0.02 / math.sqrt(READS)
    torch.testing.assert_close(found.std(0), torch.full((N_OUT,), 0.02), rtol=0.03, atol=0)


def test_the_errors_of_outputs_are_restored() -> None:
    one, other = (reader(seed=seed, column_gain=0.1, column_offset=0.1) for seed in (1, 2))
    assert not torch.equal(one(INPUTS, WEIGHTS, None), other(INPUTS, WEIGHTS, None))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(INPUTS, WEIGHTS, None), other(INPUTS, WEIGHTS, None))


def test_the_two_sides_of_an_array_have_errors_of_their_own() -> None:
    """Square and symmetric weights: only the periphery tells the two directions apart."""
    device = DevicePopulation(ConstantStep(w_max=2.0, w_min=-2.0))
    path = quiet(column_gain=0.1, column_offset=0.1)
    array = AnalogArray(torch.ones(8, 8) * 0.1, device, read_path=path, generator=torch.Generator().manual_seed(5))
    ones = torch.ones(1, 8)
    forward, backward = array.read(ones), array.read_transposed(ones)
    assert (forward - backward).abs().min() > 1e-4
    assert torch.equal(array.read(ones), forward)
    other = AnalogArray(torch.zeros(8, 8), device, read_path=path, generator=torch.Generator().manual_seed(6))
    other.load_state_dict(array.state_dict())
    assert torch.equal(other.read(ones), forward)
    assert torch.equal(other.read_transposed(ones), backward)


@pytest.mark.parametrize(
    "noisy", [{"read_noise": 0.1}, {"weight_noise": 0.1}, {"input_noise": 0.1}, {"relative_noise": 0.1}]
)
def test_a_path_without_noise_reads_the_same_again(noisy: dict[str, float]) -> None:
    ones = torch.ones(1, 8)
    for path, same in ((quiet(**noisy), False), (quiet(), True)):
        array = AnalogArray(torch.ones(8, 8) * 0.1, read_path=path)
        assert torch.equal(array.read(ones), array.read(ones)) is same

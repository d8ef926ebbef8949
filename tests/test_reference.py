"""What is subtracted from a conductance: by name, as time passes, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.config import OnChipExperiment
from neurohw.crossbar.aihwkit.translation import lost_in_aihwkit
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.wires import Wires
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.run import run
from tests.approximately import approx
from tests.test_wires import dense_read

DAY = 86400.0
KEPT = DAY**-0.05  # of a conductance after a day, at nu = 0.05
WEIGHTS = torch.linspace(-0.7, 0.7, 48).view(6, 8)


def array_of(device: str = "ecram", reference: str | None = None, weights: Tensor = WEIGHTS, nu_dtod: float = 0.0,
             **more: Any) -> AnalogArray:  # fmt: skip
    certain = {"w_max_dtod": 0.0, "w_min_dtod": 0.0, "write_noise": 0.0}
    certain |= {"retention.drift_nu": 0.05, "retention.drift_nu_dtod": nu_dtod}
    model = load_device(device).with_parameters(certain)
    array = build_array("analog", weights, device=model, reference=reference, read_path=ReadPath.perfect(), **more)
    assert isinstance(array, AnalogArray)
    return array


@pytest.mark.parametrize("remedy", ["none", "several-cells", "differential"])
def test_signed_weights_drift_to_zero(remedy: str) -> None:
    """As aihwkit's do: w0 (t / t0)^-nu, on the range -0.83 to 1.17 of ECRAM."""
    array = array_of(remedy=remedy)
    assert array.reference == ("pair" if remedy == "differential" else "none")
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), KEPT * WEIGHTS)


def test_a_digital_offset_stays_while_the_device_drifts() -> None:
    """w0 f - 0.911 (1 - f): ECRAM's conductance is zero at w = -0.8276 - 2 / 24 = -0.9109, f = 0.566 after a day."""
    array = array_of(reference="offset")
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), 0.5665 * WEIGHTS - 0.3949, rtol=0, atol=2e-4)


def test_a_reference_at_the_symmetry_point_drifts_as_its_device_does() -> None:
    """Of signed devices to 0, as aihwkit's reference unit cell; of conductances to 0 S: both leave f W."""
    for reference in (None, "array"):
        array = array_of("reram_sb", reference, remedy="reference-cell")
        before = array.snapshot()
        assert array.cells.banks["reference"].kept.abs().mean() > 0.005
        array.elapse(DAY)
        torch.testing.assert_close(array.snapshot(), KEPT * before)


@pytest.mark.parametrize("reference", ["array", "column"])
@pytest.mark.parametrize("remedy", ["none", "several-cells", "mixed-precision"])
@pytest.mark.parametrize("device", ["taox_hfox", "ecram"])
def test_a_reference_of_devices_drifts_along(device: str, remedy: str, reference: str) -> None:
    """G f - G_ref f: the factor of the conductances is that of the weights, in both directions."""
    array = array_of(device, reference, remedy=remedy)
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), KEPT * WEIGHTS, rtol=0, atol=2e-6)
    torch.testing.assert_close(array.read(torch.eye(8)).t(), KEPT * WEIGHTS, rtol=0, atol=2e-6)
    torch.testing.assert_close(array.read_transposed(torch.eye(6)), KEPT * WEIGHTS, rtol=0, atol=2e-6)


def test_a_reference_stands_in_the_middle_of_the_range_and_loses_conductance() -> None:
    """The default of devices in siemens: 5.5 of 1 to 10 uS, and 0.566 of it after a day."""
    array = array_of("taox_hfox")
    assert array.reference == "array"
    torch.testing.assert_close(array.conductances()["reference"], torch.full((6, 8), 5.5e-6))
    array.elapse(DAY)
    torch.testing.assert_close(array.conductances()["reference"], torch.full((6, 8), KEPT * 5.5e-6))


def test_exponents_of_device_and_reference_spread_apart() -> None:
    """W = (w - z) f e^(-s xi) + z f e^(-s xi'), s = sigma ln t, z = -11/9 at 1 to 10 uS: log-normal mean and variance.

    10,000 weights: the mean is known to 1 % of the spread, the spread to 0.7 % of itself; both to 5 of those.
    """
    array = array_of("taox_hfox", weights=torch.full((100, 100), 0.4), nu_dtod=0.01)
    array.elapse(DAY)
    s, z, found = 0.01 * math.log(DAY), -11 / 9, array.snapshot()
    spread = KEPT * math.sqrt(((0.4 - z) ** 2 + z**2) * math.exp(s**2) * math.expm1(s**2))
    assert found.mean().item() == approx(0.4 * KEPT * math.exp(s**2 / 2), abs=0.05 * spread)
    assert found.std().item() == approx(spread, rel=0.035)


def test_the_spread_of_a_column_is_common_to_all_outputs() -> None:
    """Reads see the column and transposed reads the row: their weights differ by row_j - column_i alone."""
    array = array_of("taox_hfox", "column", nu_dtod=0.02)
    array.elapse(DAY)
    forward, backward = array.read(torch.eye(8)).t(), array.read_transposed(torch.eye(6))
    siemens = 9e-6 / 2
    column, row = (array.conductances()[f"cell.{line}"] / siemens for line in ("column", "row"))
    torch.testing.assert_close(forward - backward, row - column, rtol=0, atol=1e-6)
    assert (column.shape, row.shape) == ((1, 8), (6, 1))
    assert row.std() > 0.01


@pytest.mark.parametrize("ohm", [0.0, 1e-3])
@pytest.mark.parametrize("reference", ["array", "column"])
@pytest.mark.parametrize(
    "retention",
    [{"lifetime": DAY, "lifetime_dtod": 0.1, "rest": 0.5}, {"diffusion": 3e-4}, {"relaxation": 0.1}],
    ids=lambda numbers: next(iter(numbers)),
)
def test_what_moves_devices_in_place_moves_references_that_were_read_before(
    retention: dict[str, float], reference: str, ohm: float
) -> None:
    """W = (G - G_ref) / S after each of two times, of laws that do not count from the write; wires hardly matter."""
    device = load_device("taox_hfox").with_parameters({f"retention.{key}": value for key, value in retention.items()})
    array = AnalogArray(torch.zeros(30, 40), device, read_path=ReadPath.perfect(), reference=reference,
                        wire_resistance=ohm)  # fmt: skip
    for seconds in (0.3 * DAY, DAY):
        array.read(torch.eye(40))
        array.elapse(seconds)
        siemens = array.conductances()
        left = siemens["cell"] - siemens["reference" if reference == "array" else "cell.column"]
        torch.testing.assert_close(array.snapshot(), left / 4.5e-6, rtol=0, atol=2e-4)
        assert left.std() > 0.01 * 4.5e-6


def test_a_written_device_leaves_its_reference_behind() -> None:
    """A write restarts the drift of its cell; the reference, set once, goes on as before."""
    array = array_of("taox_hfox", weights=torch.zeros(2, 3))
    array.elapse(1000.0)
    array.cells.banks["cell"].set(torch.zeros(2, 3))  # at the middle again
    array.elapse(500.0)
    z = -11 / 9
    torch.testing.assert_close(array.snapshot(), torch.full((2, 3), -z * (500.0**-0.05 - 1500.0**-0.05)))


@pytest.mark.parametrize("device", ["ecram", "taox_hfox"])
@pytest.mark.parametrize("compensation", ["global", "per-column"])
def test_compensation_finds_the_factor_that_drift_has_left(device: str, compensation: str) -> None:
    array = array_of(device, compensation=compensation)
    array.elapse(DAY)
    factor = array.state_dict()["correction"]
    torch.testing.assert_close(factor, torch.full_like(factor, 1 / KEPT))
    torch.testing.assert_close(array.snapshot(), WEIGHTS)


def test_learning_survives_a_slow_drift() -> None:
    """8x8 digits, 2 epochs at 1 s a batch, nu = 0.01: chance is 10 %, and was reached."""
    changes = {"hardware.device": "ecram", "hardware.device_parameters": {"retention.drift_nu": 0.01}}
    for remedy in ("none", "reference-cell"):
        record = run(load_experiment("quickstart", {**changes, "training.epochs": 2, "hardware.remedy": remedy}), 0)
        assert record.metrics["direct_accuracy"] > 0.5


# the devices of a reference


def on_two_crossbars(cells: Tensor, reference: float, inputs: Tensor, line: Wires, transposed: bool) -> Tensor:
    """Return the currents of cells, each less that of its reference, by a nodal solve of both crossbars."""
    both = (cells, torch.full_like(cells, reference))
    first, second = (dense_read(siemens, inputs, line, transposed) for siemens in both)
    return first - second


def with_a_column(cells: Tensor, reference: float, inputs: Tensor, line: Wires, transposed: bool) -> Tensor:
    """Return the currents of cells, less that of the line in the middle, by a nodal solve of the one crossbar."""
    middle = cells.shape[0] // 2, cells.shape[1] // 2
    grid = torch.full((cells.shape[0] + 1, cells.shape[1] + 1), reference, dtype=torch.float64)
    posts, pres = ([k for k in range(n + 1) if k != at] for n, at in zip(cells.shape, middle, strict=True))
    grid[torch.tensor(posts)[:, None], torch.tensor(pres)] = cells
    grid[middle] = 0.0
    driven, sensed = (posts, pres) if transposed else (pres, posts)
    volts = torch.zeros(len(driven) + 1, dtype=torch.float64)
    volts[driven] = inputs  # the reference of the other direction is not driven
    currents = dense_read(grid, volts, line, transposed)
    return currents[sensed] - currents[middle[1 if transposed else 0]]


@pytest.mark.parametrize(("reference", "solve"), [("array", on_two_crossbars), ("column", with_a_column)])
def test_a_reference_loses_current_in_its_wires(reference: str, solve: Callable[..., Tensor]) -> None:
    """Reads in both directions against Kirchhoff's laws, as close as the engine's approximation of IR drop is."""
    line, device = Wires(300.0, 300.0), DevicePopulation.of(load_device("taox_hfox"))
    weights = (torch.rand(5, 4, generator=torch.Generator().manual_seed(3)) - 0.5) * 1.5
    array = AnalogArray(weights, load_device("taox_hfox"), read_path=ReadPath.perfect(), wire_resistance=line,
                        reference=reference)  # fmt: skip
    volts = torch.rand(5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    for read, inputs, transposed in ((array.read, volts[:4], False), (array.read_transposed, volts, True)):
        wanted = solve((weights.double() - device.zero) * device.siemens, 5.5e-6, inputs, line, transposed)
        wanted /= device.siemens
        ideal = inputs @ (weights if transposed else weights.t()).double()
        found = read(inputs[None].float())[0].double()
        assert (wanted - ideal).norm() > 0.01 * ideal.norm()
        assert (found - wanted).norm() < 0.1 * (wanted - ideal).norm()


def test_a_reference_column_and_its_array_forget_the_drop_together() -> None:
    """A new weight changes what is left of the reference's voltage; a restored array has both."""
    twins = [array_of("taox_hfox", "column", wire_resistance=300.0) for _ in range(2)]
    before = twins[0].cells.banks["cell.column"].as_read().clone()
    twins[0].cells.set(torch.full((6, 8), 0.9))
    wanted = twins[0].snapshot()
    assert (twins[0].cells.banks["cell.column"].as_read() - before).abs().max() > 1e-3
    twins[1].load_state_dict(twins[0].state_dict())
    assert torch.equal(twins[1].snapshot(), wanted)


@pytest.mark.parametrize(("ohm", "most"), [(0.5, 0.04), (2.0, 0.14)])
def test_the_common_shift_of_wires_cancels(ohm: float, most: float) -> None:
    """ECRAM, 100 x 64, weights within 0.1: rms error over the signal's spread; with an offset it is 2.8 and 10."""
    weights = 0.2 * torch.rand(100, 64, generator=torch.Generator().manual_seed(1)) - 0.1
    inputs = torch.rand(64, 64, generator=torch.Generator().manual_seed(2))
    wanted, error = inputs @ weights.t(), {}
    for reference in ("array", "column", "offset"):
        array = array_of("ecram", reference, weights, wire_resistance=ohm)
        error[reference] = ((array.read(inputs) - wanted).square().mean().sqrt() / wanted.std()).item()
    assert error["array"] < most
    assert 20 * error["array"] < error["column"] < error["offset"] / 2.5  # a column matches near itself
    assert error["offset"] > 5 * ohm**0.9


def test_a_signed_device_has_a_reference_array_on_lines_with_resistance() -> None:
    assert array_of("ecram").reference == "none"
    assert array_of("ecram", wire_resistance=1.0).reference == "array"


def test_a_reference_stands_between_levels() -> None:
    """An MRAM of two levels has its reference at the mean of both."""
    array, device = array_of("stt_mram", weights=WEIGHTS.sign()), load_device("stt_mram")
    middle = torch.full((6, 8), (device.g_min + device.g_max) / 2)
    torch.testing.assert_close(array.conductances()["reference"], middle)
    torch.testing.assert_close(array.snapshot(), WEIGHTS.sign())


def test_a_reference_is_verified() -> None:
    """Write noise of 75 steps is that of the devices that are pulsed alone."""
    array = AnalogArray(torch.zeros(20, 30), load_device("reram_es"), "reference-cell", ReadPath.perfect())
    reference, point = array.cells.banks["reference"], array.cells.banks["cell"].symmetry_point()
    stands_there = (reference.as_read() - point).abs() < 1e-6
    assert stands_there.float().mean() > 0.9  # others have bounds of their own in between
    assert torch.equal(reference.as_read(), reference.kept)


def test_references_may_be_broken_as_devices_are() -> None:
    """A tenth stuck at the bottom, of 10,000: 1.0 is read too much where it is the reference."""
    device = load_device("taox_hfox").with_parameters({"faults.stuck_low": 0.1})
    array = AnalogArray(torch.zeros(100, 100), device, read_path=ReadPath.perfect())
    shares = [(array.snapshot() == level).float().mean().item() for level in (-1.0, 1.0)]
    assert shares == approx([0.09, 0.09], abs=0.015)


def test_a_reference_has_1f_noise_of_its_own() -> None:
    """c hypot(w - z, z) at 1 s, z = -11/9 at 1 to 10 uS, and the same in both directions; 10,000 weights."""
    device = load_device("taox_hfox").with_parameters({"retention.read_noise_1f": 0.02})
    array = AnalogArray(torch.full((100, 100), 0.5), device, read_path=ReadPath.perfect())
    array.elapse(1.0)
    found = array.read(torch.eye(100))
    assert found.std().item() == approx(0.02 * math.hypot(0.5 + 11 / 9, 11 / 9), rel=0.04)
    assert torch.equal(array.read_transposed(torch.eye(100)), found.t())


@pytest.mark.parametrize("transposed", [False, True])
def test_the_noise_of_a_column_is_common_to_all_outputs(transposed: bool) -> None:
    """Covariance of two outputs sigma^2 sum x^2, variance twice that; 40,000 reads know each to 1 %.

    Constant noise, and noise relative to a conductance of 5.5 uS, 11/9 in weights.
    """
    paths = ({"weight_noise": 0.05}, 0.05), ({"relative_noise": 0.04}, 0.04 * 11 / 9)
    for noise, sigma in paths:
        path = replace(ReadPath.perfect(), **noise)  # type: ignore[arg-type]
        array = AnalogArray(torch.zeros(6, 8), load_device("taox_hfox").with_parameters({"read.noise": 0.0}),
                            read_path=path, reference="column")  # fmt: skip
        inputs = torch.linspace(0.2, 1.0, 6 if transposed else 8)
        found = (array.read_transposed if transposed else array.read)(inputs.expand(40_000, -1).contiguous())
        expected = sigma**2 * inputs.square().sum() * (1 + torch.eye(found.shape[1]))
        assert (torch.cov(found.t()) / expected - 1).abs().max() < 0.05


def test_the_column_of_several_devices_is_that_of_each_crossbar() -> None:
    """Every crossbar has lines of its own, by its significance: sum_i g_i (w_i - r_i)."""
    array = array_of("taox_hfox", "column", remedy="several-cells", nu_dtod=0.02,
                     remedy_parameters={"devices": 3, "base": 2.0})  # fmt: skip
    array.elapse(DAY)
    siemens, shares = array.conductances(), (4 / 7, 2 / 7, 1 / 7)
    parts = [g * (siemens[f"cell{i}"] - siemens[f"cell{i}.column"]) for i, g in enumerate(shares)]
    torch.testing.assert_close(array.snapshot(), sum(parts) / 4.5e-6, rtol=0, atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("reference", ["array", "column"])
def test_a_restored_reference_ages_on_as_the_saved_one(reference: str) -> None:
    twins = [array_of("taox_hfox", reference, nu_dtod=0.01, wire_resistance=5.0) for _ in range(2)]
    twins[0].elapse(100.0)
    twins[1].load_state_dict(twins[0].state_dict())
    for array in twins:
        array.elapse(900.0)
    torch.testing.assert_close(twins[1].snapshot(), twins[0].snapshot(), rtol=0, atol=0)
    assert (twins[0].snapshot() - WEIGHTS).abs().max() > 0.05


def test_a_reference_is_counted() -> None:
    """An array doubles the devices and what conducts; a column adds a device a line: 100 x 64. Neither is written."""
    facts = {}
    for reference in ("array", "column", "offset"):
        array = array_of("taox_hfox", reference)
        array.increment(torch.full((6, 8), 0.2))
        assert list(array.writes()) == ["cell"]
        hardware = {"hardware.device": "taox_hfox", "hardware.reference": reference, "hardware.recommended": False}
        record = run(load_experiment("quickstart", hardware | {"training.epochs": 1}), 0)
        facts[reference] = record.ledger["facts"]["arrays"]["W1"] | record.ledger["counts"]["W1"]["forward"]
    assert [found["reference"] for found in facts.values()] == list(facts)
    devices = [found["devices_per_weight"] for found in facts.values()]
    assert devices == approx([2, 1 + 1 / 100 + 1 / 64, 1])
    conducting = {
        name: found["read_conductance"] / facts["offset"]["read_conductance"] for name, found in facts.items()
    }
    assert conducting["array"] == approx(2, rel=0.1)
    assert conducting["column"] == approx(1.01, rel=0.05)
    column, offset = (array_of("taox_hfox", name, torch.zeros(6, 8)) for name in ("column", "offset"))
    found, bare = (array.line_conductances() for array in (column, offset))
    assert found is not None
    assert bare is not None
    torch.testing.assert_close(found[0], bare[0] * 7 / 6)  # each input has one device more
    torch.testing.assert_close(found[1], bare[1] * 9 / 8)
    tiled = build_array("analog", torch.zeros(5, 6), device="taox_hfox", reference="column", tile=(3, 6))
    assert tiled.anatomy.devices == approx((5 * 6 + 2 * 6 + 5) / (5 * 6))  # tiles of 2 x 6 and of 3 x 6


# what is refused, and what the other engine cannot do


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "wire"}, "reference: got 'wire'; allowed: "),
        ({"reference": "offset", "remedy": "differential"}, "each device of a pair is the other's"),
        ({"reference": "offset", "remedy": "reference-cell"}, "zero-shifting subtracts a device"),
        (
            {"reference": "column", "remedy": "agad", "remedy_parameters": {"zero_shift": True}},
            "zero-shifting subtracts",
        ),
        ({"reference": "none", "wire_resistance": 1.0}, "reference: got 'none' on lines with resistance"),
    ],
    ids=["unknown", "a pair's", "zero-shifting", "transfers", "none on wires"],
)
def test_a_reference_that_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_array("analog", WEIGHTS, device="ecram", **arguments)


def test_the_experiment_file_chooses_and_only_the_analog_engine_reads_it() -> None:
    hardware = {"device": "ecram", "backend": "analog", "reference": "offset"}
    assert OnChipExperiment(hardware=hardware).hardware.reference == "offset"
    with pytest.raises(ValueError, match=r'hardware.reference: got \'offset\', which backend "aihwkit" does not read'):
        OnChipExperiment(hardware={**hardware, "backend": "aihwkit"})


def test_what_a_reference_adds_to_ageing_is_lost_in_aihwkit() -> None:
    """A decay to a common rest is left the same; what counts from another write, spreads, walks and a rest are not."""
    ageing = {"retention.drift_nu": 0.05, "retention.drift_nu_dtod": 0.01, "retention.diffusion": 1e-4,
              "retention.lifetime": 1e5, "retention.rest": 0.1}  # fmt: skip
    signed, siemens = load_device("ecram"), load_device("taox_hfox")
    assert lost_in_aihwkit(siemens.with_parameters({"retention.lifetime": 1e5})) == []
    assert lost_in_aihwkit(signed.with_parameters(ageing)) == []
    assert lost_in_aihwkit(siemens.with_parameters(ageing)) == [
        "retention.drift_nu", "retention.diffusion", "retention.rest", "retention.drift_nu_dtod",
    ]  # fmt: skip

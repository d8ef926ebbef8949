"""What is subtracted from a conductance: by name, as time passes, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.config import Experiment
from neurohw.crossbar.aihwkit_device import lost_in_aihwkit
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.cells import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.wires import Wires
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.run import run
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


@pytest.mark.parametrize("remedy", ["none", "several-cells"])
@pytest.mark.parametrize("device", ["taox_hfox", "ecram"])
def test_a_reference_array_drifts_along(device: str, remedy: str) -> None:
    """G f - G_ref f: the factor of the conductances is that of the weights. The default of devices in siemens."""
    array = array_of(device, "array" if device == "ecram" else None, remedy=remedy)
    assert array.reference == "array"
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), KEPT * WEIGHTS, rtol=0, atol=2e-6)
    new, now = (array_of("taox_hfox").conductances()["reference"], array.conductances()["reference"])
    if device == "taox_hfox":
        torch.testing.assert_close(new, torch.full_like(new, 5.5e-6))  # the middle of 1 to 10 uS
        torch.testing.assert_close(now, KEPT * new)


def test_exponents_of_device_and_reference_spread_apart() -> None:
    """W = (w - z) f e^(-s xi) + z f e^(-s xi'), s = sigma ln t, z = -11/9 at 1 to 10 uS: log-normal mean and variance.

    10,000 weights: the mean is known to 1 % of the spread, the spread to 0.7 % of itself; both to 5 of those.
    """
    array = array_of("taox_hfox", weights=torch.full((100, 100), 0.4), nu_dtod=0.01)
    array.elapse(DAY)
    s, z, found = 0.01 * math.log(DAY), -11 / 9, array.snapshot()
    spread = KEPT * math.sqrt(((0.4 - z) ** 2 + z**2) * math.exp(s**2) * math.expm1(s**2))
    assert found.mean().item() == pytest.approx(0.4 * KEPT * math.exp(s**2 / 2), abs=0.05 * spread)
    assert found.std().item() == pytest.approx(spread, rel=0.035)


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
    torch.testing.assert_close(array._correction, torch.full_like(array._correction, 1 / KEPT))
    torch.testing.assert_close(array.snapshot(), WEIGHTS)


def test_learning_survives_a_slow_drift() -> None:
    """8x8 digits, 2 epochs at 1 s a batch, nu = 0.01: chance is 10 %, and was reached."""
    changes = {"hardware.device": "ecram", "hardware.device_parameters": {"retention.drift_nu": 0.01}}
    for remedy in ("none", "reference-cell"):
        record = run(load_experiment("quickstart", {**changes, "training.epochs": 2, "hardware.remedy": remedy}), 0)
        assert record.metrics["direct_accuracy"] > 0.5


# the devices of a reference


def test_a_reference_has_wires_of_its_own() -> None:
    """Reads in both directions against a nodal solve of both crossbars, each cell of one less its reference's."""
    line, device = Wires(300.0, 300.0), DevicePopulation.of(load_device("taox_hfox"))
    weights = (torch.rand(5, 4, generator=torch.Generator().manual_seed(3)) - 0.5) * 1.5
    array = AnalogArray(weights, load_device("taox_hfox"), read_path=ReadPath.perfect(), wires=line)
    cells, references = ((w.double() - device.zero) * device.siemens for w in (weights, torch.zeros(5, 4)))
    volts = torch.rand(5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    for read, inputs, transposed in ((array.read, volts[:4], False), (array.read_transposed, volts, True)):
        currents = [dense_read(g, inputs, line, transposed) for g in (cells, references)]
        wanted = (currents[0] - currents[1]) / device.siemens
        ideal = inputs @ (weights if transposed else weights.t()).double()
        found = read(inputs[None].float())[0].double()
        assert (wanted - ideal).norm() > 0.01 * ideal.norm()
        assert (found - wanted).norm() < 0.05 * (wanted - ideal).norm()


@pytest.mark.parametrize(("ohm", "most"), [(0.5, 0.04), (2.0, 0.14)])
def test_the_common_shift_of_wires_cancels(ohm: float, most: float) -> None:
    """ECRAM, 100 x 64, weights within 0.1: rms error over the signal's spread; with an offset it is 2.8 and 10."""
    weights = 0.2 * torch.rand(100, 64, generator=torch.Generator().manual_seed(1)) - 0.1
    inputs = torch.rand(64, 64, generator=torch.Generator().manual_seed(2))
    wanted, error = inputs @ weights.t(), {}
    for reference in ("array", "offset"):
        array = array_of("ecram", reference, weights, wire_resistance=ohm)
        error[reference] = ((array.read(inputs) - wanted).square().mean().sqrt() / wanted.std()).item()
    assert error["array"] < most
    assert error["offset"] > 5 * ohm**0.9


def test_a_signed_device_has_a_reference_array_on_lines_with_resistance() -> None:
    assert array_of("ecram").reference == "none"
    assert array_of("ecram", wire_resistance=1.0).reference == "array"


def test_a_reference_stands_between_levels() -> None:
    """An MRAM of two levels has its reference at the mean of both."""
    array = array_of("stt_mram", weights=WEIGHTS.sign())
    torch.testing.assert_close(array.conductances()["reference"], torch.full((6, 8), 0.5 * (45.5e-6 + 100e-6)))
    torch.testing.assert_close(array.snapshot(), WEIGHTS.sign())


def test_references_may_be_broken_as_devices_are() -> None:
    """A tenth stuck at the bottom, of 10,000: 1.0 is read too much where it is the reference."""
    device = load_device("taox_hfox").with_parameters({"faults.stuck_low": 0.1})
    array = AnalogArray(torch.zeros(100, 100), device, read_path=ReadPath.perfect())
    shares = [(array.snapshot() == level).float().mean().item() for level in (-1.0, 1.0)]
    assert shares == pytest.approx([0.09, 0.09], abs=0.015)


def test_a_reference_has_1f_noise_of_its_own() -> None:
    """c hypot(w - z, z) at 1 s, z = -11/9 at 1 to 10 uS, and the same in both directions; 10,000 weights."""
    device = load_device("taox_hfox").with_parameters({"retention.read_noise_1f": 0.02})
    array = AnalogArray(torch.full((100, 100), 0.5), device, read_path=ReadPath.perfect())
    array.elapse(1.0)
    found = array.read(torch.eye(100))
    assert found.std().item() == pytest.approx(0.02 * math.hypot(0.5 + 11 / 9, 11 / 9), rel=0.04)
    assert torch.equal(array.read_transposed(torch.eye(100)), found.t())


def test_a_restored_reference_ages_on_as_the_saved_one() -> None:
    twins = [array_of("taox_hfox", nu_dtod=0.01, wire_resistance=5.0) for _ in range(2)]
    twins[0].elapse(100.0)
    twins[1].load_state_dict(twins[0].state_dict())
    for array in twins:
        array.elapse(900.0)
    torch.testing.assert_close(twins[1].snapshot(), twins[0].snapshot(), rtol=0, atol=0)
    assert (twins[0].snapshot() - WEIGHTS).abs().max() > 0.05


def test_a_reference_array_is_counted() -> None:
    """Twice the devices of area and of reads; it is never written."""
    array = array_of("taox_hfox")
    array.increment(torch.full((6, 8), 0.2))
    assert list(array.writes()) == ["cell"]
    facts = {}
    for reference in ("array", "offset"):
        hardware = {"hardware.device": "taox_hfox", "hardware.reference": reference, "training.epochs": 1}
        record = run(load_experiment("quickstart", hardware), 0)
        facts[reference] = record.ledger["facts"]["arrays"]["W1"] | record.ledger["counts"]["W1"]["forward"]
    both, alone = facts["array"], facts["offset"]
    assert (both["devices_per_weight"], alone["devices_per_weight"]) == (2, 1)
    assert (both["reference"], alone["reference"]) == ("array", "offset")
    assert both["read_conductance"] / alone["read_conductance"] == pytest.approx(2, rel=0.1)


# what is refused, and what the other engine cannot do


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "wire"}, "reference: got 'wire'; allowed: "),
        ({"reference": "offset", "remedy": "differential"}, "each device of a pair is the other's"),
        ({"reference": "offset", "remedy": "reference-cell"}, "zero-shifting subtracts a device"),
        ({"reference": "none", "wire_resistance": 1.0}, "reference: got 'none' on lines with resistance"),
    ],
    ids=["unknown", "a pair's", "zero-shifting", "none on wires"],
)
def test_a_reference_that_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_array("analog", WEIGHTS, device="ecram", **arguments)


def test_the_experiment_file_chooses_and_only_the_analog_engine_reads_it() -> None:
    hardware = {"device": "ecram", "backend": "analog", "reference": "offset"}
    assert Experiment(hardware=hardware).hardware.reference == "offset"
    with pytest.raises(ValueError, match=r'hardware.reference: got \'offset\', which backend "aihwkit" does not read'):
        Experiment(hardware={**hardware, "backend": "aihwkit"})


def test_what_a_reference_adds_to_ageing_is_lost_in_aihwkit() -> None:
    """A drift that all devices share is left the same; spreads, walks and rests of the reference's own are not."""
    ageing = {"retention.drift_nu": 0.05, "retention.drift_nu_dtod": 0.01, "retention.diffusion": 1e-4,
              "retention.lifetime": 1e5, "retention.rest": 0.1}  # fmt: skip
    signed, siemens = load_device("ecram"), load_device("taox_hfox")
    assert lost_in_aihwkit(siemens.with_parameters({"retention.drift_nu": 0.05, "retention.lifetime": 1e5})) == []
    assert lost_in_aihwkit(signed.with_parameters(ageing)) == []
    assert lost_in_aihwkit(siemens.with_parameters(ageing)) == [
        "retention.drift_nu_dtod", "retention.diffusion", "retention.rest",
    ]  # fmt: skip

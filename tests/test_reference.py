"""What is subtracted from a conductance: by name, as time passes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.config import Experiment
from neurohw.crossbar.aihwkit_device import lost_in_aihwkit
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.library import load_device
from neurohw.errors import InputError

DAY = 86400.0
KEPT = DAY**-0.05  # of a conductance after a day, at nu = 0.05
WEIGHTS = torch.linspace(-0.7, 0.7, 48).view(6, 8)


def array_of(device: str = "ecram", reference: str | None = None, weights: Tensor = WEIGHTS, nu_dtod: float = 0.0,
             **more: Any) -> AnalogArray:  # fmt: skip
    certain = {"w_max_dtod": 0.0, "w_min_dtod": 0.0, "retention.drift_nu": 0.05, "retention.drift_nu_dtod": nu_dtod}
    model = load_device(device).with_parameters(certain)
    array = build_array("analog", weights, device=model, reference=reference, read_path=ReadPath.perfect(), **more)
    assert isinstance(array, AnalogArray)
    return array


@pytest.mark.parametrize("remedy", ["none", "several-cells", "differential"])
def test_signed_weights_drift_to_zero(remedy: str) -> None:
    """As aihwkit's do: w0 (t / t0)^-nu, on the range -0.83 to 1.17 of ECRAM."""
    array = array_of(remedy=remedy)
    assert array.reference == "none"
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), KEPT * WEIGHTS)


def test_a_digital_offset_stays_while_the_device_drifts() -> None:
    """w0 f - 0.911 (1 - f): ECRAM's conductance is zero at w = -0.8276 - 2 / 24 = -0.9109, f = 0.566 after a day."""
    array = array_of(reference="offset")
    array.elapse(DAY)
    torch.testing.assert_close(array.snapshot(), 0.5665 * WEIGHTS - 0.3949, rtol=0, atol=2e-4)


@pytest.mark.parametrize("compensation", ["global", "per-column"])
def test_compensation_finds_the_factor_that_drift_has_left(compensation: str) -> None:
    array = array_of(compensation=compensation)
    array.elapse(DAY)
    torch.testing.assert_close(array._correction, torch.full_like(array._correction, 1 / KEPT))
    torch.testing.assert_close(array.snapshot(), WEIGHTS)


# what is refused, and what the other engine cannot do


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "wire"}, "reference: got 'wire'; allowed: "),
        ({"reference": "offset", "remedy": "differential"}, "each device of a pair is the other's"),
        ({"reference": "none", "wire_resistance": 1.0}, "reference: got 'none' on lines with resistance"),
    ],
    ids=["unknown", "a pair's", "none on wires"],
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

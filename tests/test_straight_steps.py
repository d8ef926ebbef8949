"""Pulses given cell by cell, compiled, against the same ones given tensor by tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.devices.affine_laws import ConstantStep, LinearStep, SoftBounds, SoftBoundsReference
from neurohw.devices.faults import FaultRates
from neurohw.devices.library import load_device
from neurohw.devices.response import PulseResponse
from neurohw.devices.retention import Retention

SHAPE = (7, 11)
LAWS: dict[str, PulseResponse] = {
    "constant": ConstantStep(step=0.004, w_max=0.8, w_min=-0.3, asymmetry=0.2),
    "linear": LinearStep(step=0.004, w_max=0.8, w_min=-0.3, gamma_up=0.7, gamma_down=0.2),
    "additive": LinearStep(step=0.004, w_max=0.8, w_min=-0.3, gamma_up=0.7, gamma_down=0.2, additive_noise=True),
    "no noise": LinearStep(step=0.004, w_max=0.8, w_min=-0.3, gamma_up=0.7, step_ctoc=0.0),
    "soft": SoftBounds(step=0.004, w_max=0.8, w_min=-0.3, asymmetry=-0.3),
    "soft, coarse": SoftBounds(step=0.1, w_max=0.8, w_min=-0.3),  # one pulse at a time
    "reference": SoftBoundsReference(step=0.004, w_max=0.8, w_min=-0.3, reference=0.1, reference_dtod=0.05),
    "write noise": SoftBoundsReference(step=0.004, reference=0.1, subtract_symmetry_point=True, write_noise=2.0),
}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "worn": {"faults": FaultRates(endurance=60.0, endurance_dtod=0.3)},
    "stuck": {"faults": FaultRates(stuck_low=0.1, stuck_high=0.1, stuck_in_place=0.1)},
    "relaxing": {"retention": Retention(relaxation=0.05, relaxation_time=1.0)},
}


def written(device: DevicePopulation, batch: int, straight: bool, **settings: Any) -> list[CellBank]:
    """Return the cells of an array after updates, weak and strong, of both signs, with time between them."""
    array = AnalogArray(torch.zeros(SHAPE), device, generator=torch.Generator().manual_seed(3), **settings)
    banks = [bank for bank in array.cells.banks.values() if isinstance(bank, CellBank)]
    assert any(bank.stepping.straight for bank in banks)
    for bank in banks:
        bank.stepping.straight &= straight
    draws = torch.Generator().manual_seed(batch)
    for strength in (1.0, 0.01, 30.0, 1.0):
        pre = torch.randn(batch, SHAPE[1], generator=draws).mul_(torch.rand(SHAPE[1], generator=draws) < 0.7)
        post = torch.randn(batch, SHAPE[0], generator=draws) * strength
        array.update(OuterProducts((Product(post, pre),), scale=1.0), 0.02)
        array.elapse(0.5)
    return banks


def difference(got: list[CellBank], expected: list[CellBank]) -> float:
    """Return the largest difference of a weight, kept or seen; pulses must be the same."""
    assert len(got) == len(expected)
    assert all(torch.equal(a.pulses, b.pulses) for a, b in zip(got, expected, strict=True))
    pairs: list[tuple[Tensor, Tensor]] = [(a.kept, b.kept) for a, b in zip(got, expected, strict=True)]
    pairs += [(a.seen, b.seen) for a, b in zip(got, expected, strict=True)]
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("batch", [1, 16, 128])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("law", LAWS)
def test_cells_end_where_the_same_draws_take_them_tensor_by_tensor(law: str, case: str, batch: int) -> None:
    """Numbers of pulses up to many strides, spreads, asymmetric bounds, faults, wear: but for rounding, the same."""
    device = DevicePopulation(LAWS[law], **CASES[case])
    got, expected = (written(device, batch, straight) for straight in (True, False))
    assert difference(got, expected) < 3e-6
    assert all(int(bank.pulses.max()) > 0 for bank in got)


@pytest.mark.parametrize("remedy", ["none", "tiki-taka-v2", "differential", "several-cells"])
def test_hidden_arrays_and_several_devices(remedy: str) -> None:
    device = DevicePopulation.of(load_device("linear_step"))
    got, expected = (written(device, 16, straight, remedy=remedy) for straight in (True, False))
    assert difference(got, expected) < 3e-6


def test_devices_with_levels_or_a_law_of_drift_are_not_taken_for_straight() -> None:
    """Their cells stand where the tensors' path puts them, whatever the other would do."""
    levels = DevicePopulation(LAWS["linear"], levels=16)
    array = AnalogArray(torch.zeros(SHAPE), levels)
    assert not any(b.stepping.straight for b in array.cells.banks.values() if isinstance(b, CellBank))
    drifting = replace(DevicePopulation(LAWS["soft"]), retention=load_device("pcm_drift").retention_parameters())
    assert difference(*(written(drifting, 16, straight) for straight in (True, False))) == 0.0

"""Write and verify: as near as whole pulses come, never farther away, and no pulse where none is needed."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import Serial, Writes
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.remedies import CELLS, names
from neurohw.devices.laws import ConstantStep, ExponentialStep, LinearStep, PowerStep, PulseResponse, SoftBounds
from neurohw.devices.library import device_names, load_device
from neurohw.devices.retention import Retention

CERTAIN: dict[str, Any] = {
    "step_dtod": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "step_ctoc": 0.0,
}  # fmt: skip
REMEDIES = [name for name in names() if name in ("none", *CELLS, "mixed-precision")]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def array_of(device: DevicePopulation, weights: Tensor, remedy: str = "none", **parts: Any) -> AnalogArray:
    return AnalogArray(weights, device, remedy, ReadPath.perfect(), generator=seeded(1), **parts)


def shipped(name: str, *without: str) -> DevicePopulation:
    """Return a shipped device; fields of its law that end with one of `without` are zero."""
    device = DevicePopulation.of(load_device(name))
    zero = {field.name: 0.0 for field in fields(device.response) if without and field.name.endswith(without)}
    return replace(device, response=replace(device.response, **zero))


def pulses(writes: Writes) -> tuple[int, int]:
    assert writes.pulses_up is not None
    assert writes.pulses_down is not None
    return writes.pulses_up, writes.pulses_down


def total(writes: Writes) -> int:
    return sum(pulses(writes))


# as near as whole pulses come

Bounds = tuple[float, float]
BY_HAND: dict[str, tuple[PulseResponse, Callable[[float, bool], float]]] = {  # dw(w) written down anew
    "constant": (ConstantStep(0.04, **{**CERTAIN, "w_max": 0.7, "w_min": -0.5}), lambda w, up: 0.04),
    "soft-bounds": (
        SoftBounds(0.05, **{**CERTAIN, "w_max": 0.9, "w_min": -0.4}),
        lambda w, up: 0.05 * (1 - w / 0.9 if up else 1 + w / 0.4),
    ),
    "linear": (
        LinearStep(0.03, **CERTAIN, gamma_up=0.5, gamma_down=-0.5, gamma_up_dtod=0.0, gamma_down_dtod=0.0,
                   allow_increasing=True),
        lambda w, up: 0.03 * (1 - 0.5 * w / 0.6),
    ),
    "exponential": (
        ExponentialStep(0.01, **{**CERTAIN, "w_max": 2.0, "w_min": 0.0}, A_up=-27.235, A_down=-2.235, gamma_up=2.5,
                        gamma_down=2.5, a=-1.0, b=0.0),
        lambda w, up: 0.01 * (1 + (27.235 * math.exp(-2.5 * w) if up else 2.235 * math.exp(2.5 * w))),
    ),
    "power": (
        PowerStep(0.06, **CERTAIN, gamma=1.5, gamma_dtod=0.0),
        lambda w, up: 0.06 * (max(0.6 - w if up else w + 0.6, 0.0) / 1.2) ** 1.5,
    ),
}  # fmt: skip


def nearest_by_pulses(law: PulseResponse, step: Callable[[float, bool], float], start: float, target: float) -> float:
    """Return the least distance to the target on the way from `start` by up to 3,000 pulses of one polarity."""
    w, best, up = start, abs(target - start), target > start
    for _ in range(3000):
        w = min(w + step(w, True), law.w_max) if up else max(w - step(w, False), law.w_min)
        best = min(best, abs(target - w))
    return best


@pytest.mark.parametrize("name", BY_HAND)
def test_no_whole_number_of_pulses_comes_nearer(name: str) -> None:
    """Cells everywhere in the range and at its ends, targets likewise; soft bounds end where steps are 1 % of usual."""
    law, step = BY_HAND[name]
    ends = torch.tensor([law.w_min, law.w_max, 0.0])
    places = torch.cat([ends, law.w_min + (law.w_max - law.w_min) * torch.rand(5, generator=seeded(2))])
    starts, targets = (grid.contiguous() for grid in torch.meshgrid(places, places, indexing="ij"))
    array = array_of(DevicePopulation(law), starts)
    array.program(targets)
    rows = zip(*(tensor.view(-1).tolist() for tensor in (starts, targets, array.snapshot())), strict=True)
    for start, target, end in rows:
        least = 0.01 * law.granularity
        ended = step(end, target > end) < least
        assert ended or abs(target - end) <= nearest_by_pulses(law, step, start, target) + least


def test_pulses_grow_singly_where_one_matters() -> None:
    """A constant step of 0.01: 37.4 steps take 37 pulses, 37.6 take 38, and 0.5 is not worth one."""
    array = array_of(DevicePopulation(ConstantStep(0.01, **CERTAIN)), torch.zeros(1, 4))
    writes = array.program(torch.tensor([[0.374, 0.376, -0.376, 0.0049]]))
    assert pulses(writes) == (37 + 38, 38)
    torch.testing.assert_close(array.snapshot(), torch.tensor([[0.37, 0.38, -0.38, 0.0]]))


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_programming_finds_the_nearest_level_and_stops(levels: int) -> None:
    """Of each cell's own levels; a pulse moves by 1 / 1,000 of the range on average, so that a jump takes many."""
    device = replace(shipped("ecram"), levels=levels)
    targets = torch.rand(20, 20, generator=seeded(3)) * 2 - 1
    array = array_of(device, torch.zeros(20, 20))
    given = total(array.program(targets)) / 400
    bank = array.cells.banks["cell"]
    low, high = bank.parameters["w_min"], bank.parameters["w_max"]
    places = low + (high - low) * torch.linspace(0, 1, levels)[:, None, None]
    torch.testing.assert_close((targets - array.snapshot()).abs(), (targets - places).abs().amin(0), rtol=0, atol=1e-5)
    assert given < 1000
    assert total(array.program(targets)) == 0


def test_a_binary_cell_is_switched_by_one_pulse_and_only_where_it_must_be() -> None:
    array = array_of(DevicePopulation.of(load_device("stt_mram")), torch.full((4, 5), -1.0))
    targets = torch.where(torch.arange(20).view(4, 5) % 2 == 0, 1.0, -1.0)
    assert pulses(array.program(targets)) == (10, 0)
    assert torch.equal(array.snapshot(), targets)
    assert pulses(array.program(targets * 0.1)) == (0, 0)


@pytest.mark.parametrize("name", ["stt_mram", "ecram"])
def test_a_pair_of_binary_cells_finds_its_nearest_weight(name: str) -> None:
    """-2 or 2 where a pulse switches both cells for sure; also 0 where it switches either by chance."""
    device = replace(shipped(name, "_dtod"), levels=2)
    targets = torch.rand(6, 7, generator=seeded(9)) * 4 - 2
    array = array_of(device, torch.full((6, 7), 2.0), "differential")
    array.program(targets)
    error = (targets - array.snapshot()).abs()
    assert error.max() <= (1.0 if name == "ecram" else 2.0) + 1e-5
    assert total(array.program(targets)) == 0


def test_a_controller_reads_before_every_pulse_and_counts_it() -> None:
    """Cells done at once are read once; the others half-way, and again as long as pulses bring them nearer."""
    array = array_of(DevicePopulation(ConstantStep(0.1, **CERTAIN)), torch.zeros(1, 3))
    writes = array.program(torch.tensor([[0.0, 0.1, -0.3]]))
    assert pulses(writes) == (1, 3)
    assert writes.serial == Serial(cell_pulses=4, cell_falls=3, readings=3 + 2 + 1 + 1)


# never farther away, and no pulse for nothing


@pytest.mark.parametrize("name", device_names())
def test_no_pulse_of_a_certain_step_takes_a_weight_farther_away(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shipped device, with its spreads from device to device but without noise."""
    device = shipped(name, "_ctoc", "write_noise")
    array = array_of(device, torch.zeros(8, 9), "one-sided" if device.sided == 1 else "none")
    targets = (torch.rand(8, 9, generator=seeded(4)) * 2 - 1) * array.cells.reach
    errors = [(targets - array.cells.weights()).abs()]
    apply = CellBank.apply

    def watched(bank: CellBank, trains: list[PulseCounts]) -> Writes:
        writes = apply(bank, trains)
        errors.append((targets - array.cells.weights()).abs())
        return writes

    monkeypatch.setattr(CellBank, "apply", watched)
    array.cells.program(targets)
    assert len(errors) > 1
    assert all(bool((after <= before + 1e-6).all()) for before, after in pairwise(errors))


@pytest.mark.parametrize("remedy", names())
@pytest.mark.parametrize("name", ["ecram", "reram_sb", "pcm"])
def test_what_is_programmed_already_gets_no_pulse(name: str, remedy: str) -> None:
    device = shipped(name, "write_noise")
    if device.sided == 1 and remedy not in ("one-sided", "mixed-precision"):
        remedy = "one-sided"
    parameters = {"remedy_parameters": {"base": 4.0}} if remedy == "several-cells" else {}
    array = array_of(device, (torch.rand(8, 9, generator=seeded(5)) - 0.5) * 0.4, remedy, **parameters)
    assert pulses(array.program(array.snapshot())) == (0, 0)
    targets = (torch.rand(8, 9, generator=seeded(6)) - 0.5) * 0.4
    assert total(array.program(targets)) > 0
    assert pulses(array.program(array.snapshot())) == (0, 0)


# increments


@pytest.mark.parametrize("remedy", REMEDIES)
def test_verified_increments_lose_nothing(remedy: str) -> None:
    """Weight plus remainder is the sum of all changes, whatever noise did; the remainder stays within a step or two."""
    array = array_of(shipped("ecram"), torch.zeros(6, 7), remedy, increments="verified")
    generator, wanted = seeded(7), array.snapshot().double()
    for _ in range(30):
        delta = torch.randn(6, 7, generator=generator) * 0.002
        array.increment(delta)
        wanted += delta.double()
    remainder = array.state_dict()["remainder"].double()
    torch.testing.assert_close(array.snapshot().double() + remainder, wanted, rtol=0, atol=1e-5)
    assert remainder.abs().max() < 2 * array.cells.granularity


def test_changes_far_below_a_step_add_up() -> None:
    """300 times 0.3 of a step: 0.18, within half a step and the noise of one."""
    array = array_of(shipped("ecram"), torch.zeros(10, 10), increments="verified")
    given = sum(total(array.increment(torch.full((10, 10), 0.3 * 0.002))) for _ in range(300)) / 100
    assert array.snapshot().mean().item() == pytest.approx(0.18, abs=0.001)
    assert (array.snapshot() - 0.18).abs().max() < 0.003
    assert 85 < given < 180


def test_a_change_back_from_the_bound_is_followed_at_once() -> None:
    """What a cell cannot hold is not asked for again: no winding up beyond the bound."""
    array = array_of(DevicePopulation(ConstantStep(0.01, **CERTAIN)), torch.zeros(2, 3), increments="verified")
    for _ in range(50):
        array.increment(torch.full((2, 3), 0.1))
    torch.testing.assert_close(array.snapshot(), torch.full((2, 3), 0.6))
    array.increment(torch.full((2, 3), -0.1))
    torch.testing.assert_close(array.snapshot(), torch.full((2, 3), 0.5))


def test_what_decays_is_not_corrected_by_the_next_change() -> None:
    """The target starts anew from the weight as it is read; what was not written yet stays asked for."""
    device = DevicePopulation(ConstantStep(0.01, **CERTAIN), Retention(lifetime=100.0))
    array = array_of(device, torch.zeros(2, 3), increments="verified")
    array.increment(torch.full((2, 3), 0.404))
    array.elapse(100.0)
    assert pulses(array.increment(torch.zeros(2, 3))) == (0, 0)
    aged = 0.4 * math.exp(-1)
    torch.testing.assert_close(array.snapshot(), torch.full((2, 3), aged))
    array.increment(torch.full((2, 3), 0.0015))  # with the 0.004 from before: more than half a step
    torch.testing.assert_close(array.snapshot(), torch.full((2, 3), aged + 0.01))


def test_programming_forgets_what_was_left_over() -> None:
    array = array_of(DevicePopulation(ConstantStep(0.01, **CERTAIN)), torch.zeros(2, 3), increments="verified")
    array.increment(torch.full((2, 3), 0.004))
    array.program(torch.full((2, 3), 0.1))
    assert pulses(array.increment(torch.full((2, 3), 0.004))) == (0, 0)
    assert pulses(array.increment(torch.full((2, 3), 0.004))) == (6, 0)


@pytest.mark.parametrize("remedy", REMEDIES)
def test_a_restored_remainder_goes_on_to_the_last_bit(remedy: str) -> None:
    first, second = (array_of(shipped("ecram"), torch.zeros(6, 7), remedy, increments="verified") for _ in range(2))
    generator = seeded(8)
    for _ in range(5):
        first.increment(torch.randn(6, 7, generator=generator) * 0.003)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(5):
        delta = torch.randn(6, 7, generator=generator) * 0.003
        assert first.increment(delta) == second.increment(delta)
    assert torch.equal(first.snapshot(), second.snapshot())

"""The cells of one crossbar: levels, pulses taken together, write noise, bounds, symmetry points, counts, IR drop."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.presets import PRESETS
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.wires import Wires, exact_conductances
from neurohw.devices.laws import ConstantStep, ExponentialStep, LinearStep, PulseResponse, SoftBounds
from neurohw.devices.library import load_device
from tests.aihwkit_presets import from_aihwkit
from tests.test_wires import effective_conductances

EVEN: dict[str, Any] = {"step_dtod": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
CERTAIN: dict[str, Any] = {**EVEN, "step_ctoc": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bank_of(law: PulseResponse, shape: tuple[int, int] = (20, 30), start: float = 0.0, **parts: Any) -> CellBank:
    return CellBank(torch.full(shape, start), DevicePopulation(law, **parts), seeded(1))


def all_cells(bank: CellBank, counts: Tensor | float, up: bool) -> PulseCounts:
    given = counts if isinstance(counts, Tensor) else torch.full(bank.shape, float(counts))
    cells = given.view(-1).nonzero()[:, 0]
    return PulseCounts(cells, given.view(-1)[cells], up)


# levels


def test_a_cell_of_32_levels_holds_exactly_32_conductances() -> None:
    law = ConstantStep(step=0.02, **EVEN)
    bank = bank_of(law, (60, 60), levels=32, siemens=1e-5, zero=-0.6)
    generator = seeded(2)
    for _ in range(30):
        counts = torch.randint(0, 30, bank.shape, generator=generator).float()
        bank.apply([all_cells(bank, counts, bool(torch.rand((), generator=generator) < 0.5))])
    bank.elapse(10.0)
    found = (bank.conductances() / (1.2e-5 / 31)).double()
    assert (found - found.round()).abs().max() < 1e-4
    assert len(found.round().unique()) == 32
    assert (found.round().min().item(), found.round().max().item()) == (0, 31)


def test_levels_of_cells_with_bounds_of_their_own_lie_between_these() -> None:
    bank = bank_of(ConstantStep(step=0.01), levels=5)
    bank.apply([all_cells(bank, 17, True)])
    low, high = bank.parameters["w_min"], bank.parameters["w_max"]
    place = (bank.kept - low) / (high - low) * 4
    assert (place - place.round()).abs().max() < 1e-4


@pytest.mark.parametrize("start", [0.0, 0.113])
def test_levels_keep_the_mean(start: float) -> None:
    """A step of a tenth of a level, ten times: 10,000 cells, each within half a level."""
    law = ConstantStep(step=0.01, **CERTAIN, w_max=1.0, w_min=-1.0)
    bank = bank_of(law, (100, 100), start, levels=21)
    allowed = 5 * math.sqrt(0.25 + 10 * 0.09) * 0.1 / 100
    assert bank.kept.mean().item() == pytest.approx(start, abs=allowed)
    for _ in range(10):
        bank.apply([all_cells(bank, 1, True)])
    assert bank.kept.mean().item() == pytest.approx(start + 0.1, abs=allowed)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_every_pulse_of_a_train_ends_on_a_level(share: float) -> None:
    """A step of a share p of a level moves a cell by a level with probability p: n pulses are binomial, n p (1 - p)."""
    law = ConstantStep(step=share * 0.01, **CERTAIN, w_max=1.0, w_min=-1.0)
    for n in (1, 7, 40):
        bank = bank_of(law, (100, 100), levels=201)
        bank.apply([all_cells(bank, n, True)])
        moved = bank.kept / 0.01
        spread = math.sqrt(n * share * (1 - share))
        assert (moved - moved.round()).abs().max() < 1e-3
        assert moved.mean().item() == pytest.approx(n * share, abs=5 * spread / 100)
        assert moved.std().item() == pytest.approx(spread, rel=0.1)


# many pulses at once

STRIDES = {  # passes through the range up, then down
    "constant": (ConstantStep(step=0.004), 1.0),
    "linear": (LinearStep(step=0.004, gamma_up=0.5, gamma_down=0.7), 1.0),
    "soft-bounds": (SoftBounds(step=0.004), 1.0),
    "exponential": (ExponentialStep(step=0.004), 1.0),
    "reram_es": (from_aihwkit("reram_es").response(), 0.3),
    "reram_sb": (from_aihwkit("reram_sb").response(), 0.4),
}


@pytest.mark.parametrize("name", STRIDES)
def test_pulses_taken_together_do_what_they_do_one_by_one(name: str) -> None:
    """Mean within 0.6 % of the range and spread within 0.6 %, at ten points; 20,000 cells, the same ones."""
    law, passes = STRIDES[name]
    span, found = law.w_max - law.w_min, []
    pulses = round(passes * span / law.granularity / 5)
    for together in (True, False):
        bank = bank_of(law, (100, 200))
        if together:
            assert min(bank.stepping.strides.values()) > 1
        else:
            bank.stepping.strides = {True: 1, False: 1}
        points = []
        for point in range(10):
            for _ in range(1 if together else pulses):
                bank.apply([all_cells(bank, pulses if together else 1, point < 5)])
            points.append(torch.stack([bank.kept.mean(), bank.kept.std()]) / span)
        found.append(torch.stack(points))
    mean, spread = (found[0] - found[1]).abs().amax(0).tolist()
    print(f"{name}: mean {mean:.4f}, spread {spread:.4f} of the range")
    assert mean < 0.006
    assert spread < 0.006


@pytest.mark.parametrize("up", [True, False])
def test_soft_bounds_are_approached_exponentially(up: bool) -> None:
    """Noise off: w_n = w_max (1 - (1 - dw / w_max)^n), within 0.1 % of the range."""
    bank = bank_of(SoftBounds(step=0.002, **CERTAIN), (2, 2))
    for n in (10, 100, 700):
        bank.set(torch.zeros(2, 2))
        bank.apply([all_cells(bank, n, up)])
        expected = 0.6 * (1 - (1 - 0.002 / 0.6) ** n) * (1 if up else -1)
        assert bank.kept[0, 0].item() == pytest.approx(expected, abs=0.0012)


def test_different_numbers_of_pulses_reach_the_cells_they_are_meant_for() -> None:
    law = ConstantStep(step=0.001, **CERTAIN)
    bank = bank_of(law, (3, 4))
    writes = bank.apply([PulseCounts(torch.tensor([3, 9, 11]), torch.tensor([1.0, 100.0, 333.0]), True),
                         PulseCounts(torch.tensor([4]), torch.tensor([7.0]), False)])  # fmt: skip
    expected = torch.zeros(3, 4)
    expected[2, 1], expected[0, 3], expected[2, 3], expected[1, 0] = 100, 1, 333, 7
    assert torch.equal(bank.pulses, expected.int())
    expected[1, 0] = -7
    torch.testing.assert_close(bank.kept, expected * 0.001)
    assert (writes.pulses_up, writes.pulses_down) == (434, 7)


@pytest.mark.parametrize("name", ["ecram", "soft_bounds", "exp_step", "pow_step", "piecewise_step", "pcm", "stt_mram"])
@pytest.mark.parametrize("up", [True, False])
def test_a_write_ends_with_the_pulses_that_reach_the_bounds(name: str, up: bool) -> None:
    """From the far bound, a billion pulses leave a cell where four crossings of the mean cell do: at its bound.

    Soft bounds are within exp(-8) of the range by then, four crossings being 8 of their constants.
    """
    bank = CellBank(torch.zeros(5, 6), DevicePopulation.of(load_device(name)), seeded(1))
    near, far = (bank.parameters[side] for side in (("w_min", "w_max") if up else ("w_max", "w_min")))
    bank.set(near)
    given = bank.apply([all_cells(bank, 1e9, up)])
    pulses = (given.pulses_up if up else given.pulses_down) or 0
    assert 30 <= pulses < 30 * 2e4
    assert bank.pulses.double().sum().item() == pulses
    if bank.response.step_ctoc < 0.5:  # pcm's noise is larger than its step
        span = bank.response.w_max - bank.response.w_min
        assert (bank.kept - far).abs().median().item() < 2e-3 * span


def test_cycle_to_cycle_noise_grows_with_the_root_of_the_pulses() -> None:
    law = ConstantStep(step=0.001, **EVEN, step_ctoc=2.0, w_max=1.0, w_min=-1.0)
    for n in (1, 9, 100):
        bank = bank_of(law, (100, 100))
        bank.apply([all_cells(bank, n, True)])
        assert bank.kept.std().item() == pytest.approx(0.002 * math.sqrt(n), rel=0.05)
        assert bank.kept.mean().item() == pytest.approx(0.001 * n, abs=5 * 0.002 * math.sqrt(n) / 100)


# what is seen and what is kept


def test_write_noise_is_seen_and_not_kept() -> None:
    law = ConstantStep(step=0.001, **CERTAIN, write_noise=20.0)
    bank = bank_of(law, (100, 100))
    for n in (1, 40):
        bank.apply([all_cells(bank, n, True)])
    torch.testing.assert_close(bank.kept, torch.full((100, 100), 0.041))
    assert (bank.as_read() - bank.kept).std().item() == pytest.approx(0.02, rel=0.05)
    before = bank.as_read().clone()
    bank.apply([PulseCounts(torch.tensor([304]), torch.ones(1), False)])
    changed = (bank.as_read() != before).nonzero().tolist()
    assert changed == [[3, 4]]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "ideal"])
def test_no_pulses_leave_the_bounds_of_a_cell(name: str) -> None:
    bank = bank_of(from_aihwkit(name).response(), (10, 10))
    for up in (True, False):
        for _ in range(6):
            bank.apply([all_cells(bank, 120, up)])
            assert (bank.kept <= bank.parameters["w_max"]).all()
            assert (bank.kept >= bank.parameters["w_min"]).all()
    bank.set(torch.full((10, 10), 9.0))
    assert torch.equal(bank.kept, bank.parameters["w_max"])


# symmetry points


@pytest.mark.parametrize("law", [SoftBounds(asymmetry=-0.3), LinearStep(gamma_up=0.6, gamma_down=0.6, asymmetry=0.2),
                                 from_aihwkit("reram_es").response()], ids=lambda law: law.name)  # fmt: skip
def test_up_and_down_are_equal_at_the_symmetry_point(law: PulseResponse) -> None:
    bank = bank_of(law, (30, 30))
    point = bank.symmetry_point()
    up, down = (law.steps(point, bank.parameters, side) for side in (True, False))
    low, high = bank.parameters["w_min"], bank.parameters["w_max"]
    inside = (point > low + 1e-4) & (point < high - 1e-4) & (point != 0)
    assert inside.float().mean() > 0.5
    assert ((up - down).abs() < 1e-4 * law.step + 1e-4 * up)[inside].all()


def test_soft_bounds_have_their_symmetry_point_where_the_lines_cross() -> None:
    """0.7 (1 - w / 0.6) = 1 (1 + w / 0.6): w = -0.6 * 0.3 / 1.7."""
    bank = bank_of(SoftBounds(asymmetry=-0.3, **CERTAIN), (2, 2))
    torch.testing.assert_close(bank.symmetry_point(), torch.full((2, 2), -0.6 * 0.3 / 1.7))


def test_a_cell_without_a_symmetry_point_has_zero() -> None:
    """Constant steps cross nowhere, as in the aihwkit back-end."""
    assert not bank_of(ConstantStep()).symmetry_point().any()


# wires and conductances


def wired(r: float) -> tuple[CellBank, Tensor]:
    """Return a bank of a device file behind wires of r ohm a segment, and its conductances."""
    model = load_device("ecram")
    weights = torch.rand(32, 24, generator=seeded(3)) * 1.2 - 0.6
    bank = CellBank(weights, DevicePopulation.of(model), seeded(4), wires=Wires(r, r))
    return bank, model.conductance(bank.kept.clone())


def test_conductances_are_those_of_the_device_file() -> None:
    bank, conductances = wired(0.0)
    torch.testing.assert_close(bank.conductances(), conductances)
    assert 1e-6 < bank.conductances().mean().item() < 25e-6
    torch.testing.assert_close(bank.as_read(), bank.kept, rtol=1e-4, atol=1e-5)


def test_reads_see_the_effective_conductances_of_the_wires() -> None:
    bank, conductances = wired(2.0)
    model = load_device("ecram")
    read = model.conductance(bank.as_read())
    torch.testing.assert_close(read, effective_conductances(conductances, Wires(2.0, 2.0)), rtol=1e-4, atol=0)
    exact = exact_conductances(conductances, Wires(2.0, 2.0)).float()
    loss = (conductances - exact).norm() / exact.norm()
    assert 0.005 < loss < 0.1
    assert (read - exact).norm() / exact.norm() < 0.1 * loss
    torch.testing.assert_close(bank.conductances(), conductances)  # the cells themselves are as before


def test_the_drop_follows_the_weights_after_a_hundred_changes() -> None:
    bank, _ = wired(10.0)
    bank.as_read()
    for _ in range(100):
        bank.apply([all_cells(bank, 20, True)])
    model = load_device("ecram")
    expected = effective_conductances(model.conductance(bank.kept), Wires(10.0, 10.0))
    torch.testing.assert_close(model.conductance(bank.as_read()), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("moved", ["written", "aged"])
def test_the_drop_follows_cells_that_move_far_at_once(moved: str) -> None:
    """300 pulses, or a day of drift, take a fifth off what lines carry; a restored bank goes on as the saved one."""
    model, line = load_device("ecram").with_parameters({"retention.drift_nu": 0.05}), Wires(10.0, 10.0)
    device = replace(DevicePopulation.of(model), signed=False)
    bank, twin = (CellBank(torch.zeros(32, 24), device, seeded(4), wires=line) for _ in range(2))
    before = bank.as_read()
    if moved == "written":
        bank.apply([all_cells(bank, 300, False)])
    else:
        bank.elapse(86400.0)
    twin.as_read()
    twin.load_state_dict(bank.state_dict())
    expected = effective_conductances(bank.conductances(), line)
    assert expected.mean() < 0.8 * model.conductance(before).mean()
    for either in (bank, twin):
        torch.testing.assert_close(model.conductance(either.as_read()), expected, rtol=1e-4, atol=0)


def test_a_drop_that_hardly_moves_is_kept() -> None:
    bank, _ = wired(10.0)
    bank.as_read()
    assert bank.ir_drop is not None
    before = bank.ir_drop.left()
    bank.apply([all_cells(bank, 1, True)])
    assert bank.ir_drop.left() is before


def test_wires_of_no_resistance_change_no_weight_also_below_zero_conductance() -> None:
    """Spreads of bounds put a fifth of these cells below g = 0; what wires change falls with their resistance."""
    law = SoftBounds(w_min_dtod=0.3)
    weights = torch.rand(30, 30, generator=seeded(3)) * 1.6 - 1.0
    changes = []
    for r in (0.0, 1e-3, 1e-2):
        population = DevicePopulation(law, zero=law.w_min, siemens=1e-5)
        bank = CellBank(weights, population, seeded(4), wires=Wires(r, r) if r else None)
        assert 0.1 < (bank.kept < law.w_min).float().mean().item() < 0.4
        changes.append((bank.as_read() - bank.kept).abs().max().item())
    assert changes[0] == 0.0
    assert changes[1] < 1e-5
    assert changes[2] == pytest.approx(10 * changes[1], rel=0.1)

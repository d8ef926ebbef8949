"""What does not work: stuck cells, dead lines, explicit maps, and cells that wear out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.faults import DEAD, STUCK_HIGH, STUCK_IN_PLACE, STUCK_LOW, WORKS, drawn_faults
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import Remedy, names
from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import ConstantStep, PulseResponse, SoftBounds
from neurohw.devices.retention import Retention
from neurohw.errors import InputError

CERTAIN: dict[str, Any] = {
    "step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
}  # fmt: skip
RESTLESS = Retention(
    drift_nu=0.1, drift_nu_dtod=0.02, drift_nu_state=0.05, lifetime=50.0, diffusion=0.01, relaxation=0.02
)
WEIGHTS = (torch.rand(6, 8, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.4


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def array_of(weights: Tensor, law: PulseResponse | None = None, fault_map: Tensor | dict[str, Tensor] | None = None,
             remedy: str | Remedy = "none", retention: Retention | None = None, signed: bool = True, sided: int = 2,
             **rates: float) -> AnalogArray:  # fmt: skip
    device = DevicePopulation(
        law or SoftBounds(), retention or Retention(), FaultRates(**rates), zero=-0.7, siemens=1e-5, signed=signed,
        sided=sided,
    )  # fmt: skip
    return AnalogArray(
        weights, device, remedy, read_path=ReadPath.perfect(), generator=seeded(2), fault_map=fault_map,
        pulses=PulseScheme(kind="deterministic", length=1000),
    )  # fmt: skip


def pulse_all(array: AnalogArray, steps: float) -> None:
    ones = Product(torch.ones(1, array.shape[0]), torch.ones(1, array.shape[1]))
    array.update(OuterProducts((ones,), 1.0), steps * 0.001)


def live(array: AnalogArray) -> None:
    """Do everything to an array that changes a cell."""
    pulse_all(array, 40)
    array.elapse(30.0)
    pulse_all(array, -25)
    array.increment(torch.full(array.shape, 0.05))
    array.program(torch.full(array.shape, -0.1))
    array.elapse(300.0)


# the draw


def test_the_order_of_a_map_in_memory_does_not_matter() -> None:
    """As numpy saves what was transposed."""
    given = torch.zeros(6, 5)
    given[1, 2] = 4
    found = [
        AnalogArray(torch.full((6, 5), 0.3), DevicePopulation(ConstantStep(), zero=-0.7), "differential",
                    fault_map={"plus": map_}).conductances()["plus"]
        for map_ in (given, given.t().contiguous().t())
    ]  # fmt: skip
    assert found[0][1, 2] == 0.0
    assert torch.equal(*found)


def test_shares_of_stuck_cells_are_the_rates() -> None:
    """90,000 cells, to 5 standard errors."""
    rates = FaultRates(stuck_low=0.1, stuck_high=0.05, stuck_in_place=0.2)
    faults = drawn_faults(rates, (300, 300), seeded(3))
    assert faults is not None
    for code, rate in ((WORKS, 0.65), (STUCK_LOW, 0.1), (STUCK_HIGH, 0.05), (STUCK_IN_PLACE, 0.2), (DEAD, 0.0)):
        share = (faults == code).float().mean().item()
        assert share == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / 90_000))


@pytest.mark.parametrize(("name", "lines"), [("dead_rows", 0), ("dead_columns", 1)])
def test_dead_lines_are_whole_lines(name: str, lines: int) -> None:
    faults = drawn_faults(FaultRates(**{name: 0.1}), (2000, 3) if lines == 0 else (3, 2000), seeded(4))
    assert faults is not None
    dead = faults == DEAD
    assert torch.equal(dead.all(1 - lines), dead.any(1 - lines))
    assert dead.any(1 - lines).float().mean().item() == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / 2000))


def test_no_rates_are_no_map() -> None:
    assert drawn_faults(FaultRates(endurance=5.0), (3, 3), seeded()) is None


@pytest.mark.parametrize("wrong", [{"stuck_low": 1.1}, {"dead_rows": -0.1}, {"endurance": math.inf},
                                   {"stuck_low": 0.6, "stuck_high": 0.6}])  # fmt: skip
def test_rates_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        FaultRates(**wrong)


# stuck cells

MAP = torch.zeros(6, 8)
MAP[0, :2], MAP[1, :3], MAP[2, :4], MAP[:, 7] = STUCK_LOW, STUCK_HIGH, STUCK_IN_PLACE, DEAD


@pytest.mark.parametrize("noisy", [False, True], ids=["quiet", "write noise"])
def test_broken_cells_keep_their_weight_whatever_is_done(noisy: bool) -> None:
    """Updates, increments, programming, drift, decay, diffusion, relaxation, write noise: nothing moves them."""
    law = SoftBounds(write_noise=30.0 if noisy else 0.0)
    array = array_of(WEIGHTS, law, MAP, retention=RESTLESS)
    healthy = array_of(WEIGHTS, law, retention=RESTLESS).cells.banks["cell"].parameters
    expected = {STUCK_LOW: healthy["w_min"], STUCK_HIGH: healthy["w_max"], STUCK_IN_PLACE: WEIGHTS,
                DEAD: torch.zeros(6, 8)}  # fmt: skip
    live(array)
    for code, weights in expected.items():
        assert torch.equal(array.snapshot()[code == MAP], weights[code == MAP]), code
    assert (array.snapshot() != WEIGHTS)[MAP == WORKS].all()
    assert array.read(torch.eye(8))[7].abs().max() == 0  # a dead input


def test_drawn_faults_are_the_arrays() -> None:
    """A tenth stuck high of 2,500 equal cells: these and no others stay at the top when all are pulsed down."""
    array = array_of(torch.zeros(50, 50), ConstantStep(**CERTAIN), stuck_high=0.1)
    pulse_all(array, -1000)
    top = array.snapshot() == 0.6
    torch.testing.assert_close(array.snapshot()[~top], torch.full((int((~top).sum()),), -0.6))
    assert top.float().mean().item() == pytest.approx(0.1, abs=5 * 0.3 / 50)


def test_each_device_of_a_pair_can_be_broken_by_itself() -> None:
    """All pairs of codes: w+ - w- of what the broken devices are stuck at, whatever is done; a working one goes on."""
    codes = torch.cartesian_prod(torch.arange(5), torch.arange(5)).t()[:, None].float()  # [2, 1, 25]
    weights = torch.full((1, 25), 0.2)
    at = {STUCK_LOW: -0.6, STUCK_HIGH: 0.6, DEAD: -0.7}  # no current is weight -0.7 of a device in siemens
    for given in (codes, {"plus": codes[0], "minus": codes[1]}):
        array = array_of(weights, ConstantStep(**CERTAIN), given, "differential", signed=False)
        for step in range(2):
            plus, minus = ({**at, STUCK_IN_PLACE: sign * 0.1} for sign in (1, -1))
            if step:
                live(array)
            found, banks = array.snapshot()[0], array.conductances()
            torch.testing.assert_close(found, (banks["plus"] - banks["minus"])[0] / 1e-5)
            for i, (p, m) in enumerate(codes[:, 0].t().int().tolist()):
                if p != WORKS and m != WORKS:
                    assert found[i].item() == pytest.approx(plus[p] - minus[m], abs=1e-6), (p, m)
                elif p != WORKS and not step:
                    assert found[i].item() == pytest.approx(plus[p] + 0.1, abs=1e-6)
        fresh = array_of(weights, ConstantStep(**CERTAIN), given, "differential", signed=False)
        before = fresh.snapshot()
        pulse_all(fresh, 6)  # three steps of each device
        moved = (fresh.snapshot() - before)[0] / 0.001
        working = (codes == WORKS).sum(0)[0]
        torch.testing.assert_close(moved, working * 3.0, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", sorted(names()))
def test_broken_devices_of_any_weight_stay_as_they_are(name: str) -> None:
    """Refreshes and transfers included, and through a checkpoint: to the last bit, under write noise."""
    law = SoftBounds(w_max=1.0, w_min=-0.5, asymmetry=0.3, write_noise=30.0)
    remedy = Remedy.of(name, {"refresh_every": 1, "refresh_at": 0.3} if name == "one-sided" else {})
    healthy = array_of(WEIGHTS, law, None, remedy, RESTLESS, signed=False)
    maps = {device: torch.randint(5, (6, 8), generator=seeded(i)) for i, device in enumerate(healthy.conductances())}
    array = array_of(WEIGHTS, law, maps, remedy, RESTLESS, signed=False)
    start = array.conductances()
    for round_ in range(6):
        pulse_all(array, -90 if round_ % 2 else 150)
        array.elapse(30.0)
        if not array.anatomy.transfers:
            array.increment(torch.full(array.shape, 0.2))
        array.program(torch.full(array.shape, 0.1 * round_))
        restored = array_of(0 * WEIGHTS, law, maps, remedy, RESTLESS, signed=False)
        restored.load_state_dict(array.state_dict())
        array = restored
    now = array.conductances()
    for device, codes in maps.items():
        assert torch.equal(now[device][codes != WORKS], start[device][codes != WORKS]), device
        assert (now[device] != start[device])[codes == WORKS].float().mean() > 0.8, device


@pytest.mark.parametrize("remedy", sorted(names()))
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "conductances"])
def test_devices_stuck_in_place_keep_the_weight_that_they_made(remedy: str, signed: bool) -> None:
    """A device less its symmetry point too: what is kept is 0.3, and not the device at 0.3 less its reference."""
    weights = torch.full((6, 8), 0.3)
    sided = 1 if remedy == "one-sided" else 2
    law = SoftBounds(w_max=1.0, w_min=0.0 if sided == 1 else -1.0, asymmetry=0.3, w_max_dtod=0.02, w_min_dtod=0.02)
    healthy = array_of(weights, law, None, remedy, signed=signed, sided=sided)
    shape = (len(healthy.conductances()), 6, 8)
    array = array_of(weights, law, torch.full(shape, float(STUCK_IN_PLACE)), remedy, signed=signed, sided=sided)
    torch.testing.assert_close(array.snapshot(), weights)
    for _ in range(3):
        pulse_all(array, 40)
        array.elapse(30.0)
        pulse_all(array, -25)
    array.program(-weights)
    torch.testing.assert_close(array.snapshot(), weights)
    torch.testing.assert_close(array.conductances(), healthy.conductances())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("remedy", "dead", "left"),
    [("none", ["cell"], 0.0), ("differential", ["plus"], 0.5), ("differential", ["plus", "minus"], 0.0),
     ("several-cells", ["cell0"], 0.75)],
)  # fmt: skip
def test_a_dead_device_makes_no_noise(remedy: str, dead: list[str], left: float, transposed: bool) -> None:
    """No current, no noise: of what the devices of a weight make, the others' is left."""
    broken = torch.zeros(4, 4)
    broken[0, :] = broken[:, 0] = DEAD
    device = DevicePopulation(ConstantStep(), zero=-0.7, siemens=1e-5)
    path = ReadPath(None, None, 0.0, weight_noise=0.1, output_bound=math.inf)
    broken_too = {"read_path": path, "generator": seeded(3), "fault_map": dict.fromkeys(dead, broken)}
    array = AnalogArray(torch.zeros(4, 4), device, remedy, **broken_too)
    ones = torch.ones(20_000, 4)
    variance = (array.read_transposed(ones) if transposed else array.read(ones)).var(0)
    whole = array.cells.shares.values()
    each = 0.01 * sum(share**2 for share in whole)
    expected = each * torch.tensor([4 * left, 3 + left, 3 + left, 3 + left])
    torch.testing.assert_close(variance, expected, rtol=0.05, atol=1e-9)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "conductances"])
def test_a_dead_device_conducts_nothing_in_the_account(signed: bool) -> None:
    """Its conductance is 0, and what a read of all lines drives is the sum over the others."""
    maps = {"plus": MAP, "minus": torch.zeros(6, 8)}
    array = array_of(WEIGHTS, ConstantStep(**CERTAIN), maps, "differential", signed=signed)
    healthy = array_of(WEIGHTS, ConstantStep(**CERTAIN), None, "differential", signed=signed)
    plus, minus = (array.conductances()[name] for name in ("plus", "minus"))
    assert not plus[MAP == DEAD].any()
    assert (plus[MAP != DEAD] > 0).all()
    assert torch.equal(minus, healthy.conductances()["minus"])
    sums = array.line_conductances()
    assert sums is not None
    torch.testing.assert_close(sums[0], (plus + minus).sum(0))
    torch.testing.assert_close(sums[0][7], minus.sum(0)[7])
    other = array_of(WEIGHTS, ConstantStep(**CERTAIN), None, "differential", signed=signed)
    other.load_state_dict(array.state_dict())
    assert torch.equal(other.conductances()["plus"], plus)


@pytest.mark.parametrize(
    ("remedy", "given", "said"),
    [
        ("differential", MAP, r"one map, but plus, minus make a weight; allowed: .* leading axis of 2 devices"),
        ("differential", {"left": MAP}, "a map of 'left'; allowed: plus, minus"),
        ("differential", torch.stack([MAP] * 3), "maps of 3 devices; allowed: 2, plus, minus"),
        ("differential", {"": MAP, "plus": MAP}, "the weight and of plus"),
        ("differential", {"plus": MAP.t()}, r"shape \(8, 6\).*\(6, 8\)"),
        ("agad", MAP, "fast.cell, slow.cell make a weight"),
    ],
)
def test_maps_of_other_devices_are_refused(remedy: str, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        array_of(WEIGHTS, fault_map=given, remedy=remedy)


def test_a_single_map_is_of_the_device_that_is_written() -> None:
    """Its reference is another device, which a map can name."""
    for given in (MAP, {"": MAP}, {"cell": MAP}, torch.stack([MAP, torch.zeros(6, 8)])):
        array = array_of(WEIGHTS, ConstantStep(**CERTAIN), given, signed=False)
        assert array.reference == "array"
        torch.testing.assert_close(array.snapshot()[MAP == STUCK_HIGH], torch.full((3,), 0.6))
    array = array_of(WEIGHTS, ConstantStep(**CERTAIN), {"reference": MAP}, signed=False)
    torch.testing.assert_close(array.snapshot()[MAP == STUCK_HIGH], WEIGHTS[MAP == STUCK_HIGH] - 0.6)


def test_a_wrong_map_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(8, 6\).*\(6, 8\)"):
        array_of(WEIGHTS, fault_map=MAP.t())
    for wrong in (5.0, -1.0, 0.5, math.nan):
        with pytest.raises(InputError, match="0 works, 1 stuck low"):
            array_of(WEIGHTS, fault_map=torch.full((6, 8), wrong))


def test_faults_are_restored() -> None:
    array, other = array_of(WEIGHTS, fault_map=MAP), array_of(WEIGHTS)
    other.load_state_dict(array.state_dict())
    live(other)
    assert torch.equal(other.snapshot()[MAP != WORKS], array.snapshot()[MAP != WORKS])


# endurance


def test_cells_stop_after_their_last_write() -> None:
    """Endurance 10.5 of all: the 11th pulse is the last one that moves them."""
    array = array_of(torch.zeros(3, 4), ConstantStep(**CERTAIN), endurance=10.5)
    for pulse in range(1, 31):
        pulse_all(array, 1)
        torch.testing.assert_close(array.snapshot(), torch.full((3, 4), 0.001 * min(pulse, 11)))
    assert (array.writes()["cell"] == 30).all()
    pulse_all(array, -20)
    torch.testing.assert_close(array.snapshot(), torch.full((3, 4), 0.011))


def test_a_worn_out_cell_keeps_the_weight_that_was_seen_last() -> None:
    array = array_of(torch.zeros(10, 10), ConstantStep(write_noise=20.0), retention=RESTLESS, endurance=3.0)
    pulse_all(array, 5)
    last = array.snapshot()
    live(array)
    assert torch.equal(array.snapshot(), last)
    assert last.std() > 0.01


def test_endurance_is_log_normal() -> None:
    """The logarithm of the last pulse: median and standard deviation over 2,500 cells."""
    array = array_of(torch.zeros(50, 50), ConstantStep(**CERTAIN, w_max=10.0), endurance=200.0, endurance_dtod=0.5)
    for _ in range(150):
        pulse_all(array, 10)
    logs = (array.snapshot() / 0.001).log()
    assert logs.median().item() == pytest.approx(math.log(200.0 + 5), abs=5 * 0.5 * 1.25 / 50)
    assert logs.std().item() == pytest.approx(0.5, rel=0.08)


def test_unlimited_endurance_wears_nothing_out() -> None:
    array = array_of(torch.zeros(3, 3), ConstantStep(**CERTAIN))
    for _ in range(3):
        pulse_all(array, 100)
    torch.testing.assert_close(array.snapshot(), torch.full((3, 3), 0.3))

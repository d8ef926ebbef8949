"""Meters: transparent, and counting what hardware would have done, against small examples counted by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.circuits.spiking_target import SpikingEvents, SpikingTarget
from neurohw.circuits.target import Decision, Homeostasis, IdealTarget, TargetCircuit, TargetRule
from neurohw.clock import Clock
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.anatomy import Driving, Trains
from neurohw.crossbar.base import OuterProducts, Product, Serial, SynapseArray, Writes
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.laws import ConstantStep, SoftBounds
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment
from neurohw.metering import array_meter
from neurohw.metering import line_drive as side_module
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.expected_pulses import Lines, expected_trains
from neurohw.metering.ledger import Counts, EnergyLedger
from neurohw.metering.line_drive import Converters
from neurohw.metering.metered_array import MeteredArray
from neurohw.metering.metered_target import MeteredTarget
from neurohw.metering.polarities import LINE_EVENTS, POLARITIES, event_of
from neurohw.metering.write_counter import SAMPLED_EVERY
from neurohw.networks.capture import Capture
from neurohw.runs.build import build_network
from neurohw.runs.circuit import build_circuit
from neurohw.runs.meters import Metered, metered
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.testing import MakeArray, SynapseArrayConformance, TargetCircuitConformance
from tests.approximately import approx

SIEMENS = 1e-6
DEVICE = DevicePopulation(ConstantStep(), zero=-0.7, siemens=SIEMENS)
QUIET = ReadPath(None, None, 0.0, 0.0, 1.0, math.inf)  # inputs within 1


def analog(weights: Tensor, **options: Any) -> AnalogArray:
    given: dict[str, Any] = {"device": DEVICE, "read_path": QUIET, **options}
    return AnalogArray(weights, generator=torch.Generator().manual_seed(0), **given)


def halves(events: dict[str, float], suffix: str = "") -> float:
    """Half-selected cells of both polarities."""
    return sum(events.get(f"half_selected_{way}{suffix}", 0.0) for way in ("up", "down"))


def meter(array: SynapseArray, **settings: Any) -> tuple[MeteredArray, EnergyLedger, Clock]:
    ledger, clock = EnergyLedger(), Clock()
    return MeteredArray(array, ledger, clock, "W1", ArraySettings(**settings)), ledger, clock


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class TestMeteredIdeal(SynapseArrayConformance):
    @pytest.fixture
    def make_array(self) -> MakeArray:
        return lambda weights: meter(IdealArray(weights))[0]


class TestMeteredAnalog(SynapseArrayConformance):
    shape = (24, 20)
    read_sigma = 0.07
    update_gain = (0.8, 1.2)
    program_tolerance = 0.1

    @pytest.fixture
    def make_array(self) -> MakeArray:
        trains = Trains(Driving(SoftBounds().granularity))
        return lambda weights: meter(analog(weights, device=None, read_path=None), trains=trains)[0]


class TestMeteredTarget(TargetCircuitConformance):
    def make_circuit(self, n_out: int, k: int) -> TargetCircuit:
        return MeteredTarget(IdealTarget(TargetRule(n_out, k, 0.5)), EnergyLedger(), Clock())


def test_a_metered_array_looks_like_its_own() -> None:
    for plain in (IdealArray(torch.zeros(3, 4)), analog(torch.zeros(3, 4))):
        array, _, _ = meter(plain)
        for what in ("shape", "exact", "exact_writes", "keeps_layout", "by_columns", "dtype", "device"):
            assert getattr(array, what) == getattr(plain, what), what
    assert array.state_dict().keys() == plain.state_dict().keys()
    assert array.writes()["cell"].sum() == 0
    assert array.cells is plain.cells
    with pytest.raises(AttributeError, match="nonsense"):
        array.nonsense  # noqa: B018
    assert torch.equal(copy.deepcopy(array).snapshot(), plain.snapshot())


def test_what_can_be_recorded_stays_so_and_nothing_else() -> None:
    tiled = TiledArray(torch.zeros(4, 4), (2, 2), lambda block, place: IdealArray(block))
    arrays = [meter(array)[0] for array in (IdealArray(torch.zeros(2, 2)), analog(torch.zeros(2, 2)), tiled)]
    assert [array.sources() is not None for array in arrays] == [True, True, False]
    for array in arrays[:2]:
        (ours, drawn), (theirs, own) = array.sources(), array.array.sources()  # type: ignore[misc]
        assert ([t.data_ptr() for t in ours], drawn) == ([t.data_ptr() for t in theirs], own)
        assert ours


def test_reads_and_conversions_by_hand() -> None:
    converters = Converters(7, 9, 1.0)
    array, ledger, clock = meter(IdealArray(torch.zeros(3, 5)), converters=converters, bias_adds=3)
    with clock.during("free"):
        array.read(torch.ones(4, 5), times=10)
    array.read_transposed(torch.ones(2, 3))
    counts = ledger.counts()
    assert counts["W1"] == {
        "free": {"reads": 40.0, "dac_conversions": 200.0, "adc_conversions": 120.0},
        "inference": {"reads_transposed": 2.0, "dac_conversions": 6.0, "adc_conversions": 10.0},
    }
    assert counts["digital"] == {"free": {"adds": 120.0}}
    assert counts["buffer"]["free"] == {"bits": 200.0 * 7 + 120.0 * 9, "interconnect_bits": 120.0 * 9}


def test_tiles_convert_shared_lines_and_partial_sums() -> None:
    """5 x 7 in tiles of at most 2 x 3: 3 of them share a line of the inputs, 3 partial sums make an output."""
    array, ledger, _ = meter(TiledArray(some(5, 7), (2, 3), lambda block, place: analog(block)),
                             converters=Converters(7, 9, 1.0))  # fmt: skip
    array.read(torch.ones(2, 7))
    counts = ledger.counts()
    events = counts["W1"]["inference"]
    assert (events["reads"], events["dac_conversions"], events["adc_conversions"]) == (2, 2 * 7 * 3, 2 * 5 * 3)
    assert counts["digital"]["inference"]["adds"] == 2 * 5 * 2
    assert counts["buffer"]["inference"]["interconnect_bits"] == 2 * 5 * (1 + 3) * 9


@pytest.mark.parametrize(("coding", "signed", "passes"), [("bit-serial", True, 12), ("pulse-width", True, 2)])
def test_codings_convert_again_and_drive_cells_otherwise(coding: str, signed: bool, passes: int) -> None:
    converters = Converters(7, 9, 1.0, coding, signed)
    plain = analog(some(3, 2) * 0.1)
    array, ledger, _ = meter(plain, converters=converters)
    x = torch.tensor([[1.0, -0.5], [0.25, 0.0]])
    array.read(x)
    events = ledger.counts()["W1"]["inference"]
    assert events["adc_conversions"] == 2 * 3 * passes
    codes = (x.abs() * 63).round().int()
    on = sum((codes >> bit) & 1 for bit in range(6)) if coding == "bit-serial" else x.abs()
    wanted = (on @ plain.conductances()["cell"].t().to(on)).sum() if coding != "bit-serial" else None
    if wanted is None:
        wanted = (torch.as_tensor(on).float() @ plain.conductances()["cell"].t()).sum()
    assert events["read_conductance"] == approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("remedy", ["none", "differential"])
@pytest.mark.parametrize(("tile", "scale"), [(None, "vector"), (None, "batch"), ((3, 4), "vector")])
def test_read_conductance_against_brute_force(
    remedy: str, tile: tuple[int, int] | None, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sum_b sum_ij x_bi^2 G_ij, each tile's inputs scaled as its converters do; G: mean of looks before and after."""
    monkeypatch.setattr(array_meter, "SNAPSHOT_UPDATES", 20)
    weights, generator = some(5, 9) * 0.3, torch.Generator().manual_seed(1)
    make: Callable[[Tensor, str], AnalogArray] = lambda block, place: analog(block, remedy=remedy)  # noqa: E731
    plain = make(weights, "") if tile is None else TiledArray(weights, tile, make)
    array, ledger, clock = meter(plain, converters=Converters(bound=1.0, input_scale=scale))
    largest: Callable[[Tensor], Tensor] = lambda of: of.abs().amax(1 if scale == "vector" else (0, 1), keepdim=True)  # noqa: E731
    blocks = list(array.meter.tiles.blocks())
    crossbars = [plain] if tile is None else [block for row in plain.grid for block in row]  # type: ignore[attr-defined]
    wanted, driven = 0.0, [torch.zeros_like(block.conductances().popitem()[1]) for block in crossbars]

    def look() -> list[Tensor]:
        return [torch.stack(list(block.conductances().values())).sum(0) for block in crossbars]

    def between(before: list[Tensor], after: list[Tensor]) -> float:
        return sum(float((n * (g + h) / 2).sum()) for n, g, h in zip(driven, before, after, strict=True))

    now = look()
    for i in range(50):
        if i and i % 20 == 0:
            wanted, driven = wanted + between(now, now := look()), [torch.zeros_like(n) for n in driven]
        x, e = torch.rand(3, 9, generator=generator) * 2, torch.randn(3, 5, generator=generator)
        if i % 5 == 0:
            with clock.during("forward"):
                array.read(x, times=2)
                array.read_transposed(e)
            for (rows, columns), n in zip(blocks, driven, strict=True):
                x_part = x[:, columns] / largest(x[:, columns]).clamp(min=1.0)
                e_part = e[:, rows] / largest(e[:, rows])
                n += 2 * x_part.square().sum(0) + e_part.square().sum(0).unsqueeze(1)
        array.update(OuterProducts((Product(e, x),), 0.01), 1.0)
    wanted += between(now, look())
    assert ledger.counts()["W1"]["forward"]["read_conductance"] == approx(wanted, rel=1e-5)


def test_training_is_accounted_with_conductances_as_they_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One-sided pairs fill up within 100 batches: looks now and then are as good as one after each update."""
    keys = {"hardware.device": "pcm", "hardware.cell": "one-sided", "training.epochs": 4, "data.train_limit": 640}
    experiment = load_experiment("quickstart", {"hardware.backend": "analog", **keys})
    siemens = {}
    for updates in (1, array_meter.SNAPSHOT_UPDATES):
        monkeypatch.setattr(array_meter, "SNAPSHOT_UPDATES", updates)
        counts = run(experiment, 0, tmp_path / str(updates)).ledger["counts"]["W1"]
        siemens[updates] = [counts[phase]["read_conductance"] for phase in ("forward", "association", "inference")]
    always, seldom = siemens.values()
    assert seldom[0] == approx(always[0], rel=0.05)
    assert seldom[1:] == approx(always[1:], rel=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("phase", ["association", "inference"])
def test_an_evaluation_reads_cells_as_they_stand(phase: str, transposed: bool) -> None:
    """A pair that has filled up since the cells were looked at conducts more; a restored meter knows."""
    pair = analog(torch.zeros(2, 3), cell="one-sided")
    array, ledger, clock = meter(pair, converters=Converters(bound=1.0))
    with clock.during("forward"):
        array.read(torch.ones(1, 3))
    before = sum(float(siemens.sum()) for siemens in pair.conductances().values())
    for sign in (1, -1):
        array.update(OuterProducts((Product(torch.ones(4, 2), torch.ones(4, 3), sign),), 1.0), 0.05)
    array.meter.load_state_dict(array.meter.state_dict())
    with clock.during(phase):
        array.read_transposed(torch.ones(1, 2)) if transposed else array.read(torch.ones(1, 3))
    after = sum(float(siemens.sum()) for siemens in pair.conductances().values())
    assert after > 1.5 * before
    counts = ledger.counts()["W1"]
    assert counts["forward"]["read_conductance"] == approx((before + after) / 2, rel=1e-5)  # of both looks
    assert counts[phase]["read_conductance"] == approx(after, rel=1e-5)


def test_cells_that_age_are_looked_at_anew() -> None:
    array, ledger, _ = meter(analog(torch.zeros(2, 2)), converters=Converters(bound=1.0))
    array.read(torch.ones(1, 2))
    array.array.program(torch.full((2, 2), -0.3))  # behind the meter's back
    array.elapse(1.0)
    array.read(torch.ones(1, 2))
    expected = (4 * 0.7 + 4 * 0.4) * SIEMENS
    assert ledger.counts()["W1"]["inference"]["read_conductance"] == approx(expected, rel=0.02)


def test_inputs_without_a_bound_are_clipped_to_one() -> None:
    array, ledger, _ = meter(analog(torch.zeros(1, 2), read_path=ReadPath.perfect()))
    array.read(torch.tensor([[3.0, -0.5]]))
    assert ledger.counts()["W1"]["inference"]["read_conductance"] == approx(1.25 * 0.7 * SIEMENS)


@pytest.mark.parametrize("size", [0.0, 1e-25, 1e-3])
def test_errors_of_any_size_are_scaled_to_full_scale(size: float) -> None:
    array, ledger, _ = meter(analog(torch.zeros(2, 1)), converters=Converters(bound=1.0))
    array.read_transposed(torch.tensor([[1.0, -0.5]]) * size)
    counts = ledger.counts()["W1"]["inference"]
    assert counts.get("read_conductance", 0.0) == approx(1.25 * 0.7 * SIEMENS if size else 0.0)


def test_ideal_arrays_have_no_conductance_and_no_pulses() -> None:
    array, ledger, _ = meter(IdealArray(torch.zeros(2, 2)))
    array.read(torch.ones(1, 2))
    array.update(OuterProducts((Product(torch.ones(1, 2), torch.ones(1, 2)),), 1.0), 1.0)
    assert ledger.counts()["W1"] == {
        "inference": {"reads": 1.0, "dac_conversions": 2.0, "adc_conversions": 2.0, "outer_products": 1.0}
    }


def products(seed: int = 0) -> OuterProducts:
    terms = (Product(some(8, 30, seed=seed), some(8, 20, seed=seed + 100).abs(), 1),
             Product(some(8, 30, seed=seed + 200), some(8, 20, seed=seed + 300), -1))  # fmt: skip
    return OuterProducts(terms, 1 / 8)


@pytest.mark.parametrize("remedy", ["none", "differential", "several-cells", "agad", "mixed-precision"])
def test_pulses_are_the_arrays_own_count(remedy: str) -> None:
    plain = analog(torch.zeros(30, 20), remedy=remedy)
    serial = remedy == "mixed-precision"
    array, ledger, clock = meter(plain, trains=Trains(Driving(ConstantStep().granularity), serial=serial))
    up = down = 0
    with clock.during("update"):
        for i in range(5):
            writes = array.update(products(i), 0.05)
            up, down = up + (writes.pulses_up or 0), down + (writes.pulses_down or 0)
    events = ledger.counts()["W1"]["update"]
    assert (events["pulses_up"], events["pulses_down"]) == (up, down)
    assert events["pulses_up"] + events["pulses_down"] == sum(int(bank.sum()) for bank in plain.writes().values())


@pytest.mark.parametrize("rate", [0.003, 0.05, 0.8])
def test_expected_pulses_are_those_of_the_engine_on_average(rate: float) -> None:
    """Also where trains are shorter than a pulse a sample, and where they are too short for the product."""
    array = analog(torch.zeros(30, 20), pulses=PulseScheme(length=10))
    trains = Trains(Driving(ConstantStep().granularity), length=10)
    found = torch.zeros(2, dtype=torch.float64)
    wanted = torch.zeros(2, dtype=torch.float64)
    for i in range(60):
        given = products(i)
        writes = array.update(given, rate)
        found += torch.tensor([writes.pulses_up or 0, writes.pulses_down or 0])
        for term in given.terms:
            part = expected_trains(Lines.of(term.post, {}), Lines.of(term.pre, {}), rate / 8 * term.sign, trains)
            wanted += torch.tensor([part.coincidences + part.net, part.coincidences - part.net]) / 2
    assert ((found - wanted).abs() < 6 * 5 * wanted.sqrt()).all()  # lines' pulses are shared by many cells
    torch.testing.assert_close(found, wanted, rtol=0.06, atol=30)


def test_half_selected_cells_by_hand() -> None:
    """One slot in which one of 3 outputs and one of 4 inputs pulse for certain: 3 + 2 cells at half the voltage."""
    post, pre = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    array, ledger, _ = meter(analog(torch.zeros(3, 4)), trains=Trains(Driving(ConstantStep().granularity), length=5))
    array.update(OuterProducts((Product(post, pre),), 1.0), ConstantStep().granularity)
    events = ledger.counts()["W1"]["inference"]
    lines = {"half_selected_up": 5.0, "pulse_slots": 1.0, "longest_slots": 5.0, "line_pulses": 2.0}
    assert events == {
        **lines, **{f"{event}_in_turn": count for event, count in lines.items()},  # of one sign: nothing takes turns
        "outer_products": 1.0, "pulses_up": 1.0, "train_bits": 3.0 + 4.0,
    }  # fmt: skip


def test_half_selected_cells_against_drawn_trains() -> None:
    """p_x = |x| / max|x| sqrt(k / BL), likewise the other side: drawn bit by bit, counted cell by cell."""
    post, pre = some(1, 6).abs(), some(1, 5, seed=1).abs()
    slots, k = 4, 3.5  # of the largest product
    p_post = (post / post.max() * math.sqrt(k / slots)).double()
    p_pre = (pre / pre.max() * math.sqrt(k / slots)).double()
    draws = torch.Generator().manual_seed(0)
    d = torch.rand(40000 * slots, 6, generator=draws, dtype=torch.float64) < p_post
    x = torch.rand(40000 * slots, 5, generator=draws, dtype=torch.float64) < p_pre
    halves = (d[:, :, None] ^ x[:, None]).sum() / 40000
    gain = k / float(post.max() * pre.max())
    found = expected_trains(Lines.of(post, {}), Lines.of(pre, {}), gain, Trains(Driving(1.0), length=31))
    for driven in found.driven.values():  # of one sign: nothing takes turns
        assert driven.slots == [4]
        assert driven.half_up == approx(float(halves), rel=0.01)
        assert driven.half_down == 0
        assert driven.line_pulses == approx(float(d.sum() + x.sum()) / 40000, rel=0.01)


def test_later_trains_are_sampled() -> None:
    array, ledger, _ = meter(analog(torch.zeros(30, 20)), trains=Trains(Driving(ConstantStep().granularity)))
    for i in range(100):
        array.update(products(i), 0.05)
    before = ledger.counts()["W1"]["inference"]
    for i in range(100):
        array.update(products(i), 0.05)
    after = ledger.counts()["W1"]["inference"]
    assert SAMPLED_EVERY == 5
    assert after["longest_slots"] == 2 * before["longest_slots"]
    assert after["longest_slots_in_turn"] == 2 * before["longest_slots_in_turn"]
    assert before["longest_slots"] == 100 * 8 * 31 * (1 + 2)  # the second term's inputs have both signs
    assert before["longest_slots_in_turn"] == 100 * 8 * 31 * (2 + 4)
    assert after["outer_products"] == 200 * 8 * 2
    assert after["pulse_slots"] < after["longest_slots"]
    for event in LINE_EVENTS:
        for way in POLARITIES:
            assert after[event_of(event, way)] == approx(2 * before[event_of(event, way)], rel=0.05)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_batches_in_turn_are_sampled_alike(every: int) -> None:
    """Large and small batches in turn, as without and with labels: what lines do is that of both, as before."""
    array, ledger, _ = meter(analog(torch.zeros(30, 20)), trains=Trains(Driving(ConstantStep().granularity)))
    large, small = products(0), OuterProducts((Product(some(1, 30), some(1, 20)),), 1.0)

    def line_pulses(updates: int) -> float:
        before = ledger.counts().get("W1", {}).get("inference", {}).get("line_pulses", 0.0)
        for i in range(updates):
            array.update(small if i // every % 2 else large, 0.05)
        return ledger.counts()["W1"]["inference"]["line_pulses"] - before

    assert line_pulses(100) == approx(line_pulses(100), rel=0.05)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4)])
def test_increments_are_written_line_by_line(shape: tuple[int, int]) -> None:
    """Of the shorter side: a line takes its largest number of steps; all else on it, and below it, is half selected."""
    delta = torch.zeros(4, 3)
    delta[0] = torch.tensor([3.0, -2.0, 0.0])
    delta[2] = torch.tensor([0.0, 5.0, 0.0])
    delta = delta if shape == (4, 3) else delta.t()
    step = ConstantStep().granularity
    array, ledger, _ = meter(analog(torch.zeros(shape)), trains=Trains(Driving(step)))
    writes = array.increment(delta * step)
    assert (writes.pulses_up, writes.pulses_down) == (8, 2)
    in_turn = lines_written(3 + 5, 2)  # rises of a line, then its falls
    gates = lines_written(0.8 * (3 + 5), 0.2 * (3 + 5))  # open for the pulses of either polarity
    together = gates if shape == (4, 3) else in_turn  # inputs' lines are gates
    assert ledger.counts()["W1"]["inference"] == approx({
        "programmed_cells": 3.0, "pulses_up": 8.0, "pulses_down": 2.0,
        **together, **{f"{event}_in_turn": count for event, count in in_turn.items()},
    })  # fmt: skip


def test_an_increment_on_tiles_half_selects_within_its_tiles() -> None:
    """One cell by k pulses: the others of its row and of its column, of 10 x 8; a full row: each of its ten tiles'."""
    law = ConstantStep(step_dtod=0.0, step_ctoc=0.0, w_max_dtod=0.0, w_min_dtod=0.0, asymmetry_dtod=0.0, step=0.01)

    def written(rows: slice, columns: slice) -> dict[str, float]:
        array = build_array("analog", torch.zeros(100, 80), device=DevicePopulation(law), tile=(10, 8))
        metered_array, ledger, _ = meter(array, trains=Trains(Driving(law.granularity)))
        delta = torch.zeros(100, 80)
        delta[rows, columns] = 3 * law.granularity
        metered_array.increment(delta)
        return dict(ledger.counts()["W1"]["inference"])

    one, column = written(slice(3, 4), slice(5, 6)), written(slice(None), slice(5, 6))
    assert one["half_selected_up"] == approx(3 * (9 + 7))
    assert one["line_pulses"] == approx(3 * 2)
    assert column["half_selected_up"] == approx(10 * 3 * 10 * 7)  # the column's own cells are all selected
    assert column["line_pulses"] == approx(10 * 3 * (1 + 10))
    assert column["pulse_slots"] == approx(3)  # all tiles at the same time


def test_verified_increments_are_written_cell_by_cell() -> None:
    """A word read and one written for every cell; a pulse has both its lines, and half selects all else on them.

    All cells are read once, those with a pulse again: 5 steps are 2, 1, 1 and 1 pulses.
    """
    law = ConstantStep(step_dtod=0.0, step_ctoc=0.0, w_max_dtod=0.0, w_min_dtod=0.0, asymmetry_dtod=0.0, step=0.02)
    verified = AnalogArray(torch.zeros(4, 3), DevicePopulation(law), increments="verified")
    array, ledger, _ = meter(verified, trains=Trains(Driving(law.granularity), increment_words=2))
    array.increment(torch.eye(4)[:, :3] * 5 * law.granularity)
    counts = ledger.counts()
    assert counts["digital"]["inference"]["optimizer_words"] == 12 * 2
    written = counts["W1"]["inference"]
    assert written["pulses_up"] == 15
    assert written["pulse_slots"] == 15
    assert written["half_selected_up"] == 15 * (3 + 2)
    assert written["verifying_reads"] == 12 + 3 * 4


def lines_written(rises: float, falls: float) -> dict[str, float]:
    """8 pulses up and 2 down to cells on lines of 4, 3 of them: each line's others, and those of each that it meets."""
    slots = rises + falls
    return {"pulse_slots": slots, "longest_slots": slots, "line_pulses": slots + 10.0,
            "half_selected_up": (rises * 4 - 8) + 8 * 2, "half_selected_down": (falls * 4 - 2) + 2 * 2}  # fmt: skip


def test_cells_that_are_written_one_by_one_have_two_lines_of_their_own() -> None:
    """A pulse is a slot; it is on a row and a column, whose other 5 and 3 cells are half selected, either way."""
    array, ledger, clock = meter(analog(torch.zeros(4, 6)), trains=Trains(Driving(SoftBounds().granularity)))
    with clock.during("update"):
        writes = array.program(torch.full((4, 6), 0.1))
    assert writes.pulses_up is not None
    assert writes.pulses_down is not None
    pulses = writes.pulses_up + writes.pulses_down
    assert pulses > 24
    events = ledger.counts()["W1"]["update"]
    for ending in ("", "_in_turn"):
        found = [events[name + ending] for name in ("line_pulses", "pulse_slots", "longest_slots")]
        assert found == [2 * pulses, pulses, pulses]
        for way, given in (("up", writes.pulses_up), ("down", writes.pulses_down)):
            assert events.get(f"half_selected_{way}{ending}", 0.0) == (5 + 3) * given
    assert events["programmed_cells"] == 24


@pytest.mark.parametrize(
    ("device", "remedy", "devices", "on_line"),
    [("ecram", "none", 1, 1), ("ecram", "mixed-precision", 1, 1), ("ecram", "several-cells", 4, 4),
     ("ecram", "tiki-taka", 2, 1), ("ecram", "agad", 2, 1), ("pcm", "mixed-precision", 2, 2),
     ("pcm", "one-sided", 2, 2)],
)  # fmt: skip
def test_an_account_has_the_devices_that_aihwkit_builds(device: str, remedy: str, devices: int, on_line: int) -> None:
    """A weight of devices that only potentiate is a pair, whatever writes it; reads do not drive a hidden array."""
    settings = {"network.layers": [64, 20], "hardware.backend": "aihwkit", "hardware.device": device,
                "hardware.remedy": remedy, "target.k": 2}  # fmt: skip
    _, parts = batch_of(settings)
    facts = parts.facts(1.0)["arrays"]["W1"]
    assert (facts["devices_per_weight"], facts["devices_on_line"]) == (devices, on_line)


def test_our_count_of_aihwkits_pulses_is_the_analog_engines() -> None:
    """The same device, the same products: expected for aihwkit's tile, counted by the engine."""
    kind: dict[str, Any] = {"device": load_device("ecram")}
    tile = build_array("aihwkit", torch.zeros(30, 20), **kind)
    ours = build_array("analog", torch.zeros(30, 20), **kind)
    array, ledger, _ = meter(tile, trains=tile.anatomy.trains)
    exact, exact_ledger, _ = meter(ours)
    for i in range(60):
        array.update(products(i), 0.02)
        exact.update(products(i), 0.02)
    expected, counted = (led.counts()["W1"]["inference"] for led in (ledger, exact_ledger))
    for event in ("pulses_up", "pulses_down"):
        assert expected[event] == approx(counted[event], rel=0.02)
    theirs = build_array("aihwkit", ours.snapshot(), **kind)
    torch.testing.assert_close(theirs.conductances()["cell"], ours.conductances()["cell"], rtol=1e-4, atol=0)


def test_a_transfer_remedy_reads_its_hidden_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are read one by one, and written into the other array one by one, each as long as its longest train."""
    device = replace(DEVICE, response=SoftBounds(w_max_dtod=0.0, w_min_dtod=0.0, asymmetry_dtod=0.0))
    plain = analog(
        torch.zeros(30, 20), device=device, cell="reference-cell", writing="tiki-taka-v2",
        writing_parameters={"every": 2},
    )  # fmt: skip
    given: list[Tensor] = []
    slow: Any = plain.cells.slow  # type: ignore[attr-defined]
    pulse = slow.pulse

    def seen(trains: list[PulseCounts]) -> Writes:
        counts = torch.zeros(30 * 20)
        for pulses in trains:
            counts[pulses.cells] += pulses.numbers if pulses.up else -pulses.numbers
        given.append(counts.view(30, 20))
        return pulse(trains)  # type: ignore[no-any-return]

    monkeypatch.setattr(slow, "pulse", seen)
    trains = Trains(Driving(ConstantStep().granularity, fast_rate=0.5))
    array, ledger, clock = meter(plain, trains=trains, converters=Converters(7, 9, 1.0))
    parallel, parallel_ledger, _ = meter(analog(torch.zeros(30, 20), device=device), trains=trains)
    with clock.during("update"):
        for i in range(20):
            array.update(products(i), 0.1)
            parallel.update(products(i), 0.1)
    counts = ledger.counts()
    events, fast = counts["W1"]["update"], parallel_ledger.counts()["W1"]["inference"]
    columns = 20 * 16 // 2  # of 16 samples an update; each has one batch of 8 a term
    assert len(given) == 20
    assert events["reads"] == columns
    assert (events["dac_conversions"], events["adc_conversions"]) == (columns, columns * 30)  # a line selects a column
    assert counts["digital"]["update"]["optimizer_words"] == columns * 30 * 2
    hidden = 2 * 30 * 0.7 * SIEMENS  # a column of cells and their references, as they were looked at last
    assert events["read_conductance"] == approx(columns * hidden)
    moved = torch.stack(given)
    rises, falls = moved.clamp(min=0).amax(1).sum(), -moved.clamp(max=0).amin(1).sum()
    pulses, at_once = moved.abs().sum(), moved.abs().amax(1).sum()
    assert pulses > 100
    for suffix, slots in (("", at_once), ("_in_turn", rises + falls)):
        assert events[f"pulse_slots{suffix}"] - fast[f"pulse_slots{suffix}"] == slots
        assert events[f"line_pulses{suffix}"] == approx(fast[f"line_pulses{suffix}"] + float(slots + pulses))
        others = float(slots * 30 + pulses * (20 - 2))  # of the column, and of the lines that cross it
        assert halves(events, suffix) == approx(halves(fast, suffix) + others)
    others = float(rises * 30 + moved.clamp(min=0).sum() * (20 - 2))
    found, of_fast = (each["half_selected_up_in_turn"] for each in (events, fast))
    assert found == approx(of_fast + others)


@pytest.mark.parametrize("case", ["samples of zeros", "terms of different sizes"])
def test_a_hidden_array_gets_the_pulses_of_its_typical_sample(case: str) -> None:
    """Of all terms together, samples of zeros left out: as the engine draws them, counted against expected."""
    engine = analog(torch.zeros(8, 12), device="ecram", remedy="tiki-taka-v2")
    trains = engine.anatomy.trains
    assert trains is not None
    expecting, ledger, _ = meter(IdealArray(torch.zeros(8, 12)), trains=trains)
    for i in range(40):
        post, pre = some(32, 8, seed=i), some(32, 12, seed=100 + i).abs()
        terms = (Product(post, pre * 0.05), Product(post * 0.05, pre))
        if case == "samples of zeros":
            terms = (Product(post * (torch.arange(32) % 4 == 0)[:, None], pre),)  # three of four have no error
        engine.update(OuterProducts(terms, 1 / 32), 0.2)
        expecting.update(OuterProducts(terms, 1 / 32), 0.2)
    events = ledger.counts()["W1"]["inference"]
    given = sum(float(pulses.sum()) for name, pulses in engine.writes().items() if name.startswith("fast"))
    assert given > 20000
    assert events["pulses_up"] + events["pulses_down"] == approx(given, rel=0.1)


class Transfers(IdealArray):
    """Says that it read a column of 3 x 4, and wrote two rises and a fall of it into the other array."""

    pulses = 3

    def update(self, products: OuterProducts, rate: float) -> Writes:
        return Writes(self.pulses, 0, Serial(0, 0, 1, self.pulses, 1, 2))


@pytest.mark.parametrize(
    ("driving", "pulses", "together", "in_turn"),
    [
        ({}, 3, (1, 1 + 3, 3 * 3), (2, 2 + 3, 3 + 3 * 3)),
        ({"crossbars": 2}, 6, (1, 2 * (1 + 3), 2 * 9), (2, 2 * (2 + 3), 2 * 12)),
        ({"pair": True}, 3, (1, 2 + 3, 1 + 2 + 3 * 3), (1, 2 + 3, 1 + 2 + 3 * 3)),
    ],
    ids=["a device", "two crossbars", "a pair"],
)
def test_a_transfer_writes_all_crossbars_of_a_weight_at_the_same_time(
    driving: dict[str, Any], pulses: int, together: tuple[int, int, int], in_turn: tuple[int, int, int]
) -> None:
    """Each has its column and its rows; of a pair that only potentiates, one takes the rises, the other the fall."""
    plain = Transfers(torch.zeros(3, 4))
    plain.pulses = pulses
    array, ledger, _ = meter(plain, trains=Trains(Driving(0.001, **driving)))
    array.update(OuterProducts((Product(torch.zeros(1, 3), torch.zeros(1, 4)),), 1.0), 1.0)
    events = ledger.counts()["W1"]["inference"]
    for suffix, wanted in (("", together), ("_in_turn", in_turn)):
        counted = (events["pulse_slots" + suffix], events["line_pulses" + suffix], halves(events, suffix))
        assert counted == approx(wanted)


def test_tiles_transfer_at_the_same_time() -> None:
    """2 x 2 tiles of 3 x 4: each reads and writes a column of its own, in the time that one takes."""
    tiled = TiledArray(torch.zeros(6, 8), (3, 4), lambda block, place: Transfers(block))
    array, ledger, _ = meter(tiled, trains=Trains(Driving(0.001)), converters=Converters(7, 9, 1.0))
    array.update(OuterProducts((Product(torch.zeros(1, 6), torch.zeros(1, 8)),), 1.0), 1.0)
    counts = ledger.counts()
    events = counts["W1"]["inference"]
    assert (events["reads"], events["dac_conversions"], events["adc_conversions"]) == (1, 4, 4 * 3)
    assert counts["digital"]["inference"]["optimizer_words"] == 2 * 4 * 3
    for suffix, slots, half in (("", 1, 9), ("_in_turn", 2, 12)):
        assert events["pulse_slots" + suffix] == slots
        assert events["line_pulses" + suffix] == 4 * (slots + 3)
        assert halves(events, suffix) == 4 * half


@pytest.mark.parametrize(("cell", "crossbars"), [("single", 1), ("differential", 2), ("several-cells", 4)])
def test_devices_of_one_weight_are_written_at_the_same_time(cell: str, crossbars: int) -> None:
    """One weight after the other: mixed precision, and programming."""
    plain = analog(torch.zeros(4, 6), cell=cell, writing="mixed-precision")
    array, ledger, clock = meter(plain, trains=plain.anatomy.trains)
    with clock.during("update"):
        array.update(products_of(4, 6), 0.1)
    with clock.during("target"):
        array.program(torch.full((4, 6), 0.1))
    for events in (ledger.counts()["W1"][phase] for phase in ("update", "target")):
        pulses = events["pulses_up"] + events.get("pulses_down", 0.0)
        assert pulses > 24
        for ending in ("", "_in_turn"):
            counted = [events[name + ending] for name in ("line_pulses", "pulse_slots", "longest_slots")]
            assert counted == [2 * pulses, pulses / crossbars, pulses / crossbars]
            assert halves(events, ending) == (5 + 3) * pulses


@pytest.mark.parametrize("crossbars", [2, 4])
def test_trains_run_on_every_crossbar_of_a_weight(crossbars: int) -> None:
    """Each has lines of its own, which pulse at the same time: more pulses and half-selected cells, no more slots."""
    step = ConstantStep().granularity
    single, several = (meter(IdealArray(torch.zeros(3, 4)), trains=Trains(Driving(step, crossbars=n)))
                       for n in (1, crossbars))  # fmt: skip
    for array, _, _ in (single, several):
        array.update(products_of(3, 4), 0.02)
    one, all_of_them = (ledger.counts()["W1"]["inference"] for _, ledger, _ in (single, several))
    for event, count in one.items():
        times = 1 if event in ("train_bits", "outer_products") or "slots" in event else crossbars
        assert all_of_them[event] == approx(times * count), event


class Verifies(IdealArray):
    """Says that it verified: 6 pulses to single cells and 4 by trains, 20 readings."""

    def _said(self) -> Writes:
        return Writes(7, 3, Serial(cell_pulses=6, readings=20))

    def update(self, products: OuterProducts, rate: float) -> Writes:
        return self._said()

    def program(self, weights: Tensor) -> Writes:
        return Writes(7, 3, Serial(cell_pulses=10, readings=20))

    def conductances(self) -> dict[str, Tensor]:
        return {"plus": torch.full(self.shape, 2e-6), "minus": torch.full(self.shape, 1e-6)}


def test_cells_that_are_verified_and_written_one_by_one() -> None:
    """3 x 4: a pulse to a cell takes a slot and its two lines, and half selects the 2 + 3 others on them."""
    array, ledger, clock = meter(Verifies(torch.zeros(3, 4)), trains=Trains(Driving(ConstantStep().granularity)),
                                 converters=Converters(7, 9, 1.0))  # fmt: skip
    nothing = OuterProducts((Product(torch.zeros(1, 3), torch.zeros(1, 4)),), 1.0)
    with clock.during("update"):
        array.update(nothing, 1.0)
    with clock.during("target"):
        array.program(torch.zeros(3, 4))
    counts = ledger.counts()
    read = {"verifying_reads": 20.0, "dac_conversions": 20.0, "adc_conversions": 20.0, "pulses_up": 7.0,
            "pulses_down": 3.0, "read_conductance": approx(20 * 3e-6)}  # fmt: skip
    for phase, pulses in (("update", 6.0), ("target", 10.0)):
        events = counts["W1"][phase]
        assert {key: events[key] for key in read} == read
        for suffix in ("", "_in_turn"):
            slots, lines = (events[f"{e}{suffix}"] for e in ("pulse_slots", "line_pulses"))
            assert (slots, lines, halves(events, suffix)) == (pulses, 2 * pulses, 5 * pulses)
        codes = (3 + 4) * 7 if phase == "update" else 0  # of the update's trains; and one a pulse
        assert counts["buffer"][phase]["bits"] == 20 * (7 + 9) + codes + pulses * 7
        assert counts["digital"][phase]["adds"] == 20


def test_tiles_write_and_verify_their_cells_at_the_same_time() -> None:
    """2 x 2 tiles of 3 x 4, each of which says: 6 pulses to single cells, 20 readings."""
    tiled = TiledArray(torch.zeros(6, 8), (3, 4), lambda block, place: Verifies(block))
    array, ledger, clock = meter(tiled, trains=Trains(Driving(0.001)), converters=Converters(7, 9, 1.0))
    nothing = OuterProducts((Product(torch.zeros(1, 6), torch.zeros(1, 8)),), 1.0)
    with clock.during("update"):
        array.update(nothing, 1.0)
    events = ledger.counts()["W1"]["update"]
    for suffix in ("", "_in_turn"):
        slots, lines = (events[f"{e}{suffix}"] for e in ("pulse_slots", "line_pulses"))
        assert (slots, lines, halves(events, suffix)) == (6, 4 * 6 * 2, 4 * 6 * 5)
    assert events["verifying_reads"] == events["adc_conversions"] == 4 * 20


def test_what_arrays_verify_is_read_written_and_timed() -> None:
    """Verified increments read all cells, and again those that were pulsed; a pair's refresh looks at both devices."""
    steady = DevicePopulation(ConstantStep(step_dtod=0.0, step_ctoc=0.0, w_max_dtod=0.0, w_min_dtod=0.0), zero=-0.7,
                              siemens=SIEMENS)  # fmt: skip
    step = steady.response.granularity
    trains = Trains(Driving(step))
    array, ledger, _ = meter(analog(torch.zeros(3, 4), device=steady, increments="verified"), trains=trains)
    delta = torch.zeros(3, 4)
    delta[1, 2] = 2 * step
    array.increment(delta)
    events = ledger.counts()["W1"]["inference"]
    assert (events["pulses_up"], events["pulse_slots"], events["line_pulses"]) == (2, 2, 4)
    assert halves(events) == events["half_selected_up"] == 2 * (3 + 4 - 2)
    rounds = events["verifying_reads"] - 12  # of the one cell that was pulsed
    assert 1 <= rounds <= 2
    assert events["adc_conversions"] == events["dac_conversions"] == 12 + rounds
    plain = analog(torch.zeros(3, 4), device=steady, remedy="one-sided", remedy_parameters={"refresh_every": 2})
    pair, ledger, _ = meter(plain, trains=Trains(Driving(step, pair=True)))
    conducting = sum(float(siemens.sum()) for siemens in plain.conductances().values())
    for _ in range(4):
        pair.update(products_of(3, 4), 0.01)
    events = ledger.counts()["W1"]["inference"]
    assert events["verifying_reads"] == events["adc_conversions"] == 2 * (2 * 12)  # two looks, nothing is full
    assert events["read_conductance"] == approx(2 * conducting)  # each device by itself


@pytest.mark.parametrize("tile", [None, (2, 3)])
def test_compensation_of_drift_reads_all_cells(tile: tuple[int, int] | None) -> None:
    """Before a time without writes and after it, column by column: 5 columns of 4 outputs, or 2 tiles deep 3 and 2."""

    def make(block: Tensor, place: str) -> AnalogArray:
        return analog(block, compensation="global")

    plain = make(torch.zeros(4, 5), "") if tile is None else TiledArray(torch.zeros(4, 5), tile, make)
    array, ledger, _ = meter(plain, converters=Converters(7, 9, 1.0))
    array.elapse(1.0)  # two readouts
    array.elapse(1.0)  # one
    columns, above = (5, 1) if tile is None else (2.5, 2)  # tiles are read at the same time
    assert ledger.counts()["W1"]["inference"] == {
        "reads": 3 * columns, "dac_conversions": 3 * 5 * above, "adc_conversions": 3 * 5 * 4,
        "read_conductance": approx(3 * 20 * 0.7 * SIEMENS),
    }  # fmt: skip
    array.update(products_of(4, 5), 0.01)
    array.elapse(1.0)
    assert ledger.counts()["W1"]["update"]["adc_conversions"] == 2 * 5 * 4


def products_of(n_post: int, n_pre: int) -> OuterProducts:
    return OuterProducts((Product(some(2, n_post), some(2, n_pre)),), 1.0)


def test_codes_of_both_sides_are_fetched_for_trains() -> None:
    array, ledger, _ = meter(analog(torch.zeros(3, 4)), trains=Trains(Driving(ConstantStep().granularity)),
                             converters=Converters(7, 9, 1.0))  # fmt: skip
    array.update(products_of(3, 4), 0.01)
    assert ledger.counts()["buffer"]["inference"]["bits"] == 2 * (3 + 4) * 7


@pytest.mark.parametrize(("shape", "tile"), [((3, 2), None), ((200, 100), (100, 50))])
def test_changes_of_an_optimiser_reach_the_drivers_as_codes(shape: tuple[int, int], tile: Any) -> None:
    """A code of 7 bits for each weight, those that do not change included; none where no cell gets a pulse."""
    delta = torch.zeros(shape)
    plain, trains = build_array("analog", delta, device="ecram", tile=tile), Trains(Driving(0.001))
    array, ledger, clock = meter(plain, converters=Converters(7, 9, 1.0), trains=trains)
    with clock.during("target"):
        array.increment(delta)
    delta[0, 0] = 0.05
    with clock.during("update"):
        array.increment(delta)
    buffer = ledger.counts()["buffer"]
    assert buffer == {"update": {"bits": 7 * shape[0] * shape[1]}}


def test_pulses_of_digital_sums_reach_the_drivers_as_codes() -> None:
    """A sum pulses what is due cell by cell: a code a pulse, which both devices of a pair get; products have codes."""
    for cell, devices in (("single", 1), ("differential", 2)):
        plain = analog(torch.zeros(4, 6), cell=cell, writing="mixed-precision")
        array, ledger, _ = meter(plain, trains=plain.anatomy.trains, converters=Converters(7, 9, 1.0))
        array.update(products_of(4, 6), 0.1)
        counts = ledger.counts()
        pulses = sum(counts["W1"]["inference"].get(f"pulses_{way}", 0.0) for way in ("up", "down"))
        assert counts["buffer"]["inference"]["bits"] == 7 * (pulses / devices + 2 * (4 + 6)) > 7 * 20


def test_columns_of_a_hidden_array_reach_the_drivers_as_codes() -> None:
    """2 x 2 tiles of 3 x 4 read a column each (7 bits in, 9 out) and write it: 3 codes each, beside the trains'."""
    tiled = TiledArray(torch.zeros(6, 8), (3, 4), lambda block, place: Transfers(block))
    array, ledger, _ = meter(tiled, trains=Trains(Driving(0.001)), converters=Converters(7, 9, 1.0))
    array.update(OuterProducts((Product(torch.zeros(1, 6), torch.zeros(1, 8)),), 1.0), 1.0)
    trains = 4 * (3 + 4) * 7
    assert ledger.counts()["buffer"]["inference"]["bits"] == trains + 4 * (7 + 3 * 9) + 4 * 3 * 7


def test_writes_add_up() -> None:
    a, b = Serial(*range(1, 11)), Serial(*range(10, 101, 10))
    assert Writes.total([Writes(1, 2, a), Writes(3, 4), Writes(5, 6, b)]) == Writes(9, 12, Serial(*range(11, 111, 11)))
    assert Writes(1, 2) + Writes(None, 1, b) == Writes(None, 3, b)


def test_decisions_by_hand() -> None:
    ledger, clock = EnergyLedger(), Clock()
    circuit = MeteredTarget(IdealTarget(TargetRule(20, 3, 0.5)), ledger, clock)
    with clock.during("target"):
        state = circuit(torch.rand(7, 20), circuit.initial()).homeostasis
        circuit(torch.rand(5, 20), state, labels=torch.zeros(5, dtype=torch.int64))
    assert circuit.rule.k == 3
    assert ledger.counts() == {"target": {
        "target": {"decisions": 7.0, "comparisons": 140.0, "label_decisions": 5.0},
        "homeostasis": {"homeostasis_updates": 20.0},
    }}  # fmt: skip


class Races(TargetCircuit):
    """Answers as spiking neurons do."""

    n_out = 5
    charges, counted = SpikingTarget.charges, SpikingTarget.counted

    def initial(self) -> Homeostasis:
        return IdealTarget(TargetRule(5, 1, 0.5)).initial()

    def __call__(self, competition: Tensor, homeostasis: Homeostasis, **_: Any) -> Decision:
        events = SpikingEvents(len(competition), 1, input_spikes=100, output_spikes=12, seconds=0.25)
        return Decision(torch.zeros(len(competition), 5), homeostasis, events)


def test_spiking_decisions_by_hand() -> None:
    """12 spikes of outputs, and one of each sample's inhibitory neuron, which arrives at all 5 outputs."""
    ledger, clock = EnergyLedger(), Clock()
    circuit = MeteredTarget(Races(), ledger, clock)
    with clock.during("target"):
        circuit(torch.rand(3, 5), circuit.initial())
    assert ledger.counts() == {"target": {
        "target": {"decisions": 3.0, "spikes": 12.0 + 3, "synaptic_events": 100.0 + 12 + 3 * 5,
                   "decision_seconds": 0.25, "neuron_seconds": 0.25 * 6},
        "homeostasis": {"homeostasis_updates": 5.0},
    }}  # fmt: skip


def batch_of(settings: dict[str, Any], images: int = 3) -> tuple[Counts, Metered]:
    """Train one batch on metered parts, let a batch's time pass, and infer one image."""
    experiment = load_experiment("quickstart", {"hardware.recommended": False, **settings})
    streams = Streams(0)
    parts = metered(experiment, build_network(experiment, streams, Clock()), build_circuit(experiment, streams, 10))
    x = torch.rand(images, experiment.network.layers[0], generator=torch.Generator().manual_seed(0))
    network, circuit = parts.network, parts.circuit
    state = network.respond(x, train=True)
    with network.clock.during("target"):
        target = circuit(state.competition, circuit.initial()).target
    contrast = network.contrast(state, target)
    with network.clock.during("update"):
        for layer, wanted in contrast:
            layer.update(wanted, 0.1)
    network.elapse(2.0)
    network.respond(x[:1])
    return parts.ledger.counts(), parts


EP: dict[str, Any] = {
    "network.rule": "ep",
    "network.layers": [64, 20],
    "ep.free_steps": 40,
    "ep.nudged_steps": 10,
}


@pytest.mark.parametrize(("hold", "free", "nudged", "inferred"), [(True, 3, 0, 1), (False, 120, 30, 40)])
@pytest.mark.parametrize("backend", ["ideal", "analog"])
def test_one_layer_of_ep_by_hand(backend: str, hold: bool, free: int, nudged: int, inferred: int) -> None:
    """T = 40, K = 10: the input is read once and held, or in every step; the closed form counts like the loop."""
    device = {"hardware.backend": backend, "hardware.device": "ecram"} if backend == "analog" else {}
    counts, _ = batch_of({**EP, **device, "ep.hold_input": hold})
    reads = {phase: events["reads"] for phase, events in counts["W1"].items() if "reads" in events}
    assert reads == {"free": free, "inference": inferred} | ({"nudged": nudged} if nudged else {})
    assert counts["clock"] == {
        "free": {"images": 3.0, "steps": 120.0}, "nudged": {"images": 3.0, "steps": 30.0},
        "inference": {"images": 1.0, "steps": 40.0}, "update": {"seconds": 2.0},
    }  # fmt: skip
    digital = counts["digital"]
    assert digital["free"]["activations"] == 120 * 20
    assert digital["nudged"]["activations"] == 30 * 20
    assert digital["inference"]["activations"] == 40 * 20
    assert digital["free"]["adds"] == 120 * 20 * 2 + free * 20  # biases come with the reads
    assert digital["free"]["macs"] == 120 * 20
    assert digital["nudged"]["macs"] == 30 * 20 * 2
    # leak, step and nudge of every output in every step, and the biases of what is read
    assert digital["nudged"]["adds"] == 30 * 20 * (2 + 1) + nudged * 20
    assert digital["update"] == {"adds": 120.0, "bias_updates": 20.0}


@pytest.mark.parametrize(("outputs", "more"), [(10, 0), (25, 1), (40, 2)])
def test_the_percentile_leaves_at_most_one_cell_in_a_thousand_out(outputs: int, more: int) -> None:
    """Of 640, 1,600 and 2,560 cells none, one and two may have had more pulses than the 99.9th percentile says."""
    _, parts = batch_of({"hardware.device": "linear_step", "network.layers": [64, outputs],
                         "training.dropout": [], "target.k": 1})  # fmt: skip
    array = parts.network.layers[0].array
    post = torch.zeros(1, outputs)
    for cell, rate in ((0, 0.03), (1, 0.02), (2, 0.01)):
        pre = torch.zeros(1, 64)
        post[0, 0], pre[0, cell] = 1.0, 1.0
        for _ in range(20):
            array.update(OuterProducts((Product(post, pre),), 1.0), rate)
    ranked = torch.cat([*array.writes().values()]).flatten().sort(descending=True).values.tolist()
    assert ranked[0] > ranked[1] > ranked[2] > ranked[3]
    writes = parts.facts(1.0)["arrays"]["W1"]["writes_per_cell"]
    assert (writes["p999"], writes["max"]) == (ranked[more], ranked[0])


@pytest.mark.parametrize("backend", ["ideal", "analog"])
def test_two_layers_of_ep_by_hand(backend: str) -> None:
    """Held input: W1 is read once, W2 in every step from both sides."""
    device = {"hardware.backend": backend, "hardware.device": "ecram"} if backend == "analog" else {}
    two = {**EP, "network.layers": [64, 30, 20], "training.learning_rate": [0.1, 0.1], "ep.free_steps": 6,
           "ep.nudged_steps": 4, "training.dropout": []}  # fmt: skip
    counts, _ = batch_of({**two, **device})
    assert counts["W1"]["free"]["reads"] == 3
    assert "nudged" not in counts["W1"]
    for phase, steps in (("free", 18), ("nudged", 12), ("inference", 6)):
        events = counts["W2"][phase]
        assert (events["reads"], events["reads_transposed"]) == (steps, steps)
        assert events["dac_conversions"] == steps * (30 + 20) == events["adc_conversions"]
        assert counts["digital"][phase]["activations"] == steps * 50
        assert counts["clock"][phase]["steps"] == steps
    # leak and step of 50 neurons, the drive from above of the hidden 30; biases of W1 once, of W2 in every step
    assert counts["digital"]["free"]["adds"] == 18 * (2 * 50 + 30) + 3 * 30 + 18 * 20
    assert counts["digital"]["nudged"]["adds"] == 12 * (2 * 50 + 30 + 20) + 12 * 20
    if backend == "analog":
        for name in ("W1", "W2"):
            assert counts[name]["update"]["longest_slots"] == 2 * 3 * 31
            assert counts[name]["update"]["outer_products"] == 2 * 3


@pytest.mark.parametrize("backend", ["ideal", "analog"])
@pytest.mark.parametrize(
    ("contrast", "layers", "bias", "adds"),
    [
        ("two-phase", [64, 20], "digital", 2 * 20),  # sums of either phase, or b1 - b0 and its sum
        ("difference", [64, 20], "digital", 20 + 20),
        ("two-phase", [64, 30, 20], "digital", 2 * 50),
        ("difference", [64, 30, 20], "digital", 2 * 50 + 50),  # b1 - b0, b1 + b0, and the sum of b1 - b0
        ("two-phase", [64, 30, 20], "line", 0),  # cells like all others
        ("difference", [64, 30, 20], "line", 2 * 50),
    ],
)
def test_phases_that_are_written_apart_are_summed_apart_for_biases(
    contrast: str, layers: list[int], bias: str, adds: int, backend: str
) -> None:
    """Additions of an update, 3 images; ideal arrays form b1 - b0 of the first layer whatever the contrast."""
    device = {"hardware.backend": backend, "hardware.device": "ecram"} if backend == "analog" else {}
    rates = [0.1] * (len(layers) - 1)
    counts, _ = batch_of({**EP, **device, "network.layers": layers, "training.learning_rate": rates,
                          "ep.contrast": contrast, "network.bias": bias, "training.dropout": []})  # fmt: skip
    formed = layers[1] if (backend, bias, contrast) == ("ideal", "line", "two-phase") else 0
    assert counts["digital"].get("update", {}).get("adds", 0) == 3 * (adds + formed)


@pytest.mark.parametrize("hold", [True, False])
def test_a_symmetric_estimate_is_nudged_twice(hold: bool) -> None:
    """Both signs of the nudge relax for K = 10 steps each: twice the work of one; a held input is read no more."""
    one, two = (batch_of({**EP, "ep.estimate": estimate, "ep.hold_input": hold})[0]
                for estimate in ("one-sided", "symmetric"))  # fmt: skip
    assert (one["clock"]["nudged"]["steps"], two["clock"]["nudged"]["steps"]) == (30, 60)
    for event in ("activations", "adds", "macs"):
        assert two["digital"]["nudged"][event] == 2 * one["digital"]["nudged"][event]
    assert two["digital"]["free"] == one["digital"]["free"]
    reads = [counts["W1"].get("nudged", {}).get("reads", 0) for counts in (one, two)]
    assert reads == ([0, 0] if hold else [30, 60])


def test_bp_by_hand() -> None:
    """The first layer's cells are not read backwards; the output's error is a subtraction and a product."""
    settings = {"network.layers": [64, 30, 20], "network.neurons": ["relu", "hardsigm"],
                "training.learning_rate": [0.1, 0.1], "training.dropout": []}  # fmt: skip
    counts, _ = batch_of(settings)
    assert counts["W1"]["forward"] == {"reads": 3.0, "dac_conversions": 192.0, "adc_conversions": 90.0}
    assert set(counts["W1"]) == {"forward", "update", "inference"}
    assert counts["W1"]["update"] == {"outer_products": 3.0}
    assert counts["W2"]["backward"] == {"reads_transposed": 3.0, "dac_conversions": 60.0, "adc_conversions": 90.0}
    assert counts["digital"]["forward"] == {"activations": 150.0, "adds": 150.0}
    assert counts["digital"]["backward"] == {"adds": 60.0, "macs": 150.0}
    assert counts["digital"]["update"] == {"adds": 150.0, "bias_updates": 50.0}
    assert counts["clock"]["backward"] == {"images": 3.0}
    assert counts["target"]["target"] == {"decisions": 3.0, "comparisons": 60.0}


@pytest.mark.parametrize(("over", "products"), [("outputs", 30 + 20), ("logits", 30)])
def test_a_cross_entropy_over_drives_needs_no_slope_of_the_outputs(over: str, products: int) -> None:
    settings = {"network.layers": [64, 30, 20], "network.neurons": ["relu", "sigmoid"], "training.dropout": [],
                "training.learning_rate": [0.1, 0.1], "training.loss": "cross-entropy",
                "training.cross_entropy_on": over}  # fmt: skip
    counts, _ = batch_of(settings)
    assert counts["digital"]["backward"] == {"adds": 60.0, "activations": 60.0, "macs": 3.0 * products}


def test_adam_keeps_two_words_a_cell() -> None:
    counts, _ = batch_of({"network.layers": [64, 20], "training.optimizer": "adam"})
    assert counts["digital"]["update"]["optimizer_words"] == 4 * 64 * 20
    assert counts["digital"]["update"]["macs"] == (3 + 8) * 64 * 20
    assert counts["buffer"]["update"]["bits"] == 3 * (64 + 20) * 8  # ideal arrays: 8 bits; their writes are no pulses


def test_the_readout_of_semi_supervised_ep_is_read_in_every_nudged_step() -> None:
    semi = {
        **EP, "training.mode": "semi-supervised", "data.labels": 60, "network.layers": [64, 40, 10],
        "training.learning_rate": [0.1, 0.1], "training.loss": "cross-entropy", "target.k": 1,
        "training.pretrain.learning_rate": [0.1, 0.1], "training.dropout": [],
    }  # fmt: skip
    counts, _ = batch_of(semi)
    assert counts["W2"]["free"]["reads"] == 3
    assert counts["W2"]["nudged"]["reads"] == 3 * (10 + 1)
    assert counts["W2"]["nudged"]["reads_transposed"] == 3 * 10
    assert counts["digital"]["free"]["activations"] == 3 * (40 * 40 + 10)
    assert counts["digital"]["nudged"]["activations"] == 3 * (10 * 40 + 11 * 10)


@pytest.mark.parametrize("kind", ["ideal", "analog"])
def test_replays_of_a_recorded_graph_are_counted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: what is warming up is not counted, each replay is, under the phase it is asked for in."""
    weights = some(3, 4) * 0.1
    array, ledger, clock = meter(IdealArray(weights) if kind == "ideal" else analog(weights),
                                 converters=Converters(bound=1.0))  # fmt: skip
    for side in (array.meter._forward, array.meter._backward):
        side._replays = side_module._Replays(side.lines, torch.device("cpu"))
    mode = ["plain"]
    monkeypatch.setattr(side_module, "stream_mode", lambda: mode[0])

    def record(function: Any, buffers: Any, generators: Any) -> Callable[[], list[Tensor]]:
        mode[0] = "warming"
        function(buffers)
        mode[0] = "plain"

        def replay() -> list[Tensor]:
            mode[0] = "recording"  # kernels that were recorded, and are launched now
            results: list[Tensor] = function(buffers)
            mode[0] = "plain"
            return results

        return replay

    captured, x = Capture(record), torch.rand(2, 4)
    for phase, times in (("free", 3), ("inference", 2), ("free", 1)):
        with clock.during(phase):
            for _ in range(times):
                captured(lambda given: [array.read(given["x"]) for _ in range(5)][-1:], {"x": x}, [array], "key")
    array.read(x)
    counts = ledger.counts()["W1"]
    assert (counts["free"]["reads"], counts["inference"]["reads"]) == (4 * 5 * 2, 2 * 5 * 2 + 2)
    state = ledger.state_dict()
    ledger.load_state_dict(state)
    assert ledger.counts()["W1"] == counts
    if kind == "analog":
        one = float((x.square() @ array.conductances()["cell"].t()).sum())
        assert counts["free"]["read_conductance"] == approx(20 * one, rel=1e-5)

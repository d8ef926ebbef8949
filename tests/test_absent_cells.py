"""Cells that are not there: no current, no noise, no pulse, nothing counted, whatever devices, remedy or time do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.aihwkit.programmed import ProgrammedArray
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import ReadPath
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.array_watch import ArrayWatch
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.runs.build import build_network
from neurohw.seeding import Streams
from tests.approximately import approx
from tests.test_conv import CONV, FINE, STEP


def test_arrays_that_cannot_leave_cells_out_are_refused() -> None:
    pruned: dict[str, Any] = {"network.conv": [{**CONV[0], "prune": 0.5}], "training.dropout": []}
    on_tiles = load_experiment("quickstart", pruned | {"hardware.backend": "aihwkit", "hardware.device": "ideal"})
    shared = {"hardware.device": "ecram", "hardware.reference": "column"}
    for experiment, message in ((on_tiles, "cannot leave cells out"), (load_experiment("quickstart", pruned | shared),
                                "got 'column' with absent cells")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            build_network(experiment, Streams(0), Clock())


def test_a_tile_leaves_its_own_cells_out() -> None:
    absent = torch.rand(10, 12, generator=torch.Generator().manual_seed(0)) < 0.3
    weights = torch.full((10, 12), 0.1)
    array = build_array("analog", weights, device="ecram", tile=(4, 5), absent=absent, read_path=ReadPath.perfect())
    assert torch.equal(array.snapshot() == 0, absent)
    assert torch.equal(array.present, ~absent)  # type: ignore[arg-type]
    array.increment(torch.full((10, 12), 0.05))
    array.elapse(100.0)
    assert torch.equal(array.snapshot() == 0, absent)


@pytest.mark.parametrize(("device", "remedy"), [
    ("ecram", "none"), ("reram_es", "differential"), ("reram_es", "mixed-precision"), ("ecram", "tiki-taka-v2"),
    ("reram_es", "agad"), ("pcm", "one-sided"), ("pcm_drift", "one-sided"),
])  # fmt: skip
def test_nothing_moves_absent_cells(device: str, remedy: str) -> None:
    """Whatever they are made of and however they are written: writes, programming, time, and back from a file."""
    g = torch.Generator().manual_seed(0)
    weights, absent = torch.rand(6, 8, generator=g).mul_(0.2), torch.rand(6, 8, generator=g) < 0.4
    built = build_array("analog", weights, device=device, remedy=remedy, absent=absent, weight_range=0.4)
    assert not built.snapshot()[absent].any()
    assert built.snapshot()[~absent].any()
    for _ in range(40):
        products = Product(torch.randn(4, 6, generator=g), torch.rand(4, 8, generator=g))
        built.update(OuterProducts((products,), 1.0), 0.05)
    built.elapse(1000.0)
    if remedy not in ("tiki-taka-v2", "agad"):
        built.increment(torch.full((6, 8), 0.1))
    built.program(torch.full((6, 8), 0.1))
    built.elapse(1000.0)
    assert not built.snapshot()[absent].any()
    for bank in built.writes().values():
        assert not bank[absent].any()
        assert bank[~absent].any()
    for siemens in built.conductances().values():
        assert not siemens[absent].any()
    again = build_array("analog", weights, device=device, remedy=remedy, absent=absent, weight_range=0.4)
    again.load_state_dict(built.state_dict())
    assert torch.equal(again.snapshot(), built.snapshot())
    again.program(torch.full((6, 8), 0.05))
    assert not again.snapshot()[absent].any()


def test_cells_that_are_not_there_hold_no_weight_beyond_their_range() -> None:
    """Some cells of a wide spread do not hold 0: they count where they are, and not where they are left out."""
    generator = torch.Generator().manual_seed(0)
    weights, absent = torch.zeros(40, 50), torch.rand(40, 50, generator=generator) < 0.9
    whole, pruned = (
        build_array("analog", weights, device="linear_step", remedy="reference-cell", absent=without)
        for without in (None, absent)
    )
    assert whole.clipped == approx(0.025, abs=0.01)
    assert pruned.clipped == approx(whole.clipped, abs=0.025)  # of some 200 cells


@pytest.mark.parametrize("tile", [None, (4, 5)])
def test_weights_beyond_the_cells_range_are_a_share_of_those_that_are_there(tile: tuple[int, int] | None) -> None:
    """All that are there begin beyond it, and an update brings all of them to a bound."""
    weights, absent = torch.full((6, 8), 2.0), torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) < 0.4
    built = build_array("analog", weights, device=FINE, absent=absent, tile=tile)
    assert built.clipped == 0.0
    built = build_array("analog", 3 * weights, device=FINE, absent=absent, tile=tile)
    assert built.clipped == approx(1.0)
    built = build_array("analog", weights, device=FINE, absent=absent, tile=tile)
    watch = ArrayWatch(built)
    built.program(torch.full((6, 8), 4.0))
    signs = watch.signs()
    assert signs is not None
    assert signs.stuck == approx(1.0)


def test_absent_cells_make_no_noise() -> None:
    """An output of which no cell is there is silent; one of which half are has half the variance."""
    absent = torch.zeros(3, 400, dtype=torch.bool)
    absent[1, ::2], absent[2] = True, True
    path = replace(ReadPath.perfect(), weight_noise=0.1)
    array = AnalogArray(torch.zeros(3, 400), FINE, read_path=path, absent=absent)
    variance = array.read(torch.ones(4000, 400)).var(0)
    assert float(variance[2]) == 0.0
    assert float(variance[0]) == approx(4.0, rel=0.1)
    assert float(variance[1]) == approx(2.0, rel=0.1)


def test_writes_of_cells_that_are_not_there_are_not_counted() -> None:
    """Beside the same writes into an array that has all cells; lines pulse as long, along half as many cells."""
    absent = torch.zeros(6, 8, dtype=torch.bool)
    absent[:, ::2] = True
    g = torch.Generator().manual_seed(0)
    alike = torch.rand(200, 4, generator=g).repeat_interleave(2, dim=1)  # what is there as what is not
    product = Product(torch.rand(200, 6, generator=g), alike)

    def counted(writing: str, missing: Tensor | None, programmed: bool = False) -> dict[str, dict[str, float]]:
        built = build_array("analog", torch.zeros(6, 8), device=FINE, writing=writing, absent=missing)
        ledger, clock = EnergyLedger(), Clock()
        array = MeteredArray(built, ledger, clock, "W1", ArraySettings.of(built))
        with clock.during("update"):
            if programmed:
                array.program(torch.full((6, 8), 0.1))
            else:
                array.update(OuterProducts((product,), 1.0), STEP)
        return {part: phases["update"] for part, phases in ledger.counts().items()}

    whole, half = (counted("pulses", missing)["W1"] for missing in (None, absent))
    assert half["line_pulses"] == approx(whole["line_pulses"], rel=0.1)
    assert half["half_selected_up"] == approx(whole["half_selected_up"] / 2, rel=0.1)
    assert half["pulses_up"] == approx(whole["pulses_up"] / 2, rel=0.1)
    whole, half = (counted("mixed-precision", missing)["digital"] for missing in (None, absent))
    assert half["macs"] == whole["macs"] / 2 == 200 * 24
    whole, half = (counted("pulses", missing, programmed=True)["W1"] for missing in (None, absent))
    assert half["programmed_cells"] == whole["programmed_cells"] / 2 == 24
    assert half["pulses_up"] == whole["pulses_up"] / 2 > 0


def test_a_network_programmed_into_other_devices_has_none_where_none_were() -> None:
    present = torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    weights = torch.full((6, 8), 0.3) * present
    array = ProgrammedArray(weights, "pcm-like", present=present)
    array.elapse(1e5)
    assert torch.equal(array.snapshot() != 0, present)

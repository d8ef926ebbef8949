"""Somebody else's back-end and unit cell: a class and a name each; the account follows from what they say."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.anatomy import Anatomy, Driving
from neurohw.crossbar.backends import BACKENDS, CONVERTERS, Backend
from neurohw.crossbar.base import OuterProducts, Product, Writes
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.remedies import CELLS, CellKind
from neurohw.crossbar.spec import ArraySpec
from neurohw.crossbar.unit_cells import Parts, UnitCell, less_reference
from neurohw.crossbar.verify import Step
from neurohw.devices.laws import SoftBounds
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.runs.run import run
from neurohw.testing import ArrayAccountConformance, MakeArray, SynapseArrayConformance
from tests.approximately import approx

CELL_AREA = 12 * (32e-9) ** 2  # of taox_hfox at 32 nm, m2


class ConductingArray(IdealArray):
    """Exact arithmetic with the weights as conductances of a device."""

    def __init__(self, weights: Tensor, spec: ArraySpec) -> None:
        super().__init__(weights)
        device = load_device(spec.device) if isinstance(spec.device, str) else spec.device
        assert device is not None
        self.population, self.path = DevicePopulation.of(device), spec.read_path

    @classmethod
    def build(cls, weights: Tensor, spec: ArraySpec, seed: int) -> ConductingArray:
        return cls(weights, spec)

    @property
    def anatomy(self) -> Anatomy:
        return Anatomy(read_path=self.path)

    def conductances(self) -> dict[str, Tensor]:
        device = self.population
        return {"cell": (self.snapshot() - device.zero).clamp(min=0) * device.siemens}


class WeightedCells(UnitCell):
    """W = (w0 + 2 w1 + 4 w2) / 7 - r, all three written by the same trains."""

    def __init__(self, parts: Parts, weights: Tensor) -> None:
        self.cells = {f"cell{n}": parts.new_bank(weights) for n in (1, 2, 4)}
        shares = {f"cell{n}": n / 7 for n in (1, 2, 4)}
        self.reference = parts.references.of(self.cells, shares)
        super().__init__(*less_reference(self.cells, shares, self.reference, parts.generator))
        law = self.cells["cell1"].response
        self.granularity, self.reach = law.granularity, min(law.w_max, -law.w_min) or law.w_max

    @property
    def driving(self) -> Driving:
        return Driving(self.granularity, crossbars=3)

    def set(self, weights: Tensor) -> None:
        for bank in self.cells.values():
            bank.set(weights if self.reference is None else weights.to(bank.kept) + self.reference.seen)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        return Writes.total(bank.apply(trains) for bank in self.cells.values())

    def step(self, cells: Tensor, up: bool) -> Step:
        return reduce(add, (bank.step(cells, up) * self.shares[name] for name, bank in self.cells.items()))

    def room(self, up: bool) -> Tensor:
        return torch.stack([bank.room(up) * self.shares[name] for name, bank in self.cells.items()]).sum(0)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = frozenset({"device", "tile"} | CONVERTERS)
    backend = Backend("conducting", "tests.test_outside_array:ConductingArray", reads)
    monkeypatch.setitem(BACKENDS, "conducting", backend)
    monkeypatch.setitem(CELLS, "weighted", CellKind("weighted", "1, 2 and 4", "tests.test_outside_array:WeightedCells"))


class TestTheBackEnd(SynapseArrayConformance):
    @pytest.fixture(params=[None, (3, 5)])
    def make_array(self, request: pytest.FixtureRequest) -> MakeArray:
        return lambda weights: build_array("conducting", weights, device="taox_hfox", tile=request.param)


class TestTheCell(ArrayAccountConformance):
    shape = (24, 20)

    @pytest.fixture(params=["array", "column", "offset"])
    def make_array(self, request: pytest.FixtureRequest) -> MakeArray:
        return lambda weights: build_array(
            "analog", weights, device="taox_hfox", remedy="weighted", reference=request.param
        )


@pytest.mark.parametrize(
    ("hardware", "devices", "pulses"),
    [({"backend": "conducting"}, 1, "unknown"), ({"backend": "analog", "remedy": "weighted"}, 4, "counted")],
)
def test_a_run_is_accounted_by_what_they_say(
    hardware: dict[str, object], devices: int, pulses: str, tmp_path: Path
) -> None:
    """Three cells and a device of the reference array; what is not known of writing is said to be missing."""
    given = {"network.layers": [64, 10], "training.epochs": 1, "data.train_limit": 32, "hardware.device": "taox_hfox",
             "hardware.periphery": "32nm"}  # fmt: skip
    record = run(load_experiment("quickstart", given | {f"hardware.{k}": v for k, v in hardware.items()}), 0, tmp_path)
    facts = record.ledger["facts"]["arrays"]["W1"]
    assert (facts["devices_per_weight"], facts["pulses"], facts["conductance"]) == (devices, pulses, "snapshots")
    assert record.energy.area_by_part["W1 cells"].nominal == approx(64 * 10 * devices * CELL_AREA)
    assert record.energy.total.nominal > 0


def test_what_the_back_end_does_not_read_is_refused() -> None:
    with pytest.raises(InputError, match=r"hardware\.remedy: got 'agad', which backend \"conducting\" does not read"):
        load_experiment("quickstart", {"hardware": {"backend": "conducting", "device": "ecram", "remedy": "agad"}})
    with pytest.raises(InputError, match=r"hardware\.backend: got 'conductin'; allowed: ideal, .*conducting"):
        load_experiment("quickstart", {"hardware": {"backend": "conductin", "device": "ecram"}})


@pytest.mark.parametrize("batch", [1, 16])
def test_half_selected_cells_by_hand(batch: int) -> None:
    """One slot, lines that pulse for certain: X inputs and D outputs half select 7 X + 11 D - 2 X D cells, 3 times."""
    law, generator = SoftBounds(w_max=1.0, w_min=-0.4), torch.Generator().manual_seed(batch)
    device = DevicePopulation(law, zero=-0.4, siemens=1e-6, signed=False)
    array = AnalogArray(torch.zeros(7, 11), device, "weighted")
    ledger = EnergyLedger()
    post, pre = (torch.randint(0, 2, (batch, n), generator=generator).float() for n in (7, 11))
    MeteredArray(array, ledger, Clock(), "W1", ArraySettings.of(array)).update(
        OuterProducts((Product(post, pre),), 1.0), law.granularity
    )
    events = ledger.counts()["W1"]["inference"]
    lines = [(x, d) for x, d in zip(pre.sum(1).tolist(), post.sum(1).tolist(), strict=True) if x * d]
    assert events["half_selected_up"] == 3 * sum(7 * x + 11 * d - 2 * x * d for x, d in lines)
    assert events["line_pulses"] == 3 * sum(x + d for x, d in lines)
    assert events["pulses_up"] == 3 * sum(x * d for x, d in lines)

"""Published chips against our tables: each published figure lies between our low and high.

No input is fitted to the chip it is compared with. What is of the very chip is said, and so is what is assumed.
"""

from __future__ import annotations

import pytest

from neurohw.bench.anchors import ANCHORS, anchors, hermes, isaac
from neurohw.energy.neurosim import NeuroSimArray, conduction_energy, read_energy, write_energy
from neurohw.energy.table import EnergyTable
from tests.approximately import approx


@pytest.mark.parametrize(("name", "within"), [("HERMES core", 3), ("ISAAC unit", 3), ("NeuRRAM core", 3)])
def test_published_figures_lie_between_low_and_high(name: str, within: float) -> None:
    build, published = ANCHORS[name]
    found = build().total
    print(f"{name}: {found.low:.3g} / {found.nominal:.3g} / {found.high:.3g} J; published {published:.3g} J")
    assert published in found
    assert found.nominal / within < published < found.nominal * within


def test_the_anchors_hold_without_what_is_of_the_same_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    """ISAAC without ISAAC's buffer and driver; NeuRRAM with the other converters of its node."""
    others = {
        "32nm": {"buffer.energy": (0.009e-12, 0.038e-12, 0.16e-12), "dac.energy": (0.0375e-12, 0.291e-12, 0.58e-12)},
        "130nm": {"adc.energy": (8.7e-12, 15.7e-12, 28.2e-12)},  # geometric means as nominal
    }
    load = EnergyTable.load

    def changed(name: str) -> EnergyTable:
        table = load(name)
        entries = dict(table.entries)
        for key, (low, nominal, high) in others[name].items():
            moved = {"low": low, "nominal": nominal, "high": high, "unit": "J", "node": table.node}
            entries[key] = entries[key].model_copy(update=moved)
        return EnergyTable(table.name, table.description, table.node, entries, table.origin)

    monkeypatch.setattr(EnergyTable, "load", changed)
    for name in ("ISAAC unit", "NeuRRAM core"):
        build, published = ANCHORS[name]
        assert published in build().total


def test_the_benchmark_says_so() -> None:
    rows = anchors()
    assert [row["chip"] for row in rows] == list(ANCHORS)
    assert all(row["inside"] == "yes" and row["low"] < row["published"] < row["high"] for row in rows)


def test_the_hermes_product_is_12_5_nanojoules() -> None:
    assert ANCHORS["HERMES core"][1] == approx(12.5e-9, rel=2e-3)


def test_efficiency_counts_two_operations_per_multiply_accumulate() -> None:
    efficiency = hermes().tops_per_watt("inference")
    assert efficiency is not None
    assert 10.5 in efficiency


def test_the_anchors_say_what_is_assumed() -> None:
    assert "periphery_14nm read.voltage" in hermes().assumed()
    assert 0 < isaac().assumed_share < 1


def test_neurosims_read_and_write() -> None:
    array = NeuroSimArray(rows=64, columns=32, bit_line=2e-15, row=3e-15, read_voltage=0.5, supply=1.0,
                          write_voltage=4.0, write_time=50e-9, resistance=240e3, read_time=10e-9)  # fmt: skip
    assert read_energy(array, 0.5) == approx(2e-15 * 0.25 * 32 + 3e-15 * 1.0 * 64 * 0.5)
    assert write_energy(array, 1) == approx(16 / 240e3 * 50e-9)
    assert write_energy(NeuroSimArray(), 1) == approx(3.3e-12, rel=0.02)  # HARDWARE.md: 3.3 pJ
    one = NeuroSimArray(rows=1, columns=1)
    assert conduction_energy(one, 1.0) == approx(10.4e-15, rel=1e-2)  # HARDWARE.md: 10 fJ

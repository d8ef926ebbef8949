"""What accounts read of a device: every shipped one has it, within what physics allows, and no run depends on it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from neurohw.crossbar.aihwkit.translation import lost_in_aihwkit
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.devices.faults import FaultRates
from neurohw.devices.library import device_names, load_device
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.energy.facts import ArrayFacts, WritesPerCell
from neurohw.energy.lifetime import lifetime
from neurohw.energy.ranges import Figure, Range
from neurohw.errors import InputError
from neurohw.quantity import Quantity
from neurohw.runs.operating_points import conditions
from neurohw.shipping import shipped
from tests.approximately import approx

NEEDED = {"write.up", "write.down", "write.half_up", "write.half_down", "write.pulse_time"}
GATED = ("capacitor", "ecram", "ecram_mo", "fefet_hzo", "sonos")
TEMPLATE = tomllib.loads((shipped("device_models") / "template.toml").read_text(encoding="utf-8"))


def template(**write: dict[str, Any]) -> DeviceModel:
    """The template with other numbers in [write]."""
    given = {key: {"source": "test", **number} for key, number in write.items()}
    return device_from_tables({**TEMPLATE, "write": {**TEMPLATE["write"], **given}}, "test")


def bounds(figure: Figure) -> tuple[float, float, float]:
    return figure.range.low, figure.range.nominal, figure.range.high


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_device_can_be_accounted(name: str) -> None:
    found = conditions(load_device(name))
    assert found.figures.keys() >= NEEDED
    assert found.endurance is not None
    for figure in (*found.figures.values(), found.endurance):
        assert figure.source.strip()
        assert 0 < figure.range.low <= figure.range.nominal <= figure.range.high


@pytest.mark.parametrize("name", device_names())
def test_a_pulse_costs_what_physics_allows(name: str) -> None:
    """Two-terminal cells conduct: aJ to nJ. A gate is charged: less than a picojoule."""
    found = conditions(load_device(name))
    for key in ("write.up", "write.down"):
        energy = found.figures[key].range
        assert energy.low >= 1e-18
        assert energy.high <= (1e-12 if name in GATED else 1e-8)
        assert found.figures[key.replace("write.", "write.half_")].range.nominal < energy.nominal
    assert found.figures["write.pulse_time"].range.low >= 1e-9
    assert found.figures["write.pulse_time"].range.high <= 10e-3
    assert found.endurance is not None
    assert found.endurance.range.low >= 1e4


@pytest.mark.parametrize("name", device_names())
def test_no_run_depends_on_what_accounts_read(name: str) -> None:
    model = load_device(name)
    bare = device_from_tables({k: v for k, v in model.tables().items() if k not in ("write", "area")}, name)
    assert bare.fault_rates() == FaultRates()
    assert DevicePopulation.of(bare) == DevicePopulation.of(model)
    assert bare.checksum() == model.checksum()
    assert lost_in_aihwkit(bare) == lost_in_aihwkit(model)


def test_low_and_high_go_into_accounts_and_nowhere_else() -> None:
    number = {"value": -1.5, "low": -1, "high": -3, "unit": "V"}
    model = template(depression_voltage=number)
    assert bounds(conditions(model).figures["write.down"]) == approx(
        (1 * 2e-6 * 100e-9, 1.5**2 * 21e-6 * 100e-9, 9 * 40e-6 * 100e-9)
    )
    again = device_from_tables(tomllib.loads(model.to_toml()), "again")
    assert again == model
    assert dict(again.numbers())["write.depression_voltage"] == Quantity(**number, source="test")
    assert model.checksum() == template().checksum()
    replaced = dict(model.with_parameters({"write.depression_voltage": -2.0}).numbers())["write.depression_voltage"]
    assert replaced.bounds("V") == (-2.0, -2.0, -2.0)


def test_bounds_of_the_pulse_time_stretch_energy_and_half_select() -> None:
    figures = conditions(template(pulse_time={"value": 100, "high": 300, "unit": "ns"})).figures
    assert bounds(figures["write.pulse_time"]) == approx((100e-9, 100e-9, 300e-9))
    assert bounds(figures["write.up"]) == approx((2.25 * 2e-6 * 100e-9, 2.25 * 21e-6 * 100e-9, 2.25 * 40e-6 * 300e-9))
    leaks = (1e-4, 0.01, 0.1)  # through the select transistor of a 1T1R cell
    quarters = [share * e / 4 for share, e in zip(leaks, bounds(figures["write.up"]), strict=True)]
    assert bounds(figures["write.half_up"]) == bounds(figures["write.half_down"]) == approx(quarters)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ({"value": 1}, (0.45, 1, 9)),
        ({"value": 1, "low": 0.7}, (0.7, 1, 9)),
        ({"value": 1, "high": 2}, (0.45, 1, 2)),
        ({"value": 1, "low": 0.9, "high": 50}, (0.9, 1, 50)),
    ],
)
def test_an_energy_lies_within_its_own_bounds_or_those_of_the_conductance(
    number: dict[str, float], expected: tuple[float, float, float]
) -> None:
    model = template(potentiation_energy={**number, "unit": "pJ"})
    assert bounds(conditions(model).figures["write.up"]) == approx(tuple(1e-12 * e for e in expected))


def test_a_gated_cell_needs_its_energies_and_no_voltages() -> None:
    energy = {"value": 4, "high": 8, "unit": "fJ", "source": "test"}
    write = {"potentiation_energy": energy, "depression_energy": {**energy, "high": 12}}
    figures = conditions(device_from_tables({**TEMPLATE, "cell": "2T", "write": write}, "test")).figures
    for way, high in (("up", 8e-15), ("down", 12e-15)):
        assert bounds(figures[f"write.{way}"]) == approx((4e-15, 4e-15, high))
        assert bounds(figures[f"write.half_{way}"]) == approx((1e-15, 1e-15, high / 4))


def test_half_selected_cells_have_half_of_their_own_pulses_voltage() -> None:
    """2 V up and -3 V down, 100 ns, 21 uS on average: 1 V and 1.5 V across cells without selectors."""
    volts = {"potentiation_voltage": {"value": 2, "unit": "V"}, "depression_voltage": {"value": -3, "unit": "V"}}
    figures = conditions(template(**volts).model_copy(update={"cell": "1R"})).figures
    for way, half in (("up", 1.0), ("down", 1.5)):
        assert figures[f"write.half_{way}"].range.nominal == approx(half**2 * 21e-6 * 100e-9)


def test_the_endurance_of_which_cells_died_goes_before_the_published_one() -> None:
    model = template()
    published = conditions(model).endurance
    assert published is not None
    assert bounds(published) == (1e6, 1e9, 1e11)
    died = conditions(model.with_parameters({"faults.endurance": 3e4})).endurance
    assert died == Figure("device template faults.endurance", Range.of(3e4), "override")
    assert conditions(model.with_parameters({"faults.endurance": 0.0})).endurance == published


def test_a_lifetime_has_low_nominal_and_high() -> None:
    facts = ArrayFacts(n_post=2, n_pre=3, writes_per_cell=WritesPerCell(3.0, 20.0, 44.0))
    endurance = Figure("key", Range(1e4, 1e6, 1e7), "somebody")
    found = lifetime("W1", facts, 10.0, endurance)
    assert found is not None
    assert (found.endurance_low, found.endurance, found.endurance_high) == (1e4, 1e6, 1e7)
    assert (found.images_low, found.images, found.images_high) == approx((5e3, 5e5, 5e6))
    assert found.source == "somebody"
    never = lifetime("W1", facts, 0.0, endurance)
    assert never is not None
    assert (never.endurance, never.images) == (1e6, None)
    unknown = lifetime("W1", facts, 10.0, None)
    assert unknown is not None
    assert (unknown.endurance, unknown.images) == (None, None)


def test_bounds_are_of_the_asked_dimension() -> None:
    with pytest.raises(InputError, match="'pJ'"):
        Quantity(value=1, high=2, unit="pJ", source="test").bounds("V")

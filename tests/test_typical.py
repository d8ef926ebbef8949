"""What published devices have: slips of a unit are named, and no device of the library is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurohw.devices.checks import numbers_are_plausible
from neurohw.devices.library import device_names, load_device
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.devices.typical import TYPICAL, unusual
from neurohw.errors import InputError
from neurohw.shipping import shipped

ENERGY = {"value": 9, "unit": "pJ", "source": "V^2 G t"}


def template(**numbers: tuple[float, str]) -> dict[str, Any]:
    """Return the tables of the template with its energies, and numbers ("table__key": value, unit) replaced."""
    tables = tomllib.loads((shipped("device_models") / "template.toml").read_text())
    tables["write"] |= {"potentiation_energy": dict(ENERGY), "depression_energy": dict(ENERGY)}
    for place, (value, unit) in numbers.items():
        table, key = place.split("__")
        tables.setdefault(table, {})[key] = {"value": value, "unit": unit, "source": "test"}
    return tables


def device(**numbers: tuple[float, str]) -> DeviceModel:
    return device_from_tables(template(**numbers), "a test")


Command = Callable[..., tuple[int, str, str]]


def named(**numbers: tuple[float, str]) -> list[str]:
    """Return what is said of the template with such numbers: refused, implausible or unusual."""
    try:
        model = device(**numbers)
        numbers_are_plausible(model)
    except InputError as error:
        return str(error).split("; ")
    return unusual(model)


@pytest.mark.parametrize("name", device_names())
def test_no_device_of_the_library_is_unusual(name: str) -> None:
    assert unusual(load_device(name)) == []


def test_the_template_is_usual() -> None:
    assert unusual(device()) == []


@pytest.mark.parametrize(("place", "number", "said"), [
    ("conductance__g_max", (40, "mS"), 'got 40 mS; published: 1 nS to 2 mS (38 nS of ag_asi .*likely meant: .*"uS"'),
    ("conductance__g_min", (2, "nS"), "got 2 nS, 2e+04 times less than g_max; .*another unit"),
    ("read__voltage", (0.2, "mV"), "got 0.2 mV; published: 10 mV to 2 V .*in NeuroSim"),
    ("read__pulse_time", (10, "ps"), 'got 10 ps; published: 500 ps to 2 ms .*likely meant: unit = "ns", 10 ns'),
    ("read__noise", (0.5, "1"), 'got 0.5; published: .* to 0.2 .*sonos.*likely meant: unit = "%", 0.5 %'),
    ("read__noise_scale", (0.2, "nS"), 'got 0.2 nS; published: 1 nS to 2 mS .*likely meant: unit = "uS"'),
    ("retention__read_time", (250, "ps"), "got 250 ps; published: 500 ps"),
    ("retention__drift_nu", (0.5, "1"), "got 0.5; published: 0 to 0.2 .*pcm_drift"),
    ("retention__reference_temperature", (25, "K"), "got 25 K; published: 70 K to 700 K .*Celsius"),
    ("retention__temperature", (25, "K"), "got 25 K; published: 70 K to 700 K .*Celsius"),
    ("write__potentiation_voltage", (1.5, "mV"), 'got 1.5 mV; published: 50 mV .*likely meant: unit = "V", 1.5 V'),
    ("write__depression_voltage", (-1.5, "mV"), 'got -1.5 mV; published: 50 mV .*likely meant: unit = "V", -1.5 V'),
    ("write__pulse_time", (100, "ps"), 'got 100 ps; published: 500 ps .*likely meant: unit = "ns", 100 ns'),
    ("write__potentiation_energy", (9, "uJ"), "got 9 uJ; published: 0.01 fJ to 20 nJ"),
    ("write__depression_energy", (0.005, "fJ"), "got 0.005 fJ; published: 0.01 fJ to 20 nJ"),
    ("area__cell", (0.05, "mm2"), 'got 0.05 mm2; published: .*likely meant: unit = "um2", 0.05 um2'),
])  # fmt: skip
def test_a_slip_of_a_unit_is_named_with_what_is_published(place: str, number: tuple[float, str], said: str) -> None:
    key = place.replace("__", ".")
    more: dict[str, tuple[float, str]] = {}
    if "temperature" in key:
        more = {"retention__activation_energy": (0.05, "eV"), "retention__reference_temperature": (300, "K")}
    if key in ("retention.drift_nu", "retention.read_time"):
        more = {"retention__drift_t0": (1, "s"), "retention__read_noise_1f": (0.05, "1")}
    found = unusual(device(**more | {place: number}))
    assert key in TYPICAL or key == "conductance.g_min"
    assert any(text.startswith(f"{key}: ") and _matches(said, text) for text in found), found


def _matches(said: str, text: str) -> bool:
    return re.search(re.escape(said).replace(r"\.\*", ".*"), text) is not None


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("place", [
    "conductance__g_min", "conductance__g_max", "read__voltage", "read__pulse_time", "write__potentiation_voltage",
    "write__depression_voltage", "write__pulse_time", "write__potentiation_energy", "write__depression_energy",
    "area__cell",
])  # fmt: skip
def test_a_thousandfold_of_any_number_of_the_template_is_named(place: str, factor: float) -> None:
    """All but those that are as usual: a read of 10 us on a probe station for 10 ns, a large cell for a small one."""
    table, key = place.split("__")
    number = template()[table][key]
    found = named(**{place: (number["value"] * factor, number["unit"])})
    usual = factor == 1e3 and place in ("read__pulse_time", "area__cell")
    assert any(f"{table}." in text for text in found) != usual, found


def test_conductances_that_both_slipped_do_not_fit_the_energy_that_is_given() -> None:
    found = unusual(device(conductance__g_min=(2, "nS"), conductance__g_max=(40, "nS")))
    assert [text.partition(":")[0] for text in found] == ["write.potentiation_energy", "write.depression_energy"]
    assert "V^2 G t of its voltage, pulse time and conductances is 0.45 fJ to 9 fJ" in found[0]


def test_a_gates_energy_is_not_that_of_the_channel() -> None:
    tables = template(conductance__g_min=(2, "nS"), conductance__g_max=(40, "nS"))
    assert unusual(device_from_tables(tables | {"cell": "three-terminal"}, "a test")) == []


def test_what_no_device_can_have_is_refused_and_not_named_twice() -> None:
    found = unusual(device(conductance__g_max=(25, "S")))
    assert all(text.startswith("write.") for text in found)


def test_the_command_names_it_and_passes(neurohw: Command) -> None:
    text = (shipped("device_models") / "template.toml").read_text()
    Path("mine.toml").write_text(text.replace('40, unit = "uS"', '40, unit = "mS"'))
    status, out, _ = neurohw("device", "check", "mine.toml")
    assert status == 0
    assert "unusual  conductance.g_max: got 40 mS; published: 1 nS to 2 mS" in out
    assert "mine.toml: a valid device, 1 of its numbers unusual" in out

"""The list of keys: made from the configuration, whole, and true of what files are allowed to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neurohw.config import DeepSTDPExperiment, OnChipExperiment, STDPExperiment
from neurohw.devices.library import load_device
from neurohw.devices.tables import override_names
from neurohw.errors import InputError
from neurohw.key_texts import allowed_values, documented
from neurohw.keys import Key, all_keys, find_keys
from neurohw.loading import load_experiment

ROOT = Path(__file__).parents[1]


def flat(tables: dict[str, Any], place: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in tables.items():
        result |= flat(value, f"{place}{name}.") if isinstance(value, dict) and value else {place + name: value}
    return result


def parsed(key: Key) -> Any:
    return None if key.default == "none" else tomllib.loads(f"x = {key.default}")["x"]


def test_every_key_of_every_kind_is_there_with_its_default() -> None:
    """The configuration itself says which there are; nothing here does."""
    for kind in (OnChipExperiment, DeepSTDPExperiment, STDPExperiment):
        known = {key.key: key for key in all_keys() if not key.of or kind().kind in key.of.split(", ")}
        for name, value in flat(json.loads(json.dumps(kind().canonical()))).items():
            assert parsed(known[name]) == value, name
        assert "hardware.recommended" in known  # which no record has


def test_every_key_has_a_meaning_and_says_what_is_allowed() -> None:
    assert [key.key for key in all_keys() if not (len(key.meaning) > 1 and key.allowed)] == []


@dataclass
class Documented:
    """What docstrings say.

    Args:
        one: of one line; none: nothing.
        two, three: of two
            lines; four: and another. It ends.

    Raises:
        InputError: never.
    """

    one: int
    two: int
    three: int
    four: int


def test_meanings_are_those_of_docstrings() -> None:
    assert documented(Documented) == {
        "one": "of one line; none: nothing",
        "two": "of two lines",
        "three": "of two lines",
        "four": "and another. It ends",
    }
    assert allowed_values(Documented, "one") == "integers"


def out_of(allowed: str) -> Any:
    """Return a value that a key does not allow, by what is said of it."""
    if ">= 1" in allowed or "> 0" in allowed:
        return 0
    return -1 if ">= 0" in allowed else None


def test_what_is_not_allowed_is_refused() -> None:
    """Each number below its bound, by the experiment that the key is of."""
    tried = 0
    for key in all_keys():
        value = out_of(key.allowed)
        if key.of in ("", "onchip") and key.default and value is not None:
            value = [value] if key.allowed.startswith("list") else value
            table, in_a_list, name = key.key.partition(".*.")
            given = {table: [{"channels": 4, "kernel": 3, name: value}]} if in_a_list else {key.key: value}
            with pytest.raises(InputError, match=key.key.replace("*", "0").replace(".", r"\.")):
                load_experiment("quickstart", given)
            tried += 1
    assert tried > 50


def refusal(overrides: dict[str, Any]) -> str:
    try:
        load_experiment("quickstart", overrides)
    except InputError as error:
        return str(error)
    return ""


def test_each_choice_is_a_choice() -> None:
    """Every name in a list of names is taken; one that is not in it is refused."""
    for name in (
        "network.rule",
        "target.ties",
        "hardware.input_coding",
        "hardware.cell",
        "energy.standby",
        "data.evaluate_on",
    ):
        (key,) = [key for key in all_keys() if key.key == name]
        for choice in key.allowed.split(", "):
            said = refusal({name: choice})  # that it needs others, or that ideal arrays do not read it
            assert f"got '{choice}'; allowed" not in said
        with pytest.raises(InputError, match=f"{name}: "):
            load_experiment("quickstart", {name: "nonsense"})


def test_numbers_of_a_device_are_its_own() -> None:
    device = load_device("reram_es")
    listed = {
        key.key.removeprefix("hardware.device_parameters."): key for key in find_keys("device_parameters.", "reram_es")
    }
    assert {"up_down_ratio", "nonlinearity", "symmetric"} < listed.keys()
    wanted = {name.removeprefix("pulse."): unit for name, unit in override_names(device.pulse.law).items()}
    assert {name: key.unit for name, key in listed.items() if name in wanted} == wanted
    numbers = {name.removeprefix("pulse."): quantity for name, quantity in device.numbers()}
    assert {name for name, key in listed.items() if key.default} == numbers.keys()
    assert listed["step"].default == str(numbers["step"].value)
    every = {key.key for key in all_keys()}
    assert {key.key for key in listed.values()} < every


def test_a_key_of_one_law_says_so() -> None:
    (table,) = find_keys("table_up")
    assert table.of == "law piecewise"
    (gamma,) = find_keys("*.gamma_up")
    assert gamma.of == "law linear, exponential"
    assert find_keys("*parameters.step_ctoc")[0].of == ""


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("READ_NOISE", "hardware.read_noise"),
        ("hardware.*_bits", "hardware.dac_bits"),
        ("pelgrom", "target.parameters.inputs.a_vt"),  # in no key, but in a meaning
        ("refresh_at", "hardware.cell_parameters.refresh_at"),
    ],
)
def test_a_pattern_finds_keys(pattern: str, first: str) -> None:
    assert find_keys(pattern)[0].key == first


@pytest.mark.parametrize(
    ("pattern", "near"),
    [("training.learningrate", "training.learning_rate"), ("reed_noise", "hardware.read_noise"), ("xyzzy", "")],
)
def test_what_there_is_not_names_what_is_near(pattern: str, near: str) -> None:
    with pytest.raises(InputError) as refused:
        find_keys(pattern)
    assert str(refused.value).startswith(f"no key has '{pattern}' in it" + f" (did you mean {near}" * bool(near))


def test_the_page_in_the_repository_is_up_to_date(neurohw: Any) -> None:
    status, out, _ = neurohw("keys", "--markdown")
    assert status == 0
    assert (ROOT / "experiments/KEYS.md").read_text() == out, "neurohw keys --markdown > experiments/KEYS.md"


def test_keys_are_printed_folded_and_as_json(neurohw: Any) -> None:
    said = subprocess.run([sys.executable, "-m", "neurohw", "keys", "read_noise"], capture_output=True, text=True,
                          check=True, env=os.environ | {"COLUMNS": "60"})  # fmt: skip
    assert "hardware.read_noise = 0.06" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 60
    status, out, _ = neurohw("keys", "hardware.adc_bits", "--json")
    assert status == 0
    assert json.loads(out)[0] | {"meaning": ""} == {
        "key": "hardware.adc_bits", "default": "9", "allowed": "integers >= 0, <= 16", "meaning": "", "unit": "1",
        "of": "", "follows": False,
    }  # fmt: skip
    status, _, err = neurohw("keys", "learning_rat_")
    assert status == 2
    assert "did you mean" in err

"""What a shell completes, asked as a shell asks, and by function."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from neurohw.cli import completion
from neurohw.devices.library import device_names
from neurohw.keys import all_keys


def asked(line: str) -> list[str]:
    """Return what bash is told of a line whose last word is being typed."""
    env = os.environ | {"_NEUROHW_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    told = subprocess.run([sys.executable, "-m", "neurohw"], env=env, capture_output=True, text=True, check=True)
    return told.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("neurohw run qui", ["quickstart"]),
        ("neurohw device show ecr", ["ecram", "ecram_mo"]),
        (
            "neurohw attribute quickstart --set hardware.read_no",
            ["hardware.read_noise=", "hardware.read_nonlinearity="],
        ),
    ],
)
def test_names_and_keys_are_completed(line: str, expected: list[str]) -> None:
    assert asked(line) == expected


def test_every_key_and_its_values_where_they_are_names() -> None:
    nameable = {f"{key.key}=" for key in all_keys() if "*" not in key.key}  # others are of each of many tables
    assert nameable == set(completion.settings(""))
    kind = "training.schedule.kind"
    assert completion.settings(f"{kind}=") == [f"{kind}={name}" for name in ("constant", "linear", "exponential")]
    assert completion.settings("hardware.device=reram_e") == ["hardware.device=reram_es"]
    assert completion.settings("training.epochs=") == []
    assert completion.settings("no.such=") == []
    assert completion.devices("") == list(device_names())
    assert completion.sweeps("device_r") == ["device_requirements"]


def test_no_heavy_library_is_loaded_for_it() -> None:
    code = (
        "import sys; from neurohw.cli import completion as c; c.settings('hard'), c.devices(''), c.experiments('')\n"
        "print({'torch', 'scipy', 'pandas', 'matplotlib'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"

"""`neurohw circuit characterise`: a netlist measured by ngspice becomes a circuit file; what can go wrong, and how."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from neurohw.circuits.library import load_circuit
from neurohw.cli.app import app
from neurohw.errors import NeurohwError

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
FEW = ["--n", "8", "--k", "2", "--chips", "3", "--cases", "12", "--quiet"]


def characterise(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["circuit", "characterise", "--out", str(out), *FEW, *arguments])


@needs_ngspice
def test_a_netlist_becomes_a_circuit_file(tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    result = characterise(out)
    assert result.exit_code == 0, result.output
    circuit = load_circuit(out)
    decision = circuit.parameters.decision
    assert 40e-15 < decision.node_capacitance < 80e-15  # 50 fF and the transistors' own
    assert decision.early_voltage is not None
    assert decision.early_voltage > 2
    assert 0.02 < circuit.parameters.inputs.gain_mismatch < 0.2
    assert all(circuit.sources.values())
    measured = json.loads((tmp_path / "mine.measured.json").read_text())
    residuals = [abs(r) for t in measured["transfers"] for r in t["law_over_ngspice_less_1"]]
    assert max(residuals) < 0.06
    assert decision.reference_current == circuit.parameters.inputs.unit_current == 1e-9
    homeostasis = circuit.parameters.homeostasis
    assert homeostasis.charge_injection == pytest.approx(measured["homeostasis"]["charge_injection"], rel=1e-5)
    assert homeostasis.decrement_injection == pytest.approx(measured["homeostasis"]["decrement_injection"], rel=1e-5)
    assert measured["cases"]["agreeing_share"] == 1
    assert (tmp_path / "mine.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--k", "0"], r"k: got 0"),
        (["--k", "9"], r"k: got 9"),
        (["--set", "node_capacitance=-1e-15"], r"node_capacitance: got -1e-15 F; allowed: 1e-15 to 1e-11 F"),
        (["--set", "supply=5"], r"supply: got 5 V; allowed: 1\.2 to 2 V"),
        (["--set", "speed=5"], r"unknown key 'speed'; allowed: supply, "),
        (["--set", "supply=high"], r"got 'high'; allowed: a number in SI"),
        (["--time-limit", "-1"], r"time_limit: got -1 s; allowed: above 0 s"),
        (["--cases", "0"], r"got 3 chips and 0 cases; allowed: at least 1 of each"),
    ],
)
def test_wrong_input_is_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = characterise(tmp_path / "x.toml", *arguments)
    assert isinstance(result.exception, NeurohwError)
    assert result.exception.exit_status == 2
    with pytest.raises(NeurohwError, match=message):
        raise result.exception
    assert not list(tmp_path.glob("x*"))


def fake(tmp_path: Path, script: str) -> Path:
    program = tmp_path / "fake-ngspice"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize(
    ("script", "limit", "message"),
    [
        ("echo 'Error: singular matrix'; exit 1", "60", "singular matrix"),
        ("echo 'still at it'; sleep 1000 & sleep 1000", "1", "1 s"),
    ],
)
def test_an_ngspice_that_fails_or_hangs_is_status_1(tmp_path: Path, script: str, limit: str, message: str) -> None:
    program = fake(tmp_path, script)
    command = [sys.executable, "-m", "neurohw", "circuit", "characterise", "--out", str(tmp_path / "x.toml"), *FEW]
    command += ["--ngspice", str(program), "--time-limit", limit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.toml").exists()
    left = subprocess.run(["pgrep", "-f", str(program)], capture_output=True, text=True, check=False)
    assert not left.stdout.strip()


def test_without_ngspice_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    result = characterise(tmp_path / "x.toml", "--ngspice", str(tmp_path / "nothing-here"))
    assert isinstance(result.exception, NeurohwError)
    assert result.exception.exit_status == 1
    assert "apt-get install ngspice" in str(result.exception)

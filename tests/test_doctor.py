"""The doctor: what it finds, what it advises, and that nothing broken can stop it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from neurohw import doctor
from neurohw.data import DatasetRow
from neurohw.doctor import Check, Probe, diagnose, healthy, print_diagnosis


def fine() -> str:
    return "as it should be"


def broken() -> str:
    raise ImportError("no module\nnamed that")


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurohw.data.summary", list)


def printed() -> tuple[bool, str]:
    """Return the verdict and what a narrow terminal shows."""
    console = Console(width=60)
    with console.capture() as captured:
        well = print_diagnosis(console)
    return well, captured.get()


@pytest.mark.usefixtures("no_data")
def test_a_failure_is_one_line_with_its_remedy_and_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", (Probe("this", fine, "unneeded"), Probe("that", broken, "get [that] anew")))
    well, text = printed()
    assert not well
    lines = text.splitlines()
    assert lines[0].split() == ["ok", "this", "as", "it", "should", "be"]
    assert lines[1].startswith("WRONG")
    assert lines[1].endswith("no module named that; remedy: get [that] anew")
    assert lines[2] == "not in order: that"


@pytest.mark.usefixtures("no_data")
def test_what_is_optional_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", (Probe("that", broken, "get it", optional=True),))
    assert list(diagnose()) == [Check("that", None, "no module named that", "get it")]
    well, text = printed()
    assert well
    assert "remedy: get it" in text


@pytest.mark.parametrize(("ok", "well"), [(True, True), (None, True), (False, False)])
def test_only_what_is_required_decides(ok: bool | None, well: bool) -> None:
    assert healthy([Check("one", True, "", ""), Check("two", ok, "", "")]) is well


def test_data_may_be_missing_but_not_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        DatasetRow("digits", "bundled", "1297 train", "ok", ""),
        DatasetRow("mnist", "-", "-", "missing", ""),
        DatasetRow("fashion-mnist", "/there", "-", "/there/images: found 3 bytes", ""),
    ]
    monkeypatch.setattr("neurohw.data.summary", lambda: rows)
    monkeypatch.setattr(doctor, "PROBES", ())
    found = list(diagnose())
    assert [check.ok for check in found] == [True, None, False]
    assert found[1].remedy == "neurohw data fetch mnist --from DIR|URL"
    assert "found 3 bytes" in found[2].finding
    assert not healthy(found)


def test_data_that_cannot_even_be_looked_for_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurohw.data.summary", broken)
    monkeypatch.setattr(doctor, "PROBES", ())
    (check,) = diagnose()
    assert (check.name, check.ok) == ("data", False)


@pytest.mark.usefixtures("no_data")
def test_an_absent_part_of_neurohw_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neurohw.crossbar.aihwkit.works", None)
    monkeypatch.setattr(doctor, "PROBES", tuple(p for p in doctor.PROBES if p.name == "aihwkit"))
    (check,) = diagnose()
    assert check.ok is False
    assert "aihwkit.works" in check.finding


@pytest.mark.usefixtures("no_data")
@pytest.mark.parametrize(
    ("aihwkit", "release", "ok"),
    [
        ("1.1.0", "2.9.1", False),
        ("1.1.0", "2.10.0", True),
        ("1.1.0", "2.11.0+cu130", True),
        ("1.1.0", "2.12.0", False),
        ("1.2.0", "2.12.1", False),
        ("1.2.0", "2.15.0+cu132", True),
        ("9.9.9", "2.11.0", False),
    ],
)
def test_only_a_torch_that_fits_aihwkit_is_well(
    monkeypatch: pytest.MonkeyPatch, aihwkit: str, release: str, ok: bool
) -> None:
    monkeypatch.setattr(torch, "__version__", release)
    monkeypatch.setattr("neurohw.crossbar.aihwkit.versions.version", lambda _: aihwkit)
    monkeypatch.setattr(doctor, "PROBES", tuple(p for p in doctor.PROBES if p.name == "torch"))
    (check,) = diagnose()
    assert check.ok is ok
    assert release in check.finding


@pytest.mark.usefixtures("no_data")
def test_a_folder_that_cannot_be_written_to_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "PROBES", tuple(p for p in doctor.PROBES if p.name == "runs folder"))
    assert next(diagnose()).ok
    assert not list(tmp_path.iterdir())  # looking leaves nothing behind
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert next(diagnose()).ok is False


@pytest.mark.usefixtures("no_data")
def test_an_ngspice_that_fails_is_told_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", tuple(p for p in doctor.PROBES if p.name == "ngspice"))
    fake = tmp_path / "ngspice"
    fake.write_text("#!/bin/sh\necho 'Error: no licence to simulate'; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (check,) = diagnose()
    assert check.ok is None
    assert "no licence to simulate" in check.finding
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert next(diagnose()).finding == "not on the PATH"


@pytest.mark.usefixtures("no_data")
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed (apt-get install ngspice)")
def test_ngspice_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", tuple(p for p in doctor.PROBES if p.name == "ngspice"))
    (check,) = diagnose()
    assert check.ok
    assert check.finding.startswith("ngspice-")
    assert check.finding.endswith("a resistor conducts as it should")


@pytest.mark.usefixtures("no_data")
def test_this_installation_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {check.name: check for check in diagnose()}
    assert list(found) == ["Python", "torch", "aihwkit", "brian2", "ngspice", "GPU", "runs folder", "threads"]
    assert [name for name, check in found.items() if check.ok is False] == []
    assert "read and update work" in found["aihwkit"].finding
    assert "charges as it should" in found["brian2"].finding

"""What is finished elsewhere is not run again: taken over if it is the same run, else left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import neurohw as nh
from neurohw.errors import InputError
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.studies.reuse import take_over
from neurohw.studies.sweep import Point, load_sweep

TEXT = """
experiment = "quickstart"
seeds = [0, 1]
[set]
"data.train_limit" = 60
"data.test_limit" = 30
"training.epochs" = 2
[axes]
"target.k" = [1, 2]
"""
SMALL = {"data.train_limit": 60, "data.test_limit": 30, "training.epochs": 2}


def points_of(tmp_path: Path, out: str, text: str = TEXT) -> list[Point]:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return list(load_sweep(path).points(tmp_path / out))


def ran(point: Point, folder: Path | None = None, **changes: Any) -> Path:
    folder = folder or point.folder
    run(point.experiment, point.seed, folder, **{"stop_after": point.stop_after} | changes)
    return folder


def test_runs_of_another_sweep_are_taken_over_whole(tmp_path: Path) -> None:
    there, here = points_of(tmp_path, "there"), points_of(tmp_path, "here")
    ran(there[0])
    anywhere = ran(there[3], tmp_path / "somewhere" / "else")  # a folder whose name tells nothing
    taken = take_over(here, [tmp_path / "there", tmp_path / "somewhere"])
    assert [(point.folder, place) for point, place in taken] == [
        (here[0].folder, there[0].folder),
        (here[3].folder, anywhere),
    ]
    for name in ("record.json", "metrics.csv", "checkpoint.pt"):
        assert (here[0].folder / name).read_bytes() == (there[0].folder / name).read_bytes()
    assert not here[1].folder.exists()
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == sorted({here[0].folder.name, here[3].folder.name})
    assert take_over(here, [tmp_path / "there"]) == []  # they are there


def test_a_sweep_says_what_it_took_over_and_runs_the_rest(tmp_path: Path) -> None:
    def told(out: str, **more: Any) -> list[str]:
        lines: list[str] = []
        nh.sweep("quickstart", {"target.k": [1, 2]}, [0], settings=SMALL, out=tmp_path / out, tell=lines.append, **more)
        return lines

    told("one")
    began = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("record.json")}
    lines = told("two", reuse=[tmp_path / "one"])
    assert [line for line in lines if "taken over from" in line] == lines[:2]
    assert {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("record.json")} == began


def test_what_goes_on_in_one_folder_changes_nothing_in_the_other(tmp_path: Path) -> None:
    """Checkpoints may be one file on the disk."""
    there = points_of(tmp_path, "there", TEXT)
    ran(points_of(tmp_path, "there", "stop_after = 1\n" + TEXT)[0])
    here = points_of(tmp_path, "here", "stop_after = 1\n" + TEXT)
    assert len(take_over(here, [tmp_path / "there"])) == 1
    before = (there[0].folder / "checkpoint.pt").read_bytes()
    record = run(here[0].experiment, 0, here[0].folder, resume=True)
    assert record.status == "finished"
    assert (there[0].folder / "checkpoint.pt").read_bytes() == before
    assert read_record(there[0].folder).status == "stopped"


def test_what_is_not_the_same_run_is_not_taken(tmp_path: Path) -> None:
    there = points_of(tmp_path, "there")
    ran(there[0], stop_after=1)  # shorter
    ran(there[1])
    record = json.loads((there[1].folder / "record.json").read_text())
    record["versions"]["neurohw"] = "0.0.1"
    (there[1].folder / "record.json").write_text(json.dumps(record))
    ran(there[2])
    (there[2].folder / "record.json").write_text("{")  # damaged
    ran(there[3], there[3].folder.with_name(there[3].folder.name[:-1] + "7"))  # whose name lies
    assert take_over(points_of(tmp_path, "here"), [tmp_path / "there"]) == []


def test_a_point_that_has_begun_is_left_to_go_on(tmp_path: Path) -> None:
    there, here = points_of(tmp_path, "there"), points_of(tmp_path, "here")
    ran(there[0])
    ran(here[0], stop_after=1)
    assert take_over(here, [tmp_path / "there"]) == []
    assert read_record(here[0].folder).status == "stopped"


def test_a_folder_that_is_not_there_is_refused(neurohw: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--reuse: got .*nowhere.*; allowed: folders that are there"):
        nh.sweep("quickstart", {"target.k": [1]}, out=tmp_path / "out", reuse=[tmp_path / "nowhere"])
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine.toml").write_text(TEXT)
    status, _, err = neurohw("sweep", str(tmp_path / "mine.toml"), "--reuse", "nowhere")
    assert status == 2
    assert "--reuse: got 'nowhere'" in err

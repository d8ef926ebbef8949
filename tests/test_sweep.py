"""Sweeps: the grid, what is skipped, what is refused, processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import InputError, NeurohwError
from neurohw.loading import load_experiment
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.serial import Serial
from neurohw.studies.sweep import load_sweep

TEXT = """
experiment = "quickstart"
seeds = [0, 1]
stop_after = 1

[set]
"data.train_limit" = 200
"data.test_limit" = 100

[axes]
"target.k" = [1, 2]
hardware = [{ backend = "ideal" }, { backend = "aihwkit", device = "ecram" }]
"""


def written(tmp_path: Path, text: str = TEXT) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_points_are_the_product_of_axes_and_seeds(tmp_path: Path) -> None:
    points = list(load_sweep(written(tmp_path)).points(tmp_path))
    assert len(points) == 2 * 2 * 2
    assert len({p.folder for p in points}) == 8
    assert [p.seed for p in points] == [0] * 4 + [1] * 4
    first = [(p.experiment.target.k, p.experiment.hardware.device) for p in points[:4]]
    assert first == [(1, None), (1, "ecram"), (2, None), (2, "ecram")]


def test_points_that_are_the_same_run_are_run_once(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace("hardware = [", "hardware = [{}, "))  # ideal is the default
    assert len(list(load_sweep(path).points(tmp_path))) == 2 * 2 * 2


def test_size_counts_runs(tmp_path: Path) -> None:
    assert load_sweep(written(tmp_path)).size() == 8
    assert load_sweep(written(tmp_path, TEXT.replace("seeds = [0, 1]", ""))).size() == 4 * 3


def test_seeds_default_to_the_published_number_of_runs(tmp_path: Path) -> None:
    path = written(tmp_path, 'experiment = "quickstart"\n[set]\nruns = 4\n')
    assert [p.seed for p in load_sweep(path).points(tmp_path)] == [0, 1, 2, 3]


def test_one_failed_point_does_not_end_the_others(tmp_path: Path) -> None:
    path = written(
        tmp_path, TEXT.replace('device = "ecram"', 'device = "pcm", recommended = false')
    )  # which needs a pair
    outcomes = [each.outcome for each in run_points(list(load_sweep(path).points(tmp_path)), Serial())]
    assert sum(isinstance(o, RunRecord) for o in outcomes) == 4
    assert all("needs a pair" in str(o) for o in outcomes if isinstance(o, NeurohwError))


@pytest.mark.parametrize("seed", [-1, 2**63, True, 1.0])
def test_what_is_no_seed_is_refused(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"seed: got {seed}; allowed: an integer from 0 to 9223372036854775807"):
        run(load_experiment("quickstart"), seed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_device_that_does_not_exist_is_named_before_anything_runs(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace('device = "ecram"', 'device = "unobtainium"'))
    with pytest.raises(InputError, match=r"hardware\.device: device 'unobtainium': no such file"):
        list(load_sweep(path).points(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("seeds = [0, 1]", "seeds = []"), "seeds: got none"),
        (("seeds = [0, 1]", "seeds = [4, 1, 4, 2, 1]"), "seeds: got 1, 4 more than once; allowed: each seed once"),
        (("seeds = [0, 1]", "seeds = [0, true]"), r"seeds\.1: got True; allowed: a valid integer"),
        (("seeds = [0, 1]", "seeds = [-1]"), r"seeds\.0: got -1; allowed: greater than or equal to 0"),
        (("seeds = [0, 1]", "seeds = [1.0]"), r"seeds\.0: got 1\.0; allowed: a valid integer"),
        (("stop_after = 1", "stop_after = true"), "stop_after: got True; allowed: a valid integer"),
        (("[axes]", "[axis]"), "axis"),
        (('"target.k" = [1, 2]', '"target.kk" = [1, 2]'), r"target\.kk: unknown key \(did you mean k\?\)"),
        (('"quickstart"', '"slowstart"'), "slowstart"),
        (("stop_after = 1", "stop_after = 0"), "stop_after"),
    ],
)
def test_wrong_sweeps_are_explained(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        list(load_sweep(written(tmp_path, TEXT.replace(*change))).points(tmp_path))


def test_shipped_sweeps_are_valid() -> None:
    from neurohw.loading import load_experiment
    from neurohw.shipping import read_toml, shipped

    found: list[Any] = []
    for path in sorted(shipped("experiments").glob("*/*.toml")):
        tables = read_toml(path)
        if path.name == "expected.toml" or "search" in tables or "findings" in tables:  # which have tests of their own
            continue
        if "data" in tables:
            found.append(load_experiment(path))
            continue
        sweep = load_sweep(path)
        for combination in sweep.combinations():
            found.append(load_experiment(sweep.base(), combination.overrides))
    assert len(found) > 20


def test_a_parameter_of_a_device_is_an_axis(tmp_path: Path) -> None:
    axis = '"hardware.device_parameters.conductance.levels" = [4, 16, 64]'
    path = written(tmp_path, f'experiment = "quickstart"\nset = {{ "hardware.device" = "ecram" }}\n[axes]\n{axis}\n')
    levels = [p.experiment.hardware.device_parameters["conductance.levels"] for p in load_sweep(path).points(tmp_path)]
    assert levels == [4, 16, 64] * 3

"""`search`: what is drawn, that it goes on, what wins, the Pareto front, and that the test set is not looked at."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurohw import kinds
from neurohw.errors import FolderInUse, InputError, NeurohwError
from neurohw.loading import load_experiment
from neurohw.runs.files import locked
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.shipping import shipped_files
from neurohw.studies.run_sweep import Telling
from neurohw.studies.search.file import Search, load_search
from neurohw.studies.search.finalists import Scored
from neurohw.studies.search.forecast import forecast_search
from neurohw.studies.search.found import Found
from neurohw.studies.search.front import front_of
from neurohw.studies.search.run_search import JOURNAL, run_search
from neurohw.studies.search.trials import Trials
from neurohw.studies.standing import read_standing
from tests import planted
from tests.processes import KILLED, ended, killed_at, start

optuna = pytest.importorskip("optuna")

EXPERIMENT = 'kind = "planted"\nname = "hill"\n[hill]\nx = 0.02\nk = 2\n'
KEYS = """
[search.keys]
"hill.x" = { low = 0.001, high = 1000.0, log = true }
"hill.k" = { low = 1, high = 10, integer = true }
"""
ONE = 'objectives = ["height"]\n[search]\ntrials = 12\nsampler = "random"\n' + KEYS
TWO = ONE.replace('["height"]', '["height", "cost"]')
ECRAM = '"hardware.device" = "ecram"\n"hardware.periphery" = "32nm"\n'
MEDIAN = '[pruning]\nkind = "median"\nstartup_trials = 2\n'


@pytest.fixture(autouse=True)
def kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "planted", planted.KIND)
    for metric in planted.KIND.metrics:
        monkeypatch.setitem(kinds.METRICS, metric.name, metric)


def searched(folder: Path, text: str = ONE, experiment: str = EXPERIMENT) -> Search:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.toml").write_text(experiment)
    (folder / "search.toml").write_text(text)
    return load_search(folder)


def tiny(folder: Path, **changes: str) -> Path:
    """Write a search of real networks, and return its path."""
    parts = {
        "objectives": '["direct_accuracy"]', "set": '"data.train_limit" = 160\n"training.epochs" = 3\n',
        "keys": '"target.k" = { low = 1, high = 9, integer = true }\n', "search": "trials = 4\n", "more": "", **changes,
    }  # fmt: skip
    path = folder / "mine.toml"
    path.write_text(f'experiment = "quickstart"\nobjectives = {parts["objectives"]}\n[set]\n{parts["set"]}[search]\n'
                    f"{parts['search']}[search.keys]\n{parts['keys']}{parts['more']}")  # fmt: skip
    return path


def gone(search: Search, out: Path, **how: Any) -> Found:
    return run_search(search, out, Telling(lambda line: None), **how)


def drawn(found: Found) -> list[tuple[Any, ...]]:
    """Return what each trial was, and what came of it."""
    return [(t.number, t.params, t.user_attrs["values"], t.state.name, t.values, t.intermediate_values)
            for t in found.trials]  # fmt: skip


# --- what is drawn


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_same_seed_draws_the_same_trials(tmp_path: Path, sampler: str) -> None:
    search = searched(tmp_path, ONE.replace("random", sampler))
    a, b, other = gone(search, tmp_path / "a"), gone(search, tmp_path / "b"), None
    assert drawn(a) == drawn(b)
    assert len({trial.params["hill.x"] for trial in a.trials}) == 12
    other = gone(search.changed({}, seed=1), tmp_path / "c")
    assert drawn(other) != drawn(a)


def test_values_lie_where_the_file_says(tmp_path: Path) -> None:
    keys = (
        KEYS
        + '"hill.mark" = { values = ["a", "b"] }\n"hill.weights" = [{ low = 1, high = 2 }, { low = 10, high = 20 }]\n'
    )
    found = gone(searched(tmp_path, ONE.replace(KEYS, keys).replace("12", "40")), tmp_path / "out")
    values = [trial.user_attrs["values"] for trial in found.trials]
    assert {v["hill.mark"] for v in values} == {"a", "b"}
    assert {1, 10} <= {v["hill.k"] for v in values} <= set(range(1, 11))
    assert all(1 <= v["hill.weights"][0] <= 2 and 10 <= v["hill.weights"][1] <= 20 for v in values)
    decades = [math.log10(v["hill.x"]) for v in values]
    assert sum(decade < 0 for decade in decades) in range(12, 29)  # half of the range by log, a thousandth evenly
    assert all(v["hill.x"] == float(f"{v['hill.x']:.6g}") for v in values)


def test_constraints_hold_and_nothing_runs_twice(tmp_path: Path) -> None:
    text = 'constraints = ["hill.k <= 3"]\n' + ONE.replace('"hill.x" = { low = 0.001, high = 1000.0, log = true }',
                                                            '"hill.x" = { values = [0.1, 1.0, 10.0] }')  # fmt: skip
    found = gone(searched(tmp_path, text), tmp_path / "out")
    assert len(found.trials) == 9  # of 12: there are no more
    assert {(t.user_attrs["values"]["hill.x"], t.user_attrs["values"]["hill.k"]) for t in found.trials} == {
        (x, k) for x in (0.1, 1.0, 10.0) for k in (1, 2, 3)
    }


def test_a_planted_optimum_is_found(tmp_path: Path) -> None:
    search = searched(tmp_path, ONE.replace("12", "50"))
    tpe = gone(search.changed({}, sampler="tpe"), tmp_path / "tpe")
    random = gone(search, tmp_path / "random")
    values = tpe.best[0].values
    assert values["hill.k"] == 7
    assert 0.7 < values["hill.x"] < 1.4
    assert tpe.best[0].means[0] > 0.98
    assert tpe.best[0].means[0] >= random.best[0].means[0]
    assert tpe.start is not None
    assert tpe.start.means[0] == pytest.approx(planted.height(0.02, 2) + 0.002)


# --- what is given up, and what fails


def test_what_is_given_up_is_never_the_best(tmp_path: Path) -> None:
    """Heights fall from epoch to epoch: who is given up early has been higher than whole ones end."""
    falling = EXPERIMENT + "falls = true\n"
    found = gone(searched(tmp_path, ONE.replace("12", "30") + MEDIAN, falling), tmp_path / "out")
    early = [trial for trial in found.trials if trial.state.name == "PRUNED"]
    whole = [trial for trial in found.trials if trial.state.name == "COMPLETE"]
    assert max(trial.value for trial in early) > max(trial.value for trial in whole)
    assert {each.trial for each in found.scored} <= {None, *(trial.number for trial in whole)}
    table = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert (table.state == "given up").sum() == len(early) > 3
    assert table.height[table.state == "given up"].isna().all()


def test_who_is_given_up_ends_early_and_by_the_median(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = gone(searched(tmp_path, ONE.replace("12", "25") + MEDIAN), out)
    assert not list(out.glob("*/checkpoint.pt"))
    for trial in found.trials:
        (folder,) = out.glob(f"hill-{trial.user_attrs['digest']}-0")
        record = read_record(folder)
        if trial.state.name == "COMPLETE":
            assert record.status == "finished"
            continue
        assert record.status == "stopped"
        assert "given up" in str(record.message)
        last = max(trial.intermediate_values)
        assert record.timing["epochs"] == last < 4
        before = [t.intermediate_values[last] for t in found.trials[: trial.number] if t.state.name == "COMPLETE"]
        assert len(before) >= 2
        assert max(trial.intermediate_values.values()) < pd.Series(before).median()


@pytest.mark.parametrize("kind_of_pruning", ["percentile", "successive-halving"])
def test_other_ways_to_give_up(tmp_path: Path, kind_of_pruning: str) -> None:
    pruning = f'[pruning]\nkind = "{kind_of_pruning}"\n' + "percentile = 20.0\n" * (kind_of_pruning == "percentile")
    found = gone(searched(tmp_path, ONE.replace("12", "30") + pruning), tmp_path / "out")
    states = [trial.state.name for trial in found.trials]
    assert 5 < states.count("PRUNED") < 30
    assert found.best[0].means[0] > 0.7


@pytest.mark.parametrize("text", [ONE, TWO])
def test_what_diverges_is_learnt_and_never_wins(tmp_path: Path, text: str) -> None:
    steep = EXPERIMENT + "cliff = 0.9\n"
    found = gone(searched(tmp_path, text.replace("12", "30").replace("random", "tpe"), steep), tmp_path / "out")
    failed = [trial for trial in found.trials if "failed" in trial.user_attrs]
    assert 0 < len(failed) < 20
    assert all(trial.user_attrs["values"]["hill.x"] >= 0.9 for trial in failed)
    assert all(each.values["hill.x"] < 0.9 for each in found.best)


def test_trials_that_all_fail_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, moment: str, final: bool) -> dict[str, Any]:
        raise ValueError("the instrument is off")

    monkeypatch.setattr(planted.PlantedJob, "evaluate", broken)
    with pytest.raises(NeurohwError, match=r"5 trials in a row failed; the first: .*the instrument is off"):
        gone(searched(tmp_path), tmp_path / "out")


# --- going on


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_more_trials_go_on_to_what_one_call_would_have_found(tmp_path: Path, sampler: str) -> None:
    search = searched(tmp_path, ONE.replace("12", "18").replace("random", sampler) + MEDIAN)
    whole = gone(search, tmp_path / "whole")
    gone(search.changed({}, trials=7), tmp_path / "parts")
    parts = gone(search, tmp_path / "parts")
    assert drawn(parts) == drawn(whole)
    assert parts.best == whole.best


@pytest.mark.parametrize("operation", [5, 31, 81, 83, 150, 152, 155, 157, 230])
def test_a_killed_search_goes_on_to_the_same_end(tmp_path: Path, operation: int) -> None:
    """It ends before it changes a file for the n-th time: between trials, in an epoch, at the journal."""
    search = searched(tmp_path, ONE.replace("12", "10").replace("random", "tpe") + MEDIAN)
    whole = gone(search, tmp_path / "whole")
    out = tmp_path / "killed"
    assert ended(start(killed_at(operation, out, lambda: gone(search, out)))) == KILLED
    again = gone(search, out)
    assert drawn(again) == drawn(whole)
    assert again.best == whole.best
    assert not list(out.glob("*/checkpoint.pt"))


def test_killed_at_the_verdict_it_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has the epoch by which a trial is given up, but not that it is."""
    search, out = searched(tmp_path, ONE + MEDIAN), tmp_path / "killed"
    whole = gone(search, tmp_path / "whole")
    verdict = optuna.trial.Trial.should_prune

    def killed(trial: Any) -> bool:
        if verdict(trial):
            os._exit(KILLED)
        return False

    with monkeypatch.context() as patched:
        patched.setattr(optuna.trial.Trial, "should_prune", killed)
        assert ended(start(lambda: gone(search, out))) == KILLED
    again = gone(search, out)
    assert any(trial.state.name == "PRUNED" for trial in again.trials)
    assert drawn(again) == drawn(whole)


def test_a_torn_line_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    search, out = searched(tmp_path), tmp_path / "out"
    gone(search.changed({}, trials=4), out)
    kept = (out / JOURNAL).read_bytes()
    (out / JOURNAL).write_bytes(kept + b'{"op_code":4,"worker')
    (out / f"{JOURNAL}.lock").symlink_to(out / JOURNAL)  # Optuna's, of a process that was killed
    assert len(gone(search, out).trials) == 12
    assert (out / JOURNAL).read_bytes().startswith(kept)


def test_an_interrupt_leaves_a_journal_that_goes_on(tmp_path: Path) -> None:
    search = searched(tmp_path, ONE + MEDIAN)
    whole = gone(search, tmp_path / "whole")
    lines = iter(range(100))

    def interrupted(line: str) -> None:
        if next(lines) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(search, tmp_path / "parts", Telling(interrupted))
    assert drawn(gone(search, tmp_path / "parts")) == drawn(whole)


def test_nothing_finished_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search, out = searched(tmp_path), tmp_path / "out"
    first = gone(search, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}

    def never(*arguments: Any) -> None:
        raise AssertionError("is run again")

    monkeypatch.setattr(planted.PlantedJob, "build", never)
    assert gone(search, out).best == first.best
    (out / JOURNAL).unlink()  # the records are there still
    assert drawn(gone(search, out)) == drawn(first)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")} == stamps


def test_other_ranges_or_objectives_are_another_search(tmp_path: Path) -> None:
    names = {searched(tmp_path, text).digest() for text in
             (ONE, TWO, ONE.replace("1000.0", "100.0"), 'stop_after = 2\n' + ONE)}  # fmt: skip
    assert len(names) == 4
    assert searched(tmp_path, ONE).changed({}, trials=99, sampler="tpe").digest() in names
    assert searched(tmp_path, ONE).changed({"hill.falls": True}).digest() not in names


def test_no_trial_begins_when_the_time_is_up(tmp_path: Path) -> None:
    with pytest.raises(NeurohwError, match="no trial was trained to its end"):
        gone(searched(tmp_path), tmp_path / "out", minutes=0.0)


def test_two_searches_of_a_folder_are_refused(tmp_path: Path) -> None:
    search, out = searched(tmp_path), tmp_path / "out"
    out.mkdir()
    with locked(out), pytest.raises(FolderInUse):
        gone(search, out)


# --- the Pareto front


def brute_force(points: list[tuple[float, float]]) -> list[int]:
    """Return who is dominated by nobody, where the first is to be high and the second low."""
    return [i for i, (a, b) in enumerate(points)
            if not [1 for c, d in points if c >= a and d <= b and (c > a or d < b)]]  # fmt: skip


@given(st.lists(st.tuples(*[st.integers(0, 6).map(float)] * 2), min_size=1, max_size=30))
def test_a_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    front = front_of(points, [True, False])
    assert front == brute_force(points)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials([optuna.trial.create_trial(values=point) for point in points])
    assert front == sorted(trial.number for trial in study.best_trials)


def test_several_objectives_give_their_front(tmp_path: Path) -> None:
    found = gone(searched(tmp_path, TWO.replace("12", "40").replace("random", "tpe")), tmp_path / "out")
    values = [tuple(trial.values) for trial in found.trials]
    assert {each.trial for each in found.best} == set(brute_force(values))  # seeds add the same to all heights
    means = [each.means for each in found.best]
    assert len(means) > 3
    assert brute_force(means) == list(range(len(means)))
    assert len(found.files) == len(found.best)
    assert "starting point" not in " ".join(found.sentences())
    again = gone(searched(tmp_path, TWO + "[finalists]\nnumber = 2\n"), tmp_path / "out")
    assert len(again.files) == 2
    assert "of 40 trials, 2 on the Pareto front were run again; 2 of these" in " ".join(again.sentences())
    assert len(list((tmp_path / "out").glob("front_*.toml"))) == 2  # those of the former call have gone


def test_files_of_another_search_do_not_stand_beside_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"

    def written() -> list[str]:
        return sorted(path.name for path in out.iterdir() if path.suffix in (".toml", ".csv"))

    gone(searched(tmp_path), out)
    assert written() == ["best.toml", "trials.csv"]
    before = (out / "best.toml").read_bytes()
    gone(searched(tmp_path, TWO), out)
    assert not (out / "best.toml").exists()
    assert (out / "front_1.toml").exists()
    gone(searched(tmp_path), out)  # the first again, from its journal
    assert (out / "best.toml").read_bytes() == before
    assert not list(out.glob("front_*.toml"))

    def interrupt(self: Trials, settled: object) -> None:
        raise KeyboardInterrupt

    to_its_end = Trials.all_settled
    monkeypatch.setattr(Trials, "all_settled", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gone(searched(tmp_path), out)
    assert (out / "best.toml").exists()  # it goes on
    monkeypatch.setattr(Trials, "all_settled", to_its_end)
    gone(searched(tmp_path, TWO), out)
    monkeypatch.setattr(Trials, "all_settled", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gone(searched(tmp_path), out)  # the first again, whose trials are known, and which comes to no end
    assert not written()
    with pytest.raises(KeyboardInterrupt):
        gone(searched(tmp_path, ONE.replace("high = 10,", "high = 9,")), out)
    assert not written()


# --- the test set


def test_who_guesses_is_no_finalist_of_energies_alone(tmp_path: Path) -> None:
    """Learning nothing (a rate of 1e-9) takes fewer pulses than learning, and no accuracy is an objective."""
    settings = ECRAM + ('"data.train_limit" = 160\n"data.test_limit" = 60\n"training.epochs" = 2\n'
                        '"training.mode" = "supervised"\n"network.layers" = [64, 10]\n'
                        '"hardware.recommended" = false\n')  # fmt: skip
    rates = '"training.learning_rate" = { values = [[1e-9], [0.05]] }\n'
    path = tiny(tmp_path, objectives='["joules"]', set=settings, keys=rates, search="trials = 2\n",
                more="[finalists]\nseeds = [1]\n")  # fmt: skip
    found = gone(load_search(path), tmp_path / "out")
    idle, learning = sorted(found.trials, key=lambda trial: trial.user_attrs["values"]["training.learning_rate"])
    assert idle.values[0] < learning.values[0]
    assert [each.trial for each in found.best] == [learning.number]


def test_the_test_set_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All figures are the same whatever stands in the test set."""
    from dataclasses import replace

    from neurohw.runs import task

    search = load_search(tiny(tmp_path, search="trials = 3\n"))
    before = gone(search, tmp_path / "a")
    load = task.load_dataset

    def spoilt(name: str) -> Any:
        dataset = load(name)
        return replace(dataset, test_images=torch.zeros_like(dataset.test_images),
                       test_labels=torch.zeros_like(dataset.test_labels))  # fmt: skip

    monkeypatch.setattr(task, "load_dataset", spoilt)
    after = gone(search, tmp_path / "b")
    assert drawn(after) == drawn(before)
    assert after.scored == before.scored
    assert 0.2 < before.best[0].means[0] < 1.0
    monkeypatch.undo()
    assert all(read_record(path).config["data"]["evaluate_on"] == "validation"
               for path in (tmp_path / "a").glob("quickstart-*"))  # fmt: skip


def test_what_is_found_is_an_experiment_that_runs_on_the_test_set(tmp_path: Path) -> None:
    found = gone(searched(tmp_path), tmp_path / "out")
    assert max(max(each.figures[0]) for each in found.scored) < planted.ON_TEST
    (file,) = found.files
    best = load_experiment(file)
    assert (best.hill.x, best.hill.k) == (found.best[0].values["hill.x"], found.best[0].values["hill.k"])
    assert run(best, 0, tmp_path / "run").metrics["height"] == planted.ON_TEST


# --- what is said


def test_the_best_is_compared_with_the_starting_point(tmp_path: Path) -> None:
    best, beside = gone(searched(tmp_path, ONE.replace("12", "30")), tmp_path / "out").sentences()
    assert best.startswith("best of 30 trials: trial ")
    assert "on the validation split, mean of seeds 1, 2, 3" in best
    assert "better than the starting point's" in beside
    assert "no difference" not in beside
    mine = EXPERIMENT.replace("0.02", "1.0").replace("k = 2", "k = 7")
    *_, beside = gone(searched(tmp_path, ONE, mine), tmp_path / "other").sentences()
    assert "worse than the starting point's 1.002 ± 0.001 m" in beside


@pytest.mark.parametrize(("objective", "better"), [("height", "better"), ("cost", "worse")])
def test_the_difference_to_the_starting_point_is_of_like_seeds(tmp_path: Path, objective: str, better: str) -> None:
    """Seeds 0.4 apart of which each gains 0.09 to 0.12: mean 0.1033, and t(0.975, 2) s / sqrt(3) = 0.0379."""
    search = searched(tmp_path, ONE.replace("height", objective))
    start, best = Scored(None, {}, ((0.1, 0.9, 0.5),)), Scored(3, {}, ((0.2, 1.02, 0.59),))
    _, beside = Found(search, tmp_path, (), (start, best), (best,)).sentences()
    amount, interval = (float(part.split()[0].rstrip(")")) for part in (beside, beside.rpartition("± ")[2]))
    assert (amount, interval) == (pytest.approx(0.1033, abs=1e-3), pytest.approx(0.0379, abs=1e-3))
    assert f" {better} than the starting point's" in beside
    assert "no difference" not in beside


def test_its_standing_can_be_watched(tmp_path: Path) -> None:
    gone(searched(tmp_path), tmp_path / "out")
    standing = read_standing(tmp_path / "out")
    assert standing.done == standing.total
    assert standing.best.startswith("best ")


def test_the_time_is_foreseen(tmp_path: Path) -> None:
    from neurohw.studies.estimate import Estimate

    search, out = searched(tmp_path), tmp_path / "out"
    expected = forecast_search(search, out, lambda experiment, stop, seeds: Estimate(2.0, 1))
    assert (expected.done, expected.seconds) == (0, 2.0 * (12 + 4 * 3))
    gone(search.changed({}, trials=5), out)
    expected = forecast_search(search, out, lambda experiment, stop, seeds: Estimate(2.0, 1))
    assert (expected.done, expected.seconds) == (5, 2.0 * (7 + 4 * 3))


@pytest.mark.parametrize("path", shipped_files("experiments", "*/search.toml").values(), ids=lambda p: p.parent.name)
def test_what_is_shipped_can_be_run(path: Path) -> None:
    if "mnist" in str(path) and "NEUROHW_DATA" not in os.environ:
        pytest.skip("needs $NEUROHW_DATA")
    load_search(path).check()


def test_constraints_that_nothing_fulfils(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search\.toml: none of 500 points could be run: constraints: 'hill\.k > 10'"):
        gone(searched(tmp_path, 'constraints = ["hill.k > 10"]\n' + ONE), tmp_path / "out")
    with pytest.raises(InputError, match=r"hill\.epochs is not set by every point"):
        gone(searched(tmp_path, 'constraints = ["hill.k > hill.epochs"]\n' + ONE), tmp_path / "out")


def test_a_range_of_fractions_of_whole_numbers_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Its ends are whole, and the experiment takes them; nearly all that lies between it does not."""
    with pytest.raises(InputError, match=r"hill\.k: got .*; add integer = true to its range"):
        searched(tmp_path, ONE.replace(", integer = true", "")).check()


def test_a_choice_of_one_value_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search\.keys\.hill\.k\.values: got \[3\]; allowed: at least 2 of them"):
        searched(tmp_path, ONE.replace("{ low = 1, high = 10, integer = true }", "{ values = [3] }"))


def test_kinds_without_a_validation_split_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import stubs

    monkeypatch.setitem(kinds.KINDS, "stub", stubs.KIND)
    text = 'objectives = ["level"]\n[search.keys]\n"stub.step" = { low = 1, high = 2 }\n'
    with pytest.raises(InputError, match="kind 'stub' have no validation split"):
        gone(searched(tmp_path, text, 'kind = "stub"\n'), tmp_path / "out")


def test_the_readme_shows_a_search_that_is_one(tmp_path: Path) -> None:
    import re

    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"## Search\n.*?```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "search.toml").write_text(block.replace('"experiment.toml"', '"quickstart"'))
    load_search(tmp_path).check()

"""`tune`: what is searched, that it goes on, what wins, and that the test set is not looked at."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.config import config_hash
from neurohw.devices.library import device_path, load_device
from neurohw.errors import InputError, NeurohwError
from neurohw.loading import load_with_advice
from neurohw.studies import journal, tune_search
from neurohw.studies.tune import Score, _scores, simplest, tune
from neurohw.studies.tune_search import DeviceSearch, Objective
from neurohw.studies.tune_space import REMEDIES, Space
from neurohw.studies.tuning import Tuning
from tests.processes import ended, start

optuna = pytest.importorskip("optuna")

TINY = {"data.train_limit": 160, "training.epochs": 2, "network.layers": [64, 30]}


def tuning(folder: Path, device: str = "ecram", **settings: Any) -> Tuning:
    given: dict[str, Any] = {"rule": "bp", "fixed": TINY, "trials": 3, "minutes": 5.0, **settings}
    return Tuning(device, folder=folder, **given)


def suggested(space: Space, n: int = 60) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.suggest(study.ask()) for _ in range(n)]


def test_everything_is_searched_that_the_device_has_and_nobody_fixed(tmp_path: Path) -> None:
    values = suggested(tuning(tmp_path, rule="ep").space())
    keys = {"hardware.weight_range", "hardware.pulse_length", "training.learning_rate", "ep.contrast"}
    assert all(keys <= v.keys() for v in values)
    assert {v["hardware.remedy"] for v in values} == REMEDIES.keys() - {"one-sided"}
    assert {v["ep.contrast"] for v in values} == {"difference", "two-phase"}
    ranges = [v["hardware.weight_range"] for v in values]
    assert max(ranges) / min(ranges) > 5
    held = suggested(tuning(tmp_path, rule="ep", fixed={**TINY, "hardware.remedy": "none", "ep.contrast": "difference",
                                                        "hardware.weight_range": 0.3}).space())  # fmt: skip
    assert {key for v in held for key in v} == {"hardware.pulse_length", "training.learning_rate"}


def test_cells_that_only_potentiate_are_paired(tmp_path: Path) -> None:
    assert tuning(tmp_path, "pcm").space().remedies == ("one-sided", "mixed-precision")
    assert "ep.contrast" not in suggested(tuning(tmp_path, "pcm").space())[0]


@pytest.mark.parametrize(("device", "rule"), [("ecram", "ep"), ("pcm", "bp"), ("reram_array_hfo2", "bp")])
def test_every_remedy_fits_the_experiment(device: str, rule: str, tmp_path: Path) -> None:
    """Arrays are built of each, so that no trial is spent on what is refused."""
    from neurohw.runs.job import job_class
    from neurohw.seeding import Streams

    here = tuning(tmp_path, device, rule=rule)
    space = here.space()
    study = optuna.create_study()
    for name in space.remedies:
        study.enqueue_trial({"remedy": name})
        experiment = here.given(space.suggest(study.ask()))
        job_class(experiment)(experiment, Streams(0)).build()
        assert experiment.data.evaluate_on == "validation"


def test_the_test_set_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are the same whatever stands in the test set, even where the user asks for it."""
    from dataclasses import replace

    from neurohw.runs import task

    here = tuning(tmp_path, fixed={**TINY, "data.evaluate_on": "test"})
    load = task.load_dataset

    def spoilt(name: str) -> Any:
        dataset = load(name)
        return replace(dataset, test_images=torch.zeros_like(dataset.test_images),
                       test_labels=torch.zeros_like(dataset.test_labels))  # fmt: skip

    def score() -> float:
        study = optuna.create_study()
        study.enqueue_trial(here.space().first_trials()[0])
        return Objective(here)(study.ask())

    before = score()
    monkeypatch.setattr(task, "load_dataset", spoilt)
    assert score() == before > 0.2


def test_what_was_found_is_confirmed_written_and_applied(tmp_path: Path) -> None:
    lines: list[str] = []
    here = tuning(tmp_path / "tune", fixed={**TINY, "hardware.pulse_length": 15})
    found = tune(here, lines.append)
    assert any("3 of 3 trials" in line for line in lines)
    assert all("ideal" in line for line in lines[:2])
    assert found.evidence["trials"] == 3
    assert found.evidence["seeds"] == len(found.best.accuracies) == len(set(search_seeds(here)))
    assert found.evidence["accuracy"] == pytest.approx(found.best.mean, abs=1e-4)
    assert not {"date", "time"} & found.evidence.keys()
    path = tmp_path / "tuned.toml"
    path.write_text(found.written_into(device_path("ecram").read_text(), "bp"))
    assert load_device(path).checksum() == load_device("ecram").checksum()  # advice is no part of the device
    experiment, _ = load_with_advice("quickstart", {**TINY, "hardware.device": str(path)})
    tried = here.given(found.best.values)
    assert experiment.hardware.model_copy(update={"device": "ecram"}) == tried.hardware.model_copy(
        update={"recommended": True}
    )
    assert experiment.training == tried.training
    assert experiment.hardware.pulse_length == 15


def search_seeds(here: Tuning) -> list[int]:
    return [int(path.name.rsplit("-", 1)[1]) for path in here.folder.glob("quickstart-*") if path.is_dir()]


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    here = tuning(tmp_path, trials=4)

    def killed() -> None:
        import os

        calls = iter(range(10))

        def tell(line: str) -> None:
            if next(calls) == 1:  # after the second trial
                os._exit(9)

        DeviceSearch(here, ends=4e9, reserve=0, ideal=0.8).go(tell)

    assert ended(start(killed)) == 9
    under_way = tune_search._study(here, 0).ask()
    (tmp_path / tune_search.TRIALS / str(under_way.number)).mkdir(parents=True)
    lines: list[str] = []
    trials = DeviceSearch(here, ends=4e9, reserve=0, ideal=0.8).go(lines.append)
    assert len(lines) == 2
    assert len(trials) == 4
    assert not list((tmp_path / tune_search.TRIALS).glob("*"))
    assert tune_search._study(here, 0).trials[under_way.number].state.name == "FAIL"
    assert len({str(trial.params) for trial in trials}) == 4


def test_nothing_is_recommended_at_chance(tmp_path: Path) -> None:
    """Cells that forget within a batch learn nothing, whatever is set; the file gets no advice."""
    forgetting = {**TINY, "hardware.device_parameters": {"retention.lifetime": 0.1}, "hardware.step_seconds": 1.0}
    with pytest.raises(NeurohwError, match=r"near chance \(1\d\.\d%\): nothing is recommended; more --minutes"):
        tune(tuning(tmp_path, trials=1, fixed=forgetting), lambda line: None)


def test_a_finalist_that_diverges_scores_nothing(tmp_path: Path) -> None:
    """It ended the whole search, and again whenever that went on."""
    here = tuning(tmp_path)
    wild = here.given({"training.optimizer": "adam", "training.learning_rate": [1e38]})
    (score,) = _scores(here, [("none", {}, wild)])
    assert score.accuracies == (0.0, 0.0, 0.0)


def test_what_a_tune_was_given_stands_beside_what_it_found(tmp_path: Path) -> None:
    """A device that ages learns in short batches only: its advice says which, and the evidence what else was set."""
    found = tune(tuning(tmp_path, trials=1, fixed={**TINY, "hardware.step_seconds": 1e-5}), lambda line: None)
    assert found.best.values["hardware.step_seconds"] == 1e-5
    assert found.evidence["set"] == TINY
    assert found.evidence["experiment"] == "quickstart"
    text = found.written_into(device_path("ecram").read_text(encoding="utf-8"), "bp")
    advice = tomllib.loads(text)["recommended"]["bp"]
    assert advice["step_seconds"] == 1e-5
    assert advice["evidence"]["set"]["network.layers"] == [64, 30]


def test_an_experiment_that_makes_arrays_itself_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[hardware]\nbackend = "analog"\ndevice = "ecram"\ncell = "differential"\n')
    with pytest.raises(InputError, match=r"mine\.toml: sets how arrays are made, .* allowed: such keys by --set"):
        tuning(tmp_path, experiment=str(file)).ideal()


def test_no_trial_begins_when_the_time_is_up(tmp_path: Path) -> None:
    lines: list[str] = []
    assert DeviceSearch(tuning(tmp_path), ends=0.0, reserve=0, ideal=0.8).go(lines.append) == []
    assert not lines


def test_trials_that_were_refused_say_nothing_of_how_long_runs_take(tmp_path: Path) -> None:
    """A run takes 60 s, so that ten of them are reserved for, however many trials ended in an instant."""
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def trial(seconds: float, **attributes: str) -> Any:
        made = optuna.trial.create_trial(value=0.5, user_attrs=attributes)
        made.datetime_start, made.datetime_complete = began, began + timedelta(seconds=seconds)
        return made

    search = DeviceSearch(tuning(tmp_path), ends=time.time() + 1000, reserve=10, ideal=0.8)
    left = search._seconds_left([trial(60.0), trial(0.0, failed="does not fit"), trial(0.0, failed="does not fit")])
    assert left == pytest.approx(400, abs=5)


def test_processes_share_the_trials(tmp_path: Path) -> None:
    trials = DeviceSearch(tuning(tmp_path, trials=5, jobs=2), ends=4e9, reserve=0, ideal=0.8).go(lambda line: None)
    assert len(trials) in (5, 6)  # one that another process had begun
    whole = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    assert whole == sorted(whole, reverse=True)


def test_trials_of_another_device_or_experiment_are_other_trials(tmp_path: Path) -> None:
    names = {
        tuning(tmp_path, device, fixed={**TINY, **more}, rule=rule).name()
        for device in ("ecram", "reram_es")
        for rule in ("bp", "ep")
        for more in ({}, {"target.k": 3})
    }
    assert len(names) == 8


def test_a_score_has_the_sample_standard_deviation() -> None:
    """Deviations of -0.02, 0 and 0.02 of three seeds: 0.02, with n - 1."""
    score = Score("none", {}, (0.78, 0.80, 0.82))
    assert (score.mean, score.spread) == (pytest.approx(0.8), pytest.approx(0.02))
    assert str(score) == "80.0 ± 2.0 %"


def test_the_simplest_that_is_good_enough_wins() -> None:
    mixed, several = Score("mixed-precision", {}, (0.80, 0.84)), Score("several-cells", {}, (0.78, 0.80))
    none = Score("none", {}, (0.805, 0.82))
    assert simplest([mixed, several, none], ideal=0.9) is none  # 0.75 of a point below the highest
    assert simplest([mixed, several], ideal=0.9) is mixed
    assert simplest([mixed, several], ideal=0.79) is several  # as good as ideal
    assert simplest([Score("agad", {}, (0.5, 0.6)), mixed], ideal=0.9) is mixed


def test_the_ideal_reference_is_the_experiment_without_a_device(tmp_path: Path) -> None:
    fixed = {**TINY, "hardware.adc_bits": 5, "hardware.periphery": "32nm", "energy.training_images": 5}
    ideal = tuning(tmp_path, fixed=fixed).ideal()
    plain, _ = load_with_advice(
        "quickstart", {**TINY, "data.evaluate_on": "validation", "data.validation_fraction": 0.2}
    )
    assert config_hash(ideal, {}) == config_hash(plain, {})


def test_a_shipped_device_is_left_alone_and_a_file_is_written_in_place(
    neurohw: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    arguments = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    arguments += ["--rule", "bp", "--trials", "1", "--jobs", "1", "--folder", str(tmp_path / "kept")]
    before = device_path("ecram").read_text()
    status, out, err = neurohw("tune", "ecram", *arguments)
    assert (status, err) == (0, "")
    assert "[recommended.bp]" in out
    assert "--out FILE" in out
    beside = float(re.search(r"\*\s*[│|]\s*[\d.]+ ± [\d.]+ %\s*[│|]\s*([+-][\d.]+)", out)[1])  # type: ignore[index]
    assert ("points below ideal arrays" in out and "neurohw attribute quickstart" in out) == (beside < -3)
    assert device_path("ecram").read_text() == before
    own = tmp_path / "mine.toml"
    own.write_text(before)
    assert neurohw("tune", str(own), *arguments)[0] == 0
    assert tomllib.loads(own.read_text())["recommended"]["bp"]["evidence"]["dataset"] == "digits"


def test_without_optuna_it_says_what_to_install(
    neurohw: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal.importlib.util, "find_spec", lambda name: None)
    status, _, err = neurohw("tune", "ecram", "--minutes", "1")
    assert status == 2
    assert "pip install 'neurohw[search]'" in err


def test_another_kind_of_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"deep_stdp_digits"):
        tuning(tmp_path, experiment="deep_stdp_digits", fixed={}).given({})

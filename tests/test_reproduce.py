"""Published tables: what is missing, what was measured beside what was published, and what may be said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.report.reproduced import frame, markdown_page, summary
from neurohw.runs.collection import find_records
from neurohw.runs.record import RunRecord
from neurohw.studies.expected import agreement
from neurohw.studies.paper import LEAST_ALLOWED, PaperTable, TableFile, paper_table, paper_tables, results
from neurohw.studies.reproduce import missing

NAME = "mnist_unsupervised_ep_1layer"


def table(seeds: tuple[int, ...] = (0, 1), fractions: tuple[float, ...] = (1.0,)) -> PaperTable:
    file = TableFile.model_validate(
        {
            "title": "A table", "metrics": ["direct_accuracy"], "label_fractions": fractions,
            "runs": [{"experiment": NAME, "seeds": seeds, "set": {"evaluation.every": 10}}],
        }
    )  # fmt: skip
    return PaperTable("a", Path("a/reproduce.toml"), file)


def record(accuracy: float, seed: int = 0, epoch: int = 100, at_one_percent: float = 0.9) -> RunRecord:
    by_fraction = {"0.01": {"direct_accuracy": at_one_percent}, "1": {"direct_accuracy": accuracy}}
    return RunRecord(
        schema=1, name=NAME, kind="onchip", config=load_experiment(NAME).canonical(), config_hash="0" * 12,
        seed=seed, versions={}, git=None, status="finished" if epoch == 100 else "stopped",
        metrics={"direct_accuracy": accuracy, "by_label_fraction": by_fraction},
        timing={"train_seconds": 60.0 + seed, "train_images_per_second": 1.0, "epochs": epoch}, peak_memory_bytes=1,
        curve=[{"epoch": epoch, "phase": "unsupervised", "index": epoch, "seconds": 1.0, "direct_accuracy": accuracy}],
    )  # fmt: skip


def test_what_is_missing_is_what_no_record_has_at_its_length() -> None:
    (both,) = missing(table(), [])
    assert (both.file.experiment, both.file.seeds, both.file.stop_after) == (NAME, (0, 1), None)
    (one,) = missing(table(), [record(0.95), record(0.9, seed=1, epoch=10)])
    assert one.file.seeds == (1,)
    assert not missing(table(), [record(0.95), record(0.9, seed=1, epoch=10)], stop_after=10)
    assert missing(table(), [], stop_after=10)[0].file.stop_after == 10


def test_within_three_standard_errors_is_reproduced() -> None:
    (result,) = results(table(), [record(0.957), record(0.959, seed=1)])
    assert (result.verdict, result.seconds, result.expected.epoch) == ("reproduced", 60.5, 100)
    assert result.found is not None
    assert result.found.difference == pytest.approx(0.958 - 0.9577)


def test_a_run_takes_what_the_longest_take() -> None:
    """60 s for 100 epochs; a run of the same that was stopped after 2 does not halve that."""
    (result,) = results(table(), [record(0.957), record(0.93, seed=1, epoch=2), record(0.957, seed=2)])
    assert result.seconds == 61.0


def test_a_small_difference_agrees_whatever_the_spread() -> None:
    """Published 95.77 ± 0.08 of 11 runs: three standard errors of equal seeds are 0.07 points."""
    equal = [record(0.955, seed) for seed in range(3)]
    (near,) = results(table(), equal)
    assert near.found is not None
    assert near.found.allowed is not None
    assert near.found.allowed < abs(near.found.difference) < LEAST_ALLOWED == near.allowed
    assert near.verdict == "reproduced"
    (far,) = results(table(), [record(0.9546, seed) for seed in range(3)])
    assert (far.verdict, far.outside) == ("outside", True)


def test_a_difference_of_exactly_what_is_allowed_agrees() -> None:
    """95.47 beside 95.77 is 0.30 points, though 0.9577 - 0.9547 is 0.0030000000000000027."""
    (result,) = results(table(), [record(0.9547, seed) for seed in range(3)])
    assert result.found is not None
    assert abs(result.found.difference) > LEAST_ALLOWED == result.allowed
    assert (result.verdict, result.outside) == ("reproduced", False)


def test_what_is_no_number_reproduces_nothing() -> None:
    (result,) = results(table(), [record(float("nan"))])
    assert result.verdict != "reproduced"
    (result,) = results(table(), [record(float("nan")), record(0.9, seed=1)])
    assert result.found is not None
    assert (result.found.n, result.found.mean, result.verdict) == (1, 0.9, "outside")
    (result,) = results(table(fractions=(0.01,)), [record(0.957, at_one_percent=float("nan"))])
    assert result.found is None


def test_a_shorter_run_stands_beside_the_curve_and_reproduces_nothing() -> None:
    (result,) = results(table(), [record(0.9259, epoch=2), record(0.9259, seed=1, epoch=2)])
    assert result.verdict == "as published so far: epoch 2 of 100"
    (result,) = results(table(), [record(0.90, epoch=2), record(0.90, seed=1, epoch=2)])
    assert (result.verdict, result.outside) == ("outside: epoch 2 of 100", True)


def test_nothing_measured_is_said() -> None:
    (result,) = results(table(), [])
    assert (result.verdict, result.allowed, result.outside) == ("not run", None, False)


def test_shares_of_the_labels_are_of_the_run_s_end() -> None:
    """Published at 1 % of the labels: 95.16 ± 0.22 %."""
    whole = table(fractions=(0.01,))
    (result,) = results(whole, [record(0.958, at_one_percent=0.951), record(0.958, 1, at_one_percent=0.953)])
    assert result.found is not None
    assert (result.found.mean, result.verdict) == (pytest.approx(0.952), "reproduced")
    (result,) = results(whole, [record(0.93, epoch=2, at_one_percent=0.951)])
    assert (result.verdict, result.outside) == ("shorter: epoch 2 of 100", False)


def test_a_run_shorter_than_all_that_was_published_stands_beside_the_end_and_is_not_compared() -> None:
    """Published of 784-100 by BP, 2 % of the labels: 87.14 ± 0.95 %, without a curve."""
    keys = {"network.rule": "bp", "network.layers": [784, 100], "evaluation.every": 10}
    wanted = {"experiment": "mnist_output_count", "seeds": [0], "set": keys}
    file = TableFile.model_validate({"title": "T", "metrics": ["direct_accuracy"], "runs": [wanted]})
    config = load_experiment("mnist_output_count", keys).canonical()
    one = record(0.80, epoch=1).model_copy(update={"name": "mnist_output_count", "config": config})
    (result,) = results(PaperTable("a", Path("a/reproduce.toml"), file), [one])
    assert result.found is not None
    assert (result.found.mean, result.verdict, result.outside) == (0.80, "shorter: epoch 1 of 200", False)
    assert summary([result]) == "1 values: 1 from shorter runs"
    page = markdown_page([(PaperTable("a", Path("a/reproduce.toml"), file), [result])])
    assert "| 1 of 200 |" in page


def test_one_seed_beside_a_value_without_spread_is_not_judged() -> None:
    """However far apart they are: there is nothing to tell a difference by."""
    (spread,) = results(table(), [record(0.5)])
    alone = spread.expected.model_copy(update={"std": None})
    result = replace(spread, expected=alone, found=agreement(NAME, alone, [record(0.5)]))
    assert (result.verdict, result.outside) == ("not judged: neither side has a spread", False)
    assert summary([result]) == "1 values: 1 not judged"


def test_shipped_tables_can_be_run_and_publish_something() -> None:
    tables = paper_tables()
    assert {"table_2", "figures_3_4", "table_3"} <= set(tables)
    for each in tables.values():
        published = results(each, [])
        assert all(0 < result.expected.value < 1 for result in published)
        assert {result.experiment for result in published} == {run.experiment for run in each.file.runs}, each.name
        for sweep in missing(each, []):
            assert list(sweep.combinations())


def test_pages_say_what_the_results_say() -> None:
    found = [(table(), results(table(), [record(0.957), record(0.959, seed=1)]))]
    assert "| reproduced |" in markdown_page(found)
    assert summary(found[0][1]) == "1 values: 1 reproduced"
    numbers: pd.DataFrame = frame(found)
    assert numbers.measured.item() == pytest.approx(0.958)
    assert (numbers.published.item(), numbers.seeds.item(), numbers.verdict.item()) == (0.9577, 2, "reproduced")


TYPO, KNOWN = 'metrics = ["direct_acuracy"]', 'metrics = ["direct_accuracy"]'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('title = "T"\nmetrics = ["test_accuracy"]\n', "runs"),
        (f'title = "T"\n{TYPO}\nruns = [{{ experiment = "quickstart" }}]\n', r"metrics\.0: .*mean direct_accuracy"),
        (
            f'title = "T"\n{KNOWN}\nruns = [{{ experiment = "quickstart", seeds = [1, 1] }}]\n',
            "seeds: got 1 more than once",
        ),
        ('title = "T"\nmetrics = []\nruns = [{ experiment = "quickstart" }]\n', "metrics"),
        ('title = "T"\nmetrics = ["test_accuracy"]\nruns = [{ experiment = "quickstart", seeds = [] }]\n', "seeds"),
        ('title = "T"\nmetrics = ["test_accuracy"]\nruns = [{ experiment = "quickstart", epochs = 3 }]\n', "epochs"),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint) as error:
        paper_table(path)
    assert str(path) in str(error.value)


OWN = """
title = "Digits"
metrics = ["direct_accuracy"]
[[runs]]
experiment = "quickstart"
seeds = [0, 1]
set = { "data.train_limit" = 100, "data.test_limit" = 50, "training.epochs" = 2 }
"""


def test_the_command_runs_what_is_missing_once(neurohw, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('note = "Chance moves it."\n' + OWN)
    status, out, err = neurohw("reproduce", "own.toml", "--dry-run")
    assert status == 0, err
    assert "Chance moves it. Mean ± " in " ".join(out.split())
    assert "missing: quickstart-" in out
    assert not (tmp_path / "runs").exists()
    status, out, err = neurohw("reproduce", "own.toml", "--stop-after", "1", "--report", "page")
    assert status == 0, err
    runs = sorted((tmp_path / "runs/paper").glob("quickstart-*/record.json"))
    assert len(runs) == 2
    before = [run.read_bytes() for run in runs]
    assert neurohw("reproduce", "own.toml", "--stop-after", "1")[0] == 0
    assert [run.read_bytes() for run in runs] == before
    page = (tmp_path / "page/reproduced.md").read_text()
    assert page.startswith("# Measured beside published")
    assert "\n\nChance moves it.\n\n| Network |" in page


SVHN = """
title = "Streets"
metrics = ["test_accuracy"]
[[runs]]
experiment = "cnn_svhn"
set = { "training.mode" = "supervised" }
"""


@pytest.fixture
def without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be no data sets but the bundled one, and a table that needs another beside one that does not."""
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "svhn.toml").write_text(SVHN)


@pytest.fixture
def own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a table of digits; the checkout's reports, which take half a minute to read, are left out."""
    (tmp_path / "own.toml").write_text(OWN)
    there = lambda out, known: find_records([out], []) if any(out.rglob("record.json")) else []  # noqa: E731
    monkeypatch.setattr("neurohw.cli.reproduce._records", there)


@pytest.mark.usefixtures("without_data", "own_table")
def test_a_dry_run_names_data_that_are_missing_and_goes_on(neurohw, tmp_path: Path) -> None:
    status, out, err = neurohw("reproduce", "svhn.toml", "own.toml", "--dry-run", "--report", "page")
    assert status == 0, err
    assert "missing: cnn_svhn, seeds 0: its data are missing, see below" in out
    assert "missing: quickstart-" in out
    assert "none missing" not in out
    assert out.index("in all, one after the other") < out.index("cnn_svhn cannot be run: dataset 'svhn' was not found")
    assert "neurohw data fetch svhn" in out
    assert "## Streets" in (tmp_path / "page/reproduced.md").read_text()


@pytest.mark.usefixtures("without_data", "own_table")
def test_tables_whose_data_are_there_are_run_before_the_others_are_named(neurohw, tmp_path: Path) -> None:
    status, out, err = neurohw("reproduce", "svhn.toml", "own.toml", "--stop-after", "1", "--report", "page")
    assert status == 2
    assert len([*(tmp_path / "runs/paper").glob("quickstart-*/record.json")]) == 2
    assert "cnn_svhn cannot be run: dataset 'svhn' was not found" in err
    assert "neurohw data fetch svhn" in err
    assert "Digits: measured, published" in out
    assert (tmp_path / "page/reproduced.csv").exists()


@pytest.mark.usefixtures("own_table")
def test_a_dry_run_of_no_table_is_one_of_all(neurohw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurohw.studies.paper.paper_tables", lambda: {"own.toml": paper_table("own.toml")})
    status, out, err = neurohw("reproduce", "--dry-run")
    assert status == 0, err
    assert "missing: quickstart-" in out


def test_a_value_outside_ends_with_status_1(neurohw, tmp_path: Path) -> None:
    text = f'title = "T"\nmetrics = ["direct_accuracy"]\n[[runs]]\nexperiment = "{NAME}"\n'
    (tmp_path / "own.toml").write_text(text)
    for seed in range(3):  # in place of those of the checkout's reports
        (folder := tmp_path / "known" / str(seed)).mkdir(parents=True)
        record(0.5, seed).write(folder)
    status, out, err = neurohw("reproduce", "own.toml", "--dry-run", "--known", "known")
    assert status == 1
    assert "lie outside" in err
    assert "outside (-" in out


def test_an_unknown_table_lists_those_there_are(neurohw) -> None:
    status, _, err = neurohw("reproduce", "table_9")
    assert status == 2
    assert "table_2" in err


def test_without_a_table_the_standing_of_all_is_told(neurohw) -> None:
    status, out, _ = neurohw("reproduce")
    assert status == 0
    assert "figures_3_4" in out

"""What a report says of points without a record, and of an attribution that lies beside the records."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.errors import InputError, NeurohwError
from neurohw.report.besides import besides_in
from neurohw.report.page.answer import Answer
from neurohw.report.page.besides import with_causes
from neurohw.report.page.content import content
from neurohw.runs.record import RECORD
from neurohw.studies.attribution import Attribution, Estimate, Share
from neurohw.studies.attribution_words import as_frame
from neurohw.studies.causes import Cause
from neurohw.studies.execution.base import AttemptFailed, Ended
from neurohw.studies.execution.failed import write_failed
from tests.test_execution import points_of
from tests.test_execution import stub as stub
from tests.test_report import seeds

GAP = Estimate(0.06, 0.01)


def attributed(**costs: tuple[float, float]) -> Attribution:
    """Return an attribution of these causes, means and halves of intervals."""
    shares = tuple(Share(Cause(name), *[Estimate(*cost)] * 3) for name, cost in costs.items())
    return Attribution("direct_accuracy", GAP, GAP, GAP, GAP, Estimate(0.0, 0.01), shares)


@pytest.fixture
def study(tmp_path: Path, stub: None) -> Path:
    """Two records, a point that was killed twice, and an attribution."""
    folder = tmp_path / "study"
    for record in seeds([0.9, 0.8]):
        (folder / f"run-{record.seed}").mkdir(parents=True)
        record.write_json(folder / f"run-{record.seed}")
    for point in points_of(folder, count=1, axes='"stub.step" = [1.0]'):
        attempts: list[NeurohwError] = [
            AttemptFailed("its process ended (signal 9)", "killed"),
            AttemptFailed("late|r <b>&", "late"),
        ]
        write_failed(point, [Ended(point, outcome, "process 1", 1.5) for outcome in attempts])
    as_frame(attributed(noise=(0.05, 0.01), drift=(0.01, 0.02))).to_csv(folder / "attribution.csv", index=False)
    return folder


def test_where_all_points_failed_the_refusal_says_which_and_why(study: Path) -> None:
    for run in study.rglob(RECORD):
        run.unlink()
    result = CliRunner().invoke(app, ["report", str(study), "--out", str(study / "report")])
    assert isinstance(result.exception, InputError)
    first, second = str(result.exception).splitlines()
    assert "no record.json" in first
    (point,) = besides_in([study], []).failed
    assert second == f"{point.name}-{point.config_hash}-{point.seed} failed 2x: late|r <b>&"
    assert not (study / "report").exists()


def test_points_that_failed_and_what_costs_most_stand_on_the_page(study: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(study), "--out", str(study / "report")], catch_exceptions=False)
    assert result.exit_code == 0
    page, text = ((study / "report" / name).read_text() for name in ("index.html", "report.md"))
    assert "One point of the sweep failed" in page
    assert "Points that failed" in page
    assert "late|r &lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert "| 0 | " in text
    assert "| 2 | killed, late | late\\|r &lt;b>& |" in text
    said = "Of the gap of 6.0 ± 1.0 points (study) most is noise, 5.0 ± 1.0."
    assert said in page
    assert said in text
    assert "drift, " not in page.partition("<nav")[0]
    assert "| drift | study | 1.0 ± 2.0 |" in text


def test_a_point_that_has_a_record_now_is_no_failed_one(study: Path) -> None:
    """`neurohw run` has made it since: the sweep's failed.json still stands in its folder."""
    besides = besides_in([study], [])
    (point,) = besides.failed
    later = seeds([0.7])[0].model_copy(update={"config_hash": point.config_hash, "seed": point.seed})
    cut = later.model_copy(update={"status": "stopped", "message": "interrupted"})
    assert content([later], besides=besides).besides.failed == ()
    assert content([cut], besides=besides).besides.failed == (point,)
    assert content(seeds([0.9]), besides=besides).besides.failed == (point,)


def test_attributions_of_one_name_in_two_places_are_both_told(study: Path) -> None:
    other = study.parent / "other" / "study"
    other.mkdir(parents=True)
    as_frame(attributed(faults=(0.04, 0.01))).to_csv(other / "attribution.csv", index=False)
    costs = besides_in([study, study.parent / "other"], []).costs
    assert costs is not None
    assert [*costs["cause"]].count("faults") == 1
    assert set(costs["study"]) == {"study", str(other)}


def test_a_report_keeps_its_attribution_for_the_next_and_drops_that_of_another(study: Path) -> None:
    runner, report = CliRunner(), study / "report"
    runner.invoke(app, ["report", str(study)], catch_exceptions=False)
    again = besides_in([report], []).costs
    both = besides_in([study], []).costs  # the study's and the report's: told once
    assert again is not None
    assert both is not None
    pd.testing.assert_frame_equal(again, both)
    (study / "attribution.csv").unlink()
    runner.invoke(app, ["report", str(study / "run-0"), "--out", str(report)], catch_exceptions=False)
    assert not (report / "attribution.csv").exists()
    assert "What costs most" not in (report / "index.html").read_text()


def test_files_that_are_no_use_are_named_and_the_rest_is_told(study: Path) -> None:
    (study / "run-0" / "failed.json").write_text(json.dumps({"schema": 1}))
    (study / "deeper").mkdir()
    (study / "deeper" / "attribution.csv").write_text("cause,cost\nnoise,much\n")
    left_out: list[str] = []
    found = besides_in([study, study / "run-1" / RECORD], left_out)
    assert len(found.failed) == 1
    assert found.costs is not None
    assert len(left_out) == 2
    assert "run-0/failed.json: name" in left_out[0]
    assert "deeper/attribution.csv" in left_out[1]
    assert "no attribution that neurohw wrote" in left_out[1]


def test_attributed_causes_take_the_place_of_guessed_ones(study: Path) -> None:
    besides, left_out = besides_in([study], []), besides_in([study / "run-0"], [])
    told = with_causes(Answer("?", ("first", "guessed", "energy")), besides).sentences
    assert (told[0], told[1][:10], told[2]) == ("first", "Of the gap", "energy")
    assert len(with_causes(Answer("?", ("first", "energy")), besides).sentences) == 3
    assert with_causes(Answer("?", ("first", "guessed")), left_out).sentences == ("first", "guessed")

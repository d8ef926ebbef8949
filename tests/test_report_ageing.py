"""Reports of chips that age: lines, tables, sentences and figures say what the records do."""

from __future__ import annotations

import json
from math import log10, sqrt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import vl_convert

from neurohw.energy.ranges import Range
from neurohw.energy.recorded import AgedCost
from neurohw.report.ageing.axis import ticks_between
from neurohw.report.ageing.data import Ageing, Recovery, Way, _gained, ageing_data
from neurohw.report.ageing.figures import ageing_figure
from neurohw.report.ageing.loss import age_limit_text, age_lost, lost_cells
from neurohw.report.ageing.tables import age_lost_words, age_text, ageing_frame, ageing_table, recovery_table
from neurohw.report.ageing.words import ageing_words
from neurohw.report.charts.ageing import ageing_rows, lost_rows
from neurohw.report.page.content import content
from neurohw.report.page.write import write_report
from neurohw.report.points import Point, group_records
from neurohw.report.sensitivity.loss import Limit
from neurohw.report.spread import Spread
from neurohw.runs.record import RunRecord
from tests.test_report import DEVICE, record, seeds

YEAR = 31_536_000.0
BOTH = {
    "hardware.device": "pcm_drift", "evaluation.age_seconds": [3600.0, YEAR], "evaluation.recovery_images": 100,
    "evaluation.compensation": ["none", "global"],
}  # fmt: skip


def aged_metrics(trained: float) -> dict[str, Any]:
    """Return 1 point lost in an hour, 10 in a year; compensation regains 4 points, re-training all but one."""

    def at(lost: float) -> dict[str, Any]:
        ways = {"none": lost, "global": max(0.0, lost - 0.04)}
        found = {way: {"direct_accuracy": trained - gone, "retrained": {"direct_accuracy": trained - 0.01}}
                 for way, gone in ways.items()}  # fmt: skip
        return {"direct_accuracy": trained - lost, "by_compensation": found}

    return {"direct_accuracy": trained, "by_age_seconds": {"3600": at(0.01), f"{YEAR:g}": at(0.10)}}


def records(keys: dict[str, Any] | None = None) -> list[RunRecord]:
    return [record(seed, aged_metrics(value), BOTH | (keys or {})) for seed, value in enumerate((0.80, 0.84))]


def taken(point: Point, age: float = YEAR, compensation: str = "none") -> Recovery:
    energy, nothing = Range(1e-6, 2e-6, 9e-6), Range.of(0.0)
    return Recovery(point, age, compensation, 112.0, 5000.0, energy, Range.of(0.01), nothing, Spread((0.09, 0.07)))


def test_each_way_is_a_line_of_means_over_seeds() -> None:
    (ageing,) = ageing_data(group_records(records()))
    assert ageing.ages == (3600.0, YEAR)
    means = {way.label: [spread.mean for spread in line] for way, line in ageing.lines.items()}
    assert list(means) == ["as it is", "compensated", "re-trained", "compensated, re-trained"]
    assert means["as it is"] == pytest.approx([0.81, 0.72])
    assert means["compensated"] == pytest.approx([0.82, 0.76])
    assert means["re-trained"] == pytest.approx([0.81, 0.81])
    assert ageing.lines[Way("none")][1].std == pytest.approx(0.04 / sqrt(2))
    assert ageing.trained.mean == pytest.approx(0.82)


@pytest.mark.parametrize(
    ("keys", "label"),
    [
        ({"hardware.off_chip": "pcm-like"}, "compensated"),
        ({"hardware.off_chip": "pcm-like", "hardware.drift_compensation": False}, "as it is"),
        (DEVICE, "as it is"),
        ({"hardware.device": "pcm_drift", "hardware.compensation": "per-column"}, "compensated per column"),
    ],
)
def test_where_no_ways_are_named_drift_meets_what_the_hardware_does(keys: dict[str, Any], label: str) -> None:
    old = {"direct_accuracy": 0.9, "by_age_seconds": {"10": {"direct_accuracy": 0.8}}}
    (ageing,) = ageing_data(group_records([record(0, old, keys | {"evaluation.age_seconds": [10.0]})]))
    assert [(way.label, [s.mean for s in line]) for way, line in ageing.lines.items()] == [(label, [0.8])]
    assert "Drift" not in ageing_table([ageing]).columns


def test_ages_are_columns_in_words_and_ways_rows() -> None:
    table = ageing_table(ageing_data(group_records(records())))
    lost = ("1 point lost after", "± standard error")
    assert table.columns == ("Point", "Drift", "As trained", "1 hour", "1 year", *lost, "Seeds")
    assert table.rows[1].cells[1:] == (
        "compensated",
        "82.00 ± 2.83",
        "82.00 ± 2.83",
        "76.00 ± 2.83",
        "4.5 hours",  # an hour times 8760^(1/6)
        "4.5 hours",  # both seeds lose the same, however far apart they begin
        "2",
    )
    assert [age_text(seconds) for seconds in (0.0, 20.0, 7200.0, 2_592_000.0)] == ["0 s", "20 s", "2 hours", "30 days"]


def losing(per_decade: float, apart: float = 0.0, ages: tuple[float, ...] = (1.0, 100.0, 1e4, 1e6)) -> Ageing:
    """Return chips that lose so much per decade, from 1 s on; of two seeds, one has lost `apart` more at each age."""
    keys = {"hardware.off_chip": "pcm-like", "evaluation.age_seconds": [*ages]}
    found = []
    for seed in (0, 1):
        lost = {age: per_decade * log10(age) + seed * apart for age in ages}
        at = {f"{age:g}": {"direct_accuracy": 0.8 - lost[age]} for age in ages}
        found.append(record(seed, {"direct_accuracy": 0.8, "by_age_seconds": at}, keys))
    (ageing,) = ageing_data(group_records(found))
    return ageing


@pytest.mark.parametrize("per_decade", [0.002, 0.004, 0.03])
def test_a_point_is_lost_where_a_loss_per_decade_says(per_decade: float) -> None:
    """k lg t = 1 % at t = 10^(0.01 / k) s."""
    lost = age_lost(losing(per_decade), Way("global"))
    assert lost is not None
    assert lost.at.value == pytest.approx(10 ** (0.01 / per_decade))
    assert lost.at.relation == ""


def test_its_interval_is_where_the_loss_plus_and_minus_its_error_is_a_point() -> None:
    """Two seeds d apart: mean loss k lg t + d / 2, standard error d / 2: from k lg t = 1 % - d to 1 %."""
    lost = age_lost(losing(0.004, apart=0.002), Way("global"))
    assert lost is not None
    assert lost.early is not None
    assert lost.late is not None
    assert lost.at.value == pytest.approx(10 ** (0.009 / 0.004))
    assert (lost.early.value, lost.late.value) == pytest.approx((10 ** (0.008 / 0.004), 10 ** (0.010 / 0.004)))


def test_a_loss_is_of_one_chip_and_its_aged_self() -> None:
    """Chips that begin 10 points apart and lose 0.9 and 1.1 points: 1.0 ± 0.1; a seed that was not aged has no part."""
    ages = [10.0, 1000.0]
    keys = {"hardware.off_chip": "pcm-like", "evaluation.age_seconds": ages}

    def chip(seed: int, trained: float, *lost: float) -> RunRecord:
        at = {f"{age:g}": {"direct_accuracy": trained - gone} for age, gone in zip(ages, lost, strict=False)}
        return record(seed, {"direct_accuracy": trained, "by_age_seconds": at}, keys)

    chips = [chip(0, 0.5), chip(1, 0.80, 0.0, 0.018), chip(2, 0.90, 0.0, 0.022)]
    (ageing,) = ageing_data(group_records(chips))
    (_, lost) = ageing.losses[Way("global")]
    assert (lost.n, lost.mean, lost.error) == (2, pytest.approx(0.02), pytest.approx(0.002))
    found = age_lost(ageing, Way("global"))
    assert found is not None
    assert found.early is not None
    assert found.late is not None
    shares = (0.010 / 0.020, 0.010 / 0.022, 0.010 / 0.018)  # of the two decades
    assert [limit.value for limit in (found.at, found.early, found.late)] == pytest.approx(
        [10 ** (1 + 2 * share) for share in shares]
    )
    assert ageing_words([ageing], ()) == (f"{ageing.point.label} after 1000 s, compensated: −2.0 ± 0.2 points.",)


def test_what_re_training_gains_is_of_the_same_seeds() -> None:
    """A seed whose re-training is missing is not taken for the next one."""
    found = records()
    del found[0].metrics["by_age_seconds"][f"{YEAR:g}"]["by_compensation"]["none"]["retrained"]
    (ageing,) = ageing_data(group_records(found))
    gained = _gained(ageing, YEAR, "none")
    assert gained.values == pytest.approx((0.09,))  # seed 1's: 84 - 1, from 84 - 10


def test_what_loses_nothing_says_so_and_what_has_lost_it_at_once(tmp_path: Path) -> None:
    kept = age_lost(losing(0.001), Way("global"))
    assert kept is not None
    assert lost_cells(kept) == ("> 12 days", "> 12 days")
    gone = age_lost(losing(0.05, ages=(10.0, 100.0)), Way("global"))
    assert gone is not None
    assert age_limit_text(gone.at) == "< 10 s"
    assert age_lost(losing(0.05, ages=(10.0,)), Way("global")) is None
    frame = ageing_frame([losing(0.004)], [])
    assert float(frame["lost_at"].iloc[0]) == pytest.approx(10**2.5, rel=1e-5)
    (row,) = lost_rows([losing(0.004)])
    assert (row["age"], row["mean"], row["shown"]) == (pytest.approx(10**2.5), pytest.approx(79.0), "5.3 minutes")
    assert lost_rows([losing(0.001)]) == []
    assert (
        age_lost_words([losing(0.004)]) == "One point is lost after: BP · ideal → pcm-like, compensated: 5.3 minutes."
    )
    assert age_lost_words([losing(0.004)] * 9) == ""


def test_ages_are_told_with_two_digits_in_their_unit() -> None:
    told = {
        0.5: "0.5 s",
        1.0: "1 s",
        61.0: "1 minute",
        5400.0: "1.5 hours",
        86_400.0: "1 day",
        40 * 86_400.0: "40 days",
    }
    assert {age: age_limit_text(Limit(age)) for age in told} == told
    assert age_limit_text(Limit(2 * YEAR, ">")) == "> 2 years"


def test_sentences_tell_the_oldest_age_and_what_recovery_takes() -> None:
    ageings = ageing_data(group_records(records()))
    recoveries = [taken(ageings[0].point)]
    (sentence,) = ageing_words(ageings, recoveries)
    assert sentence == (
        "BP · pcm_drift after 1 year: −10.0 ± 0.0 points; compensated −6.0 ± 0.0; re-trained −1.0 ± 0.0, for 2 uJ and "
        "112 images without labels; both −1.0 ± 0.0."
    )
    many = [r for k in range(1, 7) for r in records({"target.k": k})]
    assert len(ageing_words(ageing_data(group_records(many)), ())) == 2
    assert ageing_words((), ()) == ()


def test_within_the_standard_error_of_the_loss_there_is_no_change() -> None:
    ageings = ageing_data(group_records([
        record(seed, {"direct_accuracy": 0.8, "by_age_seconds": {"10": {"direct_accuracy": 0.8 - lost}}},
               {"hardware.off_chip": "pcm-like", "evaluation.age_seconds": [10.0]})
        for seed, lost in enumerate((0.03, -0.02))
    ]))  # fmt: skip
    (sentence,) = ageing_words(ageings, ())
    assert sentence.endswith("no change (−0.5 ± 2.5 points).")


def test_recoveries_are_rows_with_energy_and_gain() -> None:
    (ageing,) = ageing_data(group_records(records()))
    table = recovery_table([taken(ageing.point)], ageing.metric)
    cells = dict(zip(table.columns, table.rows[0].cells, strict=True))
    assert cells["Gained, points"] == "+8.00 ± 1.41"
    assert cells["Energy (low to high)"] == "2 uJ (1 to 9)"
    assert (cells["Age"], cells["Drift before"], cells["Pulses"]) == ("1 year", "as it is", "5,000")
    assert cells["Compensation, energy"] == "–"


def test_the_frame_has_every_number_in_si() -> None:
    ageings = ageing_data(group_records(records()))
    frame = ageing_frame(ageings, [taken(ageings[0].point)])
    assert len(frame) == 8
    row = frame[(frame.age_seconds == YEAR) & frame.retrained & (frame.compensation == "none")].iloc[0]
    assert (row["mean"], row["seeds"], row["recovery_joules"]) == (pytest.approx(0.81), 2, 2e-6)
    assert frame[~frame.retrained]["recovery_joules"].isna().all()
    rows = ageing_rows(ageings)
    assert sorted(r["mean"] for r in rows) == pytest.approx(sorted(100 * frame["mean"]))


def test_ticks_have_words_and_lie_within_what_was_tried() -> None:
    assert list(ticks_between([20.0, 1e8]).values()) == ["1 min", "1 h", "1 day", "30 days", "1 year"]


def test_the_figure_has_a_line_for_each_way_on_a_logarithmic_axis() -> None:
    (ageing,) = ageing_data(group_records(records()))
    (ax,) = ageing_figure([ageing]).axes
    assert ax.get_xscale() == "log"
    _, labels = ax.get_legend_handles_labels()
    assert labels == ["at the end of training", "as it is", "compensated", "re-trained", "compensated, re-trained"]
    drawn = next(c for c in ax.containers if c.get_label() == "as it is").lines[0]
    assert list(drawn.get_xdata()) == [3600.0, YEAR]
    assert list(drawn.get_ydata()) == pytest.approx([81.0, 72.0])


def test_a_report_asks_how_long_the_chip_keeps_what_it_has_learnt(tmp_path: Path) -> None:
    page = content(records())
    assert page.answer.question.startswith("How long does the chip keep")
    assert page.answer.sentences == page.aged.words
    chart = page.charts.first[0]
    assert vl_convert.vegalite_to_vega(json.loads(chart.json))["marks"]
    write_report(records(), tmp_path)
    assert {"ageing.svg", "ageing.png", "ageing.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert len(pd.read_csv(tmp_path / "ageing.csv")) == 8
    assert "## As the chip ages" in (tmp_path / "report.md").read_text()
    write_report(seeds([0.9]), tmp_path)
    assert not any(path.name.startswith("ageing") for path in tmp_path.iterdir())


def test_a_chip_at_age_nought_is_in_the_table_and_not_drawn() -> None:
    now = {"direct_accuracy": 0.9, "by_age_seconds": {"0": {"direct_accuracy": 0.9}}}
    page = content([record(0, now, DEVICE | {"evaluation.age_seconds": [0.0]})])
    assert len(page.aged.sections) == 1
    assert "ageing" not in {chart.name for chart in page.charts.first}


def test_costs_are_means_over_the_seeds_of_the_records_accounts(tmp_path: Path) -> None:
    """From run to table: the account of a record, and the seeds' own differences."""
    from neurohw.loading import load_experiment
    from neurohw.runs.run import run

    keys = BOTH | {"data.train_limit": 100, "data.test_limit": 50, "training.epochs": 1, "hardware.periphery": "32nm",
                   "evaluation.age_seconds": [YEAR]}  # fmt: skip
    found = [run(load_experiment("quickstart", keys), seed, tmp_path / str(seed)) for seed in (0, 1)]
    page = content(found)
    assert [(r.age, r.compensation) for r in page.aged.recoveries] == [(YEAR, "none"), (YEAR, "global")]
    each: list[AgedCost] = [r.energy.aged[1] for r in found]  # type: ignore[union-attr]
    recovery = page.aged.recoveries[1]
    assert recovery.energy.nominal == pytest.approx(sum(cost.recovery.nominal for cost in each) / 2)
    assert recovery.pulses == sum(cost.pulses for cost in each) / 2
    ways = [r.metrics["by_age_seconds"][f"{YEAR:g}"]["by_compensation"]["global"] for r in found]
    gained = [way["retrained"]["direct_accuracy"] - way["direct_accuracy"] for way in ways]
    assert list(recovery.gained.values) == pytest.approx(gained)
    assert [section.title for section in page.aged.sections][-1] == "What recovery takes"

"""The page's interactive figures: their numbers are those of the tables, and Vega-Lite compiles them."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from neurohw.report.accuracy.data import accuracy_data, curve_data
from neurohw.report.charts.accuracy import accuracy_rows, curve_rows
from neurohw.report.charts.bundle import bundle
from neurohw.report.charts.chart import Chart, brief, log_ticks, values
from neurohw.report.charts.energy import pareto_rows, share_rows
from neurohw.report.charts.sensitivity import baseline_rows, lost_rows, sensitivity_rows
from neurohw.report.charts.sweep import cell_rows, line_rows, sweep_chart, swept_keys
from neurohw.report.energy.account import energy_data
from neurohw.report.page.content import Content, content
from neurohw.report.points import group_records
from neurohw.report.sensitivity.data import sensitivity_data
from neurohw.runs.collection import find_records
from neurohw.runs.record import RunRecord
from tests.test_report import DEVICE, seeds

REPORTS = Path(__file__).parents[1] / "reports"
SHOWN = ["demo", "close_the_gap", "energy/adc_bits", "target_sensitivity/semi_supervised", "deep_stdp/tiny_imagenet",
         "full_length"]  # fmt: skip


def every(page: Content) -> tuple[Chart, ...]:
    return (*page.charts.first, *page.charts.sensitivity, *page.charts.energy)


def grid(rules: tuple[str, ...] = ("bp", "ep"), ks: tuple[int, ...] = (1, 2, 10)) -> list[RunRecord]:
    """A point for each rule and k, of accuracy 0.5 + k / 100, less 0.1 with EP."""
    return [
        r for rule in rules for k in ks
        for r in seeds([0.5 + k / 100 - 0.1 * (rule == "ep")], {"network.rule": rule, "target.k": k, **DEVICE})
    ]  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_every_figure_of_the_committed_reports_compiles_and_is_alone(name: str) -> None:
    charts = every(content(find_records([REPORTS / name / "records.jsonl.xz"])))
    assert charts
    for chart in charts:
        spec: dict[str, Any] = json.loads(chart.json)
        assert "<" not in chart.json
        assert "http" not in chart.json
        assert "NaN" not in chart.json
        compiled = vl_convert.vegalite_to_vega(spec)
        assert compiled["marks"]
    assert len({chart.name for chart in charts}) == len(charts)


def test_accuracies_are_those_of_the_table() -> None:
    points = group_records(find_records([REPORTS / "close_the_gap" / "records.jsonl.xz"]))
    (direct,) = (a for a in accuracy_data(points) if a.metric.name == "direct_accuracy")
    for row, shown in zip(direct.rows, accuracy_rows([direct]), strict=True):
        assert shown["label"] == row.point.label
        assert shown["mean"] == pytest.approx(100 * row.spread.mean)
        assert shown["high"] - shown["low"] == pytest.approx(200 * row.spread.std)
        assert shown["seeds"] == pytest.approx([100 * value for value in row.spread.values], rel=1e-5)
        if row.gap is not None:
            reference = next(other for other in direct.rows if other.point is row.gap.reference)
            assert shown["ideal"] == pytest.approx(100 * reference.spread.mean)
        else:
            assert isnan(shown["ideal"])


def test_of_many_points_the_best_are_shown() -> None:
    records = [r for i in range(40) for r in seeds([0.5 + i / 100], {"target.k": i + 1})]
    shown = accuracy_rows(accuracy_data(group_records(records)), most=3)
    assert [row["mean"] for row in shown] == pytest.approx([89, 88, 87])


def test_curves_are_those_of_the_csv() -> None:
    curves = curve_data(group_records(find_records([REPORTS / "demo"])))
    rows = curve_rows(curves[curves["metric"] == "direct_accuracy"])
    frame = curves[curves["metric"] == "direct_accuracy"].set_index(["label", "epoch"])
    assert len(rows) == len(frame)
    for row in rows:
        assert row["mean"] == pytest.approx(100 * frame.loc[(row["label"], row["epoch"]), "mean"])
    ends = frame.groupby("label", sort=False)["mean"].last().sort_values()
    assert {row["label"] for row in curve_rows(curves[curves["metric"] == "direct_accuracy"], 3)} == {*ends.index[-3:]}


def test_energies_are_those_of_the_account() -> None:
    accounts = energy_data(group_records(find_records([REPORTS / "demo"])))
    rows = {row["label"]: row for row in pareto_rows(accounts, [])}
    for e in accounts:
        assert e.training is not None
        row = rows[e.point.label]
        assert (row["low"], row["joules"], row["high"]) == (e.training.low, e.training.nominal, e.training.high)
        parts = share_rows([e], [e.components])
        assert sum(each["share"] for each in parts) == pytest.approx(1)
        assert {each["part"]: each["joules"] for each in parts} == {
            name.replace("_", " "): joules for name, joules in e.components.items() if joules
        }
    assert not any(row["front"] for label, row in rows.items() if "at chance" in label)


def test_limits_are_those_of_the_table() -> None:
    panels = sensitivity_data(group_records(find_records([REPORTS / "energy" / "adc_bits" / "records.jsonl.xz"])))
    (panel,) = panels
    assert [row["shown"] for row in lost_rows(panel)] == ["5.09", "4.56"]  # as report.md says
    baselines = {row["line"]: row["mean"] for row in baseline_rows(panel)}
    assert all(row["mean"] == pytest.approx(baselines[row["line"]] - 1) for row in lost_rows(panel))
    rows = sensitivity_rows(panel)
    assert {row["value"] for row in rows} == {4, 5, 6, 9, 11}
    assert max(row["mean"] for row in rows if row["line"].startswith("BP")) == pytest.approx(90.29, abs=0.005)


def test_swept_keys_leave_out_what_follows() -> None:
    """The learning rate follows the rule, the back-end the device."""
    records = [
        r for rule, rate in (("bp", 0.1), ("ep", 0.2)) for device in ("ecram", "reram_es", None) for r in seeds(
            [0.9], {"network.rule": rule, "training.learning_rate": [rate]}
            | ({} if device is None else DEVICE | {"hardware.device": device}))
    ]  # fmt: skip
    (data,) = accuracy_data(group_records(records))
    assert swept_keys(data.rows) == ["network.rule", "hardware.device"]


def test_two_swept_keys_make_a_heat_map_of_the_best_of_each_cell() -> None:
    (data,) = accuracy_data(group_records(grid()))
    keys = swept_keys(data.rows)
    cells = {(row["x"], row["y"]): row["mean"] for row in cell_rows(data, data.rows, keys)}
    assert cells == pytest.approx(
        {(rule, str(k)): 50 + k - 10 * (rule == "ep") for rule in ("bp", "ep") for k in (1, 2, 10)}
    )
    chart = sweep_chart(data)
    assert chart is not None
    assert chart.title == "Direct association: k and rule"
    order = chart.spec["layer"][0]["encoding"]["x"]["sort"]
    assert order == ["1", "2", "10"]  # not as text


def test_more_swept_keys_make_parallel_coordinates() -> None:
    records = [r for beta in (0.1, 0.5) for r in grid()
               for r in [r.model_copy(update={"config": r.config | {"ep": r.config["ep"] | {"beta": beta}},
                                              "config_hash": f"{r.config_hash[:10]}{beta * 10:02.0f}"})]]  # fmt: skip
    (data,) = accuracy_data(group_records(records))
    keys = swept_keys(data.rows)
    assert set(keys) == {"network.rule", "target.k", "ep.beta"}
    lines = line_rows(data, data.rows, keys)
    assert len(lines) == 12 * 4
    places = {row["value"]: row["place"] for row in lines if row["key"] == "k"}
    assert places == {"1": 0, "2": 0.5, "10": 1}
    ends = sorted((row["place"], row["mean"]) for row in lines if row["key"] == "Accuracy, %")
    assert (ends[0], ends[-1]) == ((0, pytest.approx(41)), (1, pytest.approx(60)))
    chart = sweep_chart(data)
    assert chart is not None
    assert vl_convert.vegalite_to_vega(dict(chart.spec))["marks"]


def test_few_points_or_one_key_make_no_figure_of_a_sweep() -> None:
    for records in (grid(("bp",)), grid(ks=(1,)), grid()[:3]):
        assert sweep_chart(accuracy_data(group_records(records))[0]) is None


def test_points_are_called_by_rule_and_hardware_where_that_is_enough() -> None:
    tasks = [{"network.rule": rule, "target.k": k, **DEVICE} for rule, k in (("bp", 1), ("ep", 2))]
    assert [*brief(group_records([r for keys in tasks for r in seeds([0.9], keys)])).values()] == [
        "BP · reram_es", "EP · reram_es",
    ]  # fmt: skip
    longer = brief(group_records(seeds([0.9], tasks[0]) + seeds([0.9], tasks[0] | {"target.k": 3})))
    assert [*longer.values()] == ["BP · k=1 · reram_es", "BP · k=3 · reram_es"]


def test_what_is_no_number_is_missing_and_others_have_six_digits() -> None:
    data = values([{"a": float("nan"), "b": 1 / 3, "c": 7, "d": float("inf"), "e": "x"}]).to_dict()
    assert data["values"] == [{"a": None, "b": 0.333333, "c": 7, "d": None, "e": "x"}]


def test_a_report_without_results_has_no_figures_and_no_libraries() -> None:
    from tests.test_report import record

    assert not content([record(0, {}, status="failed", message="no")]).charts


def test_the_libraries_are_made_once_and_a_damaged_cache_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bundle()
    assert "</script" not in whole
    assert 500_000 < len(whole) < 1_200_000
    monkeypatch.setattr("neurohw.report.charts.bundle.user_cache_dir", lambda _: str(tmp_path / "cache"))
    bundle.cache_clear()
    assert bundle() == whole
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(whole[: len(whole) // 2])
    bundle.cache_clear()
    assert bundle() == whole
    assert kept.read_text() == whole


def test_an_axis_of_metrics_in_several_units_leaves_them_to_the_menu() -> None:
    page = content(find_records([REPORTS / "deep_stdp" / "tiny_imagenet"]))
    spec = next(chart.spec for chart in page.charts.first if chart.name == "accuracy")
    options = next(p["bind"]["options"] for p in spec["params"] if "bind" in p)
    assert options[0] == "Linear probe on the features, %"
    assert "NMI with the classes" in options
    assert '"title": "Accuracy, %"' not in json.dumps(spec)
    one_unit = content(find_records([REPORTS / "full_length"]))
    spec = next(chart.spec for chart in one_unit.charts.first if chart.name == "accuracy")
    assert '"title": "Accuracy, %"' in json.dumps(spec)


@pytest.mark.parametrize(
    ("numbers", "ticks"),
    [
        ([5.7e-6, 1.5e-4, 8.3e-3], [1e-5, 1e-4, 1e-3]),
        ([4.0, 256.0], [10.0, 30.0, 100.0]),
        ([0.18, 1.1], [0.2, 0.5, 1.0]),
        ([2.1, 2.4], []),
        ([0.9, 1.2], []),
        ([float("nan"), 0.0, 1.0, 10.0, 100.0], [1.0, 10.0, 100.0]),
    ],
)
def test_logarithmic_axes_have_round_ticks_evenly_far_apart(numbers: list[float], ticks: list[float]) -> None:
    assert log_ticks(numbers) == ticks

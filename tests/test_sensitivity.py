"""Sensitivities: which points make a line, its baseline, where one point is lost, and what the report shows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, log10, nan, sqrt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config import HardwareSection, config_hash
from neurohw.config.section import Axis
from neurohw.crossbar.backends import BACKENDS
from neurohw.loading import nested, validated
from neurohw.report import drawing
from neurohw.report.accuracy.data import accuracy_data
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.report.sensitivity.data import Line, Sensitivity, sensitivity_data
from neurohw.report.sensitivity.figures import draw_sensitivity, sensitivity_figure
from neurohw.report.sensitivity.loss import Limit, Tried, point_lost
from neurohw.report.sensitivity.tables import lost_table, lost_words, sensitivity_frame
from neurohw.report.wording import axis_of
from neurohw.runs.record import RunRecord

OFFSET, NOISE = "inputs.offset", "decision.comparator_noise"
BEST = 0.90
DEVICE = {"hardware.backend": "analog", "hardware.device": "reram_es"}
SEMI = {
    "training.mode": "semi-supervised",
    "training.learning_rate": [1.0, 1.0],
    "network.layers": [64, 100, 10],
    "data.labels": 100,
}


def runs(
    mean: float, parameters: Mapping[str, Any] | None = None, keys: Mapping[str, Any] | None = None, spread: float = 0.0
) -> list[RunRecord]:
    """Return three seeds with this mean accuracy and sample standard deviation."""
    target = {"target.circuit": "analog", "target.parameters": dict(parameters)} if parameters is not None else {}
    experiment = validated(nested({"name": "swept", **target, **(keys or {})}), "test")
    metric = "direct_accuracy" if experiment.training.mode == "unsupervised" else "test_accuracy"
    return [
        RunRecord.model_validate(
            {
                **{"schema": 1, "name": experiment.name, "kind": "onchip", "versions": {}, "git": "0123456789ab"},
                **{"config": experiment.canonical(), "config_hash": config_hash(experiment, {}), "seed": seed},
                **{"status": "finished", "metrics": {metric: mean + spread * (seed - 1)}},
                **{
                    "timing": {"epochs": 10, "train_seconds": 2.0, "train_images_per_second": 500.0},
                    "peak_memory_bytes": 0,
                },
            }
        )
        for seed in range(3)
    ]


def swept(key: str, means: Mapping[Any, float], along: Mapping[str, Any] | None = None, **more: Any) -> list[RunRecord]:
    """Return runs at each value of one parameter of the target circuit, with what is given along with it."""
    return [r for value, mean in means.items() for r in runs(mean, {**(along or {}), key: value}, **more)]


def panels(records: Sequence[RunRecord]) -> dict[str, Sensitivity]:
    return {panel.key: panel for panel in sensitivity_data(group_records(records))}


def only_line(records: Sequence[RunRecord]) -> Line:
    (panel,) = panels(records).values()
    (line,) = panel.lines
    return line


def value(line: Line) -> float:
    (lost,) = line.lost
    assert lost.value is not None
    return lost.value


# Where one point is lost


def test_one_point_is_interpolated_between_what_was_tried() -> None:
    path = [Tried(1.0, 0.0, 0.0), Tried(2.0, 0.005, 0.0), Tried(4.0, 0.025, 0.0)]
    assert point_lost(path).at == Limit(pytest.approx(2.5))  # a quarter of the way from 0.5 to 2.5 points
    assert point_lost(path, logarithmic=True).at == Limit(pytest.approx(2 * 2**0.25))
    assert point_lost([*path, Tried(8.0, 0.0, 0.0)]).value == pytest.approx(2.5)  # the first time counts


@pytest.mark.parametrize(("values", "lost", "kept"), [((1, 2, 3), "<", ">"), ((3, 2, 1), ">", "<")])
def test_beyond_what_was_tried_there_are_bounds(values: tuple[int, ...], lost: Any, kept: Any) -> None:
    everywhere = point_lost([Tried(v, 0.02, 0.0) for v in values])
    assert (everywhere.at, everywhere.value) == (Limit(values[0], lost), None)
    nowhere = point_lost([Tried(v, 0.0099, 0.0) for v in values])
    assert (nowhere.at, nowhere.value) == (Limit(values[-1], kept), None)


def test_exactly_one_point_is_lost_wherever_it_lies() -> None:
    """0.9 - 0.89 is a bit above 0.01, 0.69 - 0.68 a bit below: at the last value tried, and at the first."""
    for at_end in (0.9 - 0.89, 0.69 - 0.68):
        end = point_lost([Tried(1, 0.0, 0.0), Tried(5, at_end, 0.0)])
        assert (end.at.relation, end.at.value) == ("", pytest.approx(5))
        assert point_lost([Tried(1, at_end, 0.0), Tried(5, 0.5, 0.0)]).at_mildest


def test_the_interval_is_where_loss_plus_and_minus_its_error_reach_one_point() -> None:
    lost = point_lost([Tried(0.0, 0.0, 0.0), Tried(10.0, 0.02, 0.005), Tried(20.0, 0.02, 0.005)])
    assert lost.at == Limit(pytest.approx(5.0))
    assert lost.early == Limit(pytest.approx(4.0))  # 1 / 2.5 of the way
    assert lost.late == Limit(pytest.approx(10 / 1.5))
    open_ended = point_lost([Tried(0.0, 0.0, 0.0), Tried(10.0, 0.012, 0.005)])
    assert open_ended.late == Limit(10.0, ">")
    assert point_lost([Tried(0.0, 0.0, 0.0), Tried(10.0, 0.02, nan)]).early is None


def test_a_network_at_chance_has_nothing_to_lose() -> None:
    """A baseline of 12 % where guessing has 10 %: no limit is claimed, and the table says why."""
    flat = {1e-9: 0.12, 1e-8: 0.12, 1e-7: 0.1}
    records = runs(0.12) + swept(OFFSET, flat)
    line = only_line(records)
    assert line.at_chance
    assert line.lost == ()
    (row,) = lost_table(sensitivity_data(group_records(records))).rows
    assert row.cells[2:5] == ("12.00 ± 0.00", "none to lose, at chance", "–")
    assert not only_line(runs(BEST) + swept(OFFSET, flat)).at_chance


# Lines and their baselines


def test_larger_is_worse_on_a_logarithmic_axis_and_the_ideal_circuit_is_the_baseline() -> None:
    means = {x: BEST - 0.005 * log10(x / 1e-10) for x in (1e-9, 1e-8, 1e-7)}  # one point per two decades
    records = runs(BEST) + swept(OFFSET, means)
    panel = panels(records)["target.parameters.inputs.offset"]
    assert (panel.worse, panel.logarithmic) == ("larger", True)
    line = only_line(records)
    assert line.values == (1e-9, 1e-8, 1e-7)
    assert line.baseline is not None
    assert line.baseline.spread.mean == pytest.approx(BEST)
    assert value(line) == pytest.approx(1e-8)


def test_smaller_is_worse_and_companions_are_no_axes() -> None:
    means = {x: BEST - 0.005 * log10(1e-3 / x) for x in (1e-6, 10**-4.5, 1e-3)}
    records = runs(BEST) + swept("decision.seconds", means, {"decision.separation": 0.1})
    assert list(panels(records)) == ["target.parameters.decision.seconds"]
    assert value(only_line(records)) == pytest.approx(1e-5)


def test_an_analog_circuit_without_parameters_is_a_baseline_too() -> None:
    records = runs(BEST, {}) + swept(OFFSET, {1e-9: BEST, 1e-8: BEST - 0.02})
    assert value(only_line(records)) == pytest.approx(10**-8.5)


def test_bits_are_linear_and_off_is_beyond_the_largest() -> None:
    records = runs(BEST) + swept("homeostasis.bits", {2: 0.5, 6: 0.87, 24: 0.9}, {"homeostasis.range": 1.0})
    panel = panels(records)["target.parameters.homeostasis.bits"]
    assert (panel.worse, panel.logarithmic) == ("smaller", False)
    assert value(panel.lines[0]) == pytest.approx(18.0)  # a third of the way down from 24 to 6
    assert panel.lines[0].baseline is not None
    assert panel.lines[0].baseline.value is None


def test_wrong_to_either_side_has_two_limits_with_the_baseline_between() -> None:
    line = only_line(runs(BEST) + swept("decision.winner_error", {-4: BEST - 0.02, -2: BEST, 3: BEST - 0.03}))
    assert [lost.value for lost in line.lost] == pytest.approx([-3.0, 1.0])
    few = only_line(runs(BEST) + swept("decision.winner_error", {-4: BEST - 0.02, -2: BEST}))
    assert [lost.value for lost in few.lost] == pytest.approx([-3.0])


def test_never_lost_is_a_bound_in_the_direction_that_is_worse() -> None:
    (larger,) = only_line(runs(BEST) + swept(OFFSET, {1e-9: 0.91, 1e-8: 0.9})).lost
    assert larger.at == Limit(1e-8, ">")
    (smaller,) = only_line(runs(BEST) + swept("homeostasis.leak_seconds", {1.0: 0.9, 0.1: 0.91})).lost
    assert smaller.at == Limit(0.1, "<")


def test_two_parameters_and_two_rules_share_one_baseline_each() -> None:
    records: list[RunRecord] = []
    for rule, best in (("bp", 0.9), ("ep", 0.8)):
        keys = {"network.rule": rule}
        records += runs(best, keys=keys)
        records += swept(OFFSET, {1e-9: best, 1e-8: best - 0.02}, keys=keys)
        records += swept(NOISE, {1e-10: best, 2e-10: best - 0.02}, keys=keys)
    found = panels(records)
    assert [key.split(".")[-1] for key in found] == ["offset", "comparator_noise"]
    for panel in found.values():
        assert [line.label for line in panel.lines] == ["BP", "EP"]
        assert [line.baseline.spread.mean for line in panel.lines if line.baseline] == pytest.approx([0.9, 0.8])
    assert [value(line) for line in found["target.parameters." + NOISE].lines] == pytest.approx([1.5e-10] * 2)


def test_settings_make_lines_of_their_own_with_their_own_baselines() -> None:
    records = runs(0.9, keys={"target.gamma": 0.4}) + runs(0.7, keys={"target.gamma": 0.0})
    records += swept(OFFSET, {1e-9: 0.9, 1e-8: 0.88}, keys={"target.gamma": 0.4})
    records += swept(OFFSET, {1e-9: 0.68, 1e-8: 0.2}, keys={"target.gamma": 0.0})
    (panel,) = panels(records).values()
    means = {line.label: line.baseline.spread.mean for line in panel.lines if line.baseline}
    assert means == pytest.approx({"BP · gamma=0.4": 0.9, "BP · gamma=0": 0.7})
    assert {line.label: line.lost[0].at.relation for line in panel.lines} == {"BP · gamma=0.4": "", "BP · gamma=0": "<"}


def test_texts_that_go_along_make_lines_on_the_same_baseline() -> None:
    along = {"homeostasis.range": 1.0}
    records = runs(BEST) + swept("homeostasis.bits", {6: 0.8, 7: 0.85, 8: BEST}, along)
    records += swept("homeostasis.bits", {5: 0.88, 7: BEST}, along | {"homeostasis.rounding": "stochastic"})
    (panel,) = panels(records).values()
    assert {line.label: line.values for line in panel.lines} == {
        "BP": (6, 7, 8),
        "BP · rounding=stochastic": (5, 7),
    }
    assert value(panel.lines[1]) == pytest.approx(6.0)


def test_in_a_grid_the_baseline_is_the_nearest_one() -> None:
    records = runs(0.9) + swept(OFFSET, {1e-9: 0.89, 1e-8: 0.85})
    for noise, best in ((1e-10, 0.8), (2e-10, 0.7)):
        records += runs(best, {NOISE: noise})
        records += swept(OFFSET, {1e-9: best - 0.01, 1e-8: best - 0.05}, {NOISE: noise})
    lines = panels(records)["target.parameters.inputs.offset"].lines
    assert sorted(line.baseline.spread.mean for line in lines if line.baseline) == pytest.approx([0.7, 0.8, 0.9])
    assert {line.label for line in lines} == {"BP", "BP · comparator_noise=100 pA", "BP · comparator_noise=200 pA"}


def test_training_with_labels_is_a_line_beside_training_without() -> None:
    records = runs(0.9) + swept(OFFSET, {1e-9: 0.9, 1e-8: 0.8})
    records += runs(0.95, keys=SEMI) + swept(OFFSET, {1e-9: 0.95, 1e-8: 0.9}, keys=SEMI)
    (panel,) = panels(records).values()
    assert [line.label for line in panel.lines] == ["BP · semi-supervised", "BP · unsupervised"]
    assert [line.baseline.spread.mean for line in panel.lines if line.baseline] == pytest.approx([0.95, 0.9])


def test_hardware_is_swept_alike() -> None:
    noise = [runs(BEST - x, keys=DEVICE | {"hardware.read_noise": x}) for x in (0.0, 0.005, 0.02)]
    line = only_line([r for records in noise for r in records])
    assert line.baseline is not None
    assert (line.baseline.off, line.values) == (True, (0.005, 0.02))
    assert value(line) == pytest.approx(0.01)


def test_without_a_point_where_it_is_off_the_mildest_value_is_the_baseline() -> None:
    bits = [runs(mean, keys=DEVICE | {"hardware.adc_bits": n}) for n, mean in ((5, 0.6), (7, 0.68), (9, 0.7))]
    records = runs(BEST) + [r for records in bits for r in records]
    line = only_line(records)
    assert line.baseline is not None
    assert (line.baseline.off, line.baseline.value) == (False, 9.0)
    assert value(line) == pytest.approx(8.0)
    assert lost_table(list(panels(records).values())).rows[0].cells[2] == "70.00 ± 0.00 (at 9)"


def test_a_key_that_is_no_imperfection_has_a_curve_but_no_limit() -> None:
    records = [r for k, mean in ((1, 0.8), (4, 0.9), (16, 0.7)) for r in runs(mean, keys={"target.k": k})]
    line = only_line(records)
    assert (line.baseline, line.lost) == (None, ())
    assert isnan(line.tried[0].loss)
    assert not lost_table(list(panels(records).values())).rows


def test_two_values_are_no_curve_and_stopped_runs_are_no_points() -> None:
    assert not panels(runs(BEST) + swept(OFFSET, {1e-9: 0.9}))
    stopped = [r.model_copy(update={"status": "stopped"}) for r in swept(OFFSET, {1e-8: 0.8})]
    assert not panels(runs(BEST) + swept(OFFSET, {1e-9: 0.9}) + stopped)
    assert not panels([])


def test_the_error_of_a_loss_combines_both_standard_errors() -> None:
    line = only_line(runs(BEST, spread=0.003) + swept(OFFSET, {1e-9: 0.9, 1e-8: 0.87}, spread=0.004))
    assert line.tried[1].error == pytest.approx(0.005 / sqrt(3))
    (lost,) = line.lost
    assert lost.early is not None
    assert lost.late is not None
    assert lost.early.value < value(line) < lost.late.value


# Names and gaps of such points


def test_labels_say_what_was_given_with_units_and_nothing_of_what_was_not() -> None:
    records = runs(BEST) + swept(OFFSET, {1e-9: 0.9, 1e-8: 0.8, 1e-10: 0.9})
    records += swept("decision.seconds", {1e-5: 0.8, 1e-6: 0.7}, {"decision.separation": 0.1})
    assert [point.label for point in group_records(records)] == [
        "BP · ideal",
        "BP · seconds=1 us",
        "BP · seconds=10 us",
        "BP · offset=100 pA",
        "BP · offset=1 nA",
        "BP · offset=10 nA",
    ]
    assert [p.label for p in group_records(runs(0.8, {OFFSET: 1e-9}))] == ["BP · analog target"]
    assert [p.label for p in group_records(runs(0.8, {OFFSET: 1e-9}, DEVICE) + runs(0.9))] == [
        "BP · ideal",
        "BP · reram_es, analog target",
    ]
    spiking = runs(0.9) + runs(0.8, keys={"target.circuit": "spiking"})
    assert [p.label for p in group_records(spiking)] == ["BP · ideal", "BP · spiking target"]


def test_circuit_and_back_end_say_what_is_ideal(monkeypatch: pytest.MonkeyPatch) -> None:
    records = runs(0.8, keys={"target.circuit": "spiking"}) + runs(0.7, keys=DEVICE)
    assert not any(point.ideal for point in group_records(records))
    for known, name in ((CIRCUITS, "spiking"), (BACKENDS, "analog")):
        monkeypatch.setitem(known, name, replace(known[name], exact=True))
    assert all(point.ideal for point in group_records(records))


def test_a_line_along_an_error_of_a_circuit_that_has_others_calls_no_circuit_ideal() -> None:
    bits = {6: 0.7, 7: 0.8, 8: 0.9}
    records = swept("homeostasis.bits", bits, {"homeostasis.range": 1.0}, keys=SEMI)
    records += swept("homeostasis.bits", bits, {"homeostasis.range": 4.0})
    (panel,) = sensitivity_data(group_records(records))
    assert {line.label for line in panel.lines} == {
        "BP · unsupervised · analog target",
        "BP · semi-supervised · analog target",
    }


def test_the_gap_is_to_the_circuit_without_errors_of_the_same_setting() -> None:
    records = runs(0.9) + runs(0.7, keys={"target.gamma": 0.0})
    records += runs(0.6, {OFFSET: 1e-9}, {"target.gamma": 0.0}) + runs(0.88, {OFFSET: 1e-9})
    (direct,) = accuracy_data(group_records(records))
    gaps = {row.point.label: row.gap and row.gap.points for row in direct.rows}
    assert gaps == {
        "BP · gamma=0 · ideal": None,
        "BP · gamma=0 · offset=1 nA": pytest.approx(-10),
        "BP · gamma=0.5 · ideal": None,
        "BP · gamma=0.5 · offset=1 nA": pytest.approx(-2),
    }


# What is shown


@pytest.fixture(scope="module")
def sweep() -> list[RunRecord]:
    """Two rules, two parameters; one never loses a point."""
    records: list[RunRecord] = []
    for rule, best in (("bp", 0.9), ("ep", 0.8)):
        more: dict[str, Any] = {"keys": {"network.rule": rule}, "spread": 0.002}
        records += runs(best, **more)
        records += swept(OFFSET, {1e-9: best, 1e-8: best - 0.02, 1e-7: best - 0.2}, **more)
        records += swept("decision.winner_error", {-2: best - 0.005, 2: best - 0.02}, **more)
    return records


def test_the_table_says_where_one_point_is_lost(sweep: list[RunRecord]) -> None:
    cells = [row.cells for row in lost_table(list(panels(sweep).values())).rows]
    offset = ("Offset of the inputs (σ)", "BP", "90.00 ± 0.20", "3.16 nA", "2.62 nA to 3.82 nA")
    assert cells[0] == (*offset, "1 nA to 100 nA (3)", "3")
    assert [row[3] for row in cells] == ["3.16 nA", "3.16 nA", "< −2", "1", "< −2", "1"]
    assert cells[2][5:] == ("−2 to 2 (2)", "3")


def test_the_caption_says_where_each_line_loses_one_point(sweep: list[RunRecord]) -> None:
    told = lost_words(list(panels(sweep).values()))
    assert told.startswith("One point is lost at: Offset of the inputs (σ), BP: 3.16 nA (2.62 nA to 3.82 nA); ")
    assert told.count(";") == 5
    assert lost_words([]) == ""


def test_the_frame_has_every_number(sweep: list[RunRecord]) -> None:
    frame = sensitivity_frame(list(panels(sweep).values()))
    assert len(frame) == 10
    one = frame[(frame["line"] == "EP") & (frame["value"] == 1e-8)].iloc[0]
    assert (one["mean"], one["std"], one["seeds"]) == pytest.approx((0.78, 0.002, 3))
    assert (one["loss"], one["baseline_mean"], one["unit"]) == (pytest.approx(0.02), pytest.approx(0.8), "A")
    assert float(one["lost_at"]) == pytest.approx(10**-8.5, rel=1e-5)
    assert frame["lost_at"].iloc[-1] == "<-2; 1"


def test_the_figure_draws_every_line_its_baseline_and_the_limits(sweep: list[RunRecord]) -> None:
    offset, winners = panels(sweep).values()
    kinds = [line.kind for line in offset.lines]
    with drawing.style():
        for panel, diamonds, values in ((offset, 2, 3), (winners, 2, 3)):  # the baseline is a point of the second
            ax: Any = Figure().subplots()
            draw_sensitivity(ax, panel, kinds)
            assert [text.get_text() for text in ax.get_legend().get_texts()] == ["BP", "EP"]
            assert sum(line.get_marker() == "D" for line in ax.lines) == diamonds
            assert [len(bars.lines[0].get_xdata()) for bars in ax.containers] == [values] * 2
            assert ax.get_xscale() == ("log" if panel.logarithmic else "linear")
        assert ax.xaxis.get_major_formatter()(-2.0, 0) == "−2"


def test_the_report_has_figure_table_and_numbers_and_removes_an_earlier_one(
    sweep: list[RunRecord], tmp_path: Path
) -> None:
    page = write_report(sweep, tmp_path).read_text()
    text = (tmp_path / "report.md").read_text()
    for shown in ("Where one percentage point is lost", "Offset of the inputs (σ)", "2.62 nA to 3.82 nA"):
        assert shown in page
        assert shown in text
    assert "![Accuracy against each swept parameter](sensitivity.svg)" in text
    assert page.count('data-name="sensitivity-target.parameters.inputs.offset"') == 1
    assert len(pd.read_csv(tmp_path / "sensitivity.csv")) == 10
    assert (tmp_path / "sensitivity.png").stat().st_size < 1_000_000
    write_report(runs(BEST), tmp_path)
    assert not list(tmp_path.glob("sensitivity*"))
    assert "sensitivity" not in re.sub("<script.*?</script>", "", (tmp_path / "index.html").read_text(), flags=re.S)


def test_the_figure_of_many_parameters_has_room_for_all_its_labels() -> None:
    names = ("homeostasis.bits", "decision.winner_error", "levels.low_error", OFFSET, NOISE)
    values = {"levels.low_error": (0.01, 0.02), OFFSET: (1e-12, 1e-3), NOISE: (1e-10, 2e-10)}
    records = runs(BEST) + runs(0.95, keys=SEMI) + runs(0.8, keys={"network.rule": "ep"})
    for keys in ({}, SEMI, {"network.rule": "ep"}):
        for name in names:
            means = dict.fromkeys(values.get(name, (3, 7)), 0.7)
            records += swept(name, means, {"homeostasis.range": 1.0} if "bits" in name else None, keys=keys)
    with drawing.style():
        figure = sensitivity_figure(list(panels(records).values()))
        figure.draw_without_rendering()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert len(boxes) == len(names)
    for i, box in enumerate(boxes):
        assert box.width < inf
        assert not any(box.overlaps(other) for other in boxes[:i])
        labels = [label.get_window_extent() for label in figure.axes[i].get_xticklabels() if label.get_text()]
        assert not any(a.overlaps(b) for a, b in pairwise(labels))


def test_a_key_says_itself_what_it_is_called_and_when_it_is_off() -> None:
    """Of a key of the configuration, of a parameter of a circuit, of a device's, and of one that is no hardware."""
    wires = Axis("Wire resistance between two cells", "Ohm", "larger", 0)
    assert HardwareSection.model_fields["wire_resistance"].metadata[-1] == wires
    assert axis_of("hardware.wire_resistance") == wires
    assert axis_of("target.parameters.inputs.offset").unit == "A"
    assert axis_of("hardware.device_parameters.step_ctoc").title == "Cycle-to-cycle noise of a pulse (σ, in steps)"
    assert axis_of("hardware.device_parameters.w_max") == Axis("hardware.device_parameters.w_max", off=0)
    assert axis_of("network.init_gain") == Axis("network.init_gain")

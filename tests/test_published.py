"""Published values beside our curves: which points they stand beside, how they are drawn and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from neurohw.errors import InputError
from neurohw.kinds import METRICS
from neurohw.report import drawing
from neurohw.report.accuracy.curves_figure import curves_figure, over_epochs
from neurohw.report.accuracy.data import curve_data
from neurohw.report.accuracy.figures import looks
from neurohw.report.accuracy.published import Beside, published_beside
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.runs.record import RunRecord
from neurohw.studies.expected import expectations
from neurohw.studies.published import published
from tests.test_report_clusters import K_MEANS, STDP, TWICE, record

OF_OTHERS = """
source = "a paper"
tolerance = 0.1

[[expect]]
metric = "probe_accuracy"
epoch = 10
value = 0.4

[[published]]
metric = "probe_accuracy"
epoch = 200
value = 0.57
name = "Deep-STDP, paper"
where = { "clustering.method" = "stdp" }

[[published]]
metric = "fisher_trace"
epoch = 200
value = 0.2
name = "DeepCluster, paper"
where = { "clustering.method" = "k-means" }
closest = { "training.passes" = 2 }
source = "its second table"

[[published]]
metric = "clustering_joules"
epoch = 50
value = 2.5
name = "of nobody here"
where = { "clustering.method" = "random" }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """expected.toml of the experiment that the records are of."""
    folder = tmp_path / "experiments" / "made-up"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text('kind = "deep-stdp"\n')
    (folder / "expected.toml").write_text(OF_OTHERS)
    for module in ("neurohw.studies.expected", "neurohw.shipping"):
        monkeypatch.setattr(f"{module}.shipped", lambda kind: tmp_path / kind)
    return folder / "expected.toml"


def learnt(keys: dict[str, Any]) -> RunRecord:
    rows = [
        {"epoch": e, "phase": "clusters", "probe_accuracy": 0.3, "spiking_accuracy": 0.3, "fisher_trace": 100.0 * e,
         "cluster_entropy": 0.5 + 0.01 * e, "clustering_joules": 0.002 * e} for e in range(1, 11)
    ]  # fmt: skip
    return record(0, keys, {"probe_accuracy": 0.3, "fisher_trace": 1000.0}, curve=rows)


RECORDS = [learnt(keys) for keys in (STDP, K_MEANS, TWICE)]


def panels(values: list[Beside]) -> dict[str, Axes]:
    points = group_records(RECORDS)
    curves = curve_data(points)
    curves = curves[curves["metric"].isin(over_epochs())]
    with drawing.style():
        return {ax.get_title(loc="left"): ax for ax in curves_figure(curves, looks(points), values).axes}


def dotted(ax: Axes) -> dict[str, float]:
    return {str(line.get_label()): float(line.get_ydata()[0]) for line in ax.lines if line.get_linestyle() == ":"}  # type: ignore[index, arg-type]


def test_a_value_stands_beside_the_closest_point_that_it_is_of(file: Path) -> None:
    values = published_beside(group_records(RECORDS))
    assert [(beside.value.metric, beside.point.label) for beside in values] == [
        ("probe_accuracy", "STDP"),
        ("fisher_trace", "k-means, passes=2"),
    ]
    assert [value.source for value in published("made-up")] == ["a paper", "its second table", "a paper"]
    assert [entry.tolerance for entry in expectations("made-up")] == [0.1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('metric = "fisher_trace"', 'metric = "test_accuracy"', "got 'test_accuracy'; allowed: probe_accuracy, "),
        ("value = 0.57", "value = 57.0", "value: got 57.0; allowed: 0 to 1, as probe_accuracy is a fraction"),
        ('name = "Deep-STDP, paper"', 'nam = "Deep-STDP, paper"', "nam: unknown key"),
    ],
)
def test_what_is_wrong_with_a_value_is_named(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(OF_OTHERS.replace(old, new))
    with pytest.raises(InputError, match=message):
        published("made-up")


def test_every_measure_is_drawn_with_what_was_published_of_it(file: Path) -> None:
    by_title = panels(published_beside(group_records(RECORDS)))
    titles = [
        METRICS[name].title for name in ("probe_accuracy", "cluster_entropy", "fisher_trace", "clustering_joules")
    ]
    assert list(by_title) == titles  # a spiking network's accuracy has no axes of its own
    accuracy, entropy, fisher, energy = by_title.values()
    assert dotted(accuracy) == {"Deep-STDP, paper": pytest.approx(57.0)}
    assert [text.get_text() for text in accuracy.texts] == ["57.00"]
    assert (dotted(entropy), dotted(energy)) == ({}, {})
    assert dotted(fisher) == {"DeepCluster, paper": 0.2}
    assert fisher.get_ylim()[0] < 0.2
    assert [ax.get_yscale() for ax in by_title.values()] == ["linear", "linear", "log", "linear"]
    assert energy.get_ylabel() == "Energy, mJ"
    assert max(energy.lines[0].get_ydata()) == pytest.approx(20.0)  # type: ignore[arg-type]
    colours = {line.get_label(): line.get_color() for line in fisher.lines}
    assert colours["DeepCluster, paper"] == colours["k-means, passes=2"] != colours["k-means"]


def test_without_published_values_an_axis_is_linear_and_nothing_is_dotted() -> None:
    by_title = panels([])
    assert {ax.get_yscale() for ax in by_title.values()} == {"linear"}
    assert not any(dotted(ax) for ax in by_title.values())


def test_the_report_has_them_in_a_table(file: Path, tmp_path: Path) -> None:
    text = (write_report(RECORDS, tmp_path / "report").parent / "report.md").read_text()
    assert "## Beside published values" in text
    assert "| STDP | Linear probe on the features, % | 57.00 | 200 | 30.00 | 10 | 1 | a paper |" in text
    assert "Dotted lines: published values, of other settings." in text
    file.unlink()
    text = (write_report(RECORDS, tmp_path / "without").parent / "report.md").read_text()
    assert "published values" not in text

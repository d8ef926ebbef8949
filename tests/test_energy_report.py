"""Energy, shown: `neurohw energy` re-accounts records, reports draw the accounts that records carry."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image, ImageColor
from typer.testing import CliRunner, Result

from neurohw.cli.app import app
from neurohw.config import OnChipExperiment
from neurohw.energy.ranges import Range
from neurohw.energy.table import EnergyTable, table_path
from neurohw.errors import InputError
from neurohw.report.drawing import PAPER, as_png, style
from neurohw.report.energy.account import PointEnergy, chip_of
from neurohw.report.energy.answers import answers
from neurohw.report.energy.axes import Marked, joules, write_beside
from neurohw.report.energy.bars_figure import PALETTE, draw_shares, draw_totals
from neurohw.report.energy.bounds import bounds_text
from neurohw.report.energy.compare import pareto_front
from neurohw.report.energy.comparison_tables import pairs_table
from neurohw.report.energy.digital import CHEAPEST, DEAREST
from neurohw.report.energy.frame import energy_frame
from neurohw.report.energy.learning_figure import draw_learning
from neurohw.report.energy.pareto_figure import draw_pareto
from neurohw.report.energy.sections import Energies, energies_of, energy_sections
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.report.spread import Spread
from neurohw.runs.accounts import accounted, energy_of
from neurohw.runs.collection import find_records
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from tests.approximately import approx

DEVICE = {"backend": "analog", "device": "taox_hfox", "step_seconds": 1e-3}
TABLE = EnergyTable.load("32nm")


def small(rule: str, hardware: dict[str, Any]) -> OnChipExperiment:
    return OnChipExperiment.model_validate({
        "name": "small", "network": {"rule": rule, "layers": [64, 20]}, "hardware": hardware,
        "ep": {"contrast": "difference"} if rule == "ep" else {},
        "training": {"epochs": 2, "learning_rate": [0.02 if rule == "ep" else 1.0]},
        "data": {"dataset": "digits", "train_limit": 64, "test_limit": 32},
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of BP and EP on a device, two seeds each, and of BP on ideal arrays."""
    runs = tmp_path_factory.mktemp("runs")
    for rule, name, hardware, seed in (
        ("bp", "device", DEVICE, 0), ("bp", "device", DEVICE, 1), ("bp", "ideal", {}, 0),
        ("ep", "device", DEVICE, 0), ("ep", "device", DEVICE, 1),
    ):  # fmt: skip
        run(small(rule, hardware), seed, runs / f"{rule}-{name}-{seed}")
    return runs


@pytest.fixture(scope="module")
def records(folder: Path) -> list[RunRecord]:
    """The same records, each with its account, as a run leaves it."""
    return [r.model_copy(update={"energy": energy_of(r, TABLE)}) for r in find_records([folder])]


@pytest.fixture(scope="module")
def energies(records: list[RunRecord]) -> Energies:
    return energies_of(group_records(records))


@pytest.fixture(scope="module")
def data(energies: Energies) -> list[PointEnergy]:
    """The accounts of BP and EP on the device."""
    assert [e.point.label for e in energies.accounts] == ["BP · taox_hfox", "EP · taox_hfox"]
    return list(energies.accounts)


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """What the command said, and where it wrote."""
    out = tmp_path_factory.mktemp("out")
    return called(folder, "--table", "32nm", "--out", out), out


def called(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["energy", *map(str, arguments)])


def refused(*arguments: Any) -> str:
    """Return the message of a call that ends with status 2."""
    error = called(*arguments).exception
    assert isinstance(error, InputError)
    assert error.exit_status == 2
    return str(error)


def copied(folder: Path, to: Path, **changed: Any) -> Path:
    """Copy a run's folder, its record changed."""
    shutil.copytree(folder, to)
    read_record(folder).model_copy(update=changed).write(to)
    return to


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """Return the 32 nm table with a text of its converters' energy replaced."""
    text = table_path("32nm").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\[adc\]\n(?:.+\n)*?(energy = .*\n)", text, flags=re.MULTILINE)
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(line, re.sub(old, new, line, count=1)), encoding="utf-8")
    return path


def test_the_command_says_what_points_cost(done: tuple[Result, Path]) -> None:
    said = done[0]
    assert said.exit_code == 0, said.output
    for text in ("BP · taox_hfox", "Per training image", "EP / BP", "Writes and lifetime", "periphery_32nm",
                 "8 columns per ADC", "Against a digital accelerator at 32 nm", "BP · ideal", "NeuroSim",
                 "Assumed figures", "kwta.energy", "seeds 0, 1"):  # fmt: skip
        assert text in said.output
    assert said.output.startswith("A training image costs ")
    assert "Not counted" not in said.output


def test_the_command_says_what_was_not_counted(folder: Path, tmp_path: Path) -> None:
    ledger = read_record(folder / "bp-device-0").ledger
    array = ledger["facts"]["arrays"]["W1"] | {"pulses": "unknown"}  # as of remedies inside aihwkit's tiles
    changed = {**ledger, "facts": {**ledger["facts"], "arrays": {"W1": array}}}
    said = called(copied(folder / "bp-device-0", tmp_path / "unknown", ledger=changed), folder / "ep-device-0").output
    assert "Not counted, so missing from the energy and the time of 1 of 2 points: W1 pulses" in said
    (bp, *_), (ep, *_) = ([row for row in said.splitlines() if row.startswith(rule)] for rule in ("BP ·", "EP ·"))
    assert ") *" in bp
    assert "*" not in ep


def test_a_narrow_terminal_gets_tables_that_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        return called(folder).output.splitlines()

    wide, narrow = lines(240), lines(100)
    assert max(map(len, narrow)) <= 100
    assert "…" not in "".join(narrow)
    for said in (wide, narrow):  # no number is lost, however it is folded
        numbers = sorted(set(re.findall(r"[\d.]+ [pnum]J \([\d.,]+ to [\d.,]+\)", "\n".join(said))))
        assert len(numbers) > 10
    assert sum("Per training image" in line for line in wide) == 2  # a column's title, and a note


def test_the_csv_adds_up_to_the_accounts(done: tuple[Result, Path], folder: Path) -> None:
    frame = pd.read_csv(done[1] / "energy.csv")
    energy = frame[frame["quantity"] == "energy"]
    for record in find_records([folder]):
        lines = energy[(energy["hash"] == record.config_hash) & (energy["seed"] == record.seed)]
        if record.config["hardware"]["backend"] == "ideal":
            assert lines.empty  # no hardware, no account
            continue
        breakdown = accounted(record, TABLE)
        assert len(lines) == len(breakdown.items)
        for bound in ("low", "nominal", "high"):
            assert lines[bound].sum() == approx(getattr(breakdown.total, bound))
        adc = lines[(lines["component"] == "adc") & (lines["phase"] == "inference")]
        assert adc["nominal"].sum() == approx(breakdown.by(lambda i: (i.component, i.phase))["adc", "inference"]
                                                     .nominal)  # fmt: skip
    assert energy["figures"].notna().all()
    assert set(energy["provenance"]) <= {"published", "scaled", "assumed"}
    assert set(energy["unit"]) == {"J"}


def test_the_csv_has_the_digital_side_and_the_epochs(done: tuple[Result, Path], folder: Path) -> None:
    frame = pd.read_csv(done[1] / "energy.csv")
    for record in find_records([folder]):
        of = frame[(frame["hash"] == record.config_hash) & (frame["seed"] == record.seed)]
        parts = of[of["quantity"] == "digital_energy"].groupby("part")["nominal"].sum()
        wholes = of[of["quantity"] == "digital_total"].set_index("part")["nominal"]
        assert set(wholes.index) == {f"{kind}, 32 nm" for kind in
                                     ("int8, on chip", "int8, DRAM", "fp16, on chip", "fp16, DRAM")}  # fmt: skip
        assert parts.to_dict() == approx(wholes.to_dict())
        so_far = of[of["quantity"] == "training_so_far"]["nominal"].tolist()
        if record.config["hardware"]["backend"] == "ideal":
            assert not so_far
            continue
        training = [item.energy.nominal for item in accounted(record, TABLE).items
                    if item.phase not in ("inference", "association")]  # fmt: skip
        assert so_far[-1] == approx(sum(training))
        assert 0 < so_far[0] < so_far[1]
        assert len(of[of["quantity"] == "array_read_neurosim"]) == 1


def test_the_json_has_means_and_records(done: tuple[Result, Path], data: list[PointEnergy]) -> None:
    points = json.loads((done[1] / "energy.json").read_text())
    assert [p["point"] for p in points] == ["BP · ideal", "BP · taox_hfox", "EP · taox_hfox"]
    assert "total" not in points[0]
    assert len(points[0]["digital"]) == 4
    for found, e in zip(points[1:], data, strict=True):
        totals = [record["total"]["nominal"] for record in found["records"].values()]
        assert found["total"]["nominal"] == approx(sum(totals) / len(totals)) == approx(e.total.nominal)
        assert sum(found["components"].values()) == approx(e.total.nominal)
        assert sum(found["phases"].values()) == approx(e.total.nominal)
    for name in ("energy.svg", "energy.png", "pareto.svg", "pareto.png", "energy_curves.png", "energy.md"):
        assert (done[1] / name).stat().st_size > 1000


def test_nothing_is_written_unless_asked(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert called(folder, "--table", "65nm", "--standby", "none").exit_code == 0
    assert sorted(folder.rglob("*")) == before


def test_options_change_the_account(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nominal(*options: str) -> dict[str, float]:
        out = tmp_path / "-".join(["out", *options])
        assert called(folder / "ep-device-0", *options, "--out", out).exit_code == 0
        (found,) = json.loads((out / "energy.json").read_text())
        return {quantity: found[quantity]["nominal"] for quantity in ("latency", "total")}

    monkeypatch.setattr("neurohw.report.energy.figures.energy_figures", lambda data: ())  # they take their time
    usual = nominal()
    assert nominal("--columns-per-adc", "16")["latency"] > usual["latency"]
    assert nominal("--ep", "continuous")["total"] != usual["total"]
    assert nominal("--standby", "none")["total"] < usual["total"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "pJ"', 'unit = "ns"', "adc.energy.unit: unit 'ns' is of dimension 's'"),
        ("low = ", "low = -", "adc.energy.low: got -0.235"),
        (r"(?s)^.*$", "", "adc.energy: missing (the ledger counted"),
    ],
)
def test_a_wrong_table_is_refused(old: str, new: str, message: str, folder: Path, tmp_path: Path) -> None:
    path = edited(tmp_path, old, new)
    told = refused(folder, "--table", path)
    assert str(path) in told
    assert message in told


def test_what_cannot_be_accounted_is_named(folder: Path, tmp_path: Path) -> None:
    old = copied(folder / "bp-device-0", tmp_path / "old", ledger={})
    assert f"{old / 'record.json'}: record 'small', seed 0: ledger: got nothing" in refused(old)
    failed = copied(folder / "bp-device-0", tmp_path / "failed", status="failed", ledger={})
    assert "every run failed" in refused(failed)
    assert "left out, the run failed" in called(failed, folder).output
    assert "no record.json or records.jsonl.xz at or below it" in refused(tmp_path / "nowhere")
    assert "no periphery table of that name" in refused(folder, "--table", "31nm")


def test_runs_without_a_ledger_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    for seed in (7, 8):
        copied(folder / "bp-device-0", tmp_path / f"bp-{seed}", ledger={}, energy=None, seed=seed)
    copied(folder / "bp-device-0", tmp_path / "counted")
    done = called(tmp_path, "--save")
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.output.splitlines() if line.startswith("left out"))
    assert line == (
        "left out: 2 of 3 runs, which counted no events (they are from before ledgers), in "
        f"{tmp_path / 'bp-7' / 'record.json'} and 1 other file; run them again to account them"
    )
    assert "accounts written into their records: 1" in done.output
    assert [bool(read_record(tmp_path / run).energy) for run in ("bp-7", "bp-8", "counted")] == [False, False, True]


def test_a_report_shows_the_accounts_that_records_carry(records: list[RunRecord], tmp_path: Path) -> None:
    page = write_report(records, tmp_path).read_text(encoding="utf-8")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for said in (page, text):
        assert "Energy, time and lifetime" in said
        assert "Energy per accuracy point, BP and EP" in said
        assert "Assumed figures" in said
        assert "Against a digital accelerator at 32 nm" in said
        assert said.count("8 columns per ADC") >= 9  # below every table
    assert page.count('<figure class="chart"') >= 4
    shown = {"energy.csv", "energy.svg", "pareto.png", "energy_curves.svg"}
    assert shown <= {path.name for path in tmp_path.iterdir()}
    write_report([record.model_copy(update={"energy": None}) for record in records], tmp_path)
    assert not shown & {path.name for path in tmp_path.iterdir()}
    assert "Energy, time" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_report_on_ideal_points_only_has_their_digital_side(records: list[RunRecord], tmp_path: Path) -> None:
    text = write_report([r for r in records if not chip_of(r)], tmp_path).with_name("report.md").read_text()
    assert "Against a digital accelerator" in text
    assert "What each point costs" not in text
    assert not (tmp_path / "pareto.svg").exists()


def test_the_reports_csv_adds_up_too(records: list[RunRecord], energies: Energies) -> None:
    frame = energy_frame(energies)
    energy = frame[frame["quantity"] == "energy"].groupby(["hash", "seed"])["nominal"].sum()
    for record in (r for r in records if chip_of(r)):
        assert energy[record.config_hash, record.seed] == approx(record.energy.total.nominal)


def test_energy_per_accuracy_point(data: list[PointEnergy]) -> None:
    known = Spread((0.6, 0.6))
    training = Range(1e-6, 2e-6, 4e-6)
    points = [replace(e, accuracy=known, training=training) for e in data]
    chance = points[0].point.records[0].chance
    cost = points[0].per_accuracy_point
    assert cost is not None
    assert (cost.low, cost.nominal, cost.high) == approx(
        tuple(joules / (60 - 100 * chance) for joules in (1e-6, 2e-6, 4e-6)), rel=1e-9, abs=0
    )
    (row,) = pairs_table(points).rows
    assert row.cells[0] == "taox_hfox"
    assert row.cells[-1] == "1 (1 to 1)"
    assert replace(points[0], accuracy=Spread((0.1,))).per_accuracy_point is None
    assert replace(points[0], accuracy=Spread((chance + 0.08,))).per_accuracy_point is None  # near chance, as warned


def test_pairs_that_differ_in_more_than_the_rule_are_said_to(records: list[RunRecord], energies: Energies) -> None:
    """BP in batches of 4 beside EP in batches of 16: the names do not say it, the answer and the notes do."""
    learnt = [r.model_copy(update={"metrics": {"direct_accuracy": 0.6}}) for r in records]
    small = {r.config_hash: {**r.config, "training": {**r.config["training"], "batch_size": 4}}
             for r in learnt if r.config["network"]["rule"] == "bp"}  # fmt: skip
    unlike = [r.model_copy(update={"config": small.get(r.config_hash, r.config)}) for r in learnt]
    for runs, said in (
        (learnt, "like devices and settings, each"),
        (unlike, "some with unlike training.batch_size, each"),
    ):
        data = energies_of(group_records(runs))
        assert [e.point.label for e in data.accounts] == ["BP · taox_hfox", "EP · taox_hfox"]
        assert any(said in answer for answer in answers(data))
        (note,) = [note for title, _, note in energy_sections(data) if title.startswith("Energy per accuracy point")]
        assert note.endswith("too: training.batch_size.") is (runs is unlike)


def test_training_is_all_epochs(records: list[RunRecord], data: list[PointEnergy]) -> None:
    first = data[0]
    of_point = [r for r in records if r.config_hash == first.point.config_hash]
    per_image = sum(r.energy.per_training_image.nominal for r in of_point) / len(of_point)
    assert first.training is not None
    assert first.training.nominal == approx(2 * 64 * per_image)
    assert first.wear[0].trained == 2 * 64


def test_nothing_on_the_front_is_beaten(data: list[PointEnergy]) -> None:
    def made(joules: float, accuracy: float, **more: Any) -> PointEnergy:
        return replace(data[-1], training=Range(joules, joules, joules), accuracy=Spread((accuracy,)), **more)

    cheap, beaten, dear = made(1.0, 0.5), made(2.0, 0.5), made(3.0, 0.9)
    incomplete = made(0.5, 0.95, uncounted=("W1 pulses",))
    assert pareto_front([dear, beaten, incomplete, cheap]) == [cheap, dear]


def test_figures_show_the_numbers(energies: Energies, data: list[PointEnergy]) -> None:
    data = [data[0], replace(data[1], uncounted=("W1 pulses",))]
    with style():
        totals, shares, pareto, learning = Figure().subplots(4)
        draw_totals(totals, data)
        draw_shares(shares, data, [e.components for e in data], "Components")
        draw_pareto(pareto, data, energies.ideals)
        draw_learning(learning, energies.learnings)
    drawn = [line for line in totals.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in drawn] == [e.total.nominal for e in data]
    assert [line.get_markerfacecolor() == PAPER for line in drawn] == [bool(e.uncounted) for e in data]
    ends = [0.0] * len(data)
    for bars in shares.containers:
        for i, bar in enumerate(bars.patches):
            assert bar.get_x() == approx(ends[i])
            ends[i] += bar.get_width()
    assert all(99 < end <= 100.0001 for end in ends)
    assert pareto.get_xscale() == "log"
    (ideal,) = energies.ideals
    costs = [ideal.cost(kind) for kind in (CHEAPEST, DEAREST)]
    (squares,) = (line for line in pareto.lines if line.get_marker() == "s")
    assert list(squares.get_xdata()) == [cost.training.nominal for cost in costs if cost]
    assert squares.get_markerfacecolor() == PAPER
    for line, of in zip(learning.lines, energies.learnings, strict=True):
        steps = of.mean()
        assert list(line.get_xdata()) == [energy.nominal for _, _, energy in steps]
        assert list(line.get_ydata()) == approx([100 * accuracy.mean for _, accuracy, _ in steps])


def test_texts_touch_no_marker_and_no_whisker() -> None:
    """As in the demo's report, where the cheapest chip's whiskers reach to the left of a square and its line."""
    marks = [
        Marked(4.8e-5, 79.7, (6e-6, 1.3e-3), 1.5),
        Marked(8.8e-5, 79.0, (6.5e-6, 1.8e-3), 1.7, "adc_bits=8"),
        Marked(8.8e-5, 84.3, (8.8e-5, 3.9e-3), 1.5, "BP,\nfull precision"),
        Marked(2.7e-4, 81.9, (2.7e-4, 4e-3), 1.3, "EP,\nfull precision"),
        Marked(2.4e-4, 10.0, (1.4e-4, 1.8e-3), 0.3),
    ]
    figure = Figure(figsize=(9, 5))
    ax = figure.subplots()
    for mark in marks:
        ax.errorbar(mark.x, mark.y, yerr=mark.deviation, xerr=[[mark.x - mark.reach[0]], [mark.reach[1] - mark.x]])
    joules(ax, [end for mark in marks for end in mark.reach])
    write_beside(ax, marks)
    texts = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == [mark.text for mark in marks if mark.text]
    for mark in marks:
        lines = [((mark.x, mark.y - mark.deviation), (mark.x, mark.y + mark.deviation)),
                 ((mark.reach[0], mark.y), (mark.reach[1], mark.y))]  # fmt: skip
        for line in lines:
            drawn = Bbox(ax.transData.transform(line)).padded(3.0)  # half a marker; caps
            assert not any(Bbox.intersection(text, drawn) for text in texts)
    assert not any(Bbox.intersection(one, other) for one, other in combinations(texts, 2))
    assert all(ax.bbox.containsx(text.x0) and ax.bbox.containsx(text.x1) for text in texts)


def test_devices_keep_their_colours_in_a_png() -> None:
    figure = Figure(figsize=(6, 4))
    ax = figure.subplots()
    for i, colour in enumerate(PALETTE):
        ax.errorbar(i, i, xerr=2, yerr=1, fmt="o", color=colour, ms=5, ecolor=(colour, 0.55), label="a device")
    ax.legend()
    drawn = Image.open(BytesIO(as_png(figure))).convert("RGB")
    colours = {colour for _, colour in drawn.getcolors(drawn.width * drawn.height)}
    for colour in map(ImageColor.getrgb, PALETTE):
        assert min(max(abs(a - b) for a, b in zip(colour, other, strict=True)) for other in colours) <= 4


def test_ranges_have_one_prefix() -> None:
    assert bounds_text(Range(5.26e-9, 6.95e-9, 1.34e-8), "J") == "6.95 nJ (5.26 to 13.4)"
    assert bounds_text(Range(2e-5, 2.1e-4, 2.116e-3), "J") == "210 uJ (20 to 2,120)"
    assert bounds_text(Range(1.93e-7, 2.1e-7, 2.39e-7), "m2") == "0.21 mm2 (0.193 to 0.239)"
    assert bounds_text(Range.of(0.0), "J") == "0 J (0 to 0)"
    assert bounds_text(None, "J") == "–"

"""Reports: points and their names, means, spreads, gaps, curves, and the files that are written."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from importlib import resources
from itertools import product
from math import isnan, nan, sqrt
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from neurohw import shipping
from neurohw.archive import ARCHIVE
from neurohw.config import config_hash
from neurohw.devices import library
from neurohw.errors import InputError
from neurohw.loading import load_experiment, nested, parse_override, validated
from neurohw.report import drawing
from neurohw.report.accuracy import figures
from neurohw.report.accuracy.data import accuracy_data, breakdown_data, cost_data, curve_data, reference_of
from neurohw.report.page import reproduce
from neurohw.report.page.content import content
from neurohw.report.page.reproduce import command
from neurohw.report.page.write import accuracy_table, write_report
from neurohw.report.points import Point, group_records, repeated_seeds
from neurohw.report.spread import Spread
from neurohw.runs.record import RunRecord

DEVICE = {"hardware.backend": "aihwkit", "hardware.device": "reram_es"}
REMEDY = {**DEVICE, "hardware.remedy": "tiki-taka-v2"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def record(
    seed: int,
    metrics: dict[str, Any] | float,
    keys: dict[str, Any] | None = None,
    *,
    status: str = "finished",
    epochs: int = 5,
    message: str | None = None,
    curve: list[dict[str, Any]] | None = None,
) -> RunRecord:
    """Return a record as a run of five epochs would leave it; a bare number is its direct_accuracy."""
    experiment = validated(nested({"name": "made-up", "training.epochs": 5} | (keys or {})), "test")
    return RunRecord.model_validate(
        {
            "schema": 1,
            "name": experiment.name,
            "kind": "onchip",
            "config": experiment.canonical(),
            "config_hash": config_hash(experiment, {}),
            "seed": seed,
            "versions": {"python": "3.12.3", "neurohw": "0.1.0"},
            "git": "0123456789ab",
            "status": status,
            "message": message,
            "metrics": metrics if isinstance(metrics, dict) else {"direct_accuracy": metrics},
            "timing": {"train_seconds": 2.0, "train_images_per_second": 500.0 * epochs, "epochs": epochs},
            "peak_memory_bytes": (100 + seed) * 2**20,
            "curve": curve or [],
        }
    )


def seeds(values: list[float], keys: dict[str, Any] | None = None, **more: Any) -> list[RunRecord]:
    """Return one record per value, seeds counted from 0."""
    return [record(seed, value, keys, **more) for seed, value in enumerate(values)]


def point(records: list[RunRecord]) -> Point:
    """Return the only point of these records."""
    (only,) = group_records(records)
    return only


def labels(records: list[RunRecord]) -> list[str]:
    return [p.label for p in group_records(records)]


@pytest.fixture(scope="module")
def study() -> list[RunRecord]:
    """Two rules on ideal arrays, a device, and a device with a remedy; three seeds; a stopped and a failed run."""
    records: list[RunRecord] = []
    for rule, best in (("bp", 0.93), ("ep", 0.91)):
        for keys, loss in (({}, 0.0), (DEVICE, 0.2), (REMEDY, 0.06)):
            for seed in range(3):
                final = best - loss + 0.01 * seed
                rows = [{"epoch": e, "phase": "unsupervised", "direct_accuracy": final - 0.1 / e} for e in (1, 2)]
                metrics = {
                    "direct_accuracy": final,
                    "single_neuron_accuracy": final - 0.03,
                    "linear_accuracy": final + 0.02,
                    "by_label_fraction": {"0.1": {"direct_accuracy": final - 0.1}, "1": {"direct_accuracy": final}},
                }
                records.append(record(seed, metrics, {"network.rule": rule, **keys}, curve=rows))
    records.append(record(0, 0.5, {"network.rule": "ep", **DEVICE}, status="stopped", epochs=2))
    failure = {"status": "failed", "message": "RuntimeError: W1 | became <script>NaN</script>"}
    return [*records, record(7, {}, {"network.rule": "bp"}, **failure)]


@pytest.fixture(scope="module")
def written(study: list[RunRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the study's report."""
    return write_report(study, tmp_path_factory.mktemp("report"), title="A <b>title</b>").parent


# Numbers


def test_spread_is_the_sample_standard_deviation() -> None:
    spread = Spread((0.90, 0.92, 0.94))
    assert spread.mean == pytest.approx(0.92)
    assert spread.std == pytest.approx(0.02)  # with n in the denominator it would be 0.0163
    assert spread.error == pytest.approx(0.02 / sqrt(3))
    assert isnan(Spread((0.9,)).std)
    assert Spread(()).n == 0


def test_gap_is_in_points_with_the_combined_standard_error() -> None:
    records = seeds([0.90, 0.92, 0.94]) + seeds([0.80, 0.86], DEVICE)
    (direct,) = accuracy_data(group_records(records))
    ideal, constrained = direct.rows
    assert ideal.gap is None
    assert constrained.gap is not None
    assert constrained.gap.points == pytest.approx(-9.0)
    # s1 = 2, n1 = 3; s2 = 3 sqrt(2), n2 = 2: sqrt(4 / 3 + 18 / 2)
    assert constrained.gap.error == pytest.approx(3.2145502537)
    assert constrained.gap.reference is ideal.point
    assert constrained.seeds == (0, 1)


def test_one_seed_has_a_gap_but_no_error() -> None:
    (direct,) = accuracy_data(group_records(seeds([0.9, 0.92]) + seeds([0.8], DEVICE)))
    gap = direct.rows[1].gap
    assert gap is not None
    assert gap.points == pytest.approx(-11.0)
    assert isnan(gap.error)


def test_a_seed_without_the_metric_is_not_counted() -> None:
    records = [*seeds([0.9, 0.92]), record(2, {"linear_accuracy": 0.95}), record(3, {"direct_accuracy": nan})]
    direct, linear = accuracy_data(group_records(records))
    assert (direct.metric.name, direct.rows[0].seeds) == ("direct_accuracy", (0, 1))
    assert (linear.metric.name, linear.rows[0].seeds) == ("linear_accuracy", (2,))


def test_curves_are_averaged_per_epoch_and_the_last_phase_of_an_epoch_counts() -> None:
    def curve(shift: float) -> list[dict[str, Any]]:
        return [
            {"epoch": 0, "phase": "pretraining", "test_accuracy": nan},
            {"epoch": 0, "phase": "pretraining", "test_accuracy": 0.5 + shift},
            {"epoch": 1, "phase": "unsupervised", "seconds": 1.0},
            {"epoch": 1, "phase": "supervised", "test_accuracy": 0.7 + shift},
        ]

    records = [record(seed, 0.9, curve=curve(shift)) for seed, shift in enumerate((0.0, 0.02, 0.04))]
    del records[2].curve[-1]
    frame = curve_data(group_records(records)).set_index("epoch")
    assert list(frame["metric"]) == ["test_accuracy"] * 2
    assert frame["mean"].to_dict() == pytest.approx({0: 0.52, 1: 0.71})
    assert frame["std"].to_dict() == pytest.approx({0: 0.02, 1: 0.01 * sqrt(2)})
    assert frame["seeds"].to_dict() == {0: 3, 1: 2}


def test_of_an_epoch_evaluated_after_each_phase_the_last_counts() -> None:
    curve = [{"epoch": 1, "phase": "unsupervised", "test_accuracy": 0.3},
             {"epoch": 1, "phase": "supervised", "test_accuracy": 0.7}]  # fmt: skip
    assert curve_data(group_records([record(0, 0.9, curve=curve)]))["mean"].tolist() == [0.7]


def test_levels_are_in_numerical_order_and_averaged() -> None:
    metrics = [
        {"direct_accuracy": a, "by_age_seconds": {t: {"direct_accuracy": a - 0.01 * i} for i, t in enumerate(levels)}}
        for a, levels in ((0.90, ("0", "90", "1000")), (0.92, ("0", "90", "1000")))
    ]
    (ages,) = breakdown_data(group_records([record(i, m) for i, m in enumerate(metrics)]), "by_age_seconds")
    assert ages.levels == ("0", "90", "1000")
    _, trained, spreads = ages.rows[0]
    assert [s.mean for s in (trained, *spreads)] == pytest.approx([0.91, 0.91, 0.90, 0.89])
    assert spreads[2].std == pytest.approx(0.01 * sqrt(2))
    assert not breakdown_data(group_records(seeds([0.9])), "by_age_seconds")


@pytest.mark.parametrize(
    ("keys", "title", "said"),
    [
        ({"hardware.off_chip": "pcm-like"}, "programmed", "Trained at full precision, programmed once"),
        (DEVICE | {"network.weights": "trained"}, "programmed (network.weights)", "What another run has learnt"),
        (DEVICE, "trained on them", "Trained on the devices themselves, left alone until this age"),
    ],
)
def test_a_table_of_ages_says_where_the_network_was_trained(keys: dict[str, Any], title: str, said: str) -> None:
    aged = {"direct_accuracy": 0.9, "by_age_seconds": {"10": {"direct_accuracy": 0.8}}}
    (section,) = content([record(0, aged, keys | {"evaluation.age_seconds": [10.0]})]).aged.sections
    assert section.title == f"By age of the devices, {title}: Direct association"
    assert said in section.note


def test_both_kinds_of_ages_have_a_table_each() -> None:
    aged = {"direct_accuracy": 0.9, "by_age_seconds": {"10": {"direct_accuracy": 0.8}}}
    records = [record(0, aged, keys | {"evaluation.age_seconds": [10.0]})
               for keys in ({"hardware.off_chip": "pcm-like"}, DEVICE)]  # fmt: skip
    assert [len(s.table.rows) for s in content(records).aged.sections] == [1, 1]


def test_costs() -> None:
    (cost,) = cost_data(group_records(seeds([0.9, 0.91])))
    assert (cost.images, cost.peak_memory_bytes) == (5000, 101 * 2**20)
    assert cost.images_per_second.mean == pytest.approx(2500)


# Points and their names


def test_names_stay_short_when_hyperparameters_differ_along() -> None:
    records = seeds([0.9]) + seeds([0.8], {**DEVICE, "training.learning_rate": [0.1], "target.k": 2})
    records += seeds([0.8], {**REMEDY, "network.rule": "ep"})
    assert labels(records) == ["BP · ideal", "BP · reram_es", "EP · reram_es + tiki-taka-v2"]


def test_names_grow_only_until_they_tell_points_apart() -> None:
    records = seeds([0.9], {"target.k": 10, "ep.beta": 0.2}) + seeds([0.9], {"target.k": 9, "ep.beta": 0.1})
    assert labels(records) == ["BP · k=9 · ideal", "BP · k=10 · ideal"]


def test_what_a_table_of_parameters_was_not_given_is_left_out_of_names() -> None:
    given = [{"hardware.device_parameters": p} for p in ({}, {"step": 0.01}, {"cycle_to_cycle": 0.3})]
    records = [r for keys in given for r in seeds([0.9], {**DEVICE, "hardware.backend": "analog", **keys})]
    assert labels(records) == ["BP · reram_es", "BP · reram_es, cycle_to_cycle=0.3", "BP · reram_es, step=0.01"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"evaluation.label_draw": "own"}, ("label_draw=own", "label_draw=same")),
        ({"evaluation.recovery_images": 100}, ("recovery_images=100", "recovery_images=0")),
        ({"evaluation.compensation": ["none"]}, ("compensation=[none]", "compensation=default")),
        ({"hardware.reference": "none"}, ("reference=none", "reference=default")),
    ],
)
def test_what_a_record_leaves_out_is_called_what_it_is(keys: dict[str, Any], said: tuple[str, str]) -> None:
    """Defaults of keys that are younger than the first records do not stand in them."""
    aged = DEVICE | {"hardware.backend": "analog", "evaluation.age_seconds": [10.0], "evaluation.label_fraction": [0.5]}
    labels = [p.label for p in group_records(seeds([0.9], aged | keys) + seeds([0.8], aged))]
    assert all(any(words in label for label in labels) for words in said), labels
    (key,) = keys
    assert {dict(d.differs)[key] for d in content(seeds([0.9], aged | keys) + seeds([0.8], aged)).details} == {
        words.partition("=")[2] for words in said
    }
    assert dict(content(seeds([0.8], aged)).common).get(key, "left out") in (said[1].partition("=")[2], "left out")


def test_tasks_are_named() -> None:
    semi = {"training.mode": "semi-supervised", "training.learning_rate": [1.0, 1.0], "network.layers": [64, 100, 10]}
    records = seeds([0.9]) + seeds([0.9], semi | {"data.labels": 600}) + seeds([0.9], semi | {"data.labels": 100})
    assert labels(records) == [
        "BP · semi-supervised · 100 labels · 64-100-10 · ideal",
        "BP · semi-supervised · 600 labels · 64-100-10 · ideal",
        "BP · unsupervised · all labels · 64-100 · ideal",
    ]


def test_equal_configurations_with_other_files_are_told_apart_by_the_hash() -> None:
    one, other = seeds([0.9, 0.8])
    names = labels([one, other.model_copy(update={"config_hash": "feedfeedfeed"})])
    assert len(set(names)) == 2
    assert any("feedfeedfeed" in name for name in names)


def test_runs_of_unlike_length_are_not_averaged() -> None:
    stopped = seeds([0.5, 0.6], DEVICE, status="stopped", epochs=2)
    ideal, whole, short = group_records(seeds([0.9]) + seeds([0.8], DEVICE) + stopped)
    assert whole.config_hash == short.config_hash
    assert (whole.label, whole.seeds) == ("BP · reram_es", (0,))
    assert (short.label, short.seeds, short.epochs, short.scheduled) == ("BP · reram_es (stopped 2/5)", (0, 1), 2, 5)
    gap = accuracy_data([ideal, whole, short])[0].rows[2].gap
    assert gap is not None
    assert not gap.same_length


def test_how_often_is_no_part_of_a_point() -> None:
    assert point([record(0, 0.9, {"runs": 3}), record(1, 0.9, {"runs": 5})]).seeds == (0, 1)


def test_a_repeated_seed_counts_once() -> None:
    records = [*seeds([0.9, 0.8]), record(1, 0.1)]
    points = group_records(records)
    assert [r.metrics["direct_accuracy"] for r in points[0].records] == [0.9, 0.8]
    assert repeated_seeds(records, points) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"network.rule": "ep"},
        {"network.layers": [64, 50]},
        {"data.train_limit": 100},
        {"training.mode": "supervised"},
        DEVICE | {"hardware.device": "ecram"},
    ],
    ids=str,
)
def test_only_the_same_task_on_ideal_arrays_is_a_reference(other: dict[str, Any]) -> None:
    points = group_records(seeds([0.8], DEVICE) + seeds([0.9], other))
    (constrained,) = (p for p in points if p.config["hardware.device"] == "reram_es")
    assert reference_of(constrained, points) is None


def test_the_closest_ideal_point_is_the_reference() -> None:
    ideals = seeds([0.9], {"target.k": 1}) + seeds([0.9], {"target.k": 2}) + seeds([0.9], {"target.k": 3})
    points = group_records(ideals + seeds([0.8], DEVICE | {"target.k": 2, "training.learning_rate": [0.1]}))
    (constrained,) = (p for p in points if not p.ideal)
    found = reference_of(constrained, points)
    assert found is not None
    assert found.config["target.k"] == 2


def test_of_ideal_points_that_differ_in_length_the_one_as_long_is_the_reference() -> None:
    stopped = {"status": "stopped", "epochs": 2}
    points = group_records(seeds([0.9]) + seeds([0.7], **stopped) + seeds([0.6], DEVICE, **stopped))
    (constrained,) = (p for p in points if not p.ideal)
    found = reference_of(constrained, points)
    assert found is not None
    assert (found.stopped, found.epochs) == (True, 2)


def test_of_two_equally_close_ideal_points_none_is_the_reference() -> None:
    ideals = seeds([0.9], {"target.k": 1}) + seeds([0.9], {"target.k": 2})
    points = group_records(ideals + seeds([0.8], DEVICE | {"target.k": 3}))
    (constrained,) = (p for p in points if not p.ideal)
    assert reference_of(constrained, points) is None


def test_runs_of_several_code_versions_are_said_to_be() -> None:
    """By the commit, or, of an installed package, which has none, by its version."""
    one, two = seeds([0.9, 0.8])
    mixed = "The runs come from several code versions."
    assert mixed not in content([one, two]).warnings
    assert mixed in content([one, two.model_copy(update={"git": "ba9876543210"})]).warnings
    installed = [r.model_copy(update={"git": None, "versions": {"neurohw": v}})
                 for r, v in ((one, "0.1.0"), (two, "0.2.0"))]  # fmt: skip
    assert mixed in content(installed).warnings
    assert "neurohw 0.1.0, 0.2.0" in content(installed).code


def test_of_many_settings_a_name_tells_those_that_most_points_of_the_rule_do_not_have() -> None:
    """One changed at a time, of four: "BP" is what most have, and every point is still told apart."""
    usual = {"target.gamma": 0.4, "target.smoothing": 0.0, "target.reset": "epoch", "training.dropout": [0.3, 0.2]}
    changes = [
        {},
        {"target.gamma": 0.0},
        {"target.smoothing": 0.3},
        {"target.reset": "never"},
        {"training.dropout": []},
    ]
    points = group_records([record(0, 0.5, {**usual, **change}) for change in changes])
    expected = ["BP", "BP · dropout=[]", "BP · gamma=0", "BP · reset=never", "BP · smoothing=0.3"]
    assert sorted(point.name.group for point in points) == expected
    few = group_records([record(0, 0.5, {**usual, **change}) for change in changes[:3]])
    assert sorted(point.name.group for point in few)[0] == "BP · gamma=0 · smoothing=0"  # short enough to say all


def test_what_is_not_given_is_not_told_in_a_name_and_what_the_others_have_is() -> None:
    """Most points of the rule have no decay; the one of which nothing is said has the default, a decay."""
    rule = {"network.rule": "hebbian-wta", "target.ties": "random", "target.reset": "epoch", "target.smoothing": 0.0}
    changes = [{}, {"target.k": 2}, {"target.smoothing": 0.3}, {"target.reset": "never"}, {"target.gamma": 0.7}]
    no_decay = {"network.parameters.decay": False}
    points = group_records(
        [record(0, 0.5, {**rule, **change, **no_decay}) for change in changes] + [record(0, 0.5, rule)]
    )
    told = [point.name.group for point in points]
    assert sum("decay=false" in name for name in told) == 5
    assert "Hebbian WTA" in told


def test_a_circuit_with_errors_stands_in_every_name_however_many_settings_differ() -> None:
    noise = "target.parameters.decision.comparator_noise"
    usual = {"target.gamma": 0.4, "target.smoothing": 0.0, "target.reset": "epoch", "target.circuit": "analog",
             "target.ties": "random", noise: 1e-10}  # fmt: skip
    changes = [{}, {"target.gamma": 0.0}, {"target.smoothing": 0.3}, {"target.reset": "never"}, {noise: 2e-10}]
    points = group_records([record(0, 0.5, {**usual, **change}) for change in changes])
    said = ["comparator_noise=100 pA"] * 4 + ["comparator_noise=200 pA"]
    assert sorted(point.name.variant for point in points) == said


def test_points_of_equal_settings_and_other_files_are_said_to_be() -> None:
    """A device's file was changed between two sweeps: settings are equal, hashes are not."""
    swept = seeds([0.9, 0.8], DEVICE)
    changed = [r.model_copy(update={"config_hash": "0123456789ab"}) for r in swept]
    said = "1 of 2 points have all settings of another one"
    assert not any("all settings of another" in text for text in content(swept).warnings)
    assert any(text.startswith(said) for text in content(swept + changed).warnings)


def test_what_only_some_runs_were_made_with_is_listed_without_the_others() -> None:
    one, two = seeds([0.9, 0.8])
    given = two.model_copy(update={"versions": two.versions | {"weights": "trained-0123456789ab, seed 0"}})
    assert "weights trained-0123456789ab, seed 0, commit" in content([one, given]).code


# How to reproduce


def obeyed(line: str, folder: Path) -> dict[str, Any]:
    """Return the configuration that `neurohw run` would get from a command line."""
    words = shlex.split(line.partition("neurohw run ")[2].partition(";")[0])
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    name = folder / words[0] if words[0].startswith(ARCHIVE) else words[0]
    return load_experiment(name, dict(map(parse_override, settings))).canonical()


@pytest.fixture
def shipped_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ship an experiment `made-up` with conditions, and return its name."""
    for module in (shipping, reproduce, library):
        monkeypatch.setattr(module, "shipped", lambda kind: tmp_path / kind)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "experiments" / "made-up"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text(
        "training.epochs = 5\ndata.train_limit = 50\n"
        '[[when]]\nmatch = {"network.rule" = "ep"}\nset = {"training.learning_rate" = [0.02], "target.k" = 4}\n'
    )
    return "made-up"


def test_the_command_of_a_shipped_experiment_sets_the_fewest_keys(shipped_experiment: str, tmp_path: Path) -> None:
    keys = {"network.rule": "ep", "training.learning_rate": [0.02], "target.k": 4, "data.train_limit": 50}
    found = point(seeds([0.9, 0.8], keys | REMEDY | {"hardware.weight_range": 0.6}))
    line = command(found)
    assert line is not None
    assert line.startswith("for seed in 0 1; do neurohw run made-up --set ")
    assert line.endswith("--seed $seed; done")
    assert "learning_rate" not in line  # the file's condition sets it
    assert line.count("--set") == 5  # rule, back-end, device, remedy, weight_range; nothing that follows from them
    assert obeyed(line, tmp_path) == found.records[0].config


def test_the_command_of_a_network_with_convolutions_says_them_in_toml(shipped_experiment: str, tmp_path: Path) -> None:
    conv = [{"channels": 4, "kernel": 3, "pool": "max"}, {"channels": 2, "kernel": 2}]
    found = point(seeds([0.9], {
        "data.train_limit": 50, "network.conv": conv, "network.neurons": ["relu", "relu", "sigmoid"],
        "training.learning_rate": [0.1, 0.1, 0.1], "training.dropout": [],
    }))  # fmt: skip
    line = command(found)
    assert line is not None
    assert "network.conv=[{channels = 4, " in line
    assert obeyed(line, tmp_path) == found.records[0].config


def test_what_set_cannot_say_is_reproduced_from_the_records(shipped_experiment: str, tmp_path: Path) -> None:
    stopped = seeds([0.9], status="stopped", epochs=2)  # data.train_limit is absent, which --set cannot say
    line = command(point(stopped))
    assert line == f"neurohw run {ARCHIVE}:{stopped[0].config_hash} --stop-after 2 --seed 0"
    write_report(stopped, tmp_path / "report")
    assert obeyed(line, tmp_path / "report") == stopped[0].config


def test_a_configuration_of_another_version_is_shown_all_the_same(tmp_path: Path) -> None:
    foreign = record(0, 0.9).model_copy(update={"config": {"kind": "unheard-of", "network": {"rule": "bp"}}})
    page = write_report([foreign], tmp_path).read_text()
    assert "cannot read the configuration" in page
    assert "kind = unheard-of" in page


# What is written


class Page(HTMLParser):
    """Collects text and addresses, and fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.figures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        values = {key: value or "" for key, value in attrs}
        self.addresses += [values[key] for key in ("src", "href", "xlink:href", "action", "data") if key in values]
        self.addresses += re.findall(r"url\(([^)]*)\)", values.get("style", "") + values.get("clip-path", ""))
        self.ids += [values["id"]] if "id" in values else []
        self.figures += [values["data-name"]] if "data-name" in values else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.open
    return page


def test_the_page_is_whole_and_stands_alone(written: Path) -> None:
    path = written / "index.html"
    page = parsed(path)
    assert "A <b>title</b>" in page.text
    assert {"link", "iframe", "img"}.isdisjoint(page.tags)
    assert "svg" not in page.tags  # figures are drawn in the browser
    assert page.figures == ["accuracy", "curves"]
    local = {"data.csv", "curves.csv"}
    assert all(address in local or address.startswith("#") for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert "@import" not in path.read_text()
    assert path.stat().st_size < 1_300_000  # 0.9 MB of them draw the figures


def test_a_page_of_two_thousand_records_is_made_in_time_and_is_small(tmp_path: Path) -> None:
    grid = product(("bp", "ep"), ({}, DEVICE, REMEDY), range(1, 9), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    records = [
        record(seed, 0.9 - k / 100 - beta / 10, {"network.rule": rule, "target.k": k, "ep.beta": beta, **keys},
               curve=[{"epoch": epoch, "phase": "unsupervised", "direct_accuracy": 0.8} for epoch in range(1, 6)])
        for rule, keys, k, beta in grid for seed in range(6)
    ]  # fmt: skip
    assert len(records) > 2000
    started = process_time()
    page = write_report(records, tmp_path)
    assert process_time() - started < 20
    assert page.stat().st_size < 15_000_000


def test_the_page_shows_numbers_lengths_and_states(written: Path) -> None:
    text = re.sub(r"\s+", " ", parsed(written / "index.html").text)
    assert "20 runs (18 finished, 1 stopped, 1 failed) in 7 points; seeds 0, 1, 2, 7" in text
    assert "BP · ideal94.00 ± 1.00reference35 of 55,000finished" in text
    assert "EP · reram_es + tiki-taka-v286.00 ± 1.00−6.00 ± 0.8235 of 55,000finished" in text
    assert "EP · reram_es (stopped 2/5)50.00−42.00 †12 of 52,000stopped" in text
    assert "RuntimeError: W1 | became <script>NaN</script>" in text
    assert "1 of 20 runs failed and are in no average" in text
    assert "100 % of labels" in text


def test_markdown_has_the_same_numbers_and_keeps_its_tables(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "| EP · reram\\_es | 72.00 ± 1.00 | −20.00 ± 0.82 | 3 | 5 of 5 | 5,000 | finished |" in text
    assert "stopped" in text
    assert "W1 \\| became &lt;script>" in text
    for name in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (written / name).is_file()
    widths = [[len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()] for block in text.split("\n\n")]
    assert all(len(set(counts)) == 1 for counts in widths if counts and counts[0] > 3)


def test_csv_files_come_back_as_they_were(study: list[RunRecord], written: Path) -> None:
    frame = pd.read_csv(written / "data.csv")
    assert len(frame) == len(study)
    assert frame["status"].value_counts().to_dict() == {"finished": 18, "stopped": 1, "failed": 1}
    one = frame[(frame["network.rule"] == "ep") & (frame["hardware.remedy"] == "tiki-taka-v2") & (frame["seed"] == 2)]
    assert one["direct_accuracy"].item() == study[17].metrics["direct_accuracy"]
    assert one["by_label_fraction.0.1.direct_accuracy"].item() == pytest.approx(0.77)
    assert one["config_hash"].item() == study[17].config_hash
    assert "data.dataset" not in frame.columns  # the same everywhere
    curves = pd.read_csv(written / "curves.csv")
    pd.testing.assert_frame_equal(curves, curve_data(group_records(study)), check_dtype=False)


def test_the_same_records_give_the_same_bytes_in_any_order(
    study: list[RunRecord], written: Path, tmp_path: Path
) -> None:
    assert write_report(study[::-1], tmp_path, title="A <b>title</b>") == tmp_path / "index.html"
    files = sorted(str(path.relative_to(written)) for path in written.rglob("*") if path.is_file())
    expected = {
        "index.html",
        "report.md",
        "data.csv",
        "curves.csv",
        "accuracy.svg",
        "accuracy.png",
        "curves.svg",
        ARCHIVE,
    }
    assert expected <= set(files)
    for file in files:
        assert (written / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_no_records_are_refused() -> None:
    with pytest.raises(InputError, match="no records"):
        write_report([], Path("never-made"))
    assert not Path("never-made").exists()


def test_only_failures_make_a_page_that_says_so(study: list[RunRecord], tmp_path: Path) -> None:
    write_report(study, tmp_path)
    assert (tmp_path / "accuracy.png").is_file()
    page = parsed(write_report([study[-1]], tmp_path))
    assert "No run produced a result" in page.text
    assert "became <script>NaN</script>" in page.text
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html", "report.md", "data.csv", "curves.csv", ARCHIVE,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["data.csv", "pareto.png", "energy.csv", "index.html"])
def test_what_no_report_wrote_is_neither_replaced_nor_removed(
    name: str, study: list[RunRecord], tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"holds {name}, but no {ARCHIVE}"):
        write_report(study, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    (tmp_path / name).unlink()
    (tmp_path / "notes.csv").write_text("mine")
    write_report(study, tmp_path)
    assert (tmp_path / "notes.csv").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_is_refused(study: list[RunRecord], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        write_report(study, tmp_path / "file")


def test_templates_belong_to_the_package() -> None:
    names = {item.name for item in (resources.files("neurohw.report.page") / "templates").iterdir()}
    assert {"report.html.j2", "report.md.j2", "report.css"} <= names


def test_the_terminal_shows_the_main_table(study: list[RunRecord]) -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(accuracy_table(study))
    shown = captured.get()
    assert re.search(r"EP · reram_es \+ tiki-taka-v2 +86.00 ± 1.00 +−6.00 ± 0.82 +3 +5 of 5", shown)
    assert max(map(len, shown.splitlines())) <= 80


# Figures


def drawn(records: list[RunRecord]) -> tuple[Any, list[Point]]:
    points = group_records(records)
    ax = Figure().subplots()
    figures.draw_accuracy(ax, accuracy_data(points)[0], figures.looks(points))
    return ax, points


def test_the_axis_says_where_it_starts() -> None:
    ax, _ = drawn(seeds([0.93, 0.95]) + seeds([0.71, 0.72], DEVICE))
    assert ax.get_xlim() == (60, 100)
    assert "starts at 60 %" in ax.get_xlabel()
    assert "chance" not in [text.get_text() for text in ax.texts]
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == ["BP", "ideal", "reram_es"]


def test_low_accuracies_show_chance_on_an_axis_from_zero() -> None:
    ax, _ = drawn(seeds([0.93, 0.95]) + seeds([0.22, 0.30], DEVICE))
    assert ax.get_xlim() == (0, 100)
    assert "starts" not in ax.get_xlabel()
    assert "chance" in [text.get_text() for text in ax.texts]


def test_svg_places_are_right_to_a_hundredth_of_a_point() -> None:
    figure = Figure(figsize=(5, 5), dpi=72)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 360), ylim=(0, 360))
    ax.plot([12.3456, 87.654], [200.5551, 300.1234])
    text = drawing.as_svg(figure)
    (path,) = re.findall(r'd="(M 12\.[^"]*)"', text)
    assert [float(word) for word in path.split() if word not in "ML"] == pytest.approx(
        [12.3456, 360 - 200.5551, 87.654, 360 - 300.1234], abs=0.0051
    )
    assert not re.search(r"\d\.\d{3}", text)


def test_every_seed_is_a_dot_and_stopped_runs_are_hollow() -> None:
    ax, points = drawn(seeds([0.93, 0.95, 0.97]) + seeds([0.5], DEVICE, status="stopped", epochs=1))
    dots = [sorted(line.get_xdata()) for line in ax.lines if line.get_markersize() < 3]
    assert [pytest.approx(dot) for dot in dots] == [[93, 95, 97], [50]]
    by_variant = figures.looks(points)
    assert by_variant["ideal"].face == by_variant["ideal"].colour
    assert by_variant["reram_es (stopped 1/5)"].face == drawing.PAPER

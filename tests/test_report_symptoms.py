"""Networks that do not learn are neither cheap nor robust: marked in reports, told first, and in no comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from neurohw.config.deep_stdp import ENERGY
from neurohw.loading import load_experiment
from neurohw.report.chance import near_chance
from neurohw.report.energy.answers import answers
from neurohw.report.energy.compare import rule_pairs
from neurohw.report.energy.learning import always_reaches, levels
from neurohw.report.energy.sections import Energies, energies_of
from neurohw.report.page.content import content
from neurohw.report.page.symptoms import TITLE, symptoms_section
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.report.sensitivity.data import sensitivity_data
from neurohw.report.sensitivity.tables import NONE_TO_LOSE, lost_table
from neurohw.runs.collection import find_records
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from neurohw.runs.symptoms import Symptom
from tests import test_report_clusters, test_sensitivity
from tests.test_report import seeds
from tests.test_report_energy import DEVICE, digital, on_chip, record

OTHER = DEVICE | {"hardware.device": "ecram"}
REPORTS = Path(__file__).parents[1] / "reports"
LEARNS, DIES, GUESSES = [0.5, 0.7, 0.8, 0.8], [0.5, 0.7, 0.8, 0.1], [0.1, 0.1, 0.1, 0.1]


def _record(rule: str, accuracies: list[float], joules: float, seed: int = 0, **keys: Any) -> RunRecord:
    return record(rule, seed, accuracies, on_chip(joules, 1e-3, 5.0) | {"digital": digital(joules)}, **keys)


def _energies(*records: RunRecord) -> Energies:
    return energies_of(group_records(records))


def test_half_of_the_seeds_or_the_mean_near_chance_is_guessing() -> None:
    direct = energies_of(group_records([_record("bp", LEARNS, 1e-6, **DEVICE)])).accounts[0].metric
    assert direct is not None
    for values, guesses in (([0.1, 0.9], True), ([0.1, 0.9, 0.9], False), ([0.18, 0.2, 0.18], True), ([], False),
                            ([0.1, 0.1, 0.9], True), ([0.2], False)):  # fmt: skip
        assert near_chance(direct, values, 0.1) == guesses


@pytest.mark.parametrize("accuracies", [GUESSES, DIES])
def test_a_dead_network_is_not_the_cheapest(accuracies: list[float]) -> None:
    """It takes a thousandth, and where it dies at the end it had reached 80 % before."""
    energies = _energies(_record("bp", LEARNS, 1e-6, **DEVICE), _record("bp", accuracies, 1e-9, **OTHER))
    said = answers(energies)
    assert not [text for text in said if "ecram" in text]
    assert "A training image costs" in said[0]
    assert said[0].endswith("; 1 point at chance left out.")
    dead = next(learning for learning in energies.learnings if learning.point.at_chance)
    assert not always_reaches(dead, 0.5)
    assert "To 80 % accuracy with every seed, BP · taox_hfox takes least" in said[1]


@pytest.mark.parametrize("dead", ["bp", "ep"])
def test_no_ratio_of_a_dead_network(dead: str) -> None:
    """Of two pairs one learns, and takes three times: the other, of a hundred times, is told to be left out."""
    records = [
        _record(rule, GUESSES if (rule, device) == (dead, OTHER) else LEARNS, joules, **device)
        for device, factor in ((DEVICE, 3), (OTHER, 100)) for rule, joules in (("bp", 1e-6), ("ep", factor * 1e-6))
    ]  # fmt: skip
    energies = _energies(*records)
    (said,) = (text for text in answers(energies) if "times the energy of BP" in text)
    assert said.startswith("EP takes 3 times the energy of BP per training image (1 pair on")
    assert said.endswith("; 1 pair with one at chance left out.")
    assert len(rule_pairs(energies.accounts)) == 2  # both stand in the tables, one without a ratio
    assert len(energies.equals) == 1


def test_where_nothing_learns_nothing_is_best() -> None:
    said = answers(_energies(_record("bp", GUESSES, 1e-6, **DEVICE), _record("ep", DIES, 1e-6, **OTHER)))
    assert said[0] == "No chip here learns, so no energies are compared: 2 points at chance left out."
    assert not [text for text in said if "the best ends" in text or "takes least" in text or " times " in text]


def test_what_guessing_reaches_is_no_accuracy_to_reach() -> None:
    """Of two equal classes, guessing has 50 %: the levels begin above it."""
    two = _record("bp", [0.5, 0.52, 0.6, 0.7], 1e-6, **DEVICE)
    two.chance = 0.5
    assert levels(_energies(two).learnings) == [0.6, 0.7]
    ten = _record("bp", [0.5, 0.52, 0.6, 0.7], 1e-6, **DEVICE)
    assert levels(_energies(ten).learnings) == [0.5, 0.6, 0.7]


def test_a_dead_network_is_marked_wherever_it_stands(tmp_path: Path) -> None:
    records = [_record("bp", LEARNS, 1e-6, **DEVICE), _record("ep", GUESSES, 1e-6, **DEVICE)]
    assert "(int8, on chip) 10 nJ;" in answers(_energies(*records))[0]  # of a hundredth of a uJ an image, BP's
    page = write_report(records, tmp_path).read_text()
    assert '<th scope="row">EP · taox_hfox (at chance)</th>' in page
    assert '<th scope="row">EP · taox_hfox</th>' not in page
    assert "BP · taox_hfox (at chance)" not in page
    for figure in ("accuracy", "energy", "pareto"):
        assert "at chance" in (tmp_path / f"{figure}.svg").read_text()
    alive = tmp_path / "alive"
    write_report(records[:1], alive)
    assert not [f.name for f in alive.iterdir() if f.suffix in (".svg", ".md", ".html")
                and "(at chance)" in f.read_text()]  # fmt: skip


def test_signs_come_first_in_a_report_and_once(tmp_path: Path) -> None:
    """A row for each sign of a point, of the seed that shows it most; other warnings are told as before."""
    records = seeds([0.9, 0.9, 0.9], {"network.rule": "ep"}) + seeds([0.12])
    for r, share in zip(records[:2], (0.06, 0.3), strict=False):
        r.add(
            [Symptom(kind="stuck", where="W1", amount=share, message=f"W1: {share} of the weights stick; turn a key")]
        )
    records[0].warnings.append("threads changed")
    section = symptoms_section(group_records(records))
    assert section is not None
    assert [row.cells for row in section.table.rows] == [
        ("BP · ideal (at chance)", "0", "near chance", "direct accuracy",
         "direct accuracy 12.0 % is near chance (10.0 %)"),
        ("EP · ideal", "0, 1", "stuck", "W1", "0.3 of the weights stick; turn a key"),
    ]  # fmt: skip
    page = write_report(records, tmp_path).read_text()
    assert page.index(TITLE) < page.index("threads changed") < page.index("Accuracy, %")
    assert page.count("turn a key") == 1
    text = (tmp_path / "report.md").read_text()
    assert text.index(f"## {TITLE}") < text.index("threads changed")


def test_a_report_of_networks_that_learn_has_no_signs(tmp_path: Path) -> None:
    page = write_report(seeds([0.9, 0.8]), tmp_path).read_text()
    assert TITLE not in page
    assert "at chance" not in page.partition("<dl>")[0]


def test_a_dead_baseline_is_not_robust_by_another_read_out() -> None:
    """A linear classifier reads 80 % out of a network whose own answers are guesses, whatever the offset."""
    flat = test_sensitivity.runs(0.1) + test_sensitivity.swept("inputs.offset", {1e-9: 0.1, 1e-8: 0.1, 1e-7: 0.1})
    for r in flat:
        r.metrics = r.metrics | {"linear_accuracy": 0.8}
    rows = lost_table(sensitivity_data(group_records(flat))).rows
    assert len(rows) == 2
    assert {row.cells[3] for row in rows} == {NONE_TO_LOSE}


def test_what_clusters_without_learning_sets_no_level() -> None:
    curves = {"k-means": [0.3, 0.5, 0.6], "stdp": [0.2, 0.5, 0.5], "random": [0.1, 0.11, 0.1]}
    records = [
        test_report_clusters.record(0, {"clustering.method": "stdp", "stdp.gain": 100.0 + i},
                                    {"probe_accuracy": values[-1]},
                                    curve=[{"epoch": e + 1, "phase": "clustered", "probe_accuracy": v,
                                            ENERGY.name: 1e-3} for e, v in enumerate(values)])
        for i, values in enumerate(curves.values())
    ]  # fmt: skip
    assert _level(records) == 0.5
    assert _level(records[:2]) == 0.5


def _level(records: Sequence[RunRecord]) -> float:
    (compared,) = test_report_clusters.equal_accuracy(group_records(records))
    return compared.level


def test_the_committed_demo_calls_no_dead_network_cheap() -> None:
    """Two of its ten points guess, by their accuracies; three learn with classes lost, two with weights clipped."""
    page = content(find_records([REPORTS / "demo"]))
    dead = [point.label for point in page.energies.points if point.at_chance]
    assert dead == ["BP · reram_es (at chance)", "EP · reram_es (at chance)"]
    assert page.symptoms is not None
    signs: dict[str, set[str]] = {}
    for row in page.symptoms.table.rows:
        signs.setdefault(row.point.label, set()).add(row.cells[2])
    assert {label for label, found in signs.items() if "near chance" in found} == set(dead)
    assert {label: found for label, found in signs.items() if label not in dead} == {
        "EP · ecram": {"unanswered"},
        "BP · reram_es + tiki-taka-v2": {"clipped", "unanswered"},
        "EP · reram_es + tiki-taka-v2": {"clipped", "stuck", "unanswered"},
    }  # fmt: skip
    assert not [text for text in page.energy_answers for label in dead if label in text]
    assert not [text for text in page.warnings if "near chance" in text]


def test_a_run_that_dies_is_reported_with_its_cause(tmp_path: Path) -> None:
    """A device whose steps up are unlike those down, learnt with EP's two products."""
    keys = {
        "network.rule": "ep", "hardware.backend": "analog", "hardware.device": "constant_step",
        "hardware.device_parameters": {"asymmetry": 0.4}, "hardware.periphery": "32nm", "hardware.recommended": False,
        "data.train_limit": 400, "data.test_limit": 200, "training.epochs": 5,
    }  # fmt: skip
    record = run(load_experiment("quickstart", keys), 0, tmp_path / "run")
    page = write_report([record], tmp_path / "report").read_text()
    first = page[page.index(TITLE) : page.index("</table>")]
    assert "what may be why: stuck (W1)" in first
    assert "of the weights ended at a bound" in first
    assert "ep.contrast" in first
    assert "No chip here learns" in page

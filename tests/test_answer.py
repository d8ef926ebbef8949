"""The answer that a report begins with: what hardware costs, what most of it is, what it takes in energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurohw.report.page.content import content
from neurohw.report.page.write import write_report
from neurohw.runs.collection import find_records
from neurohw.runs.record import RunRecord
from neurohw.runs.symptoms import Symptom
from tests import test_sensitivity
from tests.test_report import DEVICE, REMEDY, record, seeds

REPORTS = Path(__file__).parents[1] / "reports"
ECRAM = DEVICE | {"hardware.device": "ecram"}
EP = {"network.rule": "ep"}


def said(records: list[RunRecord]) -> tuple[str, ...]:
    return content(records).answer.sentences


def test_costs_are_told_rule_by_rule_the_cheapest_chip_first() -> None:
    records = seeds([0.9, 0.92]) + seeds([0.70, 0.72], DEVICE) + seeds([0.85, 0.87], ECRAM)
    records += seeds([0.8, 0.82], EP) + seeds([0.795, 0.825], EP | ECRAM)
    answer = content(records).answer
    assert answer.question == "What do the devices cost BP and EP, against the ideal?"
    assert answer.sentences[0] == (
        "Direct association, against the ideal: ecram costs BP 5.0 ± 1.4 points and reram_es 20.0 ± 1.4 points; "
        "ecram costs EP nothing (+0.0 points)."
    )


def test_a_loss_within_its_standard_error_is_nothing() -> None:
    """0.5 points lost; s = 1.414 points on either side of two seeds: a standard error of 1.414."""
    first = said(seeds([0.90, 0.92]) + seeds([0.895, 0.915], ECRAM))[0]
    assert first.endswith("ecram costs BP nothing (−0.5 points).")


def test_of_many_chips_the_ends_are_told() -> None:
    records = seeds([0.9, 0.91])
    for i in range(5):
        records += seeds([0.8 - 0.05 * i, 0.81 - 0.05 * i], DEVICE | {"hardware.device_parameters": {"step": 0.1 + i}})
    assert (
        "of 5 chips reram_es, step=0.1 costs BP least, 10.0 ± 0.7 points, and reram_es, step=4.1 most, 30.0 ± 0.7 "
        "points" in (said(records)[0])
    )


def test_of_a_sweep_of_many_each_rule_has_its_ends() -> None:
    records: list[RunRecord] = []
    for rule, lost in (("bp", 0.0), ("ep", 0.1)):
        for k in range(1, 5):
            task = {"network.rule": rule, "target.k": k}
            records += seeds([0.9, 0.91], task) + seeds([0.8 - lost - k / 100, 0.81 - lost - k / 100], task | ECRAM)
    costs = [
        ", ".join(
            f"{rule} · k={k} · ecram {'costs ' + rule + ' ' if k == 1 else ''}{lost + k}.0 ± 0.7 points"
            for k in range(1, 5)
        )
        for rule, lost in (("BP", 10), ("EP", 20))
    ]
    listed = "; ".join(" and ".join(part.rsplit(", ", 1)) for part in costs)
    assert said(records)[0] == f"Direct association, against the ideal: {listed}."


def test_the_soonest_of_several_lines_is_told_with_its_standard_error() -> None:
    """Two rules lose a point; that of the sooner one is told, within limits, and that there are two."""
    records: list[RunRecord] = []
    for rule, lost in (("bp", 0.02), ("ep", 0.2)):
        for noise, mean in {0.0: 0.9, 0.1: 0.9 - lost, 0.2: 0.9 - 2 * lost}.items():
            keys = DEVICE | {"network.rule": rule, "hardware.read_noise": noise}
            records += test_sensitivity.runs(mean, keys=keys, spread=0.005)
    told = next(sentence for sentence in said(records) if "point is lost" in sentence)
    assert told.endswith("(σ, in device units) at 0.005 (0.0049 to 0.0051; the soonest of 2 lines).")


def test_points_that_end_alike_are_neither_best_nor_worst() -> None:
    first = said(seeds([0.8]) + seeds([0.8], EP))[0]
    assert first == "Direct association: all 2 points end at 80.00 %."


def test_the_chip_against_the_rule() -> None:
    records = seeds([0.9]) + seeds([0.8], ECRAM) + seeds([0.88], EP) + seeds([0.85], EP | ECRAM)
    assert said(records)[1] == (
        "The chip matters more than the rule: up to 10.0 points lie between chips that learn the same, up to 5.0 "
        "between what is learnt on one chip."
    )


def test_runs_that_were_stopped_are_not_held_against_whole_ones() -> None:
    """ecram ends at 85 % and was at 30 % after one epoch: 5 points lie between chips, and 60 are of unlike epochs."""
    stopped = [record(0, 0.3, ECRAM, status="stopped", epochs=1)]
    first, second = said(seeds([0.9]) + seeds([0.85], ECRAM) + stopped)
    assert first.endswith("ecram costs BP 5.0 points and ecram (stopped 1/5) 60.0 points after unlike epochs.")
    assert second == "Up to 5.0 points lie between chips that learn the same."


def test_how_well_means_are_known_is_said_of_several_seeds_only() -> None:
    """s = 1.414 points of two seeds: 1 of the mean; the other point has one seed, of which nothing is known."""
    two, one = seeds([0.90, 0.92]), seeds([0.8], EP)
    assert said(two + seeds([0.80, 0.8001], EP))[-1].startswith("Means are known to ± 1 points or better")
    assert said(two + one)[-1].startswith("Of 2 means, those of several seeds (1) are known to ± 1 points or better")
    assert "± 0.0058 points" in said(seeds([0.9, 0.9001, 0.9002]))[-1]


def test_what_a_remedy_wins_back() -> None:
    records = seeds([0.9]) + seeds([0.6], DEVICE) + seeds([0.85], REMEDY)
    assert said(records)[1] == "25.0 points are won back on reram_es by tiki-taka-v2 (BP · reram_es + tiki-taka-v2)."
    tuned = seeds([0.7], DEVICE | {"hardware.weight_range": 0.3})
    assert said([*records, *tuned])[1].startswith("15.0 points are won back")  # of the best without
    several = seeds([0.9]) + seeds([0.58, 0.62], DEVICE) + seeds([0.82, 0.88], REMEDY)
    assert said(several)[1].startswith("25.0 ± 3.6 points are won back")  # sqrt(2² + 3²)
    worse = seeds([0.9]) + seeds([0.6], DEVICE) + seeds([0.5], REMEDY)
    assert said(worse)[1] == "No remedy tried wins anything back (1 compared)."


def test_who_does_not_learn_is_told_with_the_sign_and_costs_nothing() -> None:
    dead = seeds([0.1, 0.1], DEVICE)
    for r in dead:
        r.add([Symptom(kind="near chance", where="direct_accuracy", amount=0.1, message="near chance"),
               Symptom(kind="unanswered", where="direct_accuracy", amount=0.1, message="unanswered"),
               Symptom(kind="stuck", where="W1", amount=0.4, message="W1: stuck")])  # fmt: skip
    first, second, *_ = said(seeds([0.9, 0.9]) + seeds([0.8, 0.8], ECRAM) + dead)
    assert "reram_es" not in first
    assert second.startswith("BP · reram_es does not learn, most often with this sign: stuck; ")


def test_where_a_swept_parameter_loses_a_point() -> None:
    """Baseline 90 %; 90, 89.5 and 70 % at 1, 10 and 100 nA: one point is lost just past 10 nA."""
    swept = test_sensitivity.swept("inputs.offset", {1e-9: 0.9, 1e-8: 0.895, 1e-7: 0.7})
    answer = content(test_sensitivity.runs(0.9) + swept).answer
    limits = answer.sentences[1]
    assert "ne point is lost by Offset of the inputs (σ) at 10.6 nA" in limits
    held = test_sensitivity.swept("inputs.offset", {1e-9: 0.9, 1e-8: 0.9, 1e-7: 0.9})
    assert "1 of 1 parameters lose it nowhere" in said(test_sensitivity.runs(0.9) + held)[1]


def test_a_parameter_that_loses_it_at_every_value_is_not_one_that_holds() -> None:
    """20 points are gone at the mildest offset of three: no limit lies within, and that is not said to be none."""
    gone = test_sensitivity.swept("inputs.offset", {1e-9: 0.7, 1e-8: 0.6, 1e-7: 0.5})
    limits = said(test_sensitivity.runs(0.9) + gone)[1]
    assert limits == "One point is lost by Offset of the inputs (σ) at 1 nA already, the mildest value tried."
    bits = [r for bits, mean in {4: 0.5, 6: 0.6, 8: 0.7}.items()
            for r in test_sensitivity.runs(mean, keys=DEVICE | {"hardware.adc_bits": bits})]  # fmt: skip
    off = test_sensitivity.runs(0.9, keys=DEVICE | {"hardware.adc_bits": 0})
    assert "Bits of the ADC at 8 already" in said(off + bits)[1]


def test_of_values_of_both_signs_the_nearest_to_zero_is_the_limit() -> None:
    """A point is lost 1.1 winners too few and 1.06 too many: the second is sooner."""
    errors = test_sensitivity.swept("decision.winner_error", {-3: 0.7, -1: 0.9, 1: 0.895, 2: 0.8})
    assert said(test_sensitivity.runs(0.9) + errors)[1].endswith(
        "Winners too many or, negative, too few between 1 and 2."
    )


def test_of_whole_numbers_those_around_the_limit_are_told() -> None:
    """Nobody has 3.7 bits: 20 points are gone at 3, half a point at 4."""
    bits = [r for bits, mean in {3: 0.7, 4: 0.895, 8: 0.9}.items()
            for r in test_sensitivity.runs(mean, keys=DEVICE | {"hardware.adc_bits": bits})]  # fmt: skip
    off = test_sensitivity.runs(0.9, keys=DEVICE | {"hardware.adc_bits": 0})
    assert said(off + bits)[1] == "One point is lost by Bits of the ADC between 4 and 3."


@pytest.mark.parametrize(
    ("records", "question", "first"),
    [
        (seeds([0.9, 0.8]), "How well is it learnt?", "Direct association: BP · ideal ends at 85.00 %."),
        (seeds([0.9], EP) + seeds([0.8]), "How do these 2 points compare?",
         "Direct association: of 2 points EP · ideal ends best, at 90.00 %, BP · ideal worst, at 80.00 %."),
        ([record(0, {}, status="failed", message="no")], "How well is it learnt?", ""),
    ],
    ids=["one point", "no reference", "nothing"],
)  # fmt: skip
def test_without_an_ideal_beside_it(records: list[RunRecord], question: str, first: str) -> None:
    answer = content(records).answer
    assert answer.question == question
    assert (answer.sentences or ("",))[0] == first


def test_the_answer_begins_page_and_markdown(tmp_path: Path) -> None:
    """Numbers of the committed demo, as its tables have them."""
    records: list[Any] = find_records([REPORTS / "demo"])
    page = write_report(records, tmp_path).read_text()
    text = (tmp_path / "report.md").read_text()
    costs = (
        "constant{}step costs BP 6.9 ± 1.1 points, ecram 8.2 ± 1.0 points and "
        "reram{}es + tiki-taka-v2 35.0 ± 2.1 points"
    )
    assert page.index(costs.format("_", "_")) < page.index("What did not learn")
    assert text.index(costs.format("\\_", "\\_")) < text.index("What did not learn")
    assert "A training image costs 2.47 nJ (0.301 to 65.6) on BP · ecram" in content(records).answer.sentences[2]
    assert "| BP · ecram | 76.07 ± 0.99 | −8.20 ± 1.04 |" in text

"""Findings: numbers looked up in the records of reports, the sentences that they fill, and the page."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.errors import InputError
from neurohw.report.findings.file import read_findings
from neurohw.report.findings.page import told, write_findings
from neurohw.runs.collection import write_archive
from neurohw.shipping import shipped
from tests.test_report import record

REPORTS = shipped("experiments").parent / "reports"
DEVICE = {"hardware.backend": "analog", "hardware.device": "ecram"}
STUCK = "hardware.stuck_fraction"
FILE = """
title = "What is found"
intro = "Made up."
[reports.gap]
command = "neurohw sweep gap"
about = "Two seeds."
[reports.swept]
command = "neurohw sweep swept"
about = "Two seeds."
[[findings]]
title = "Devices cost"
says = "ECRAM has {{ ecram }}, {{ points(ideal, ecram) }} below {{ ideal }} ({{ change(ideal, ecram) }}), %.1f." % 1
axis = "log"
[findings.values]
ideal = { label = "ideal", report = "gap", where = { "hardware.backend" = "ideal", "hardware.off_chip" = "none" } }
ecram = { label = "ECRAM", report = "gap", where = { hardware = { device = "ecram" } } }
[[findings]]
title = "Limits"
says = "Lost at {{ stuck }}, after {{ age }}; {{ older.mean | round(3) }}."
[findings.values]
stuck = { label = "stuck", report = "swept", lost_along = "hardware.stuck_fraction" }
age = { label = "phase change", report = "gap", where = { "hardware.off_chip" = "pcm-like" }, lost_after = "none" }
[findings.values.older]
label = "older"
report = "gap"
where = { "hardware.off_chip" = "pcm-like" }
of = "by_age_seconds.1e+06.direct_accuracy"
""".replace(', %.1f." % 1', '."')


ROW = {"phase": "supervised", "index": 1, "images": 100, "seconds": 1.0}


def two(mean: float, keys: dict[str, Any], **more: Any) -> list[Any]:
    return [record(seed, {"direct_accuracy": mean + 0.01 * (2 * seed - 1), **more}, keys) for seed in (0, 1)]


def written(made_up: Path, folder: Path) -> Path:
    findings = read_findings(made_up)
    return write_findings(findings, told(findings, made_up / "reports"), folder)


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """Return a folder of reports: 90 % ideal, 80 % on devices, lost per decade of age, and 1 % lost at 2 % stuck."""
    (tmp_path / "reports" / "gap").mkdir(parents=True)
    (tmp_path / "reports" / "swept").mkdir()
    ages = {"hardware.off_chip": "pcm-like", "hardware.drift_compensation": False, "evaluation.age_seconds": [1.0, 1e6]}
    old = {"1": {"direct_accuracy": 0.9}, "1e+06": {"direct_accuracy": 0.87}}
    aged = [record(seed, {"direct_accuracy": 0.9, "by_age_seconds": old}, ages) for seed in (0, 1)]
    write_archive([*two(0.9, {}), *two(0.8, DEVICE), *aged], tmp_path / "reports" / "gap")
    swept = [
        r for share, mean in ((0.0, 0.8), (0.01, 0.795), (0.03, 0.785)) for r in two(mean, DEVICE | {STUCK: share})
    ]
    write_archive(swept, tmp_path / "reports" / "swept")
    (tmp_path / "findings.toml").write_text(FILE, encoding="utf-8")
    return tmp_path


def test_sentences_have_the_numbers_of_the_records(made_up: Path) -> None:
    first, second = told(read_findings(made_up), made_up / "reports")
    assert first.sentence == "ECRAM has 80.00 ± 1.41 %, 10.0 points below 90.00 ± 1.41 % (−10.0 points)."
    assert list(first.sources) == ["gap"]
    assert second.found["stuck"].mean == pytest.approx(0.02)
    assert second.found["age"].mean == pytest.approx(10**2)  # 3 % in six decades
    assert second.sentence == "Lost at 2 % (0.52 % to more than 3 %), after 1.7 minutes; 0.87."
    assert len(second.found["stuck"].points) == 3


def test_a_number_of_the_learning_curve(made_up: Path) -> None:
    """After pre-training, epoch 0, 50 and 52 %; an epoch that is not there, or where a point is lost, is named."""
    curves = [[ROW | {"epoch": e, "direct_accuracy": 0.5 + e / 10 + seed / 50} for e in (0, 3)] for seed in (0, 1)]
    records = [record(seed, {"direct_accuracy": 0.8}, DEVICE, curve=curves[seed]) for seed in (0, 1)]
    write_archive([*two(0.9, {}), *records], made_up / "reports" / "gap")
    text, limits = FILE.split('[[findings]]\ntitle = "Limits"')[0], FILE
    for epoch, said in ((0, "51.00 ± 1.41 %"), (3, "81.00 ± 1.41 %")):
        asked = text.replace('"ecram" } } }', f'"ecram" }} }}, epoch = {epoch} }}')
        (made_up / "findings.toml").write_text(asked, encoding="utf-8")
        (first,) = told(read_findings(made_up), made_up / "reports")
        assert first.sentence.startswith(f"ECRAM has {said}")
    (made_up / "findings.toml").write_text(asked.replace("epoch = 3", "epoch = 1"), encoding="utf-8")
    with pytest.raises(InputError, match=r"epoch: got 1, at which no record of .* has direct_accuracy; allowed: 0, 3"):
        told(read_findings(made_up), made_up / "reports")
    (made_up / "findings.toml").write_text(limits.replace('lost_after = "none"', 'lost_after = "none", epoch = 0'))
    with pytest.raises(InputError, match="epoch: got 0 where a point is lost"):
        read_findings(made_up)


def test_how_many_seeds_a_number_has_is_a_range_where_points_differ(made_up: Path) -> None:
    second = told(read_findings(made_up), made_up / "reports")[1]
    assert second.found["stuck"].seeds == "2"
    swept = [
        r for share, mean in ((0.0, 0.8), (0.01, 0.795), (0.03, 0.785)) for r in two(mean, DEVICE | {STUCK: share})
    ]
    third = record(2, {"direct_accuracy": 0.8}, DEVICE | {STUCK: 0.0})
    write_archive([*swept, third], made_up / "reports" / "swept")
    assert told(read_findings(made_up), made_up / "reports")[1].found["stuck"].seeds == "2 to 3"


def test_the_page_names_what_backs_each_number(made_up: Path) -> None:
    page = written(made_up, made_up / "out")
    assert page.read_text(encoding="utf-8").count("<svg") == 2
    text = (page.parent / "report.md").read_text(encoding="utf-8")
    assert "1. **Devices cost.** ECRAM has 80.00 ± 1.41 %" in text
    assert "- [gap](../gap/report.md): Two seeds. `neurohw sweep gap`" in text
    frame = pd.read_csv(page.parent / "findings.csv")
    assert list(frame["name"]) == ["ideal", "ecram", "stuck", "age", "older"]
    assert float(frame["value"][0]) == pytest.approx(0.9)
    (digest,) = {r.config_hash for r in two(0.8, DEVICE)}
    assert frame["hashes"][1] == digest
    assert f"| {digest} |" in text


def test_a_limit_beyond_what_was_tried_is_no_number(made_up: Path) -> None:
    kept = [r for share in (0.0, 0.01, 0.03) for r in two(0.8, DEVICE | {STUCK: share})]
    write_archive(kept, made_up / "reports" / "swept")
    second = told(read_findings(made_up), made_up / "reports")[1]
    assert second.sentence.startswith("Lost at more than 3 %")
    assert isnan(second.found["stuck"].mean)
    text = (made_up / "findings.toml").read_text(encoding="utf-8")
    (made_up / "findings.toml").write_text(
        text.replace("Lost at {{ stuck }}", "{{ times(stuck, age) }}"), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"times: got .*, of which one is only bounded; allowed: two numbers"):
        told(read_findings(made_up), made_up / "reports")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (', where = { "hardware.backend" = "ideal", "hardware.off_chip" = "none" }', "",
         "Devices cost, ideal: where: got {}, which 3 configurations"),
        ('device = "ecram" }', 'device = "pcm" }', "Devices cost, ecram: where: .* which 0 configurations of gap fit"),
        ("{{ ecram }}", "{{ unknown }}", "Devices cost, says: 'unknown' is undefined; allowed: .* of ideal, ecram"),
        ("{{ ecram }}", "{{ ecram", "Devices cost, says: "),
        ("points(ideal, ecram)", "points(ideal, 3)", "Devices cost, says: "),
        ("{{ ecram }}", "{{ ecram.__class__.__mro__ }}", "Devices cost, says: .*unsafe"),
        ('lost_along = "hardware.stuck_fraction"', 'lost_along = "hardware.adc_bits"',
         "lost_along: got 'hardware.adc_bits' .* swept there: hardware.stuck_fraction"),
        ('report = "swept"', 'report = "sweep"', "stuck.report: got 'sweep'; allowed: gap, swept"),
        ("[reports.swept]", "[reports.other]", "'swept'; allowed: gap, other"),
        ('of = "by_age_seconds.1e+06.direct_accuracy"', 'of = "accuracy"', "got 'accuracy'"),
        ("by_age_seconds.1e+06.direct_accuracy", "by_age_seconds.7.direct_accuracy", "which no record of"),
        ('lost_after = "none"', 'lost_after = "global"',
         "got 'global', but no chip of gap ages so; allowed there: none"),
        ('report = "gap", where = { "hardware.off_chip" = "pcm-like" }, lost_after', 'report = "swept", lost_after',
         "got 'none', but no chip of swept ages so; allowed there: nothing, since none has evaluation.age_seconds"),
        ('"hardware.off_chip" = "pcm-like" }, lost_after', '"hardware.offchip" = "pcm-like" }, lost_after',
         r"where: got 'hardware.offchip' \(did you mean hardware.off_chip\?\), a key that no configuration of gap has"),
        ('lost_after = "none"', 'lost_after = "often"', "lost_after: got 'often'"),
        ('title = "What is found"', "titel = 3", "titel: unknown key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(made_up: Path, before: str, after: str, said: str) -> None:
    assert before in FILE
    (made_up / "findings.toml").write_text(FILE.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        told(read_findings(made_up), made_up / "reports")


@pytest.mark.parametrize(("key", "words"), [("hardware.adc_bits", "less than 6"), ("hardware.read_noise", "0.75")])
def test_a_whole_number_at_which_nothing_is_lost_yet(made_up: Path, key: str, words: str) -> None:
    """6 bits lose 0.5 points and 4 of them 3.5: interpolated, one is lost at 5.7; of noise, half way."""
    worst = {
        "hardware.adc_bits": ((0, 0.8), (6, 0.795), (4, 0.765)),
        "hardware.read_noise": ((0.0, 0.8), (0.5, 0.795), (1.0, 0.785)),
    }
    swept = [r for value, mean in worst[key] for r in two(mean, DEVICE | {key: value})]
    write_archive(swept, made_up / "reports" / "swept")
    (made_up / "findings.toml").write_text(FILE.replace("hardware.stuck_fraction", key), encoding="utf-8")
    second = told(read_findings(made_up), made_up / "reports")[1]
    assert second.sentence.startswith(f"Lost at {words}")


def test_one_wrong_key_is_one_error(made_up: Path) -> None:
    made = FILE.partition('[[findings]]\ntitle = "Limits"')[0].replace('axis = "log"', 'axis = "lag"')
    (made_up / "findings.toml").write_text(made, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_findings(made_up)
    assert "findings.0.axis: got 'lag'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_that_is_not_there_and_a_folder_that_is_another_report(made_up: Path) -> None:
    with pytest.raises(InputError, match=r"reports.gap: .*records.jsonl.xz"):
        told(read_findings(made_up), made_up)
    with pytest.raises(InputError, match=r"holds records.jsonl.xz, and so another report"):
        written(made_up, made_up / "reports" / "gap")
    with pytest.raises(InputError, match="findings 'nothing': no such file"):
        read_findings("nothing")


@pytest.mark.skipif(not (REPORTS / "hardware").is_dir(), reason="no checkout")
def test_the_committed_page_is_that_of_the_committed_records(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["findings", "hardware", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for name in ("report.md", "findings.csv"):
        assert (tmp_path / name).read_text() == (REPORTS / "hardware" / name).read_text()

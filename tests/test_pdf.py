"""A report on paper: printed by a browser where there is one, and what is said where there is none."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import InputError, NeurohwError
from neurohw.report.page.pdf import BROWSERS, PDF, find_browser, write_pdf
from neurohw.report.page.write import write_report
from neurohw.runs.collection import find_records
from tests.test_report import seeds

REPORTS = Path(__file__).parents[1] / "reports"
has_browser = pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium and no Chrome")


def pages(pdf: Path) -> int:
    """Return how many pages a PDF says that it has."""
    return max(int(number) for number in re.findall(rb"/Count (\d+)", pdf.read_bytes()))


@has_browser
def test_a_page_is_printed_and_the_print_goes_with_the_next_report(tmp_path: Path) -> None:
    page = write_report(find_records([REPORTS / "demo"]), tmp_path)
    printed = write_pdf(page)
    assert printed == tmp_path / PDF
    assert 5 <= pages(printed) <= 20  # all folds are open on paper: closed, it has two pages
    assert printed.stat().st_size > 100_000
    assert b"/Type /Font" in printed.read_bytes()  # text, not a picture of it
    write_report(find_records([REPORTS / "demo"]), tmp_path)
    assert not printed.exists()


@has_browser
def test_the_command_prints(neurohw: Any, tmp_path: Path) -> None:
    status, out, _ = neurohw("report", str(REPORTS / "untrained"), "--out", str(tmp_path), "--pdf")
    assert status == 0
    assert f"PDF: {tmp_path / PDF}" in out.replace("\n", "")
    assert pages(tmp_path / PDF) >= 2


def test_without_a_browser_nothing_is_written(neurohw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"--pdf: no browser that can print.*apt-get install chromium"):
        find_browser()
    status, _, err = neurohw("report", str(REPORTS / "untrained"), "--out", str(tmp_path / "report"), "--pdf")
    assert status == 2
    assert "--pdf: no browser" in err
    assert not (tmp_path / "report").exists()


def test_a_browser_that_fails_leaves_no_pdf_and_the_page_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write_report(seeds([0.9, 0.8]), tmp_path / "report")
    (tmp_path / "chromium").symlink_to(str(shutil.which("false")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NeurohwError, match="did not print"):
        write_pdf(page)
    assert page.is_file()
    assert not list((tmp_path / "report").glob("*.pdf*"))

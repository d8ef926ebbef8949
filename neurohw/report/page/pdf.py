"""A report's page on paper: printed to PDF by a browser, which is the only thing that lays it out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from neurohw.errors import InputError, NeurohwError
from neurohw.runs.files import atomic

PDF = "report.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_SECONDS = 180


def find_browser() -> str:
    """Return the path of a browser that prints without a window.

    Raises:
        InputError: there is none.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise InputError(
        f"--pdf: no browser that can print found; allowed: one of {', '.join(BROWSERS)} on the PATH (Debian: "
        "apt-get install chromium); or open index.html in any browser and print it"
    )


def write_pdf(page: Path) -> Path:
    """Print a page to report.pdf beside it and return the path.

    Raises:
        InputError: there is no browser that can.
        NeurohwError: it did not.
    """
    browser, path = find_browser(), page.parent / PDF
    with atomic(path) as temporary, TemporaryDirectory(prefix="neurohw-") as profile:
        options = ["--headless=new", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={profile}"]
        options += ["--window-size=794,1123", "--virtual-time-budget=30000", f"--print-to-pdf={temporary}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # which it refuses to build for root
        command = [browser, *options, page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
            said = done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            said = [f"not done after {_SECONDS} s"]
        if not temporary.is_file() or not temporary.read_bytes().startswith(b"%PDF"):
            raise NeurohwError(
                f"{browser} did not print {page}: {' '.join(said) or 'it said nothing'}; the page itself is whole, and "
                "any browser prints it"
            )
    return path

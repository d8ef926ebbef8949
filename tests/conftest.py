"""One thread for every test and for the processes they start: the networks are small, and machines are shared."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("COLUMNS", None)  # what is printed does not depend on the terminal; readline tells workers its width
settings.register_profile("suite", deadline=None)  # a machine may be shared
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command line has handlers of its own; a test that runs it in this process leaves none behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def neurohw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line in this process, in an empty folder: status, output, errors."""
    import torch  # not before OMP_NUM_THREADS is set

    from neurohw.cli import app as cli
    from neurohw.cli import console

    for name in ("PYTHONSAFEPATH", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what `main` makes of them ends with the test
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["neurohw", *arguments])
        monkeypatch.setattr(console, "stdout", console.Console(width=200, markup=False))
        monkeypatch.setattr(console, "stderr", console.Console(width=200, stderr=True, markup=False))
        threads = torch.get_num_threads()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        torch.set_num_threads(threads)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    monkeypatch.chdir(tmp_path)
    return call

"""ngspice as a child process: a netlist and analyses in, arrays out; it is stopped with all its children, whatever."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurohw.errors import InputError, NeurohwError

REMEDY = "apt-get install ngspice, or name its path"
TIME_LIMIT = 120.0  # s
_TELLING = re.compile(
    r"error|fatal|abort|singular|convergence|too small|unknown|no such|not found|can't", re.IGNORECASE
)
_MOST = 64 << 20  # bytes of its log, before it is stopped
_TOLD = 4000  # characters of ngspice's output that are looked at, and at most shown


class NgspiceError(NeurohwError):
    """ngspice is absent, failed, hung or wrote what cannot be read (exit status 1); its own message is shown."""


def find(executable: str | Path | None = None) -> str:
    """Return the absolute path of ngspice.

    Raises:
        NgspiceError: there is none; the message says how to get it.
    """
    path = shutil.which(executable or "ngspice")
    if path is None:
        raise NgspiceError(f"{executable or 'ngspice'} is not on the PATH; remedy: {REMEDY}")
    return str(Path(path).absolute())


def version(executable: str | Path | None = None) -> str:
    """Return what ngspice calls itself, as in "ngspice-39"."""
    with tempfile.TemporaryDirectory(prefix="neurohw-") as folder:
        output = _supervised([find(executable), "--version"], Path(folder), 20.0)
    match = re.search(r"ngspice[- ]?[\w.+-]+", output)
    return match.group() if match else "ngspice of unknown version"


def run(
    netlist: str,
    analyses: Sequence[str],
    *,
    time_limit: float = TIME_LIMIT,
    executable: str | Path | None = None,
) -> list[dict[str, NDArray[np.float64]]]:
    """Run analyses of one netlist, in order, in one process.

    Args:
        netlist: text, its title first, without `.end`; vectors come back as its `.save` says (all without one).
        analyses: control commands; the last line of each starts an analysis (`op`, `dc ...`, `tran ...`), the lines
            before it may `alter` sources.
        time_limit: for all of them, s.
        executable: of ngspice; None looks for it on the PATH.

    Returns:
        For each analysis its vectors by name in lower case ("v(v1)", "i(vdd)", "time"), each [points].

    Raises:
        InputError: a time limit that is not positive, or no analysis.
        NgspiceError: it is absent, fails, exceeds the time or writes what cannot be read.
    """
    if not time_limit > 0:
        raise InputError(f"time_limit: got {time_limit:g} s; allowed: above 0 s")
    if not analyses:
        raise InputError("analyses: got none; allowed: at least one")
    path = find(executable)
    with tempfile.TemporaryDirectory(prefix="neurohw-") as name:
        folder = Path(name)
        (folder / "netlist.cir").write_text(_deck(netlist, analyses), encoding="ascii")
        output = _supervised([path, "-n", "-b", "netlist.cir"], folder, time_limit)
        return [_results(folder / f"{index}.raw", output) for index in range(len(analyses))]


def _deck(netlist: str, analyses: Sequence[str]) -> str:
    control = [".control", "set filetype=binary"]
    control += ["set num_threads=1"]  # two are many times slower where cores are busy, and hardly faster elsewhere
    for index, analysis in enumerate(analyses):
        control += [analysis, f"write {index}.raw", "destroy all"]
    return "\n".join([netlist.rstrip("\n"), *control, "quit 0", ".endc", ".end", ""])


def _supervised(command: list[str], folder: Path, time_limit: float) -> str:
    """Run a command in its own process group, in `folder`; return what it printed, or raise what it said."""
    log = folder / "log"
    with log.open("wb") as out, _child(command, folder, out.fileno()) as process:
        status = _awaited(process, log, time_limit)
    output = _tail(log)
    if status != 0:
        raise NgspiceError(f"ngspice failed with status {status}: {_message(output)}")
    with log.open("rb") as lines:  # an analysis that stops half-way leaves results, and status 0
        aborted = [line.decode("utf-8", errors="replace") for line in lines if b"aborted" in line]
    if aborted:
        raise NgspiceError(f"ngspice gave up: {_message(aborted[0] + output)}")
    return output


def _awaited(process: subprocess.Popen[bytes], log: Path, time_limit: float) -> int:
    """Return the exit status.

    Raises:
        NgspiceError: it takes too long or says too much.
    """
    end = time.monotonic() + time_limit
    while log.stat().st_size <= _MOST:
        left = end - time.monotonic()
        if left <= 0:
            raise NgspiceError(
                f"ngspice was stopped after {time_limit:g} s, the time limit; it had said: {_message(_tail(log))}"
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, 0.5))
    raise NgspiceError(f"ngspice was stopped: it printed more than {_MOST >> 20} MiB, such as {_message(_tail(log))}")


@contextlib.contextmanager
def _child(command: list[str], folder: Path, out: int) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running command; on the way out, by whatever way, its process group is killed and it is reaped."""
    try:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    except OSError as error:
        raise NgspiceError(f"{command[0]} does not start: {error.strerror}; remedy: {REMEDY}") from None
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TOLD))
        return file.read().decode("utf-8", errors="replace")


def _message(output: str) -> str:
    """Return the lines that tell what is wrong, or else the last few."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    chosen = dict.fromkeys(telling[:6] or lines[-3:])
    shown = "; ".join(chosen)
    return "".join(c if c.isprintable() else "?" for c in shown)[:600] or "nothing"


def _results(file: Path, output: str) -> dict[str, NDArray[np.float64]]:
    """Read one binary raw file: a header of text, then float64 [points, variables].

    Raises:
        NgspiceError: it is not there or not complete, or holds what is no number.
    """
    try:
        header, _, body = file.read_bytes().partition(b"Binary:\n")
        text = header.decode("ascii")
        variables = int(_field(text, "No. Variables"))
        points = int(_field(text, "No. Points"))
        names = re.findall(r"^\t\d+\t(\S+)\t", text, re.MULTILINE)
        table = np.frombuffer(body, dtype="<f8", count=variables * points).reshape(points, variables)
        columns = dict(zip(names, table.T, strict=True))
    except (OSError, ValueError):
        raise NgspiceError(f"ngspice left no complete results: {_message(output)}") from None
    if points == 0 or not np.isfinite(table).all():
        raise NgspiceError(f"ngspice's results are no numbers: {_message(output)}")
    named = {name.lower(): np.ascontiguousarray(column) for name, column in columns.items()}
    return {name: column for name, column in named.items() if not name.endswith("(all)")}  # the copy of a lone vector


def _field(header: str, name: str) -> str:
    match = re.search(rf"^{re.escape(name)}: *(\S+)", header, re.MULTILINE)
    if match is None:
        raise ValueError(name)
    return match.group(1)

"""The doctor: whether this installation works, one line for each thing that can be wrong, with its remedy."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from neurohw.errors import EnvironmentMismatch

REINSTALL = "install anew in a fresh environment: make clean && make demo, or pip install ."
_STATES = {True: ("ok", "green"), False: ("WRONG", "bold red"), None: ("absent", "yellow")}


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Args:
        name: what.
        ok: None where it is optional and absent.
        finding: what was found, one line.
        remedy: what to do where it is not ok; empty where nothing can be done.
    """

    name: str
    ok: bool | None
    finding: str
    remedy: str


@dataclass(frozen=True)
class Probe:
    """How one thing is looked at.

    Args:
        name: what.
        look: returns the finding; any exception means that it is not ok.
        remedy: what to do then.
        optional: whether neurohw does without it.
    """

    name: str
    look: Callable[[], str]
    remedy: str
    optional: bool = False


def diagnose() -> Iterator[Check]:
    """Yield every check; none raises, whatever is broken."""
    yield from map(_checked, PROBES)
    yield from _data()


def healthy(checks: list[Check]) -> bool:
    """Return whether everything required is ok."""
    return all(check.ok is not False for check in checks)


def print_diagnosis(console: Console) -> bool:
    """Print one line per check, with the remedy where it is not ok; return whether everything required is ok."""
    checks = []
    for check in diagnose():
        checks.append(check)
        state, style = _STATES[check.ok]
        console.print(f"{state:<7}", style=style, end="")
        remedy = "" if check.ok or not check.remedy else f"; remedy: {check.remedy}"
        console.print(f"{check.name:<22}{check.finding}{remedy}", markup=False, highlight=False, soft_wrap=True)
    wrong = [check.name for check in checks if check.ok is False]
    verdict = f"not in order: {', '.join(wrong)}" if wrong else "everything required is in order"
    console.print(verdict, style="bold red" if wrong else "green", highlight=False)
    return healthy(checks)


def _checked(probe: Probe) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Check(probe.name, True, probe.look(), probe.remedy)
    except Exception as error:
        finding = " ".join(str(error).split()) or type(error).__name__
        return Check(probe.name, None if probe.optional else False, finding, probe.remedy)


def _require(fits: bool, finding: str, wanted: str) -> str:
    if not fits:
        raise EnvironmentMismatch(f"{finding}; allowed: {wanted}")
    return finding


def _python() -> str:
    return _require((3, 11) <= sys.version_info < (3, 14), platform.python_version(), "3.11, 3.12 and 3.13")


def _torch() -> str:
    import torch

    from neurohw.crossbar.aihwkit.versions import fitting_torch, release_of

    releases, sentence = fitting_torch()
    return _require(release_of(torch.__version__) in releases, torch.__version__, sentence)


def _aihwkit() -> str:
    from neurohw.crossbar.aihwkit.works import check_aihwkit

    return check_aihwkit()


def _brian2() -> str:
    """Let one leaky neuron charge for half its time constant: v = 1 - exp(-1/2)."""
    from neurohw.circuits.brian import brian2_and_code

    brian2, code = brian2_and_code()
    neuron = brian2.NeuronGroup(1, "dv/dt = (1 - v) / (10*ms) : 1", method="exact", codeobj_class=code)
    brian2.Network(neuron).run(5 * brian2.ms)
    versions = f"brian2 {version('brian2')} on NumPy {version('numpy')}"
    right = math.isclose(float(neuron.v[0]), 1 - math.exp(-0.5), rel_tol=1e-6)
    _require(right, f"{versions}: a neuron charges to {float(neuron.v[0])}", "1 - exp(-1/2)")
    return f"{versions}: a neuron charges as it should"


def _ngspice() -> str:
    """Let 3 V drive a current through 1 kOhm."""
    if shutil.which("ngspice") is None:
        raise EnvironmentMismatch("not on the PATH")
    from neurohw.transistors import ngspice

    (result,) = ngspice.run("one resistor\nv1 a 0 3\nr1 a 0 1k\n", ["op"], time_limit=20.0)
    current = -float(result["i(v1)"][0])
    versions = f"{ngspice.version()} ({ngspice.find()})"
    _require(math.isclose(current, 3e-3, rel_tol=1e-6), f"{versions}: 3 V drive {current} A through 1 kOhm", "3 mA")
    return f"{versions}: a resistor conducts as it should"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        raise EnvironmentMismatch("torch sees none; everything runs on the CPU")
    return torch.cuda.get_device_name()


def _runs_folder() -> str:
    """Try to write where runs go, without leaving anything behind."""
    folder = Path("runs").absolute()
    with tempfile.TemporaryFile(dir=folder if folder.is_dir() else folder.parent):
        return f"{folder} can be written to"


def _threads() -> str:
    import torch

    return f"{torch.get_num_threads()} threads on {os.cpu_count()} cores"


def _data() -> list[Check]:
    """Return a check per dataset: bundled ones must be there, files may be absent but not wrong."""
    try:
        from neurohw.data import summary

        return [_dataset(row.name, row.state, row.place, row.sizes) for row in summary()]
    except Exception as error:
        return [Check("data", False, f"{type(error).__name__}: {error}", REINSTALL)]


def _dataset(name: str, state: str, place: str, sizes: str) -> Check:
    remedy = f"neurohw data fetch {name} --from DIR|URL"
    if state == "ok":
        return Check(f"data {name}", True, f"{place}: {sizes}", remedy)
    if state == "missing":
        return Check(f"data {name}", None, "not found", remedy)
    return Check(f"data {name}", False, state, remedy)


PROBES = (
    Probe("Python", _python, "name one: make PYTHON=/path/to/python3.12"),
    Probe("torch", _torch, REINSTALL),
    Probe("aihwkit", _aihwkit, REINSTALL),
    Probe("brian2", _brian2, REINSTALL),
    Probe("ngspice", _ngspice, "apt-get install ngspice (circuit netlists only)", optional=True),
    Probe("GPU", _gpu, "a CUDA build of torch, and a driver for it", optional=True),
    Probe("runs folder", _runs_folder, "change to a folder that you may write to, or name one with --out"),
    Probe("threads", _threads, "OMP_NUM_THREADS=N sets them"),
)

"""The command line: parse, call, print."""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Annotated

import typer

from neurohw import __version__
from neurohw.cli import console
from neurohw.cli.attribute import attribute
from neurohw.cli.bench import bench
from neurohw.cli.circuit import circuit_app
from neurohw.cli.data import data_app
from neurohw.cli.device import device_app
from neurohw.cli.device_export import device_export
from neurohw.cli.device_fit import device_fit
from neurohw.cli.device_import import device_import
from neurohw.cli.embedding import embedding
from neurohw.cli.energy import energy
from neurohw.cli.filters import filters
from neurohw.cli.findings import findings
from neurohw.cli.keys import keys
from neurohw.cli.reproduce import reproduce
from neurohw.cli.runs import demo, report, run, sweep
from neurohw.cli.search import search
from neurohw.cli.tune import tune
from neurohw.cli.watch import watch
from neurohw.errors import NeurohwError, OutputLost
from neurohw.interrupted import leave
from neurohw.isolation import isolate
from neurohw.output import guarded
from neurohw.runs.memory import is_shortage

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Learning on the chip, simulated: networks trained by Equilibrium Propagation (EP) and Backpropagation (BP) "
    "on analog crossbars, full precision against hardware-constrained. Start with `neurohw demo`.",
    epilog="Exit status: 0 done; 1 it failed while running; 2 the input is wrong; 130 interrupted. "
    "--debug (anywhere) shows the traceback of an error.",
)
device_app.command("import")(device_import)
device_app.command("fit")(device_fit)
device_app.command("export")(device_export)
app.add_typer(data_app, name="data")
app.add_typer(device_app, name="device")
app.add_typer(circuit_app, name="circuit")
for command in (
    energy,
    demo,
    run,
    sweep,
    watch,
    report,
    keys,
    search,
    tune,
    attribute,
    reproduce,
    findings,
    filters,
    embedding,
    bench,
):
    app.command()(command)


def main() -> None:
    """Run the command line; every error ends in one message and the status of CONTRACT."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        with _interrupts():
            isolate()
            sys.stdout, sys.stderr = guarded(sys.stdout), guarded(sys.stderr)
            app(arguments, prog_name="neurohw")
    except NeurohwError as error:
        if "--debug" in sys.argv:
            raise
        _complain(f"error: {error}")
        sys.exit(error.exit_status)
    except OSError as error:  # of the system: a disk, a folder, rights
        if "--debug" in sys.argv:
            raise
        _complain(f"error: {': '.join(str(part) for part in (error.filename, error.strerror or error) if part)}")
        sys.exit(1)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        if is_shortage(error):
            _complain(f"error: the memory is not enough: {error or 'none is left'}\n"
                      "Smaller batches, layers or tiles, or fewer --jobs, need less.")  # fmt: skip
        else:
            _complain(f"error: {type(error).__name__}: {error}\n"
                      "This is a fault of neurohw's; --debug shows where it happened.")  # fmt: skip
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == 130:  # typer's own answer to Ctrl-C, which says nothing
            _complain(str((ended.__context__ and ended.__context__.__cause__) or "") or "interrupted")
        raise
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in a command, but where they are ignored (nohup, `&`)."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    heard = False

    def terminated(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard = True
        _terminated(number, frame)

    for number in before:
        signal.signal(number, terminated)
    try:
        yield
    except Exception:
        if heard:  # pydantic makes an error of whatever its callbacks raise
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(text: str) -> None:
    with contextlib.suppress(OutputLost):
        console.stderr.print(text, style="red", highlight=False, soft_wrap=True)


def _terminated(signum: int, frame: FrameType | None) -> None:
    for outer, _ in traceback.walk_stack(frame):
        if outer.f_code.co_filename == "<frozen importlib._bootstrap>":  # half of torch is worse than none
            leave(signum, frame)
    raise KeyboardInterrupt


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.stdout.print(__version__)
        raise typer.Exit


@app.command()
def doctor() -> None:
    """Check the installation: packages that fit each other, a real read and update, data, GPU."""
    from neurohw.doctor import print_diagnosis

    if not print_diagnosis(console.stdout):
        raise typer.Exit(1)

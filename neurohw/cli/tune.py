"""The command `neurohw tune`: parse, call, print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neurohw.cli import completion, console
from neurohw.errors import InputError

if TYPE_CHECKING:
    from neurohw.studies.tune import Tuned

_RULES = ("bp", "ep")
_FAR = 0.03  # below ideal arrays, where the reason is worth a search


def tune(
    device: Annotated[
        str,
        typer.Argument(
            metavar="DEVICE", help="A device of the library, or a TOML file.", autocompletion=completion.devices
        ),
    ],
    rule: Annotated[str | None, typer.Option("--rule", help="bp or ep; both in turn unless given.")] = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="For all of it.")] = 10.0,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="End after so many of a rule, earlier calls' included.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local processes; they share the cores.")] = (
        os.cpu_count() or 1
    ),
    experiment: Annotated[str, typer.Option("--experiment", help="What is learnt: a file or a name.")] = "quickstart",
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Holds for every trial and is not searched.",
            autocompletion=completion.settings,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the search.")] = 0,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where trials are kept; tuning/DEVICE unless given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Copy of the device's file to write to.")
    ] = None,
) -> None:
    r"""Find weight range, learning rate, pulse length, contrast and remedy for a device, on a validation split.

    What is found goes to \[recommended] of the device's file, with its evidence; `run` and `sweep` then use it where an
    experiment is silent. A device of the library is left alone: --out FILE writes a copy, else the table is printed.
    The same command goes on with the trials it has. The test set is never looked at.
    """
    from neurohw.devices.library import device_names, device_path, load_device
    from neurohw.loading import parse_override
    from neurohw.reading import read_text
    from neurohw.runs.files import write_text
    from neurohw.studies.tune import tune as tuned
    from neurohw.studies.tuning import Tuning

    if rule is not None and rule not in _RULES:
        raise InputError(f"--rule: got {rule!r}; allowed: {', '.join(_RULES)}")
    model, path = load_device(device), device_path(device)
    fixed = dict(parse_override(text) for text in assign or [])
    rules = _RULES if rule is None else (rule,)
    target = out or (None if device in device_names() else path)
    text = read_text(path)
    for each in rules:
        settings = Tuning(device, each, folder or Path("tuning") / model.name, experiment, fixed,
                          minutes / len(rules), trials, jobs, seed)  # fmt: skip
        with console.lines() as tell:
            found = tuned(settings, tell)
        _print_finalists(found, each)
        text = found.written_into(text, each)
        if target:
            write_text(target, text)
            console.stdout.print(f"wrote [recommended.{each}] to {target}", highlight=False, soft_wrap=True)
        if (lost := found.ideal.mean - found.best.mean) > _FAR:
            console.stdout.print(
                f"{each}: {100 * lost:.1f} points below ideal arrays (whose settings are the experiment's, not tuned). "
                f"Which non-ideality costs them: neurohw attribute {experiment} "
                f"--set hardware.device={target or device} --set network.rule={each}",
                highlight=False,
                soft_wrap=True,
            )
    if not target:
        console.stdout.print(text[text.index("[recommended") :], highlight=False, soft_wrap=True)
        console.stdout.print(
            "a device of the library is left alone; --out FILE writes a copy with this", highlight=False
        )


def _print_finalists(found: Tuned, rule: str) -> None:
    table = Table(f"{rule}: remedy", "validation accuracy", "beside ideal", "settings")
    for score in (*found.finalists, found.ideal):
        settings = ", ".join(f"{key.partition('.')[2]} = {value}" for key, value in score.values.items())
        mark = " *" if score is found.best else ""
        beside = f"{100 * (score.mean - found.ideal.mean):+.1f}"
        table.add_row(score.what + mark, str(score), beside, settings)
    console.stdout.print(table)

"""The command `neurohw device export`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurohw.output import new_console


def device_export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device of the library, or a TOML file.")],
    to: Annotated[
        str, typer.Option("--to", metavar="SIMULATOR", help="ngspice, verilog-a, aihwkit, neurosim or crosssim.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder to write to; NAME-SIMULATOR unless given.")
    ] = None,
) -> None:
    """Write a device for another simulator, with the noise-free pulse trains to compare it with.

    [bold]ngspice[/bold]: NAME.sub, a cell of two terminals whose conductance steps with each pulse; NAME_bench.cir, 100
    pulses up and as many down, with a read after each.

    [bold]verilog-a[/bold]: NAME.va, the same cell.

    [bold]aihwkit[/bold]: NAME_aihwkit.py, which makes an rpu_config.

    [bold]neurosim[/bold]: lines of Cell.cpp (RealDevice with its nonlinearity labels, MeasuredDevice with the curve
    itself) and of train.py.

    [bold]crosssim[/bold]: dG_increasing.txt and dG_decreasing.txt, lookup tables.

    All of them: NAME_expected.csv, the conductances that neurohw has after each of the bench's pulses.

    What a simulator cannot express is refused, or named as left out, by its key in the device's file.
    """
    from neurohw.devices.library import load_device
    from neurohw.exporting.targets import find_target
    from neurohw.runs.files import writable_folder, write_text

    target, model = find_target(to), load_device(name)
    files = target.files(model)
    folder = out or Path(f"{model.name}-{target.name}")
    for file, text in files.items():
        path = writable_folder((folder / file).parent) / Path(file).name
        write_text(path, text)
        new_console().print(f"wrote {path}", highlight=False, soft_wrap=True)
    if left_out := target.left_out(model):
        new_console(markup=True).print(
            f"[yellow]left out[/yellow], as its files have no place for them: {', '.join(left_out)}",
            highlight=False,
            soft_wrap=True,
        )
    new_console().print(f"use: {target.used(model)}", highlight=False, soft_wrap=True)

"""The commands of `neurohw device`: parse, call, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neurohw.errors import InputError

if TYPE_CHECKING:
    from neurohw.devices.model import DeviceModel
    from neurohw.devices.quantity import Quantity

device_app = typer.Typer(no_args_is_help=True, help="The device library: device_models/, and files of your own.")

DeviceName = Annotated[str, typer.Argument(metavar="NAME", help="A device of the library, or a TOML file.")]


@device_app.command("list")
def device_list() -> None:
    """List the devices: law, states, asymmetry, drift, where they are from."""
    from neurohw.devices.library import device_names, load_device

    table = Table("name", "technology", "law", "states", "asymmetry", "drift ν", "reference")
    for name in device_names():
        model = load_device(name)
        law, retention = model.response(), model.retention_parameters()
        table.add_row(
            name,
            escape(model.technology),
            law.name + (", one-sided" if model.sided == 1 else ""),
            _states(model),
            f"{law.asymmetry:+.2f}" if law.asymmetry else "0",
            f"{retention.drift_nu:g}" if retention.drifts else "none",
            escape(model.reference),
        )
    _console().print(table)


@device_app.command("show")
def device_show(name: DeviceName) -> None:
    """Show a device: every number with its unit and its source, and what follows from them."""
    from neurohw.devices.library import load_device

    console, model = _console(), load_device(name)
    console.print(f"[bold]{escape(model.name)}[/bold]: {escape(model.description)}", highlight=False)
    console.print(f"{escape(model.technology)}, cell {escape(model.cell)}", highlight=False)
    console.print(f"reference: {escape(model.reference)}", highlight=False, soft_wrap=True)
    table = Table("number", "value", "source")
    for key, quantity in model.numbers():
        table.add_row(key, _value(quantity), _source(quantity))
    console.print(table)
    _print_derived(model)
    if model.recommended:
        console.print("recommended for training:", highlight=False)
        for key, value in _flat(model.recommended):
            console.print(f"  {key} = {value}", highlight=False, markup=False, soft_wrap=True)


@device_app.command("check")
def device_check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A device's TOML file.")]) -> None:
    """Validate a device's file, print what follows from it, and run the conformance suite of devices."""
    from neurohw.devices.library import load_device

    model = load_device(file)
    _print_derived(model)
    checks = _conformance(model)
    for said, failure in checks:
        mark = "[green]ok[/green]" if failure is None else "[red]failed[/red]"
        _console().print(f"{mark}  {said}" + ("" if failure is None else f": {escape(failure)}"), soft_wrap=True)
    failed = sum(failure is not None for _, failure in checks)
    if failed:
        raise InputError(f"{file}: {failed} of {len(checks)} checks failed")
    _console().print(f"{file}: a valid device", highlight=False, markup=False, soft_wrap=True)


def _conformance(model: DeviceModel) -> list[tuple[str, str | None]]:
    """Run the conformance suite; for each check what it says, and how it failed, if it did."""
    from neurohw.crossbar.aihwkit_device import aihwkit_takes_it
    from neurohw.devices.checks import CHECKS

    results: list[tuple[str, str | None]] = []
    for check in (*CHECKS, aihwkit_takes_it):
        failure = None
        try:
            check(model)
        except InputError as error:
            failure = str(error)
        results.append((check.__name__.replace("_", " "), failure))
    return results


def _print_derived(model: DeviceModel) -> None:
    """Print what follows from the numbers, the assumed ones among them named."""
    from neurohw.devices.units import readable

    law, point, assumed = model.response(), model.symmetry_point(), model.assumed()
    rows = {
        "range": f"{readable(model.g_min, 'S')} to {readable(model.g_max, 'S')}"
        + (f", a ratio of {model.g_max / model.g_min:.3g}" if model.g_min else ""),
        "states": f"{_states(model)} between the bounds; a mean step is "
        + readable((model.g_max - model.g_min) / model.states, "S"),
        "symmetry point": _symmetry(model, point),
        "read noise": f"{model.read_noise:.3g} weight units per read" if model.read_noise else "none",
        "weights": f"{law.w_min:g} to {law.w_max:g}",
        "assumed": f"{len(assumed)} of {sum(1 for _ in model.numbers())} numbers"
        + (f": {', '.join(assumed)}" if assumed else ""),
    }
    for key, value in rows.items():
        _console().print(f"{key}: {value}", highlight=False, markup=False, soft_wrap=True)


def _symmetry(model: DeviceModel, point: float | None) -> str:
    from neurohw.devices.units import readable

    if point is not None:
        return f"w = {point:.3g}, {readable(model.conductance(point), 'S')}"
    return "none, it only potentiates" if model.sided == 1 else "none between the bounds, or every weight is one"


def _states(model: DeviceModel) -> str:
    return f"{model.levels} levels" if model.levels else f"{model.states:,.0f}"


def _value(quantity: Quantity) -> str:
    from neurohw.devices.units import parse_unit, readable

    if isinstance(quantity.value, bool):
        return "yes" if quantity.value else "no"
    if isinstance(quantity.value, tuple):
        return ", ".join(f"{value:g}" for value in quantity.numbers())
    dimension = parse_unit(quantity.unit)[1]
    return readable(quantity.si(dimension), dimension, digits=6)


def _source(quantity: Quantity) -> str:
    return "[yellow]assumed[/yellow]" if quantity.source == "assumed" else escape(quantity.source)


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in table.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


def _console() -> Console:
    """Return a console on what is the standard output now; wide, so that piped tables are not cut."""
    return Console() if sys.stdout.isatty() else Console(width=200)

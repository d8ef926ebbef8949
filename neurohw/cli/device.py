"""The commands of `neurohw device`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from neurohw.cli import completion
from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.devices.model import DeviceModel
    from neurohw.quantity import Quantity

device_app = typer.Typer(no_args_is_help=True, help="The device library: device_models/, and files of your own.")

_OK, _FAILED, _ASIDE = "[green]ok[/green]", "[red]failed[/red]", "[yellow]does not apply[/yellow]"
_UNUSUAL = "[yellow]unusual[/yellow]"

DeviceName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A device of the library, or a TOML file.", autocompletion=completion.devices),
]


@device_app.command("list")
def device_list() -> None:
    """List the devices: law, states, asymmetry, retention, where they are from."""
    from neurohw.devices.library import device_names, load_device
    from neurohw.devices.retention_laws import laws_of

    table = Table("name", "technology", "law", "states", "asymmetry", "retention", "reference")
    for name in device_names():
        model = load_device(name)
        law, retention = model.response(), model.retention_parameters()
        table.add_row(
            name,
            escape(model.technology),
            law.name + (", one-sided" if model.sided == 1 else ""),
            _states(model),
            f"{law.asymmetry:+.2f}" if law.asymmetry else "0",
            "; ".join(f"{law.name}, {law.summary()}" for law in laws_of(retention)) or "no change",
            escape(model.reference),
        )
    new_console(markup=True).print(table)


@device_app.command("show")
def device_show(name: DeviceName) -> None:
    """Show a device: every number with its unit and its source, and what follows from them."""
    from neurohw.devices.library import load_device

    console, model = new_console(markup=True), load_device(name)
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
    """Validate a device's file, print what follows from it, and run the conformance suite of devices.

    Numbers of sizes that published devices do not have are named as unusual, mostly slips of a unit; they fail nothing.
    """
    from neurohw.devices.library import load_device
    from neurohw.devices.typical import unusual

    model = load_device(file)
    _print_derived(model)
    checks, odd = _conformance(model), [(_UNUSUAL, text) for text in unusual(model)]
    for mark, text in (*checks, *odd):
        new_console(markup=True).print(f"{mark}  {escape(text)}", soft_wrap=True)
    if failed := [text for mark, text in checks if mark == _FAILED]:
        raise InputError(f"{file}: {len(failed)} of {len(checks)} checks failed")
    beside = f", {len(odd)} of its numbers unusual" if odd else ""
    new_console().print(f"{file}: a valid device{beside}", highlight=False, soft_wrap=True)


@device_app.command("plot")
def device_plot(
    name: DeviceName,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; runs/device-NAME unless given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulated devices.")] = 0,
) -> None:
    """Draw what a device does: staircase, step sizes, spreads, retention, read noise; every curve as CSV, too."""
    from neurohw.devices.characterise import characterise
    from neurohw.devices.draw import characteristics_figure
    from neurohw.devices.frames import frames
    from neurohw.devices.library import load_device
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.seeding import Streams

    model = load_device(name)
    folder = writable_folder(out or Path("runs") / f"device-{model.name}")
    data = characterise(model, Streams(seed).generator("device plot"))
    with style():
        save(characteristics_figure(data), folder / f"{model.name}.svg", folder / f"{model.name}.png")
    for curve, frame in frames(data).items():
        write_text(folder / f"{model.name}-{curve}.csv", frame.to_csv(index=False, float_format="%.6g"))
    new_console().print(f"figure: {folder / f'{model.name}.png'}", highlight=False, soft_wrap=True)
    new_console().print(f"curves: {folder}/*.csv", highlight=False, soft_wrap=True)


def _conformance(model: DeviceModel) -> list[tuple[str, str]]:
    """Run the conformance suite; for each check its mark and what it says, with how it failed, if it did."""
    from neurohw.crossbar.aihwkit.translation import NoCounterpart, aihwkit_takes_it, lost_in_aihwkit
    from neurohw.devices.checks import CHECKS

    results = []
    for check in (*CHECKS, aihwkit_takes_it):
        name = check.__name__.replace("_", " ")
        try:
            check(model)
            lost = lost_in_aihwkit(model) if check is aihwkit_takes_it else []
            results.append((_OK, f"{name}, less {', '.join(lost)}: a run on its tiles is refused" if lost else name))
        except NoCounterpart as error:
            results.append((_ASIDE, f"{name}: {error}"))
        except InputError as error:
            results.append((_FAILED, f"{name}: {error}"))
    return results


def _print_derived(model: DeviceModel) -> None:
    """Print what follows from the numbers, the assumed ones among them named."""
    from neurohw.units import readable

    law, point, assumed = model.response(), model.symmetry_point(), model.assumed()
    siemens = (model.g_max - model.g_min) / (law.w_max - law.w_min)
    moves = [
        f"{readable(siemens * law.step_at(0.5, side == 'up'), 'S')} {side}" for side in ("up", "down")[: model.sided]
    ]
    rows = {
        "range": f"{readable(model.g_min, 'S')} to {readable(model.g_max, 'S')}"
        + (f", a ratio of {model.g_max / model.g_min:.3g}" if model.g_min else ""),
        "states": f"{_states(model)} between the bounds; at mid range a pulse moves {' or '.join(moves)}",
        "symmetry point": _symmetry(model, point),
        "read noise": f"{model.read_noise:.3g} weight units per read" + _growth(model) if model.read_noise else "none",
        "weights": f"{law.w_min:g} to {law.w_max:g}, "
        + ("signed by themselves" if model.signed else "conductances less a reference"),
        **_retention(model),
        **_decay(model),
        **({"verdict of its fit": model.measured.verdict} if model.measured.verdict else {}),
        "assumed": f"{len(assumed)} of {sum(1 for _ in model.numbers())} numbers"
        + (f": {', '.join(assumed)}" if assumed else ""),
    }
    for key, value in rows.items():
        new_console().print(f"{key}: {value}", highlight=False, soft_wrap=True)


def _growth(model: DeviceModel) -> str:
    from neurohw.units import readable

    scale = model.read_noise_scale
    return f" at most, 63 % of it at {readable(scale, 'S')} and none at 0" if scale else ""


def _retention(model: DeviceModel) -> dict[str, str]:
    """Return the laws of what time does to a cell, and the temperature that their numbers are at."""
    from neurohw.devices.retention_laws import laws_of

    rows = {
        f"retention, {law.name}": f"{law.equation}, {law.summary()} ({law.source})"
        for law in laws_of(model.retention_parameters())
    }
    energy, reference = model.retention.activation_energy, model.retention.reference_temperature
    if energy is None or reference is None:
        return rows
    at = model.retention.temperature or reference
    times = f", {model.retention.acceleration():.3g} times as fast as at {_value(reference)}" if at != reference else ""
    return rows | {"temperature": f"{_value(at)}{times}; {_value(energy)} (hardware.kelvin sets it)"}


def _decay(model: DeviceModel) -> dict[str, str]:
    """Return what a lifetime takes from a weight in a batch, dt / tau: the time of a batch decides."""
    tau = model.retention_parameters().lifetime
    if not tau:
        return {}
    share = f"{1 / tau:.3g} of a weight in a batch of 1 s (hardware.step_seconds), {1e-6 / tau:.3g} in one of 1 us"
    return {"decay": share}


def _symmetry(model: DeviceModel, point: float | None) -> str:
    from neurohw.units import readable

    if point is not None:
        return f"w = {point:.3g}, {readable(model.conductance(point), 'S')}"
    return "none, it only potentiates" if model.sided == 1 else "none between the bounds, or every weight is one"


def _states(model: DeviceModel) -> str:
    return f"{model.levels} levels" if model.levels else f"{model.states:,.0f}"


def _value(quantity: Quantity) -> str:
    from neurohw.units import parse_unit, readable

    if isinstance(quantity.value, bool):
        return "yes" if quantity.value else "no"
    if isinstance(quantity.value, tuple):
        return ", ".join(f"{value:g}" for value in quantity.numbers())
    dimension = parse_unit(quantity.unit)[1]
    shown = readable(quantity.si(dimension), dimension, digits=6)
    if quantity.low is None and quantity.high is None:
        return shown
    low, _, high = (readable(bound, dimension, digits=6) for bound in quantity.bounds(dimension))
    return f"{shown} ({low} to {high})"


def _source(quantity: Quantity) -> str:
    from neurohw.quantity import ASSUMED

    source = escape(quantity.source)
    return f"[yellow]{source}[/yellow]" if source.lower().startswith(ASSUMED) else source


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in table.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows

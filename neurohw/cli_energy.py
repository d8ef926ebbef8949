"""The command `neurohw energy`: parse, call, print."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurohw.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from neurohw.energy.schedule import Schedule
    from neurohw.report.energy import PointEnergy
    from neurohw.report.tables import Table as Cells
    from neurohw.runs.record import RunRecord

TABLE = "32nm"  # where neither the command nor the experiment names one
_NARROW = ("Point", "Accuracy, %")  # columns that are not wrapped


def energy(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that run or sweep wrote.")],
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME|FILE", help=f"A periphery table, as in {TABLE}, or a TOML file; the "
                     f"experiment's own, or {TABLE}, unless given.", show_default=False),
    ] = None,
    ep: Annotated[
        Literal["clocked", "continuous"] | None,
        typer.Option("--ep", help="Every relaxation step is a read, or the network settles by itself."),
    ] = None,
    columns_per_adc: Annotated[
        int | None, typer.Option("--columns-per-adc", min=1, help="Columns that share a converter.")
    ] = None,
    tiles_at_once: Annotated[
        int | None, typer.Option("--tiles-at-once", min=1, help="Tiles of an array that are read together.")
    ] = None,
    standby: Annotated[
        Literal["simulated", "busy", "none"] | None,
        typer.Option("--standby", help="How long leakage and bias run."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for CSV, JSON and figures.", show_default=False)
    ] = None,
) -> None:  # fmt: skip
    """Account finished records anew: joules, seconds and lifetime, from what was counted; runs nothing.

    What is not given is as the experiment's `energy` table has it.
    """
    from neurohw.energy.table import EnergyTable
    from neurohw.report.energy import energy_data
    from neurohw.report.points import group_records
    from neurohw.runs.energy import schedule_of

    shared = EnergyTable.load(table) if table else None
    accounts = []
    for folder, record in _records(folders):
        chosen = shared or EnergyTable.load(record.config.get("hardware", {}).get("periphery") or TABLE)
        how = schedule_of(
            record.config, ep=ep, columns_per_adc=columns_per_adc, tiles_at_once=tiles_at_once, standby=standby
        )
        accounts.append(_accounted(folder, record, chosen, how))
    data = energy_data(group_records(accounts))
    _print(data)
    if out is not None:
        _write(data, out)


def _records(folders: Sequence[Path]) -> list[tuple[Path, RunRecord]]:
    """Return every record that did not fail, with its folder; those that failed are named."""
    from neurohw.runs.record import RECORD, find_records, read_record

    for folder in folders:
        find_records([folder])  # refuses one without records
    paths = dict.fromkeys(path.parent for folder in folders for path in sorted(folder.rglob(RECORD)))
    found = [(path, read_record(path)) for path in paths]
    for path, record in found:
        if record.status == "failed":
            _say(f"{path}: left out, the run failed")
    kept = [(path, record) for path, record in found if record.status != "failed"]
    if not kept:
        raise InputError(f"{', '.join(map(str, folders))}: every run failed; allowed: finished or stopped runs")
    return kept


def _accounted(folder: Path, record: RunRecord, table: Any, schedule: Schedule) -> RunRecord:
    """Return the record with its account, every line of it under `items`."""
    from neurohw.runs.energy import accounted, energy_of

    try:
        found = energy_of(record, table, schedule)
        items = accounted(record, table, schedule).rows() if "total" in found else []
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return record.model_copy(update={"energy": {**found, "items": items}})


def _print(data: Sequence[PointEnergy]) -> None:
    from neurohw.report.energy_table import energy_sections, remarks

    for title, cells, note in energy_sections(data):
        _console().print(_table(title, cells))
        _console().print(Text(note, "dim"), "")
    for remark in remarks(data):
        _say(remark)


def _table(title: str, cells: Cells) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(cells.columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=column in _NARROW)
    for row in cells.rows:
        table.add_row(*map(Text, row.cells), style="bold" if row.point.ideal else "")
    return table


def _write(data: Sequence[PointEnergy], out: Path) -> None:
    from neurohw.report.energy_figure import energy_figures
    from neurohw.report.energy_table import energy_frame
    from neurohw.report.figures import style
    from neurohw.runs.files import atomic, writable_folder, write_text

    folder = writable_folder(out)
    with atomic(folder / "energy.csv") as temporary:
        energy_frame(data).to_csv(temporary, index=False)
    write_text(folder / "energy.json", json.dumps([_summary(e) for e in data], indent=1) + "\n")
    with style():
        for name, figure in energy_figures(data):
            _draw(name, figure, folder)
    _say(f"wrote energy.csv, energy.json and figures to {folder}")


def _draw(name: str, figure: Figure, folder: Path) -> None:
    from neurohw.report.figures import as_png, as_svg
    from neurohw.runs.files import atomic, write_text

    write_text(folder / f"{name}.svg", as_svg(figure))
    with atomic(folder / f"{name}.png") as temporary:
        temporary.write_bytes(as_png(figure))


def _summary(e: PointEnergy) -> dict[str, Any]:
    """Return a point and the account of each of its records, without their single lines."""
    records = {
        r.seed: {key: value for key, value in r.energy.items() if key != "items"} for r in e.point.records if r.energy
    }
    means = {key: value for key, value in vars(e).items() if key not in ("point", "accuracy", "wear")}
    means |= {key: dataclasses.asdict(value) for key, value in means.items() if dataclasses.is_dataclass(value)}  # type: ignore[arg-type]
    return {
        "point": e.point.label,
        "hash": e.point.config_hash,
        "accuracy": {"mean": e.accuracy.mean if e.accuracy.n else None, "values": e.accuracy.values},
        **means,
        "per_accuracy_point": dataclasses.asdict(e.per_accuracy_point) if e.per_accuracy_point else None,
        "wear": [dataclasses.asdict(wear) for wear in e.wear],
        "records": records,
    }


def _say(text: str) -> None:
    _console().print(text, highlight=False, markup=False, soft_wrap=True)


def _console() -> Console:
    """Return a console on what is the standard output now; wide, so that piped tables are not cut."""
    return Console() if sys.stdout.isatty() else Console(width=240)

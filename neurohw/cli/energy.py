"""The command `neurohw energy`: parse, call, print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.energy.schedule import Schedule
    from neurohw.report.energy.sections import Energies
    from neurohw.runs.record import RunRecord

TABLE = "32nm"  # where neither the command nor the experiment names one


Folders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that run, sweep or report wrote.")]
TableName = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME|FILE", help=f"A periphery table, as in {TABLE}, or a TOML file; the "
                 f"experiment's own, or {TABLE}, unless given.", show_default=False),
]  # fmt: skip
EP = Annotated[
    Literal["clocked", "continuous"] | None,
    typer.Option("--ep", help="Every relaxation step is a read, or the network settles by itself."),
]
ColumnsPerADC = Annotated[int | None, typer.Option("--columns-per-adc", min=1, help="Columns that share a converter.")]
TilesAtOnce = Annotated[
    int | None, typer.Option("--tiles-at-once", min=1, help="Tiles of an array that are read together.")
]
Standby = Annotated[
    Literal["simulated", "busy", "none"] | None, typer.Option("--standby", help="How long leakage and bias run.")
]
Digital = Annotated[
    Literal["int8", "fp16", "fp32"] | None,
    typer.Option("--digital", help="Precision of the digital units, on the chip and beside it."),
]
Overlap = Annotated[
    bool | None,
    typer.Option("--overlap/--no-overlap", help="Decisions and digital work of one image during the next's reads."),
]
Polarities = Annotated[
    Literal["in-turn", "together"] | None,
    typer.Option("--polarities", help="Lines carry rising and falling pulses one after the other, or in one slot."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for tables (Markdown, CSV), JSON and figures.", show_default=False),
]
Save = Annotated[bool, typer.Option("--save", help="Write the account into each record, in place of the one it has.")]


def energy(
    folders: Folders,
    table: TableName = None,
    ep: EP = None,
    columns_per_adc: ColumnsPerADC = None,
    tiles_at_once: TilesAtOnce = None,
    standby: Standby = None,
    digital: Digital = None,
    phases_overlap: Overlap = None,
    polarities: Polarities = None,
    out: Out = None,
    save: Save = False,
) -> None:
    """Account finished records anew: joules, seconds and lifetime, from what was counted; runs nothing.

    What is not given is as the experiment's `energy` table has it. Runs that counted no events are left out.
    """
    from neurohw.report.energy.sections import energies_of
    from neurohw.report.energy.terminal import print_energies
    from neurohw.report.points import group_records
    from neurohw.runs.collection import save_accounts

    settings = {
        "ep": ep, "columns_per_adc": columns_per_adc, "tiles_at_once": tiles_at_once, "standby": standby,
        "digital": digital, "phases_overlap": phases_overlap, "polarities": polarities,
    }  # fmt: skip
    accounts = _accounts(folders, table, settings)
    if save:  # once all of them could be accounted
        save_accounts(accounts)
    data = energies_of(group_records([record for _, record in accounts]))
    print_energies(new_console(), data)
    if save:
        _say(f"accounts written into their records: {len(accounts)}")
    if out is not None:
        _write(data, out)


def _accounts(folders: Sequence[Path], table: str | None, settings: dict[str, Any]) -> list[tuple[Path, RunRecord]]:
    """Return every record with its account, and the file that holds it; by its own table unless one is named."""
    from neurohw.energy.table import EnergyTable
    from neurohw.runs.accounts import schedule_of

    shared = EnergyTable.load(table) if table else None
    accounts = []
    for path, record in _counted(_results(folders)):
        chosen = shared or EnergyTable.load(record.config.get("hardware", {}).get("periphery") or TABLE)
        accounts.append((path, _accounted(path, record, chosen, schedule_of(record.config, **settings))))
    return accounts


def _results(folders: Sequence[Path]) -> list[tuple[Path, RunRecord]]:
    """Return every record that is a result, with the file that holds it; the others are named."""
    from neurohw.runs.collection import located_records

    left_out: list[str] = []
    located = located_records(folders, left_out)
    for reason in left_out:
        _say(f"left out: {reason}")
    for path, record in located:
        if not record.has_result:
            _say(f"{path}: seed {record.seed} of {record.config_hash} left out, the run {record.status}")
    kept = [(path, record) for path, record in located if record.has_result]
    if not kept:
        places = ", ".join(map(str, folders))
        raise InputError(f"{places}: every run failed or diverged; allowed: finished or stopped runs")
    return kept


def _counted(located: list[tuple[Path, RunRecord]]) -> list[tuple[Path, RunRecord]]:
    """Return the records with a ledger, and say how many have none; all of them where none has one."""
    counted = [(path, record) for path, record in located if record.ledger]
    if counted and (without := [path for path, record in located if not record.ledger]):
        places = list(dict.fromkeys(map(str, without)))
        more = f" and {len(places) - 1} other file{'s' if len(places) > 2 else ''}" if len(places) > 1 else ""
        _say(f"left out: {len(without)} of {len(located)} runs, which counted no events (they are from before ledgers),"
             f" in {places[0]}{more}; run them again to account them")  # fmt: skip
    return counted or located


def _accounted(path: Path, record: RunRecord, table: Any, schedule: Schedule) -> RunRecord:
    """Return the record with its account, every line of it under `items`."""
    from neurohw.runs.accounts import energy_of

    try:
        return record.model_copy(update={"energy": energy_of(record, table, schedule, lines=True)})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _write(data: Energies, out: Path) -> None:
    """Write what a report writes of energies: figures and CSV; the tables as Markdown, and all accounts as JSON."""
    from neurohw.report.drawing import save, style
    from neurohw.report.energy.figures import energy_figures
    from neurohw.report.energy.frame import ENERGY_DIGITS, energy_frame
    from neurohw.report.energy.summary import energy_markdown, energy_summary
    from neurohw.report.table import text_cells
    from neurohw.runs.files import atomic, writable_folder, write_text

    folder = writable_folder(out)
    with atomic(folder / "energy.csv") as temporary:
        text_cells(energy_frame(data)).to_csv(temporary, index=False, float_format=ENERGY_DIGITS)
    write_text(folder / "energy.json", json.dumps(energy_summary(data), indent=1) + "\n")
    with style():
        drawn = list(energy_figures(data))
        for each in drawn:
            save(each.figure, folder / f"{each.name}.svg", folder / f"{each.name}.png")
    write_text(folder / "energy.md", energy_markdown(data, drawn))
    _say(f"wrote energy.md, energy.csv, energy.json and figures to {folder}")


def _say(text: str) -> None:
    new_console().print(text, highlight=False, markup=False, soft_wrap=True)

"""The command `neurohw bench`: parse, call, print."""

from __future__ import annotations

import json as json_text
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from neurohw.cli import console
from neurohw.errors import InputError
from neurohw.output import new_console
from neurohw.runs.files import atomic

if TYPE_CHECKING:
    from pydantic import BaseModel

    from neurohw.bench.comparison import Compared, Figures
    from neurohw.bench.machine import Machine
    from neurohw.bench.registry import Rows
    from neurohw.bench.rounds import Figure

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Benchmarks (any other name lists them); all of them unless given."),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, which --check reads.")]
CSV = Annotated[Path | None, typer.Option("--csv", help="Write the rows of one benchmark to a file, too.")]
Check = Annotated[
    Path | None,
    typer.Option("--check", metavar="FILE", help="Compare ratios with those of a file that --json wrote; status 1 if "
                 "one is more than 15 % worse. Without names, the benchmarks of the file.", show_default=False),
]  # fmt: skip


def bench(names: Names = None, json: AsJSON = False, csv: CSV = None, check: Check = None) -> None:
    """Measure: speed as ratios in one process, exactness against references, agreement with published figures."""
    import pandas as pd

    from neurohw.bench.comparison import read_committed
    from neurohw.bench.machine import Watch
    from neurohw.bench.registry import BENCHMARKS, SPEED, chosen, measured

    if csv is not None and len(names or ()) != 1:
        raise InputError("bench --csv: needs the name of one benchmark; their columns differ")
    committed = None if check is None else read_committed(check, SPEED)
    keys = chosen(names or (committed.figures if committed else ()))
    watch, output, rows = Watch(), new_console(), {}
    warned = _warn(watch.machine())
    for key in keys:
        rows[key] = measured(key)
        if not json:
            output.print(_table(f"{key}: {BENCHMARKS[key]}", _plain(rows[key])))
    machine = watch.machine()
    if not warned:
        _warn(machine)
    if csv is not None:
        with atomic(csv) as temporary:
            pd.DataFrame(_plain(rows[keys[0]])).to_csv(temporary, index=False, float_format="%.6g")
    compared = _checked({key: _figures(rows[key]) for key in keys}, committed.figures) if committed else []
    if json:
        tables: dict[str, Any] = {"machine": {**machine.model_dump(), "busy": machine.busy}}
        tables |= {key: _plain(rows[key]) for key in keys} | ({"check": _plain(compared)} if committed else {})
        output.print_json(json_text.dumps(tables))
    else:
        output.print(_about(machine), soft_wrap=True, highlight=False)
    if committed:
        _print_check(compared, machine.differences(committed.machine), console.stderr if json else output)
        if any(one.verdict == "worse" for one in compared):
            raise typer.Exit(1)


def _checked(now: Figures, committed: Figures) -> list[Compared]:
    """Return the comparison; benchmarks with a figure that is worse are measured once more: is it again?"""
    from neurohw.bench.comparison import compare, confirmed
    from neurohw.bench.registry import measured

    compared = compare(now, committed)
    suspected = list(dict.fromkeys(one.benchmark for one in compared if one.verdict == "worse"))
    if not suspected:
        return compared
    console.stderr.print(f"worse at first, measured again: {', '.join(suspected)}", soft_wrap=True, highlight=False)
    return confirmed(compared, compare({key: _figures(measured(key)) for key in suspected}, committed))


def _warn(machine: Machine) -> bool:
    if machine.warning:
        console.stderr.print(f"warning: {machine.warning}", style="yellow", soft_wrap=True, highlight=False)
    return bool(machine.warning)


def _plain(rows: Sequence[BaseModel | dict[str, Any]]) -> list[dict[str, Any]]:
    return [row if isinstance(row, dict) else row.model_dump() for row in rows]


def _figures(rows: Rows) -> list[Figure]:
    return [row for row in rows if not isinstance(row, dict)]


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(*(rows[0] if rows else ("nothing measured",)), title=title, title_justify="left")
    for row in rows:
        table.add_row(*("" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    return table


def _about(machine: Machine) -> str:
    where = f"{machine.processor}, {machine.cores} cores, {machine.threads} threads of torch {machine.torch}"
    card = f", {machine.card}" if machine.card else ""
    return (f"{where}{card}; load {machine.load_before:g} before and {machine.load_after:g} after, "
            f"{machine.others:g} of it of others" + (": busy" if machine.busy else ""))  # fmt: skip


def _print_check(compared: list[Compared], differences: list[str], output: Console) -> None:
    """Print what is not as before, a line each, and how many figures there are of each verdict."""
    lines = [str(one) for one in compared if one.verdict != "as before"]
    lines += [f"another machine: {difference}" for difference in differences]
    counts = Counter(one.verdict for one in compared)
    lines.append("ratios against the committed ones: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    output.print("\n".join(lines), soft_wrap=True, highlight=False)

"""The benchmarks by name: one question each, printed as tables or JSON."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from neurohw.errors import InputError
from neurohw.runs.files import atomic

Rows = list[dict[str, Any]]

BENCHMARKS: dict[str, str] = {
    "throughput": "training speed against the plain method and against the bare matrix products",
    "arrays": "what our code adds to aihwkit's bare tile calls",
    "analog": "the analog engine against aihwkit, the bare product and ideal arrays",
    "card": "training and pulsed updates on a GPU beside its bare products; nothing without one",
    "batches": "a batch written at once against its samples one by one, law by law and device by device",
    "transfers": "learning curves of Tiki-Taka, its kin and one-sided pairs on both engines",
    "wires": "the solver of IR drop: time, Kirchhoff's residual, and the fast approximation's error",
    "erasure": "what balanced updates leave of the weights of every device, by contrast",
    "nudging": "noise of EP's contrast against nudging strength and read noise",
    "flicker": "what held and re-read inputs of EP feel of white and of 1/f noise",
    "target": "the analog target circuit with every non-ideality on, against torch.topk",
    "netlist": "the behavioural law of the kWTA against ngspice: separation, decision time, winners",
    "spiking": "overlap of the spiking target's winners with the ideal one's, against time and rate",
    "meter": "what counting events for the energy account costs in time",
    "anchors": "nJ of a product on published chips, against our low and high",
    "deep-stdp": "the cost of clustering in Deep-STDP, in its authors' own estimate",
    "published": "accuracies of the committed records against the published ones",
}  # answered by the function of that name in the module of that name


def print_benchmarks(name: str | None, console: Console, as_json: bool, csv: Path | None = None) -> None:
    """Run one benchmark, or all, and print tables or JSON; `csv` takes the rows of a single one.

    Raises:
        InputError: there is no benchmark of that name, or a CSV of all is asked for.
    """
    if csv is not None and name is None:
        raise InputError("bench --csv: needs the name of one benchmark; their columns differ")
    if name is not None and name not in BENCHMARKS:
        raise InputError(f"bench: there is no benchmark {name!r}; allowed: {', '.join(BENCHMARKS)}")
    results = {}
    for key, question in BENCHMARKS.items():
        if name in (None, key):
            results[key] = _measured(key)
            if not as_json:
                console.print(_table(f"{key}: {question}", results[key]))
    if csv is not None and name is not None:
        with atomic(csv) as temporary:
            pd.DataFrame(results[name]).to_csv(temporary, index=False, float_format="%.6g")
    if as_json:
        console.print_json(json.dumps(results))


def _measured(name: str) -> Rows:
    name = name.replace("-", "_")
    rows: Rows = getattr(import_module(f"neurohw.bench.{name}"), name)()
    return rows


def _table(title: str, rows: Rows) -> Table:
    table = Table(*(rows[0] if rows else ("nothing measured",)), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table

"""The benchmarks by name: one question each, printed as tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from neurohw.errors import InputError
from neurohw.runs.files import atomic

Rows = list[dict[str, Any]]


def _throughput() -> Rows:
    from neurohw.bench.training import throughput

    return throughput()


def _arrays() -> Rows:
    from neurohw.bench.arrays import overhead_over_aihwkit

    return [{"call": name, **row, "goal": 1.10} for name, row in overhead_over_aihwkit().items()]


def _analog() -> Rows:
    from neurohw.bench.analog import analog

    return analog()


def _card() -> Rows:
    from neurohw.bench.card import card

    return card()


def _batches() -> Rows:
    from neurohw.bench.batches import batches

    return batches()


def _transfers() -> Rows:
    from neurohw.bench.transfers import transfers

    return transfers()


def _wires() -> Rows:
    from neurohw.bench.wires import wires

    return wires()


def _erasure() -> Rows:
    from neurohw.bench.erasure import erasure

    return erasure()


def _nudging() -> Rows:
    from neurohw.bench.nudging import nudging

    return nudging()


def _flicker() -> Rows:
    from neurohw.bench.flicker import flicker

    return flicker()


def _target() -> Rows:
    from neurohw.bench.target import target

    return target()


def _netlist() -> Rows:
    from neurohw.bench.netlist import netlist

    return netlist()


def _spiking() -> Rows:
    from neurohw.bench.spiking import spiking

    return spiking()


def _meter() -> Rows:
    from neurohw.bench.meter import meter

    return meter()


def _anchors() -> Rows:
    from neurohw.bench.anchors import anchors

    return anchors()


def _deep_stdp() -> Rows:
    from neurohw.bench.deep_stdp import deep_stdp

    return deep_stdp()


def _published() -> Rows:
    from neurohw.bench.published import published

    return published()


BENCHMARKS: dict[str, tuple[str, Callable[[], Rows]]] = {
    "throughput": ("training speed against the plain method and against the bare matrix products", _throughput),
    "arrays": ("what our code adds to aihwkit's bare tile calls", _arrays),
    "analog": ("the analog engine against aihwkit, the bare product and ideal arrays", _analog),
    "card": ("training and pulsed updates on a GPU beside its bare products; nothing without one", _card),
    "batches": ("a batch written at once against its samples one by one, law by law and device by device", _batches),
    "transfers": ("learning curves of Tiki-Taka, its kin and one-sided pairs on both engines", _transfers),
    "wires": ("the solver of IR drop: time, Kirchhoff's residual, and the fast approximation's error", _wires),
    "erasure": ("what balanced updates leave of the weights of every device, by contrast", _erasure),
    "nudging": ("noise of EP's contrast against nudging strength and read noise", _nudging),
    "flicker": ("what held and re-read inputs of EP feel of white and of 1/f noise", _flicker),
    "target": ("the analog target circuit with every non-ideality on, against torch.topk", _target),
    "netlist": ("the behavioural law of the kWTA against ngspice: separation, decision time, winners", _netlist),
    "spiking": ("overlap of the spiking target's winners with the ideal one's, against time and rate", _spiking),
    "meter": ("what counting events for the energy account costs in time", _meter),
    "anchors": ("nJ of a product on published chips, against our low and high", _anchors),
    "deep-stdp": ("the cost of clustering in Deep-STDP, in its authors' own estimate", _deep_stdp),
    "published": ("accuracies of the committed records against the published ones", _published),
}


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
    for key, (question, run) in BENCHMARKS.items():
        if name in (None, key):
            results[key] = run()
            if not as_json:
                console.print(_table(f"{key}: {question}", results[key]))
    if csv is not None and name is not None:
        with atomic(csv) as temporary:
            pd.DataFrame(results[name]).to_csv(temporary, index=False, float_format="%.6g")
    if as_json:
        console.print_json(json.dumps(results))


def _table(title: str, rows: Rows) -> Table:
    table = Table(*(rows[0] if rows else ("nothing measured",)), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table

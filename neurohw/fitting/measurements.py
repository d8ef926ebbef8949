"""Measured pulse trains and retention, from CSV files: checked line by line, so that a bad number is named by its row.

Rows are counted as in a text editor or spreadsheet: the header is row 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from neurohw.devices.plausibility import LEAST_SIEMENS, MOST_SIEMENS, Span, likely_unit
from neurohw.errors import InputError
from neurohw.reading import MEASURED, content_of
from neurohw.units import to_si

POLARITIES = {"+1": True, "1": True, "up": True, "potentiation": True}
POLARITIES |= {"-1": False, "down": False, "depression": False}
LEAST_PULSES = 10  # of each polarity, per device
LEAST_TIMES = 3  # per device
Groups = list[tuple[tuple[str, ...], np.ndarray]]


@dataclass(frozen=True)
class PulseTrains:
    """Conductances after each pulse.

    Args:
        conductance: [devices, cycles, pulses], S; where a train is shorter, its last value is repeated.
        up: [devices, cycles, pulses], the pulse before each conductance potentiates.
        valid: [devices, cycles, pulses], whether it was measured.
        devices: names.
        source: the file's name.
    """

    conductance: np.ndarray
    up: np.ndarray
    valid: np.ndarray
    devices: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class RetentionCurves:
    """Conductances at times after the last write.

    Args:
        seconds, conductance: one array [times] per device, s and S.
        devices: names.
        source: the file's name.
    """

    seconds: tuple[np.ndarray, ...]
    conductance: tuple[np.ndarray, ...]
    devices: tuple[str, ...]
    source: str


def read_pulse_trains(path: Path) -> PulseTrains:
    """Read columns pulse, polarity, conductance_S and, if there, device and cycle.

    A train is the rows of one device and cycle, in the order of the file; `pulse` counts up by one in it.

    Raises:
        InputError: naming the file, the row and the column, the value received and what is allowed.
    """
    table = _read(path, ("pulse", "polarity", "conductance_S"), ("device", "cycle"))
    pulse = _numbers(table, "pulse", path, whole=True)
    conductance = _siemens(_numbers(table, "conductance_S", path, least=0.0), path)
    up = _polarities(table, path)
    trains = _grouped(table, ["device", "cycle"])
    for (device, cycle), rows in trains:
        for row, step in zip(rows[1:], np.diff(pulse[rows]), strict=True):
            if step != 1:
                raise InputError(
                    f"{path}: row {_line(table, row)}, column pulse: got {pulse[row]:g} after {pulse[row] - step:g} "
                    f"(device {device}, cycle {cycle}); allowed: sorted pulses that count up by one in each train"
                )
    return _stacked(trains, conductance, up, path)


def read_retention(path: Path) -> RetentionCurves:
    """Read columns time_s, conductance_S and, if there, device.

    Raises:
        InputError: naming the file, the row and the column, the value received and what is allowed.
    """
    table = _read(path, ("time_s", "conductance_S"), ("device",))
    seconds = _numbers(table, "time_s", path, above=0.0)
    conductance = _siemens(_numbers(table, "conductance_S", path, above=0.0), path)
    groups = _grouped(table, ["device"])
    for (device,), rows in groups:
        for row, step in zip(rows[1:], np.diff(seconds[rows]), strict=True):
            if step <= 0:
                raise InputError(
                    f"{path}: row {_line(table, row)}, column time_s: got {seconds[row]:g} after "
                    f"{seconds[row] - step:g} (device {device}); allowed: times that increase"
                )
        if len(rows) < LEAST_TIMES:
            raise InputError(f"{path}: device {device}: {len(rows)} times; allowed: at least {LEAST_TIMES}")
    return RetentionCurves(
        tuple(seconds[rows] for _, rows in groups),
        tuple(conductance[rows] for _, rows in groups),
        tuple(device for (device,), _ in groups),
        path.name,
    )


def _read(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    try:
        content = content_of(path, MEASURED)
    except ValueError as error:
        raise InputError(f"{path}: {error}; name a CSV file") from None
    try:
        table = pd.read_csv(
            BytesIO(content), dtype=str, keep_default_na=False, skipinitialspace=True, skip_blank_lines=False
        )
        table = table[~(table.isna() | (table == "")).all(axis=1)]  # blank lines are counted, and hold nothing
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a CSV file ({str(error).strip()}); allowed: columns {', '.join(needed)}"
        ) from None
    table.columns = table.columns.str.strip()
    for name in needed:
        if name not in table.columns:
            raise InputError(
                f"{path}: column {name} is missing; got: {', '.join(table.columns)}; "
                f"allowed: {', '.join(needed)} and optionally {', '.join(optional)}"
            )
    if table.empty:
        raise InputError(f"{path}: no rows below the header")
    return table.assign(**{name: "1" for name in optional if name not in table.columns})


def _numbers(
    table: pd.DataFrame,
    column: str,
    path: Path,
    least: float = -np.inf,
    above: float = -np.inf,
    whole: bool = False,
) -> np.ndarray:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(values) | (values < least) | (values <= above) | (whole & (values != np.round(values)))
    if wrong.any():
        row = int(wrong.argmax())
        kind = "a whole number" if whole else "a finite number"
        limit = f" of at least {least:g}" if np.isfinite(least) else f" above {above:g}" if np.isfinite(above) else ""
        raise InputError(
            f"{path}: row {_line(table, row)}, column {column}: got {table[column].iloc[row]!r}; allowed: {kind}{limit}"
        )
    return values


def _line(table: pd.DataFrame, row: int) -> int:
    """Return the line of the file that a row stands in."""
    return int(table.index[row]) + 2


def _siemens(values: np.ndarray, path: Path) -> np.ndarray:
    """Return the conductances if their largest is one that a cell can have; else say which unit they are likely in."""
    largest = float(values.max())
    if LEAST_SIEMENS <= largest <= MOST_SIEMENS:
        return values
    unit = likely_unit(largest, "S", Span(LEAST_SIEMENS, MOST_SIEMENS))
    hint = f"; in {unit}? then multiply the column by {to_si(1, unit, 'S'):g}" if unit else ""
    raise InputError(f"{path}: column conductance_S: got up to {largest:g} S; plausible: up to "
                     f"{LEAST_SIEMENS:g} to {MOST_SIEMENS:g} S{hint}")  # fmt: skip


def _polarities(table: pd.DataFrame, path: Path) -> np.ndarray:
    texts = table["polarity"].str.strip().str.lower().str.replace(r"^([+-]?1)\.0*$", r"\1", regex=True)
    known = texts.map(POLARITIES)
    if known.isna().any():
        row = int(known.isna().to_numpy().argmax())
        raise InputError(
            f"{path}: row {_line(table, row)}, column polarity: got {table['polarity'].iloc[row]!r}; "
            f"allowed: {', '.join(POLARITIES)}"
        )
    return known.to_numpy(bool)


def _grouped(table: pd.DataFrame, columns: list[str]) -> Groups:
    """Return the row numbers of each group, in the order of the file."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*(table[column].str.strip() for column in columns), strict=True)):
        groups.setdefault(key, []).append(row)
    return [(key, np.array(rows)) for key, rows in groups.items()]


def _stacked(trains: Groups, conductance: np.ndarray, up: np.ndarray, path: Path) -> PulseTrains:
    """Return the trains as arrays [devices, cycles, pulses]."""
    by_device: dict[str, list[np.ndarray]] = {}
    for (device, _), rows in trains:
        by_device.setdefault(device, []).append(rows)
    shape = (len(by_device), max(map(len, by_device.values())), max(len(rows) for _, rows in trains))
    g, ups, valid = np.empty(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    for d, (device, cycles) in enumerate(by_device.items()):
        g[d] = conductance[cycles[0][0]]
        for c, rows in enumerate(cycles):
            n = len(rows)
            g[d, c, :n], ups[d, c, :n], valid[d, c, :n] = conductance[rows], up[rows], True
            g[d, c, n:], ups[d, c, n:] = conductance[rows[-1]], up[rows[-1]]
        for side, name in ((True, "potentiating"), (False, "depressing")):
            pulses = int(((ups[d] == side) & valid[d])[:, 1:].sum())
            if pulses < LEAST_PULSES:
                raise InputError(
                    f"{path}: device {device}: {pulses} {name} pulses with a conductance before and after; "
                    f"allowed: at least {LEAST_PULSES} of each polarity"
                )
        if np.ptp(g[d][valid[d]]) == 0:
            raise InputError(
                f"{path}: device {device}: all conductances are {g[d, 0, 0]:g} S; allowed: a cell that moves"
            )
    return PulseTrains(g, ups, valid, tuple(by_device), path.name)

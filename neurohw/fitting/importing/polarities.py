"""Which pulses potentiate: from a column, a name, an option, or the sign of a voltage."""

from __future__ import annotations

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.headings import POLARITIES
from neurohw.fitting.importing.layouts import Strip
from neurohw.fitting.importing.options import ImportOptions, Notes
from neurohw.fitting.importing.sheets import is_number
from neurohw.fitting.importing.values import MISSING

_TURN = 0.3  # of the range, that a ramp must go back by to have turned


def signs_decide(strip: Strip, options: ImportOptions) -> bool:
    """Return whether nothing but the sign of voltages says which pulses potentiate."""
    return strip.up is None and "polarity" not in strip.beside and options.polarity is None


def polarities(
    strip: Strip, rows: np.ndarray, volts: np.ndarray, conductance: np.ndarray, options: ImportOptions, notes: Notes
) -> np.ndarray:
    """Return which pulses of a train potentiate: as a column, a name, an option or the sign of a voltage says.

    Args:
        strip: the column of values.
        rows: of the train.
        volts, conductance: of every row, nan where not known.
        options: what the files leave open.
        notes: takes what is guessed.

    Raises:
        InputError: a cell that names no polarity, a read where a pulse should be, or nothing says it.
    """
    pattern = options.pattern()
    if strip.up is not None or "polarity" in strip.beside:
        if pattern:
            notes.guess(strip.sheet.where, f"--polarity {options.polarity} is not used: a column or a name says it")
        return np.full(len(rows), strip.up) if strip.up is not None else _written(strip, rows)
    if pattern:
        sides = np.concatenate([np.full(count or len(rows), up) for up, count in pattern])
        return np.resize(sides, len(rows))
    if np.isfinite(volts[rows]).any():
        return _by_sign(strip, rows, volts[rows], options, notes)
    runs = likely_runs(conductance[rows])
    hint = f" (the values rise and fall about as in {runs})" if runs else ""
    raise InputError(
        f"{strip.sheet.where}: nothing says which pulses potentiate (a column polarity, a signed voltage, set and "
        "reset in the names of columns, sheets or files); allowed: --polarity up: all of them; down: none; "
        f"up50,down50: the first 50, then 50 that depress, and so on{hint}"
    )


def _written(strip: Strip, rows: np.ndarray) -> np.ndarray:
    column = strip.beside["polarity"].column
    cells = [strip.sheet.cells[column][row].strip().lower() for row in rows]
    meant = {cell: POLARITIES.get(_whole(cell)) for cell in set(cells)}
    known = [meant[cell] for cell in cells]
    if known[0] is None and len(known) > 1 and _whole(cells[0]) in MISSING | {"0"}:  # read before the first pulse
        known[0] = known[1]
    if None in known:
        row = rows[known.index(None)]
        raise InputError(f"{strip.sheet.where}: row {strip.sheet.lines[row]}, column {column}: got "
                         f"{strip.sheet.cells[column][row]!r}; allowed: {', '.join(POLARITIES)}")  # fmt: skip
    return np.array(known, bool)


def _whole(cell: str) -> str:
    """Return a cell, whole numbers without their decimals, as in "-1.0"."""
    return cell.split(".")[0] if is_number(cell) and float(cell).is_integer() else cell


def _by_sign(strip: Strip, rows: np.ndarray, volts: np.ndarray, options: ImportOptions, notes: Notes) -> np.ndarray:
    column = (strip.beside.get("write-voltage") or strip.beside["voltage"]).column
    signs = np.sign(volts)
    if np.nan_to_num(signs[0]) == 0 and len(signs) > 1:  # read before the first pulse
        signs[0] = signs[1]
    wrong = np.flatnonzero(~(np.abs(signs) == 1))
    if len(wrong):
        row = rows[wrong[0]]
        raise InputError(f"{strip.sheet.where}: row {strip.sheet.lines[row]}, column {column}: got "
                         f"{strip.sheet.cells[column][row]!r}; allowed: the voltage of a pulse, positive or negative "
                         "(a read without a pulse only at the beginning)")  # fmt: skip
    positive = options.positive_potentiates
    if positive is None:
        positive = True
        notes.guess(strip.sheet.where, f"pulses of positive {column} potentiate (--polarity negative: the others)")
    return np.asarray((signs > 0) == positive)


def likely_runs(conductance: np.ndarray) -> str:
    """Return the runs in which conductances rise and fall, as `ImportOptions.polarity` takes them; "" if they do not.

    A run ends at an extreme from which the values go back by a good part of their range.
    """
    g = conductance[np.isfinite(conductance)]
    if len(g) < 10 or np.ptp(g) == 0:
        return ""
    turns, extreme, rising = [0], 0, bool(g[: len(g) // 10 + 2].mean() > g[0])
    for i, value in enumerate(g):
        gain = value - g[extreme] if rising else g[extreme] - value
        if gain >= 0:
            extreme = i
        elif -gain > _TURN * np.ptp(g):
            turns.append(extreme + 1)
            extreme, rising = i, not rising
    first_rises = rising == (len(turns) % 2 == 1)
    lengths = np.diff([*turns, len(g)])[:2]
    sides = ("up", "down") if first_rises else ("down", "up")
    return ",".join(f"{side}{n}" for side, n in zip(sides, lengths, strict=False)) if len(turns) > 1 else ""

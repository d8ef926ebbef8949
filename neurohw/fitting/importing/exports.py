"""Exports of programs that are no plain tables: EasyEXPERT's text and NeuroSim's script of a fit.

EasyEXPERT (Keysight B1500A and others) writes settings line by line, `TestParameter, ...`, then `DataName, V, I` and
a line `DataValue, 0.1, 1e-6` for each point, once for each repetition; or, in the form of its classic tests, settings
up to `AutoAnalysis.Marker.Data.StartCondition,` and a plain table below. Its numbers are in SI.

NeuroSim's `nonlinear_fit.m` holds `exp_LTP_raw=[...]` and `exp_LTD_raw=[...]`, each with the pulse and the conductance
(Chen, Peng & Yu 2018, 10.1109/TCAD.2018.2789723); the depression is listed from the last pulse to the first.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

Row = tuple[int, tuple[str, ...]]
Export = tuple[str, str, list[Row]]  # the program, the table's name, its rows with the header
EASYEXPERT, NEUROSIM = "EasyEXPERT", "NeuroSim"
_CLASSIC = "AutoAnalysis.Marker.Data.StartCondition"
_MATRIX = re.compile(r"exp_(LTP|LTD)_raw\s*=\s*\[(.*?)\]", re.DOTALL)


def easyexpert_sheets(text: str, path: Path) -> list[Export]:
    """Return the tables of an export of EasyEXPERT; none if it is not one."""
    lines = text.splitlines()
    names = [i for i, line in enumerate(lines) if line.startswith("DataName")]
    if names:
        tables = []
        for number, (first, end) in enumerate(zip(names, [*names[1:], len(lines)], strict=True), 1):
            rows = [(i + 1, _cells(lines[i])[1:]) for i in range(first, end)
                    if lines[i].startswith(("DataName", "DataValue"))]  # fmt: skip
            name = path.stem if len(names) == 1 else f"{path.stem} repeat {number}"
            tables.append((EASYEXPERT, name, rows))
        return tables
    marker = next((i for i, line in enumerate(lines) if line.startswith(_CLASSIC)), None)
    if marker is None:
        return []
    return [(EASYEXPERT, path.stem, [(i + 1, _cells(lines[i])) for i in range(marker + 1, len(lines))])]


def neurosim_sheets(text: str, path: Path) -> list[Export]:
    """Return the tables LTP and LTD of NeuroSim's script; none if it is not one."""
    tables = []
    for match in _MATRIX.finditer(text):
        first = text.count("\n", 0, match.start(2)) + 1
        rows: list[Row] = [(first, ("pulse", "conductance (S)"))]
        rows += [(first + i, tuple(re.split(r"[\s,]+", line.strip().rstrip(";"))))
                 for i, line in enumerate(match[2].split("\n")) if line.strip()]  # fmt: skip
        tables.append((NEUROSIM, f"{path.stem} {match[1]}", rows))
    return tables


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), []))

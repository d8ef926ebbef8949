"""The options of `neurohw device fit` that say how the measured cells were written and read."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "How the cells were written and read (for the account of energy; a number with its unit)"


def _said(option: str, example: str, what: str) -> typer.models.OptionInfo:
    option_info: typer.models.OptionInfo = typer.Option(option, metavar=example, rich_help_panel=_PANEL, help=what)
    return option_info


WriteVoltage = Annotated[str | None, _said("--write-voltage", "'1.6 V'", "Of a potentiating pulse.")]
DepressionVoltage = Annotated[
    str | None, _said("--depression-voltage", "'-1.8 V'", "Of a depressing pulse; as the other unless given.")
]
PulseWidth = Annotated[str | None, _said("--pulse-width", "'100 ns'", "Of a write pulse.")]
WriteEnergy = Annotated[
    str | None,
    _said("--write-energy", "'20 fJ'", "Of a write pulse; needed where its voltage stands at a gate (three-terminal)."),
]
DepressionEnergy = Annotated[
    str | None, _said("--depression-energy", "'20 fJ'", "Of a depressing pulse; as the other unless given.")
]
Endurance = Annotated[str | None, _said("--endurance", "1e8", "Pulses that a cell lives for.")]
ReadTime = Annotated[str | None, _said("--read-time", "'10 ns'", "Of a read; its voltage is --read-voltage.")]
CellArea = Annotated[str | None, _said("--cell-area", "'0.25 um2'", "Of a cell with its transistors.")]
Cell = Annotated[
    str, _said("--cell", "NAME", "What a cell is: 1R, 1T1R, three-terminal, 2T, capacitor; any other name is kept.")
]
Technology = Annotated[str, _said("--technology", "WORDS", "What it is made of, as in 'HfO2 ReRAM'.")]

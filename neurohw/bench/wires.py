"""How fast and how exact is the solver of resistive crossbars, and how far off is its approximation?"""

from __future__ import annotations

from statistics import median
from typing import Any

import torch
from torch import Tensor

from neurohw.bench.rounds import ROUNDS, in_rounds
from neurohw.crossbar.wires import WireGrid, Wires, exact_conductances, line_load, remaining_voltages

_GOAL_SECONDS, _GOAL_RESIDUAL = 0.4, 1e-9
_CASES = ((32, 1.0), (64, 1.0), (128, 0.1), (128, 1.0), (128, 5.0))  # (lines on each side, ohm a segment)


def wires(
    lines: int = 128, inputs: int = 100, rounds: int = ROUNDS, cases: tuple[tuple[int, float], ...] = _CASES
) -> list[dict[str, Any]]:
    """Time the exact solver, check Kirchhoff's current law on its result, and measure the approximation against it.

    Conductances are log-uniform from 1 to 100 uS, segments of both lines have 1 ohm unless the row says otherwise,
    voltages are uniform from 0 to 1 V (dense), or on single lines.

    Args:
        lines: word lines and bit lines of the timed crossbar.
        inputs: voltage vectors.
        rounds: of timing.
        cases: (lines on each side, ohm a segment) to measure the approximation at.

    Returns:
        Rows of figure, value and goal, and the range of times; the goal of an error is the bound that
        `remaining_voltages` states.
    """
    generator = torch.Generator().manual_seed(0)
    cells, voltages = log_uniform(lines, lines, generator), _uniform(inputs, lines, generator)
    line = Wires(1.0, 1.0)
    grid = WireGrid(cells, line)
    timed = in_rounds({
        "exact": lambda: WireGrid(cells, line).solve(voltages), "approximate": lambda: remaining_voltages(cells, line),
    }, rounds)  # fmt: skip
    residual = kirchhoff_residual(grid, voltages, *grid.node_voltages(voltages))
    exact, approximate = ([ms / 1e3 for ms in timed.ms[call]] for call in ("exact", "approximate"))
    rows = [
        _row(f"exact {lines} x {lines}, {inputs} inputs: factor and solve, s", exact, _GOAL_SECONDS),
        _row(f"approximation of {lines} x {lines}, s", approximate, ""),
        _row("largest Kirchhoff residual over the largest current", [residual], _GOAL_RESIDUAL),
    ]
    for n, ohm in cases:
        rows += [_row(figure, [value], goal) for figure, value, goal in _errors(n, ohm, generator)]
    return rows


def _row(figure: str, values: list[float], goal: Any) -> dict[str, Any]:
    span = {"low": min(values), "high": max(values)} if len(values) > 1 else {"low": "", "high": ""}
    return {"figure": figure, "value": median(values), **span, "goal": goal}


def log_uniform(n_post: int, n_pre: int, generator: torch.Generator) -> Tensor:
    """Return conductances from 1 to 100 uS, evenly spread in their logarithm, [n_post, n_pre], siemens."""
    return 10 ** (2 * _uniform(n_post, n_pre, generator) - 6)


def kirchhoff_residual(grid: WireGrid, voltages: Tensor, word: Tensor, bit: Tensor) -> float:
    """Return the largest net current into a node, over the largest current, from node voltages and Ohm's law alone.

    The currents that `grid.solve` reports leave the last nodes of the bit lines, so they are checked as well.

    Args:
        grid: with resistances above 0 on both kinds of line.
        voltages: [B, n_pre], volt, of the drivers.
        word, bit: [B, n_post, n_pre], volt, at the nodes.
    """
    line = grid.wires
    cell = grid.conductances * (word - bit)
    along = (torch.cat((voltages[:, None], word[:, :-1]), 1) - word) / line.r_row
    along[:, 0] *= line.r_row / (line.r_row + line.r_driver)
    down = (bit[:, :, :-1] - bit[:, :, 1:]) / line.r_column
    down = torch.cat((down, grid.solve(voltages)[:, :, None]), 2)
    into_word = along - torch.cat((along[:, 1:], torch.zeros_like(along[:, :1])), 1) - cell
    into_bit = cell - down + torch.cat((torch.zeros_like(down[:, :, :1]), down[:, :, :-1]), 2)
    at_end = bit[:, :, -1] - (line.r_column + line.r_sense) * down[:, :, -1]
    worst = max(into_word.abs().max(), into_bit.abs().max(), (at_end / (line.r_column + line.r_sense)).abs().max())
    return float(worst / max(along.abs().max(), down.abs().max()))


def current_error(approximate: Tensor, exact: Tensor, voltages: Tensor) -> float:
    """Return the root mean square error of the output currents over that of the currents themselves."""
    wanted = voltages @ exact.T
    return float((voltages @ approximate.T - wanted).norm() / wanted.norm())


def _errors(n: int, ohm: float, generator: torch.Generator) -> list[tuple[str, float, Any]]:
    cells, line = log_uniform(n, n, generator), Wires(ohm, ohm)
    exact, approximate = exact_conductances(cells, line), cells * remaining_voltages(cells, line)
    load = line_load(cells, line)
    case = f"{n} x {n}, {ohm:g} ohm, load {load:.2g}"
    dense, single = _uniform(100, n, generator), torch.eye(n, dtype=torch.float64)
    bound = min(load**2, load)
    return [
        (f"error with no account of wires: {case}, dense", current_error(cells, exact, dense), ""),
        (f"error of the approximation: {case}, dense", current_error(approximate, exact, dense), 0.02 * bound),
        (f"error of the approximation: {case}, single lines", current_error(approximate, exact, single), 0.1 * bound),
    ]


def _uniform(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return torch.rand(rows, columns, generator=generator, dtype=torch.float64)


__all__ = ["current_error", "kirchhoff_residual", "log_uniform", "wires"]

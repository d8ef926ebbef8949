"""The mean step of a law as text, in an arithmetic that ngspice's B sources and Verilog-A share.

Both have + - * /, pow, exp, min and max, and read numbers as Python writes them. What other cells than the mean one
have else is left to the parameters that an expression names: scales of the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from neurohw.devices import laws
from neurohw.devices.response import Cells, PulseResponse
from neurohw.errors import InputError

Sides = tuple[str, str]


def step_expressions(law: PulseResponse, w: str, target: str) -> Sides:
    """Return the mean cell's |dw| of one pulse up and of one down, as text.

    Args:
        law: with its parameters.
        w: the weight before the pulse, as the target names it.
        target: named where a law is refused.

    Raises:
        InputError: the law has no expression.
    """
    if type(law) not in _WRITERS:
        known = ", ".join(kind.name for kind in _WRITERS)
        raise InputError(f"law {law.name!r} cannot be exported to {target}; allowed: {known}")
    cell = law.mean_cell()
    up, down = _WRITERS[type(law)](law, cell, w)
    return f"{number(cell['up'])} * ({up})", f"{number(cell['down'])} * ({down})"


def number(value: Any) -> str:
    """Return a number with seven digits, as many as float32 holds."""
    return f"{float(value):.7g}"


def _constant(law: PulseResponse, cell: Cells, w: str) -> Sides:
    return "1", "1"


def _affine(law: PulseResponse, cell: Cells, w: str) -> Sides:
    """1 + (c / s) w, of w + r where a reference is subtracted."""
    place = f"({w} + ({number(cell['reference'])}))" if "reference" in cell else w

    def side(name: str) -> str:
        scale = float(cell[name])
        return f"1 + ({number(float(cell['slope_' + name]) / scale if scale else 0.0)}) * {place}"

    return side("up"), side("down")


def _exponential(law: PulseResponse, cell: Cells, w: str) -> Sides:
    """max(0, 1 - A exp(+-gamma z)), z = 2 a w / (w_max - w_min) + b."""
    own = cast(laws.ExponentialStep, law)
    z = f"({number(2 * own.a / _span(cell))} * {w} + ({number(own.b)}))"

    def side(factor: float, rate: float) -> str:
        return f"max(0, 1 - ({number(factor)}) * exp(({number(rate)}) * {z}))"

    return side(own.A_up, own.gamma_up), side(own.A_down, -own.gamma_down)


def _power(law: PulseResponse, cell: Cells, w: str) -> Sides:
    """v^gamma, v the share of the range that is left; one that is all but gone stands for 0, where powers have none."""
    low, span = number(cell["w_min"]), number(_span(cell))
    share = f"max(1e-12, min(1, ({w} - ({low})) / {span}))"
    left = f"max(1e-12, min(1, (({number(cell['w_max'])}) - {w}) / {span}))"
    return f"pow({left}, {number(cell['gamma_up'])})", f"pow({share}, {number(cell['gamma_down'])})"


def _piecewise(law: PulseResponse, cell: Cells, w: str) -> Sides:
    """f_0 + sum_i (f_i+1 - f_i) clip(n v - i, 0, 1): linear between n + 1 equally spaced points."""
    own = cast(laws.PiecewiseStep, law)
    share = f"({w} - ({number(cell['w_min'])})) / {number(_span(cell))}"

    def side(table: tuple[float, ...]) -> str:
        sections = len(table) - 1
        rises = [(i, table[i + 1] - table[i]) for i in range(sections)]
        ramps = [f"({number(rise)}) * min(1, max(0, {sections} * {share} - {i}))" for i, rise in rises if rise]
        return " + ".join([f"({number(table[0])})", *ramps])

    return side(own.table_up), side(own.table_down)


def _span(cell: Cells) -> float:
    return float(cell["w_max"] - cell["w_min"])


_WRITERS: dict[type[PulseResponse], Callable[[PulseResponse, Cells, str], Sides]] = {
    laws.ConstantStep: _constant,
    laws.LinearStep: _affine,
    laws.SoftBounds: _affine,
    laws.SoftBoundsReference: _affine,
    laws.ExponentialStep: _exponential,
    laws.PowerStep: _power,
    laws.PiecewiseStep: _piecewise,
}

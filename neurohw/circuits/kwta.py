"""The current-mode k-winners-take-all: its parameters, and the currents of its transistors (equations: `dynamics`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurohw.circuits.characteristics import Numbers
from neurohw.errors import InputError

_UNITS = {
    "node_capacitance": "F",
    "common_capacitance": "F",
    "cell_capacitance": "F",
    "limit_current": "A",
    "leakage": "A",
    "slope_factor": "",
    "early_voltage": "V",
    "thermal_voltage": "V",
    "supply": "V",
}


@dataclass(frozen=True)
class KWTACircuit:
    """Parameters of the circuit, by default of a 180 nm process in weak inversion (equations: `dynamics`).

    Args:
        n, k: competitors and winners.
        node_capacitance: C, of a competitor's node, F.
        common_capacitance: part of C_c that does not grow with n, F.
        cell_capacitance: what each competitor adds to C_c (a gate, a source, a piece of wire), F.
        limit_current: I_lim, of one follower, A.
        leakage: I_0, A.
        slope_factor: n of the transistors.
        early_voltage: V_A, V.
        thermal_voltage: U_T, V.
        supply: V_DD, V.

    Raises:
        InputError: k outside 1..n, or a value that is not positive (the fixed common capacitance may be 0).
    """

    n: int
    k: int = 1
    node_capacitance: float = 50e-15
    common_capacitance: float = 0.0
    cell_capacitance: float = 10e-15
    limit_current: float = 10e-9
    leakage: float = 1e-15
    slope_factor: float = 1.3
    early_voltage: float = 2.8
    thermal_voltage: float = 0.02585
    supply: float = 1.8

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"circuit.n: got {self.n}; allowed: 1 or more")
        if not 1 <= self.k <= self.n:
            raise InputError(f"circuit.k: got {self.k}; allowed: 1 to {self.n}, the number of competitors")
        for name, unit in _UNITS.items():
            value = getattr(self, name)
            zero = name == "common_capacitance" and value == 0
            if not (0 < value < math.inf or zero):
                raise InputError(f"circuit.{name}: got {value} {unit}".rstrip() + "; allowed: more than 0, finite")

    @property
    def total_capacitance(self) -> float:
        """C_c, of the common node, F."""
        return self.common_capacitance + self.n * self.cell_capacitance

    @property
    def bias(self) -> float:
        """(k - 1/2) I_lim, A."""
        return (self.k - 0.5) * self.limit_current

    def time_constant(self, current: float) -> float:
        """Return an upper bound of C A / I, with which the separation settles, s."""
        return self.node_capacitance * (self.early_voltage + self.supply) / current

    def output(self, node: Numbers, common: Numbers | float) -> Numbers:
        """Return J, what the follower of a node passes on, A."""
        above = (node / self.slope_factor - common) / self.thermal_voltage
        return self.limit_current / (1 + np.exp(math.log(self.limit_current / self.leakage) - above))

    def sink(self, node: Numbers, common: Numbers | float) -> Numbers:
        """Return what M1 draws from a node, A."""
        on = self.leakage * np.exp(common / (self.slope_factor * self.thermal_voltage))
        drawn: Numbers = -on * np.expm1(-node / self.thermal_voltage) * (1 + node / self.early_voltage)
        return drawn

    def source(self, node: Numbers, inputs: Numbers | float) -> Numbers:
        """Return what the input delivers to a node, A."""
        return -inputs * np.expm1((node - self.supply) / self.thermal_voltage)

    def level(self, current: float) -> tuple[float, float]:
        """Return the node and common voltages at rest if all inputs are `current`, V."""
        from scipy.optimize import brentq

        share = (self.k - 0.5) / self.n
        offset = self.thermal_voltage * (math.log(self.limit_current / self.leakage) + math.log(share / (1 - share)))

        def left_over(node: float) -> float:
            at = np.asarray(node)
            return float(self.source(at, current) - self.sink(at, at / self.slope_factor - offset))

        node = float(brentq(left_over, 1e-9, self.supply, xtol=1e-12))
        return node, node / self.slope_factor - offset

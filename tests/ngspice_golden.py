"""Measures the golden kWTA with ngspice and prints it, as tests/golden/README.md says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from neurohw.circuits.characteristics import Numbers
from neurohw.transistors.behaviour import random_inputs, required_separation
from neurohw.transistors.homeostasis_netlist import HomeostasisNetlist, homeostasis_step
from neurohw.transistors.kwta_measurements import dc_transfer, decide, decision_times, draw_shifts, tie_offsets
from neurohw.transistors.kwta_netlist import KWTANetlist
from neurohw.transistors.ngspice import version

MAIN = KWTANetlist(32, 4)
ROUGH = replace(MAIN, a_vt=MAIN.a_vt * 2**0.5)  # mismatched enough that it decides who wins
PAIRS = (MAIN, KWTANetlist(8, 1), KWTANetlist(32, 4, unit_current=0.5e-9, limiter_current=1e-9))
DIFFERENCES = np.array([0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5])
CASES = 100


def rounded(values: Numbers, digits: int = 5) -> Any:
    """Return nested lists of numbers with so many digits; inf (never decided) becomes null."""
    if np.ndim(values):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}") if np.isfinite(values) else None


def pair(netlist: KWTANetlist, required: float) -> dict[str, Any]:
    """Measure transfer and decision times."""
    transfer = dc_transfer(netlist, DIFFERENCES)
    return {
        "n": netlist.n,
        "k": netlist.k,
        "unit_current_A": netlist.unit_current,
        "limiter_current_A": netlist.limiter_current,
        "separation_V": rounded(transfer.separation),
        "outputs_A": rounded(transfer.outputs),
        "decision_times_s": rounded(decision_times(netlist, DIFFERENCES, required).seconds),
    }


def chosen(winners: np.ndarray[Any, Any]) -> list[list[int]]:
    """Return the winners' indices, case by case."""
    return [np.flatnonzero(row).tolist() for row in winners]


def measure() -> dict[str, Any]:
    """Measure everything in the golden file."""
    rng = np.random.default_rng(20240607)
    required = float(f"{required_separation(MAIN):.4g}")
    inputs = np.round(random_inputs(MAIN, CASES, rng) * 1e12, 1)
    shifts = np.round(draw_shifts(ROUGH, rng) * 1e3, 4)
    decided = decide(MAIN, inputs * 1e-12)
    mismatched = decide(MAIN, inputs[:20] * 1e-12, shifts * 1e-3)
    step = homeostasis_step(HomeostasisNetlist())
    return {
        "ngspice": version(),
        "required_V": required,
        "difference": DIFFERENCES.tolist(),
        "pairs": [pair(netlist, required) for netlist in PAIRS],
        "inputs_pA": inputs.tolist(),
        "winners": chosen(decided.winners),
        "supply_current_A": rounded(decided.supply_current),
        "shifts_mV": shifts.tolist(),
        "offsets": rounded(tie_offsets(MAIN, shifts * 1e-3)),
        "winners_with_shifts": chosen(mismatched.winners),
        "homeostasis": {name: rounded(value) for name, value in vars(step).items()},
    }


def lines(golden: dict[str, Any]) -> str:
    """Return JSON with one short list to a line."""
    parts = []
    for key, value in golden.items():
        rows = isinstance(value, list) and isinstance(value[0], list | dict)
        text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if rows else json.dumps(value)
        parts.append(f' "{key}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}"


if __name__ == "__main__":
    print(lines(measure()))

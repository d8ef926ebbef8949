"""From a measured netlist to a circuit file: the behavioural parameters that it implies, and everything behind them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.library import CircuitModel
from neurohw.circuits.portrait import Portrait
from neurohw.transistors.behaviour import Characterisation

_HEADROOM = 2.0  # the time of a decision is what this many times the least difference needs


def implied_circuit(kwta: Characterisation, name: str) -> CircuitModel:
    """Return the circuit that a measured netlist implies, the source of every number named.

    Args:
        kwta: measured with ngspice.
        name: of the circuit.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, (value, source) in _implied(kwta).items():
        values[key] = float(f"{value:.6g}") if isinstance(value, float) else value
        if source:  # flags have none
            sources[key] = source
    own = kwta.netlist
    return CircuitModel(
        name,
        f"current-mode kWTA with {own.k} of {own.n} winners and a capacitor per threshold, as a netlist behaves",
        "the generic transistor card of neurohw/transistors/card.py, simulated by ngspice",
        "neurohw circuit characterise",
        TargetParameters().with_values(values),
        sources,
    )


def _implied(kwta: Characterisation) -> dict[str, tuple[Any, str]]:
    own, law, cell = kwta.netlist, kwta.fit.resolution, kwta.homeostasis
    separation, time = (f"{100 * worst:.3g} %" for worst in kwta.fit.worst)
    fitted = f"fitted to ngspice; largest residuals {separation} of a separation, {time} of a decision time"
    seconds = kwta.decision_seconds(_HEADROOM * kwta.resolution)
    outputs = (own.k - 0.5) * own.limiter_current
    rest = (kwta.static_power / own.supply - outputs) / own.n - kwta.agreement.inputs.mean()
    chips = f"ngspice, Monte Carlo over {kwta.mismatch.offsets.shape[0]} chips"
    numbers: dict[str, tuple[Any, str]] = {
        "temperature": (own.temperature, "the netlist's"),
        "inputs.unit_current": (own.unit_current, "the netlist's"),
        "inputs.gain_mismatch": (kwta.gain_mismatch, f"{chips}, a_vt = {own.a_vt:g} V m"),
        "inputs.slope_factor": (law.slope_factor, f"{fitted}; of the ceilings at several currents"),
        "inputs.rectified": (True, ""),
        "decision.seconds": (seconds, f"what a difference of {_HEADROOM:g} times the least one needs, by the law"),
        "decision.node_capacitance": (law.node_capacitance, fitted),
        "decision.early_voltage": (law.early_voltage, fitted),
        "decision.ceiling": (law.ceiling, fitted),
        "decision.separation": (kwta.required, "ngspice: clear outputs in the hardest case"),
        "decision.fixed_delay": (law.fixed_delay, fitted),
        "decision.cell_delay": (law.cell_delay, fitted),
        "decision.reference_current": (own.unit_current, "the netlist's"),
        "homeostasis.unit_voltage": (kwta.homeostasis_netlist.unit_voltage, "the netlist's"),
        "homeostasis.capacitance": (kwta.homeostasis_netlist.capacitance, "the netlist's"),
        "homeostasis.range": (own.supply / 2, "half the supply to either side"),
        "homeostasis.leak_seconds": (cell.leak_seconds, "ngspice: C V / I of the switches' leak, taken as exponential"),
        "homeostasis.charge_injection": (cell.charge_injection, "ngspice: a winner's pulse of length zero"),
        "homeostasis.decrement_injection": (cell.decrement_injection, "ngspice: every decision's pulse of length zero"),
        "homeostasis.thermal_noise": (True, ""),
        "power.supply": (own.supply, "the netlist's"),
        "power.winner_current": (own.limiter_current, "the netlist's"),
        "power.cell_current": (max(rest, 0.0), "ngspice: supply current less inputs and outputs"),
    }
    return {key: pair for key, pair in numbers.items() if pair[0] is not None}


def measured(kwta: Characterisation) -> str:
    """Return everything that was measured, the law and its residuals, as JSON."""
    fit, agreement, residual = kwta.fit, kwta.agreement, "law_over_ngspice_less_1"
    content = {
        "netlist": asdict(kwta.netlist),
        "homeostasis_netlist": asdict(kwta.homeostasis_netlist),
        "required_separation_V": kwta.required,
        "transfers": [asdict(t) | {residual: r} for t, r in zip(kwta.transfers, fit.separation, strict=True)],
        "decision_times": [asdict(t) | {residual: r} for t, r in zip(kwta.times, fit.seconds, strict=True)],
        "law": asdict(fit.resolution),
        "standard_errors": fit.standard_errors,
        "disagreements": fit.disagreements,
        "resolution": kwta.resolution,
        "cases": {"drawn": len(agreement.gaps), "resolved": agreement.resolved, "agreeing_share": agreement.fraction,
                  "winners": np.bincount(kwta.winners_found)},
        "gain_mismatch": kwta.gain_mismatch,
        "static_power_W": kwta.static_power,
        "homeostasis": asdict(kwta.homeostasis),
    }  # fmt: skip
    return json.dumps(_plain(content), indent=1, allow_nan=False) + "\n"


def portrait(kwta: Characterisation, name: str) -> Portrait:
    """Return what is drawn: the law over the measured points."""
    own = kwta.netlist
    title = f"{name}: {own.k} of {own.n} win; law (lines) and ngspice (points)"
    return Portrait(title, kwta.fit.resolution, own.unit_current, kwta.required, own.k, (own.n,), None,
                    transfers=kwta.transfers, times=kwta.times)  # fmt: skip


def _plain(value: Any) -> Any:
    """Return plain data; what was never reached (inf) or does not exist (nan) is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

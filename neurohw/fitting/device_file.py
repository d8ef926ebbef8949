"""A fit as a device file, and as a report beside it."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import tomlkit
from tomlkit.items import InlineTable, Table

from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.fitting.conditions import Conditions, merged
from neurohw.fitting.estimates import Estimate
from neurohw.fitting.retention import RetentionFit
from neurohw.fitting.retention_report import retention_report
from neurohw.fitting.trains import Fit
from neurohw.fitting.verdict import Verdict

_HEAD = """# By neurohw device fit. Weights: -1 and 1 are the mean bounds, g_min and g_max; steps are in weights.
# Behind each number: its 95 % interval. What is NOT IDENTIFIABLE was not determined by these measurements.
"""
_MIRRORED = "measured with depressing pulses only: a conductance g stands for g_max + g_min - g"
_RANGE = ("g_min", "g_max")
_UNKNOWN = Conditions()


def fitted_device(
    fit: Fit, retention: RetentionFit | None, name: str, conditions: Conditions = _UNKNOWN
) -> DeviceModel:
    """Return the device: mean bounds at w = -1 and 1, every number's source "fit of FILE".

    Args:
        fit: of its pulses; retention: of its retention; name: of the device.
        conditions: how its cells were written and read.

    Raises:
        InputError: a condition that is no number with a unit.
    """
    source = f"fit of {fit.trains.source}"
    conditions = conditions.mirrored() if fit.mirrored else conditions

    def number(estimate: Estimate, source: str = source) -> dict[str, Any]:
        value = list(estimate.value) if isinstance(estimate.value, tuple) else estimate.value
        origin = f"assumed: {estimate.note}" if estimate.unseen else source
        return {"value": _rounded(value), "unit": estimate.unit, "source": origin}

    def chosen(value: float | bool) -> dict[str, Any]:
        return {"value": value, "unit": "1", "source": source}

    bounds = {key: number(fit.estimates[key]) for key in _RANGE}
    bounds["g_min"]["value"] = max(bounds["g_min"]["value"], 0.0)
    pulse: dict[str, Any] = {
        "law": fit.law,
        "sided": 1 if fit.population.law.one_sided else 2,
        "w_max": chosen(1.0),
        "w_min": chosen(-1.0),
    }
    pulse |= {key: number(e) for key, e in fit.estimates.items() if key not in (*_RANGE, "read_noise")}
    pulse |= {key: chosen(value) for key, value in fit.flags.items()}
    tables: dict[str, Any] = {
        "name": name,
        "description": f"fitted to {len(fit.trains.devices)} measured device(s) by neurohw device fit"
        + (f"; {_MIRRORED}" if fit.mirrored else ""),
        "technology": conditions.technology,
        "cell": conditions.cell,
        "reference": source,
        "conductance": bounds,
        "pulse": pulse,
        "read": {"noise": number(fit.estimates["read_noise"])},
        "measured": _measured(fit),
    }
    if retention:
        origin = f"fit of {retention.curves.source}"
        tables["retention"] = {key: number(e, origin) for key, e in retention.estimates.items()}
    return device_from_tables(merged(tables, conditions.tables()), source)


def with_verdict(device: DeviceModel, verdict: Verdict) -> DeviceModel:
    """Return the device with what was said of it, which stands in its file."""
    return device.model_copy(update={"measured": device.measured.model_copy(update={"verdict": str(verdict)})})


def _measured(fit: Fit) -> dict[str, int]:
    """Return how much was measured: the pulses of the longest train, the devices, their cycles."""
    up, valid = fit.trains.up, fit.trains.valid
    length = up.shape[2] - valid[:, :, ::-1].argmax(2)
    given = np.arange(up.shape[2]) < length[:, :, None]
    ups, downs = (int((given & (up == side)).sum(2).max()) for side in (True, False))
    return {"pulses_up": ups, "pulses_down": downs, "devices": len(up), "cycles": up.shape[1]}


def annotated(device: DeviceModel, fit: Fit, retention: RetentionFit | None, verdict: Verdict) -> str:
    """Return the device's file with a comment behind each number: its 95 % interval, and whether it is identified."""
    estimates = {**fit.estimates, **(retention.estimates if retention else {})}
    estimates["noise"] = estimates.pop("read_noise")
    file = device.document()
    for table in file.values():
        for key, number in table.items() if isinstance(table, Table) else ():
            if key in estimates and isinstance(number, InlineTable):
                estimate = estimates[key]
                number.comment(interval(estimate) + "".join(f"; {doubt}" for doubt in doubts(estimate)))
    return f"{_HEAD}# Verdict: {verdict}; {verdict.figures()}.\n{tomlkit.dumps(file)}"


def fit_report(fit: Fit, retention: RetentionFit | None, verdict: Verdict) -> str:
    """Return everything the fit found as JSON."""
    report: dict[str, Any] = {
        "schema": "neurohw.fit/1",
        "source": fit.trains.source,
        "devices": len(fit.trains.devices),
        "measurements": int(fit.trains.valid.sum()),
        "verdict": dataclasses.asdict(verdict),
        "converged": fit.population.converged,
        "law": fit.law,
        "flags": fit.flags,
        "convention": "w = (g - (g_max + g_min) / 2) / ((g_max - g_min) / 2); intervals are 95 %",
        "parameters": {name: dataclasses.asdict(estimate) for name, estimate in fit.estimates.items()},
        "candidates": [dataclasses.asdict(candidate) for candidate in fit.candidates],
    }
    if retention:
        report["retention"] = retention_report(retention)
    return json.dumps(finite_only(report), indent=2, allow_nan=False) + "\n"


def finite_only(value: Any) -> Any:
    """Return plain data with null for numbers that are not finite, which JSON lacks."""
    if isinstance(value, dict):
        return {key: finite_only(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite_only(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def doubts(estimate: Estimate) -> list[str]:
    """Return what is to be known of an estimate beside its interval."""
    return ([] if estimate.identifiable else ["NOT IDENTIFIABLE"]) + ([estimate.note] if estimate.note else [])


def interval(estimate: Estimate) -> str:
    """Return an interval in words."""
    if isinstance(estimate.low, tuple) and isinstance(estimate.high, tuple):
        return ", ".join(f"{low:.3g} to {high:.3g}" for low, high in zip(estimate.low, estimate.high, strict=True))
    return f"{estimate.low:.4g} to {estimate.high:.4g}"


def _rounded(value: Any) -> Any:
    """Return numbers with six digits: more are never known."""
    return [_rounded(v) for v in value] if isinstance(value, list) else float(f"{value:.6g}")

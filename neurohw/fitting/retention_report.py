"""What a fit of retention says: in a few sentences, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurohw.devices.retention_laws import RETENTION_LAWS
from neurohw.fitting.retention import RetentionFit
from neurohw.units import readable

_LITTLE = 0.5  # of the change in time: a law that explains less describes little


def sentences(fit: RetentionFit) -> list[str]:
    """Return the law, how well it fits and what is not known of it, a sentence each."""
    chosen = fit.chosen
    noise = f"{100 * fit.noise:.3g} % of the conductance" if chosen.relative_noise else readable(fit.noise, "S", 3)
    said = [
        f"retention: {fit.law} law, {RETENTION_LAWS[fit.law].equation} ({RETENTION_LAWS[fit.law].source})",
        f"retention: R² = {chosen.r_squared:.4f} of the change in time; measurement noise "
        + (noise if fit.noise else "not told apart from the spread between devices, so that R² says nothing"),
    ]
    if chosen.r_squared < _LITTLE:
        said.append("retention: the law describes little of the change: noise, or no law of these")
    rest = fit.estimates.get("rest")
    if rest and isinstance(rest.value, float) and abs(rest.value) > 1:
        said.append("retention: it leads beyond the range that pulses reach, where simulated cells end")
    others = [f"{c.law} {c.bic - fit.candidates[0].bic:.1f} (R² {c.r_squared:.4f})" for c in fit.candidates]
    said.append(f"retention: ΔBIC: {', '.join(others)}")
    return [*said, f"retention: {fit.undecided}"] if fit.undecided else said


def retention_report(fit: RetentionFit) -> dict[str, Any]:
    """Return everything the fit found, as plain values."""
    return {
        "source": fit.curves.source,
        "curves": len(fit.curves.seconds),
        "devices": len(set(fit.curves.cells)),
        "kelvin": sorted({kelvin for kelvin in fit.curves.kelvin if kelvin is not None}),
        "law": fit.law,
        "equation": RETENTION_LAWS[fit.law].equation,
        "undecided": fit.undecided,
        "r_squared": fit.chosen.r_squared,
        "parameters": {name: dataclasses.asdict(estimate) for name, estimate in fit.estimates.items()},
        "noise": fit.noise,
        "noise_unit": "share of the conductance" if fit.chosen.relative_noise else "S",
        "candidates": [dataclasses.asdict(candidate) for candidate in fit.candidates],
    }

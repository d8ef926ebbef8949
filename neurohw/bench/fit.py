"""Does the fit of a device tell the truth? Twenty sets of pulse trains, ten of them of known truth.

A verdict is right if it is among those that the set allows, and to refuse trains is to say that no device describes
them; no set may be called good whose simulated mean is off by more than twice the noise floor. Of known truth are the
mean steps at three conductances, the bounds that cells reach, the noise of a pulse and of a read; each is compared in
siemens, whatever law was chosen.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from neurohw.bench.fit_sets import G_MAX, G_MIN, KnownSet, known_sets, published_sets
from neurohw.devices.response import Cells, PulseResponse
from neurohw.errors import InputError
from neurohw.fitting.fit_device import FittedDevice, fit_device
from neurohw.fitting.verdict import WRONG

_PLACES = (0.35, 0.5, 0.65)  # of the range of the data, where steps are compared


def fit() -> list[dict[str, Any]]:
    """Return a row for each set: verdict, whether it is right, error beside the noise floor, the worst parameter."""
    return [scored(known) for known in (*known_sets(), *published_sets())]


def scored(known: KnownSet) -> dict[str, Any]:
    """Return the row of a set."""
    start = time.process_time()
    try:
        found = fit_device(known.trains, name="fitted")
    except InputError as error:
        return {"set": known.name, "verdict": f"refused: {error}", "right": WRONG in known.expected,
                "cpu_seconds": time.process_time() - start, "source": known.source}  # fmt: skip
    seconds = time.process_time() - start
    verdict = found.verdict
    honest = verdict.level != "good" or verdict.rms_mean_S <= 2 * verdict.noise_floor_S
    errors = parameter_errors(known, found) if known.law is not None else {}
    worst = max(errors, key=lambda key: errors[key]) if errors else ""
    return {
        "set": known.name,
        "law": found.fit.law,
        "verdict": str(verdict),
        "right": verdict.level in known.expected and honest,
        "mean": verdict.rms_mean_S,
        "floor": verdict.noise_floor_S,
        "worst_parameter": worst,
        "error_percent": 100 * errors[worst] if errors else None,
        "cpu_seconds": seconds,
        "source": known.source,
    }


def parameter_errors(known: KnownSet, found: FittedDevice) -> dict[str, float]:
    """Return the relative errors of what is known: steps, noises; bounds as a share of the range."""
    assert known.law is not None
    assert known.cells is not None
    device, errors = found.device, {}
    seen = known.trains.conductance[known.trains.valid]
    low, high = float(seen.min()), float(seen.max())
    per = (G_MAX - G_MIN) / (known.law.w_max - known.law.w_min)
    law, cell = device.response(), device.response().mean_cell()
    for place in _PLACES:
        siemens = low + place * (high - low)
        w_true = known.law.w_min + (siemens - G_MIN) / per
        for side in (True, False) if device.sided == 2 else (True,):
            true = per * _steps(known.law, known.cells, w_true, side)
            errors[f"step {'up' if side else 'down'} at {place:.0%}"] = (
                abs(device.siemens * _steps(law, cell, device.weight(siemens), side) - true) / true
            )
    middle = low + 0.5 * (high - low)
    true = per * _noise(known.law, known.cells, known.law.w_min + (middle - G_MIN) / per)
    errors["noise of a pulse"] = abs(device.siemens * _noise(law, cell, device.weight(middle)) - true) / true
    errors["noise of a read"] = abs(device.read_noise * device.siemens - known.read_noise) / known.read_noise
    for key, bound in (("g_max", "w_max"), ("g_min", "w_min")):
        true = G_MIN + per * (known.cells[bound].mean().item() - known.law.w_min)
        if not found.estimates[key].note:
            errors[key] = abs(getattr(device, key) - true) / (G_MAX - G_MIN)
    return errors


def _steps(law: PulseResponse, cells: Cells, w: float, up: bool) -> float:
    """Return the mean step of cells at a weight."""
    return law.steps(torch.full_like(cells["w_max"], w), cells, up).mean().item()


def _noise(law: PulseResponse, cells: Cells, w: float) -> float:
    """Return the mean cycle-to-cycle spread of a potentiating pulse at a weight."""
    at = torch.full_like(cells["w_max"], w)
    return torch.as_tensor(law.noise(at, law.steps(at.clone(), cells, True), cells, True)).mean().item()

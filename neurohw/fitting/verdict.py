"""Whether a fitted device behaves like what was measured, in one line: its own engine is held against the trains.

The mean train is right if it is off by no more than twice the noise floor of the measurement; whatever the floor, it
describes nothing that is off by more than a tenth of the range. What single pulses do is compared by the distribution
of their changes: a law of small steps has the mean and the spread of cells that jump once, but not their jumps. Where
most pulses find cells at their bounds jumps are few, but cells that jump are never read between their two states.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurohw.devices.checks import CHECKS
from neurohw.devices.model import DeviceModel
from neurohw.devices.tables import NO_DESCRIPTION
from neurohw.errors import InputError
from neurohw.fitting.overlay import Overlay
from neurohw.fitting.trains import Fit
from neurohw.units import readable

GOOD, CARE, WRONG = "good", "usable with care", NO_DESCRIPTION
_FLOORS = 2.0  # how many noise floors a good mean or spread may be off by
_MOST = 0.1  # of the range, what a mean may be off by at most
_SPREAD, _MOST_SPREAD = 0.25, 1.0  # of the measured spread, what a spread may be off by: good, at all
_CHANGES, _MOST_CHANGES = 0.1, 0.25  # distance of the distributions of changes, beyond chance: good, at all
_JUMP = 1 / 3  # of the reads between two states that a gradual cell would give, below which cells jump
_SURE = 4.0  # standard deviations that reads are missed by


@dataclass(frozen=True)
class Verdict:
    """How well a fitted device describes the trains.

    Args:
        level: "good", "usable with care" or "does not describe this data".
        reasons: why it is not good.
        rms_mean_S: root mean square over pulses of simulated less measured mean; rms_spread_S: of the standard
            deviations over trains, nan where there is one train.
        noise_floor_S, spread_floor_S: what the measurement does not know of either.
    """

    level: str
    reasons: tuple[str, ...]
    rms_mean_S: float
    rms_spread_S: float
    noise_floor_S: float
    spread_floor_S: float

    @property
    def describes(self) -> bool:
        """Whether the device is of any use."""
        return self.level != WRONG

    def __str__(self) -> str:
        """Return the verdict as one line."""
        return ": ".join([self.level, *(["; ".join(self.reasons)] if self.reasons else [])])

    def figures(self) -> str:
        """Return the errors, each beside its noise floor, as one line."""
        pairs = (("mean", self.rms_mean_S, self.noise_floor_S), ("spread", self.rms_spread_S, self.spread_floor_S))
        parts = [
            f"{name} off by {_siemens(error)} RMS (noise floor {_siemens(floor)})"
            for name, error, floor in pairs
            if math.isfinite(error) and math.isfinite(floor)
        ]
        return ", ".join(parts)


def judged(fit: Fit, device: DeviceModel, compared: Overlay) -> Verdict:
    """Return the verdict on a fit.

    Args:
        fit: what was fitted; device: made of it; compared: its trains beside the measured ones.
    """
    mean, floor = compared.rms("simulated_mean", "mean"), compared.rms("error")
    spread, spread_floor = compared.rms("simulated_std", "std"), compared.rms("std_error")
    measured = compared.rms("std")
    beyond = compared.changes - compared.chance
    wrong, care = [], []
    off = f"the mean is off by {_siemens(mean)} RMS, {mean / max(compared.span, 1e-300):.0%} of its range"
    if mean > _MOST * compared.span and mean > _FLOORS * floor:
        wrong.append(off)
    elif mean > _FLOORS * floor:
        care.append(f"{off}, {mean / floor if floor else math.inf:.2g} noise floors")
    if math.isfinite(spread) and spread > _FLOORS * spread_floor and spread > _SPREAD * measured:
        worst = spread > _MOST_SPREAD * measured and spread > _MOST * compared.span
        (wrong if worst else care).append(f"the spread is off by {_siemens(spread)} RMS of {_siemens(measured)}")
    if beyond > _CHANGES:
        (wrong if beyond > _MOST_CHANGES else care).append(
            f"single pulses do something else (Kolmogorov's distance of changes {compared.changes:.2f})"
        )
    if _jumps(compared):
        wrong.append(
            f"cells jump between two states: {compared.between:.1%} of the reads lie in the middle half of the range, "
            f"{compared.simulated_between:.1%} of the simulated ones"
        )
    wrong += [f"check failed: {text}" for text in failed_checks(device)]
    care += [*compared.wear, *_doubts(fit)]
    level = WRONG if wrong else CARE if care else GOOD
    return Verdict(level, tuple(wrong + care), mean, spread, floor, spread_floor)


def with_checks(verdict: Verdict, device: DeviceModel) -> Verdict:
    """Return a verdict with what the conformance suite says against the device that is written, retention included."""
    said = [text for check in failed_checks(device) if (text := f"check failed: {check}") not in verdict.reasons]
    return dataclasses.replace(verdict, level=WRONG, reasons=(*said, *verdict.reasons)) if said else verdict


def failed_checks(device: DeviceModel) -> list[str]:
    """Return what the conformance suite of devices says against a device, each check by its name."""
    failed = []
    for check in CHECKS:
        try:
            check(device)
        except InputError as error:
            failed.append(f"{check.__name__.replace('_', ' ')}: {error}")
    return failed


def _jumps(compared: Overlay) -> bool:
    """Return whether far fewer reads lie between the ends of the range than the fitted device would give."""
    found, expected = (compared.reads * share for share in (compared.between, compared.simulated_between))
    return found < _JUMP * expected and expected - found > _SURE * math.sqrt(expected)


def _doubts(fit: Fit) -> list[str]:
    """Return what of a fit is not determined, whatever its trains look like."""
    doubts = []
    if not fit.population.converged:
        doubts.append("the fit has not converged")
    if len(fit.trains.devices) == 1:
        doubts.append("one device: no spread between devices")
    if fit.trains.conductance.shape[1] == 1 and len(fit.trains.devices) == 1:
        doubts.append("one train: its noise floor is the fit's own")
    ends = [key for key in ("g_max", "g_min") if _ends(fit, key)]
    if ends:
        doubts.append(f"no saturation was seen: {_listed(ends)} where the data end")
    for key, estimate in fit.estimates.items():
        if estimate.note.startswith("beyond"):
            doubts.append(f"{key} is {readable(float(estimate.value), 'S', 3)}, {estimate.note}")  # type: ignore[arg-type]
        elif estimate.note.startswith("on its limit"):
            doubts.append(f"{key} is {estimate.note}")
    return doubts


def _ends(fit: Fit, key: str) -> bool:
    reach = fit.population.law.reach
    name = {"g_max": "w_max", "g_min": "w_min"}[key]
    natural = key == "g_min" and fit.population.law.one_sided
    return reach is not None and name in reach.ends and not natural


def _listed(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _siemens(value: float) -> str:
    return readable(value, "S", 3)

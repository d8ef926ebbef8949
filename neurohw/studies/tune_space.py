"""What `tune` searches: weight range, learning rate, pulse length, EP's contrast, and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurohw.config import OnChipExperiment
from neurohw.crossbar.remedies import WRITINGS, Remedy
from neurohw.errors import InputError

if TYPE_CHECKING:
    from optuna.trial import Trial

# the simplest first: of remedies that do as well, it is the one that is recommended
REMEDIES = {
    "none": Remedy(),
    "one-sided": Remedy("one-sided"),
    "differential": Remedy("differential"),
    "several-cells": Remedy("several-cells"),
    "mixed-precision": Remedy(writing="mixed-precision"),
    "tiki-taka-v2": Remedy("reference-cell", "tiki-taka-v2"),
    "agad": Remedy(writing="agad"),
}
_HALVES = ("hardware.remedy", "hardware.cell", "hardware.writing")
_RANGE, _RATE, _PULSES, _CONTRAST = (
    "hardware.weight_range", "training.learning_rate", "hardware.pulse_length", "ep.contrast",
)  # fmt: skip
_RANGES = (0.8, 5.0)  # over the largest initial weight
_FACTORS = (0.1, 5.0)  # over the learning rate of ideal arrays
_TRANSFER_FACTORS = (0.3, 50.0)  # likewise: a hidden array passes on a small share of what it is given
_LENGTHS = (7, 127)
_CONTRASTS = ("difference", "two-phase")


@dataclass(frozen=True)
class Space:
    """What is searched for one device and rule.

    Args:
        rule: of learning.
        remedies: their names in `REMEDIES`; none: the experiment's own.
        rates: learning rates of ideal arrays, one per layer.
        largest: initial weight.
        fixed: dotted keys that were given, and are not searched.
    """

    rule: str
    remedies: tuple[str, ...]
    rates: tuple[float, ...]
    largest: float
    fixed: frozenset[str]

    @staticmethod
    def of(ideal: OnChipExperiment, sided: int, fixed: Mapping[str, Any]) -> Space:
        """Return the space around an experiment on ideal arrays, for a device with cells of one or two sides."""
        given = any(key in fixed for key in _HALVES)
        remedies = () if given else tuple(name for name, remedy in REMEDIES.items() if _suits(remedy, sided))
        largest = ideal.network.largest_weight or 1.0
        return Space(ideal.network.rule, remedies, ideal.training.learning_rate, largest, frozenset(fixed))

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Return dotted keys and their values for a trial, those of two digits that a file has room for."""
        values: dict[str, Any] = {}
        transfers = False
        if self.remedies:
            remedy = REMEDIES[trial.suggest_categorical("remedy", self.remedies)]
            transfers = WRITINGS[remedy.writing].transfers
            values |= {f"hardware.{key}": value for key, value in remedy.to_keys().items() if value}
        if _RATE not in self.fixed:
            name, bounds = ("factor, transfers", _TRANSFER_FACTORS) if transfers else ("factor", _FACTORS)
            factor = trial.suggest_float(name, *bounds, log=True)
            values[_RATE] = [_short(factor * rate) for rate in self.rates]
        if _RANGE not in self.fixed:
            values[_RANGE] = _short(self.largest * trial.suggest_float("range", *_RANGES, log=True))
        if _PULSES not in self.fixed:
            values[_PULSES] = trial.suggest_int("pulse_length", *_LENGTHS, log=True)
        if self.rule == "ep" and _CONTRAST not in self.fixed:
            values[_CONTRAST] = trial.suggest_categorical("contrast", _CONTRASTS)
        return values

    def first_trials(self) -> list[dict[str, Any]]:
        """Return where the search begins: each remedy with what usually works."""
        usual: dict[str, Any] = {"factor": 1.0, "factor, transfers": 1.0, "range": 1.0, "pulse_length": 31}
        usual |= {"contrast": _CONTRASTS[0]} if self.rule == "ep" else {}
        return [usual | {"remedy": name} for name in self.remedies] or [usual]


def _suits(remedy: Remedy, sided: int) -> bool:
    """Return whether devices can make it; pairs that only potentiate are for those that cannot do otherwise."""
    try:
        remedy.for_devices(sided)
    except InputError:
        return False
    return sided == 1 or remedy.cell != "one-sided"


def _short(value: float) -> float:
    return float(f"{value:.2g}")

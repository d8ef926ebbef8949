"""What the spiking circuit is made of; its equations are those of `neurohw.circuits.spiking_neurons`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurohw.errors import InputError

_CODINGS = ("poisson", "regular", "current")


@dataclass(frozen=True)
class SpikingParameters:
    """What the spiking circuit is made of, SI units; every default is assumed.

    Args:
        presentation: simulated time of a decision at most, s; it ends with the k-th winner.
        full_rate: R, spikes per second of an output at `highest`, Hz; from one line or summed over several.
        coding: of the outputs as input spikes: "poisson"; "regular" (an encoder that fires each time it has integrated
            another spike's worth, from a random phase on: the count errs by less than 1, not by its square root); or
            "current" (no spikes: the limit of infinite rates).
        membrane_time: tau, s.
        dt: time step of the simulation, s. Several spikes of a line may fall into a step, and are all counted.
        bias: b, drive that every neuron gets, in units of that of an output at `highest`. The larger, the later in the
            presentation the first spikes, and the closer together.
        threshold: theta_0, relative to the potential that the bias alone reaches by the end of the presentation; a
            neuron spikes within it if u - h > bias (threshold - 1).
        refractory: how long a neuron rests after a spike, s.
        inhibition: by how many thresholds the inhibitory interneuron throws back all that have not spiked.
        lowest, highest: outputs that are silent and that spike at the full rate; those beyond are clipped. For logits
            give their range: sums of excitatory and inhibitory lines are not modelled.

    Raises:
        InputError: a number outside what is allowed.
    """

    presentation: float = 0.1
    full_rate: float = 1e5
    coding: str = "poisson"
    membrane_time: float = 0.1
    dt: float = 5e-4
    bias: float = 3.0
    threshold: float = 0.85
    refractory: float = 2e-3
    inhibition: float = 1.0
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            self._require(field.name, number or field.name == "coding", "a number")
        for name in ("presentation", "full_rate", "membrane_time", "dt", "bias", "threshold"):
            self._require(name, 0 < getattr(self, name) < math.inf, "a finite number above 0")
        for name in ("refractory", "inhibition"):
            self._require(name, 0 <= getattr(self, name) < math.inf, "a finite number, 0 or above")
        self._require("lowest", math.isfinite(self.lowest), "a finite number")
        self._require("highest", self.lowest < self.highest < math.inf, f"a finite number above lowest, {self.lowest}")
        self._require("dt", self.dt <= self.presentation, f"at most the presentation, {self.presentation} s")
        whole = math.isclose(self.steps * self.dt, self.presentation, rel_tol=1e-6)
        self._require("presentation", whole, f"a multiple of dt, {self.dt} s")
        self._require("coding", self.coding in _CODINGS, ", ".join(_CODINGS))

    def with_values(self, values: Mapping[str, Any]) -> SpikingParameters:
        """Return the same with some replaced, by name; an InputError names what is wrong."""
        names = [field.name for field in dataclasses.fields(self)]
        if unknown := values.keys() - set(names):
            raise InputError(f"{sorted(unknown)[0]}: unknown key; allowed: {', '.join(names)}")
        return dataclasses.replace(self, **values)

    def _require(self, name: str, fits: bool, allowed: str) -> None:
        if not fits:
            raise InputError(f"spiking.{name}: got {getattr(self, name)!r}; allowed: {allowed}")

    @property
    def steps(self) -> int:
        """Return the time steps of a whole presentation."""
        return round(self.presentation / self.dt)

    @property
    def firing_threshold(self) -> float:
        """Return theta_0 = threshold b (1 - exp(-presentation / tau))."""
        return -self.threshold * self.bias * math.expm1(-self.presentation / self.membrane_time)

"""Which sizes the numbers of a device can plausibly have: what lies outside is mostly written in another unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurohw.units import parse_unit, readable, to_si, with_unit

if TYPE_CHECKING:
    from neurohw.quantity import Quantity

LEAST_SIEMENS, MOST_SIEMENS = 1e-10, 0.1  # of the largest conductance of a cell


@dataclass(frozen=True)
class Span:
    """Plausible magnitudes, SI; generous, so that what lies outside is a slip and no discovery."""

    least: float
    most: float


_CONDUCTANCE = Span(LEAST_SIEMENS, MOST_SIEMENS)
SPREAD = Span(0, 2)  # relative standard deviation from device to device: beyond, most cells are of the wrong sign
_PULSE_TIME, _VOLTAGE, _ENERGY = Span(1e-13, 10), Span(1e-4, 40), Span(1e-21, 1e-3)
PLAUSIBLE = {
    "conductance.g_max": _CONDUCTANCE,
    "retention.drift_nu": Span(0, 2),
    "retention.drift_nu_dtod": SPREAD,
    "retention.drift_t0": Span(1e-9, 1e5),
    "retention.lifetime": Span(1e-6, 1e12),
    "retention.lifetime_dtod": SPREAD,
    "retention.lifetime_dtod_ln": Span(0, 10),
    "retention.lifetime_state": Span(0, 50),
    "retention.stretch": Span(0.05, 1),
    "retention.loss_per_decade": Span(0, 1),
    "retention.loss_per_decade_dtod": SPREAD,
    "retention.activation_energy": Span(0.01, 5),
    "retention.reference_temperature": Span(1, 1000),
    "retention.temperature": Span(1, 1000),
    "retention.diffusion_dtod": SPREAD,
    "retention.relaxation_time": Span(1e-9, 1e7),
    "retention.read_noise_1f": Span(0, 1),
    "retention.read_time": Span(1e-12, 10),
    "faults.endurance": Span(10, 1e20),
    "faults.endurance_dtod": Span(0, 10),
    "read.voltage": _VOLTAGE,
    "read.pulse_time": _PULSE_TIME,
    "read.noise": Span(0, 1),
    "read.noise_scale": _CONDUCTANCE,
    "write.potentiation_voltage": _VOLTAGE,
    "write.depression_voltage": _VOLTAGE,
    "write.pulse_time": _PULSE_TIME,
    "write.potentiation_energy": _ENERGY,
    "write.depression_energy": _ENERGY,
    "write.endurance": Span(10, 1e20),
    "area.cell": Span(1e-17, 1e-7),
}
_USUAL = {  # units that such numbers come in, the likeliest first
    "S": ("uS", "nS", "mS", "S"),
    "s": ("ns", "us", "ms", "s"),
    "V": ("mV", "V"),
    "J": ("fJ", "pJ", "nJ", "J"),
    "m2": ("um2", "nm2", "m2"),
    "eV": ("meV", "eV"),
    "K": ("K",),
    "1": ("%", "1"),
}


def complaints(numbers: Iterable[tuple[str, Quantity]], spans: Mapping[str, Span]) -> list[str]:
    """Return what is not plausible, each as `key: got value; plausible: ...; the likely unit`.

    Args:
        numbers: of a device, by their dotted keys.
        spans: what is plausible, by dotted keys.
    """
    implausible = []
    for key, quantity in numbers:
        if (span := spans.get(key)) and not isinstance(quantity.value, bool | tuple):
            dimension = parse_unit(quantity.unit)[1]
            if not _fits(quantity.si(dimension), span):
                implausible.append(f"{key}: got {with_unit(quantity.value, quantity.unit)}; plausible: "
                                   f"{_in_words(span, dimension)}{_hint(quantity, dimension, span)}")  # fmt: skip
    return implausible


def likely_unit(value: float, dimension: str, span: Span) -> str | None:
    """Return the unit in which a plain number would be plausible, the likeliest first; None: in none."""
    return next((unit for unit in _USUAL[dimension] if _fits(to_si(value, unit, dimension), span)), None)


def _fits(value: float, span: Span) -> bool:
    return value == 0 or span.least <= abs(value) <= span.most


def _hint(quantity: Quantity, dimension: str, span: Span) -> str:
    unit = likely_unit(quantity.value, dimension, span)
    return "" if unit is None else f'; likely meant: unit = "{unit}", {with_unit(quantity.value, unit)}'


def _in_words(span: Span, dimension: str) -> str:
    return f"{readable(span.least, dimension)} to {readable(span.most, dimension)}"

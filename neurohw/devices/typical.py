"""Which sizes the numbers of published devices have: what lies outside is rare, and often written in another unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from neurohw.devices.model import DeviceModel
from neurohw.devices.plausibility import PLAUSIBLE, Span, complaints
from neurohw.devices.tables import GATED
from neurohw.quantity import Quantity
from neurohw.units import readable, with_unit


@dataclass(frozen=True)
class Typical:
    """What published devices have, SI, and what the ends rest on; names are of devices of the library."""

    span: Span
    source: str


_CONDUCTANCE = Typical(
    Span(1e-9, 2e-3),
    "38 nS of ag_asi to 70 uS of stt_mram, and a decade or so more; cells of some mS lose their signal in the lines",
)
_READ_TIME = Typical(Span(5e-10, 2e-3), "10 ns in NeuroSim, 250 ns of pcm_drift; probe stations integrate up to 1 ms")
_WRITE_VOLTAGE = Typical(Span(0.05, 25), "0.9 V of alox_hfo2 to 5 V of epiram; gates of flash up to some 10 V")
_WRITE_ENERGY = Typical(
    Span(1e-17, 2e-8), "1 fJ of capacitors and of ecram's projection, 0.6 to 120 pJ of RRAM, 3.6 nJ of alox_hfo2"
)
_TEMPERATURE = Typical(Span(70, 700), "77 K to the bakes of retention tests; 25 to 300 would be degrees Celsius")
TYPICAL = {
    "conductance.g_max": _CONDUCTANCE,
    "read.voltage": Typical(Span(0.01, 2), "0.1 V of sonos to 0.5 V in NeuroSim"),
    "read.pulse_time": _READ_TIME,
    "read.noise": Typical(Span(1e-5, 0.2), "0.8 % of the range of sonos; 1/f noise of pcm_drift is 5 %"),
    "read.noise_scale": _CONDUCTANCE,
    "retention.read_time": _READ_TIME,
    "retention.drift_nu": Typical(Span(0, 0.2), "0.009 of sonos; 0.03 to 0.1 of pcm_drift"),
    "retention.reference_temperature": _TEMPERATURE,
    "retention.temperature": _TEMPERATURE,
    "write.potentiation_voltage": _WRITE_VOLTAGE,
    "write.depression_voltage": _WRITE_VOLTAGE,
    "write.pulse_time": Typical(Span(5e-10, 1e-2), "1 ns of gokmen_vlasov's specification to 1 ms of pcmo"),
    "write.potentiation_energy": _WRITE_ENERGY,
    "write.depression_energy": _WRITE_ENERGY,
    "area.cell": Typical(Span(1e-16, 1e-9), "4 F2 at 5 nm is 100 nm2; 100 fF of a capacitor at 1 fF/um2 is 100 um2"),
}
_MOST_RATIO = 1e4  # of g_max to g_min: 2.2 of stt_mram to 250 of pcm here
_FAR = 20  # a pulse's energy from V^2 G t; the melting current of pcm takes five times as much as its G


def unusual(model: DeviceModel) -> list[str]:
    """Return what no device in the literature has, or hardly any, each as `key: got value; published: ...`.

    Numbers of sizes that no device can have (`PLAUSIBLE`) are left to the check that refuses them.
    """
    numbers = dict(model.numbers())
    spans = {key: typical.span for key, typical in TYPICAL.items()}
    impossible = {_key(text) for text in complaints(numbers.items(), PLAUSIBLE)}
    alone = {_key(text): _with_source(text) for text in complaints(numbers.items(), spans)}
    together = [*_of_energies(model, numbers), *([] if "conductance.g_max" in alone else _of_the_range(model))]
    return [text for text in (*alone.values(), *together) if _key(text) not in impossible]


def _key(complaint: str) -> str:
    return complaint.partition(":")[0]


def _with_source(complaint: str) -> str:
    published, likely, unit = complaint.replace("plausible:", "published:", 1).partition("; likely")
    return f"{published} ({TYPICAL[_key(complaint)].source}){likely}{unit}"


def _of_the_range(model: DeviceModel) -> Iterator[str]:
    if model.g_min and model.g_max / model.g_min > _MOST_RATIO:
        yield (f"conductance.g_min: got {readable(model.g_min, 'S')}, {model.g_max / model.g_min:.3g} times less than "
               f"g_max; published: up to {_MOST_RATIO:g} times (2.2 of stt_mram to 250 of pcm); likely one "
               "of them is in another unit")  # fmt: skip


def _of_energies(model: DeviceModel, numbers: Mapping[str, Quantity]) -> Iterator[str]:
    """Yield what of energies that are given does not fit V^2 G t, where the voltage is across the cell."""
    time = numbers.get("write.pulse_time")
    for side in ("potentiation", "depression"):
        volts, energy = numbers.get(f"write.{side}_voltage"), numbers.get(f"write.{side}_energy")
        if model.cell in GATED or time is None or volts is None or energy is None:
            continue
        least, most = (volts.si("V") ** 2 * g * time.si("s") for g in (model.g_min, model.g_max))
        if not least / _FAR <= energy.si("J") <= most * _FAR:
            yield (f"write.{side}_energy: got {with_unit(energy.value, energy.unit)}, but V^2 G t of its voltage, "
                   f"pulse time and conductances is {readable(least, 'J')} to {readable(most, 'J')}; likely one "
                   "of them is in another unit")  # fmt: skip

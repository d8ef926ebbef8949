"""How a device is read and written, and what a target circuit takes, from their files, as accounts need it."""

from __future__ import annotations

from collections.abc import Mapping

from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.analog_target import AnalogTarget
from neurohw.circuits.library import load_circuit
from neurohw.config import OnChipExperiment
from neurohw.devices.model import DeviceModel
from neurohw.devices.tables import GATED
from neurohw.energy.conditions import NO_CIRCUIT, CircuitConditions, Conditions
from neurohw.energy.ranges import Figure, Range
from neurohw.quantity import ASSUMED, Quantity
from neurohw.runs.circuit import circuit_parameters, target_rule

_KEYS = {"read.voltage": "V", "read.pulse_time": "s", "write.pulse_time": "s", "area.cell": "m2"}
_NAMES = {"read.pulse_time": "read.time", "area.cell": "cell.area"}


def conditions(device: DeviceModel, origin: str | None = None) -> Conditions:
    """Return how a device is read and written, from its file.

    A number's low and high are the file's, or its value. A write pulse costs V^2 G t, low at g_min and high at g_max;
    nominal is the energy that the file gives, or V^2 t at the mean conductance. A low or high that the file gives with
    the energy stands. A cell whose write voltage stands at a gate needs the energy. What the file lacks is an error
    once something that was counted needs it. Endurance is that of [faults], of which the cells of the run died, or
    else that of [write].

    Args:
        device: the model.
        origin: its file, for messages.
    """
    numbers = dict(device.numbers())
    figures = {_NAMES.get(key, key): _figure(device, key, numbers[key], unit)
               for key, unit in _KEYS.items() if key in numbers}  # fmt: skip
    missing = {_NAMES.get(key, key): key for key in _KEYS}
    for name, side in (("write.up", "potentiation"), ("write.down", "depression")):
        pulse = _write(device, numbers, side)
        figures |= {name: pulse} if isinstance(pulse, Figure) else {}
        missing |= {name: pulse} if isinstance(pulse, str) else {}
        half, name = _half(device, numbers, side), name.replace("write.", "write.half_")
        figures |= {name: half} if isinstance(half, Figure) else {}
        missing |= {name: half} if isinstance(half, str) else {}
    given = (key for key in ("faults.endurance", "write.endurance") if key in numbers and numbers[key].value)
    endurance = next((_figure(device, key, numbers[key], "1") for key in given), None)
    return Conditions(device.name, origin or f"device {device.name}", figures, missing, endurance)


def _figure(device: DeviceModel, key: str, quantity: Quantity, unit: str) -> Figure:
    return Figure(f"device {device.name} {key}", _range(quantity, unit), quantity.source)


def _range(quantity: Quantity, unit: str) -> Range:
    return Range(*(abs(bound) for bound in quantity.bounds(unit)))


def _write(device: DeviceModel, numbers: Mapping[str, Quantity], side: str) -> Figure | str:
    """Return what a pulse costs, or which keys would tell."""
    key, voltage = f"write.{side}_energy", f"write.{side}_voltage"
    given = numbers.get(key)
    parts = [numbers[k] for k in (voltage, "write.pulse_time") if k in numbers]
    if device.cell in GATED or len(parts) < 2:
        if given is not None:
            return _figure(device, key, given, "J")
        needed = [key] if device.cell in GATED else [k for k in (voltage, "write.pulse_time") if k not in numbers]
        return " and ".join(needed) + ("" if device.cell in GATED else f", or {key}")
    ohmic = _v2gt(device, _range(parts[0], "V"), _range(parts[1], "s"))
    if given is not None:
        stated = _range(given, "J")
        low = min(ohmic.low, stated.nominal) if given.low is None else stated.low
        high = max(ohmic.high, stated.nominal) if given.high is None else stated.high
        return Figure(f"device {device.name} {key}", Range(low, stated.nominal, high), given.source)
    sources = [quantity.source for quantity in parts]
    return Figure(f"device {device.name} {voltage} and write.pulse_time", ohmic, _worst(sources, device))


def _half(device: DeviceModel, numbers: Mapping[str, Quantity], side: str) -> Figure | str:
    """Return what a half-selected cell costs per slot of pulses of a side, (V/2)^2 G t; or which keys would tell.

    A cell with a transistor in series conducts only what leaks through it.
    """
    if device.cell in GATED:  # no current flows through the channel; a quarter of the pulse's energy stands for C V^2
        pulse = _write(device, numbers, side)
        if isinstance(pulse, str):
            return pulse
        return Figure(pulse.key, pulse.range * 0.25, f"assumed: a quarter of {pulse.source}")
    keys = (f"write.{side}_voltage", "write.pulse_time")
    if absent := [key for key in keys if key not in numbers]:
        return " and ".join(absent)
    energy = _v2gt(device, _range(numbers[keys[0]], "V") / 2, _range(numbers[keys[1]], "s"))
    source = _worst([numbers[key].source for key in keys], device)
    key = f"device {device.name} half of {keys[0]}"
    if "T" in device.cell:
        leaks = Range(1e-4 * energy.low, 0.01 * energy.nominal, 0.1 * energy.high)
        return Figure(key, leaks, f"assumed: 1 % (0.01 to 10 %) leaks through the select transistor; {source}")
    return Figure(key, energy, f"assumed: V/2 on every line of a pulse, no selectors; {source}")


def _v2gt(device: DeviceModel, volts: Range, seconds: Range) -> Range:
    g = Range(device.g_min, (device.g_min + device.g_max) / 2, device.g_max)
    return volts * volts * seconds * g


def _worst(sources: list[str], device: DeviceModel) -> str:
    """Return the source of a product: an assumed one where there is one."""
    of_range = [device.range.g_min.source, device.range.g_max.source]
    chosen = next((s for s in (*sources, *of_range) if s.lower().startswith(ASSUMED)), sources[0])
    return f"{chosen}; V^2 G t from the conductance range"


_DRAWN = ("power.supply", "power.cell_current", "power.winner_current", "inputs.unit_current", "inputs.common_current")
_TAKEN = ("decision.seconds", "decision.node_capacitance", "decision.separation")
_KEPT = ("homeostasis.capacitance", "homeostasis.unit_voltage", "power.supply")


def circuit_conditions(experiment: OnChipExperiment) -> CircuitConditions:
    """Return what the experiment's target circuit takes, as far as it is analog and says so.

    A decision: P t + N C V^2, shared among the N competitors, where its file or the experiment gives the current that a
    cell draws, and the circuit takes time at all; with the bias that is meant, whatever a chip's is. An update of a
    threshold: C V |dV|, where a capacitance is given. The rest, comparators and the bias of capacitors among it, is the
    periphery table's.
    """
    parameters = circuit_parameters(experiment)
    if not isinstance(parameters, TargetParameters):
        return NO_CIRCUIT
    target, n_out = experiment.target, experiment.network.layers[-1]
    meant = parameters.with_values({"decision.bias_mismatch": 0.0})
    cost = AnalogTarget(target_rule(experiment, n_out), meant).cost()
    sources = dict(load_circuit(target.model).sources) if target.model else {}
    sources |= dict.fromkeys(target.parameters, "the experiment's target.parameters")
    name, figures = f"circuit {target.model or 'of the experiment'}", {}
    if "power.cell_current" in sources and cost.seconds:
        source = _circuit_source(sources, (*_DRAWN, *_TAKEN))
        figures["kwta.energy"] = Figure(f"{name} power", Range.of(cost.joules / n_out), f"{source}; P t + N C V^2")
        figures["kwta.time"] = Figure(f"{name} decision", Range.of(cost.seconds), _circuit_source(sources, _TAKEN))
    store, comparators = parameters.homeostasis, parameters.decision.output == "digital"
    if "homeostasis.capacitance" in sources and store.storage == "capacitor":
        source = f"{_circuit_source(sources, _KEPT)}; C V |dV| of the mean step"
        figures["homeostasis.energy"] = Figure(f"{name} homeostasis", Range.of(cost.joules_per_update / n_out), source)
    return CircuitConditions(figures, store.storage, store.bits, comparators)


def _circuit_source(sources: Mapping[str, str], keys: tuple[str, ...]) -> str:
    """Return the source of what is made of some parameters: an assumed one where there is one."""
    given = [sources[key] for key in keys if key in sources]
    return next((source for source in given if source.lower().startswith(ASSUMED)), given[0])

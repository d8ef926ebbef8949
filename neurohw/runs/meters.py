"""Meters around the parts of a run, and the facts that an account needs besides the counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from neurohw.circuits.target import TargetCircuit
from neurohw.config import Experiment
from neurohw.crossbar.base import Driving, StateDict
from neurohw.crossbar.cells import DevicePopulation
from neurohw.crossbar.periphery import output_scale
from neurohw.metering.anatomy import SiemensOf, visible, writes_per_cell
from neurohw.metering.array_meter import SNAPSHOT_UPDATES, ArrayMeter, ArraySettings
from neurohw.metering.digital_work import DigitalUpdates, WorkMeter
from neurohw.metering.expected_pulses import Trains
from neurohw.metering.ledger import Counts, EnergyLedger, Nested, of_training
from neurohw.metering.line_drive import Converters
from neurohw.metering.metered_array import MeteredArray
from neurohw.metering.metered_target import MeteredTarget
from neurohw.networks.base import Contrast, Network, State
from neurohw.networks.operations import Operations
from neurohw.runs.build import device_model, read_path

_READ_SCALING = {
    "vector": "vectors beyond full scale are scaled down; transposed reads are scaled to full scale, each by itself",
    "batch": "batches beyond full scale are scaled down; transposed reads are scaled to full scale",
}


class MeteredNetwork(Network):
    """Forwards every question to a network, and counts the work around its arrays; changes no number.

    Args:
        network: what is metered.
        meter: of its work.
    """

    def __init__(self, network: Network, meter: WorkMeter) -> None:
        self.network, self.meter = network, meter
        self.layers, self.dropout = network.layers, network.dropout
        self.generator, self.clock = network.generator, network.clock
        self._learns = False

    def operations(self) -> Operations:
        """Return the network's operations."""
        return self.network.operations()

    def respond(self, x: Tensor, train: bool = False) -> State:
        """Return the network's answer, and count it."""
        self.meter.answered(self.meter.operations.phase if train else self.clock.phase, len(x))
        return self.network.respond(x, train)

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return the network's contrast, and count it and the digital side of writing it."""
        contrast = self.network.contrast(state, target)
        self.meter.learnt(len(target), [len(products.terms) for _, products in contrast])
        self._learns = True
        return contrast

    def elapse(self, seconds: float) -> None:
        """Let time pass; a batch's time is part of its update, and ageing without learning is nobody's."""
        if self._learns:
            self.meter.passed(seconds)
        self._learns = False
        self.network.elapse(seconds)

    def state_dict(self) -> StateDict:
        """Return the network's state."""
        return self.network.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the network's state."""
        self.network.load_state_dict(state)


@dataclass(frozen=True)
class Metered:
    """The metered parts of a run, and their ledger.

    Args:
        network, circuit: to be used instead of those given to `metered`.
        ledger: what they count.
        experiment: configuration.
    """

    network: MeteredNetwork
    circuit: MeteredTarget
    ledger: EnergyLedger
    experiment: Experiment

    def record(self, epochs: float, curve: Sequence[Counts]) -> dict[str, Any]:
        """Return `ledger` of record.json: counts, facts, and the counts of training after each epoch.

        Args:
            epochs: done.
            curve: see `training_counts`.
        """
        counts = self.ledger.counts()
        return {"counts": counts, "facts": self._facts(epochs), "ledger_curve": list(curve)}

    def training_counts(self) -> Nested:
        """Return all counts of training so far."""
        return of_training(self.ledger.counts())

    def _facts(self, epochs: float) -> dict[str, Any]:
        experiment, meter = self.experiment, self.network.meter
        arrays = [layer.array for layer in self.network.layers]
        meters = [array.meter for array in arrays if isinstance(array, MeteredArray)]
        return {
            "arrays": {meter.name: _array_facts(experiment, a, meter) for meter, a in zip(meters, arrays, strict=True)},
            "images": {"epochs": epochs, "batches": meters[0].updates},
            "snapshot_batches": SNAPSHOT_UPDATES,
            "step_seconds": experiment.hardware.step_seconds,
            **meter.operations.facts(),
            "sizes": list(self.network.sizes),
            "optimizer": meter.updates.optimizer,
            "batch_size": experiment.training.batch_size,
            "pretrain_batch_size": experiment.training.pretrain.batch_size,
            "hold_input": experiment.ep.hold_input,
            "target": {"circuit": experiment.target.circuit, "n_out": self.circuit.n_out, "k": experiment.target.k},
        }


def metered(experiment: Experiment, network: Network, circuit: TargetCircuit) -> Metered:
    """Put meters around a network's arrays (in place), the network and the target circuit."""
    ledger, operations = EnergyLedger(), network.operations()
    shapes = [layer.array.shape for layer in network.layers]
    biases = [layer.n_post if layer.bias is not None else 0 for layer in network.layers]
    for i, layer in enumerate(network.layers):
        settings = array_settings(experiment, layer.array, biases[i], operations.free_reads)
        layer.array = MeteredArray(layer.array, ledger, network.clock, f"W{i + 1}", settings)
    target = MeteredTarget(circuit, ledger, network.clock)
    cells = tuple(n_post * n_pre for n_post, n_pre in shapes)
    work = WorkMeter(operations, DigitalUpdates(sum(biases), experiment.training.optimizer, cells))
    ledger.attach(work)
    return Metered(MeteredNetwork(network, work), target, ledger, experiment)


def array_settings(experiment: Experiment, array: Any, bias_adds: int, free_reads: int | None = None) -> ArraySettings:
    """Return what a meter must know of the experiment's arrays.

    Args:
        experiment: configuration.
        array: one of its arrays.
        bias_adds: digital biases of its layer.
        free_reads: see `Operations`.
    """
    converters = Converters()
    if experiment.hardware.backend != "ideal":
        path = read_path(experiment.hardware)
        converters = Converters(
            path.dac_bits, path.adc_bits, path.input_bound, path.coding, path.signed_passes, path.input_scale
        )
    return ArraySettings(
        converters=converters,
        trains=_trains(experiment, array),
        siemens_of=_siemens_of(experiment),
        bias_adds=bias_adds,
        free_reads=free_reads,
    )


def _trains(experiment: Experiment, array: Any) -> Trains | None:
    """Return how an array's updates are written; None where nothing is known of it."""
    section, device = experiment.hardware, device_model(experiment)
    if device is None:
        return None
    law, tile = device.response(), getattr(array, "grid", [[array]])[0][0]
    scale = output_scale(section.weight_range, law.w_max)
    if section.backend == "aihwkit":
        if tile.remedy.unseen:
            return None
        theirs = Driving(law.granularity, pair=section.remedy == "one-sided")
        return Trains(theirs, scale, tile.remedy.rate_gain, section.pulse_length)
    driving: Driving = tile.cells.driving
    return Trains(
        driving,
        output_scale=scale,
        length=section.pulse_length,
        serial=driving.serial or section.pulse_kind == "deterministic",
        increment_words=2 if section.increments == "verified" else 0,
    )


def _siemens_of(experiment: Experiment) -> SiemensOf | None:
    """Return the conductances of aihwkit's weights, which it knows only where one device makes a weight."""
    section, device = experiment.hardware, device_model(experiment)
    if section.backend != "aihwkit" or section.remedy != "none" or device is None:
        return None
    population = DevicePopulation.of(device)
    scale = output_scale(section.weight_range, population.response.w_max)
    return lambda weights: (weights / scale - population.zero).clamp_(min=0.0).mul_(population.siemens)


def _array_facts(experiment: Experiment, array: Any, meter: ArrayMeter) -> dict[str, Any]:
    section, settings = experiment.hardware, meter.settings
    converters, trains = settings.converters, settings.trains
    wear = writes_per_cell(array)
    tile: Any = meter.tiles.grid[0][0]
    devices = on_line = tile.devices_per_weight if section.backend == "aihwkit" else 1
    if section.backend == "analog":
        banks = tile.conductances()
        devices, on_line = (sum(bank.numel() for bank in part.values()) / math.prod(tile.shape)
                            for part in (banks, visible(banks)))  # fmt: skip
    counted = section.backend == "analog"
    return {
        "n_post": array.shape[0],
        "n_pre": array.shape[1],
        "tiles": [len(meter.tiles.rows), len(meter.tiles.columns)],
        "tile_size": list(section.tile) if section.tile else None,
        "devices_per_weight": devices,
        "devices_on_line": on_line,
        "reference": getattr(tile, "reference", None),
        "dac_bits": converters.dac_bits or 0,
        "adc_bits": converters.adc_bits or 0,
        "code_bits": list(converters.codes),
        "coding": converters.coding,
        "read_passes": converters.passes,
        "read_scaling": _READ_SCALING[converters.input_scale],
        "writing": "unknown" if trains is None else "serial" if trains.serial else "parallel",
        "pulses": "counted" if counted else "expected" if trains is not None else "unknown",
        "conductance": "snapshots" if meter.weighs else "unknown",
        "exact": array.exact,
        "writes_per_cell": wear,
    }

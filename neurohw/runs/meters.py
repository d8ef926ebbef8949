"""Meters around the parts of a run, and the facts that an account needs besides the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurohw.circuits.target import TargetCircuit
from neurohw.config import OnChipExperiment
from neurohw.crossbar.base import StateDict, SynapseArray
from neurohw.crossbar.by_kind import by_kind
from neurohw.energy.facts import UNKNOWN, ArrayFacts, WritesPerCell, facts_of
from neurohw.metering.array_meter import ArrayMeter, ArraySettings
from neurohw.metering.digital_work import DigitalUpdates, LayerWork, WorkMeter
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.line_drive import Converters
from neurohw.metering.metered_array import MeteredArray
from neurohw.metering.metered_target import MeteredTarget
from neurohw.networks.base import Contrast, Network, State
from neurohw.networks.operations import Operations
from neurohw.networks.rules import LEARNING_RULES

_READ_SCALING = {
    "vector": "vectors beyond full scale are scaled down; transposed reads are scaled to full scale, each by itself",
    "batch": "batches beyond full scale are scaled down; transposed reads are scaled to full scale",
}


class MeteredNetwork(Network):
    """Forwards every question to a network, and counts the work around its arrays; changes no number.

    Args:
        network: what is metered.
        meter: of its work.
        of_layers: of the work of learning, layer by layer, where layers learn one after the other; none: the meter's.
    """

    def __init__(self, network: Network, meter: WorkMeter, of_layers: Sequence[WorkMeter] = ()) -> None:
        self.network, self.meter, self.of_layers = network, meter, of_layers
        self._learning = meter
        self.layers, self.pools, self.dropout = network.layers, network.pools, network.dropout
        self.generator, self.clock = network.generator, network.clock
        self._learns = False

    def operations(self) -> Operations:
        """Return the network's operations."""
        return self.network.operations()

    def teach(self, layer: int | None) -> None:
        """Say which layer learns, and count its work apart."""
        self.network.teach(layer)
        self._learning = self.meter if layer is None else self.of_layers[layer]

    def respond(self, x: Tensor, train: bool = False) -> State:
        """Return the network's answer, and count it."""
        meter = self._learning if train else self.meter
        meter.answered(meter.operations.phase if train else self.clock.phase, x.shape[-2])
        return self.network.respond(x, train)

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return the network's contrast, and count it and the digital side of writing it."""
        contrast = self.network.contrast(state, target)
        self._learning.learnt(target.shape[-2], [products for _, products in contrast])
        self._learns = True
        return contrast

    def elapse(self, seconds: float) -> None:
        """Let time pass; a batch's time is part of its update, and ageing without learning is nobody's."""
        if self._learns:
            self._learning.passed(seconds)
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
    experiment: OnChipExperiment

    def facts(self, epochs: float) -> dict[str, Any]:
        """Return what an account needs besides the counts, after so many epochs."""
        experiment, meter = self.experiment, self.network.meter
        arrays = [layer.array for layer in self.network.layers]
        meters = [array.meter for array in arrays if isinstance(array, MeteredArray)]
        in_turn = bool(self.network.of_layers)
        batches = sum(meter.updates for meter in meters) if in_turn else meters[0].updates
        return {
            "arrays": {
                meter.name: array_facts(experiment.hardware.tile, layer.array, meter, layer.wiring.vectors)
                | ({"updates": meter.updates} if in_turn else {})
                for meter, layer in zip(meters, self.network.layers, strict=True)
            },
            "images": {"epochs": epochs, "batches": batches},
            "step_seconds": experiment.hardware.step_seconds,
            "rule": experiment.network.rule,
            **meter.operations.facts(),
            "sizes": list(self.network.sizes),
            "optimizer": meter.updates.optimizer,
            "batch_size": experiment.training.batch_size,
            "pretrain_batch_size": experiment.training.pretrain.batch_size,
            "hold_input": experiment.ep.hold_input,
            "target": {"circuit": experiment.target.circuit, "n_out": self.circuit.n_out, "k": experiment.target.k},
        }


def metered(experiment: OnChipExperiment, network: Network, circuit: TargetCircuit) -> Metered:
    """Put meters around a network's arrays (in place), the network and the target circuit."""
    ledger, operations = EnergyLedger(), network.operations()
    layers = tuple(
        LayerWork(
            outputs=layer.array.shape[0],
            cells=layer.array.n_cells,
            vectors=layer.wiring.vectors,
            biases=0 if layer.bias is None else layer.bias.shape[-1],
            operands=sum(layer.array.shape) * Converters.of(layer.array.anatomy.read_path).codes[0],
        )
        for layer in network.layers
    )
    for i, layer in enumerate(network.layers):
        settings = ArraySettings.of(
            layer.array, bias_adds=layers[i].biases, free_reads=operations.free_reads, bias_line=layer.line
        )
        layer.array = MeteredArray(layer.array, ledger, network.clock, f"W{i + 1}", settings)
    target = MeteredTarget(circuit, ledger, network.clock)
    work = WorkMeter(operations, DigitalUpdates(layers, experiment.training.optimizer))
    of_layers = _of_layers(experiment, network, layers)
    for meter in (work, *of_layers):
        ledger.attach(meter)
    return Metered(MeteredNetwork(network, work, of_layers), target, ledger, experiment)


def _of_layers(experiment: OnChipExperiment, network: Network, layers: Sequence[LayerWork]) -> list[WorkMeter]:
    """Return meters of what each layer takes to learn, where they learn one after the other."""
    if not LEARNING_RULES[experiment.network.rule].greedy or len(layers) < 2:
        return []
    meters = []
    for i, layer in enumerate(layers):
        network.teach(i)
        updates = DigitalUpdates((layer,), experiment.training.optimizer)
        meters.append(WorkMeter(network.operations(), updates, f"work of W{i + 1}"))
    network.teach(None)
    return meters


def array_facts(
    tile: tuple[int, int] | None, array: SynapseArray, meter: ArrayMeter, vectors: int = 1
) -> dict[str, Any]:
    """Return what an account needs to know of an array.

    Args:
        tile: outputs and inputs of one as it is built, if any.
        array, meter: of it.
        vectors: presented to it per image.
    """
    anatomy, converters = array.anatomy, meter.settings.converters
    trains = anatomy.trains
    facts = ArrayFacts(
        *array.shape,
        tiles=(len(meter.tiles.rows), len(meter.tiles.columns)),
        devices_per_weight=anatomy.devices,
        dac_bits=converters.dac_bits or 0,
        adc_bits=converters.adc_bits or 0,
        writes_per_cell=_writes_per_cell(array),
        read_passes=converters.passes,
        coding=converters.coding,
        devices_on_line=anatomy.on_line,
        code_bits=converters.codes,
        tile_size=tile,
        pulses="counted" if anatomy.counted else "expected" if trains is not None else UNKNOWN,
        conductance="snapshots" if meter.weighs else UNKNOWN,
        reference=anatomy.reference,
        integrated=meter.settings.integrated,
        bias_line=meter.settings.bias_line,
        vectors=vectors,
        cells=None if array.present is None else array.n_cells,
    )
    writing = UNKNOWN if trains is None else "serial" if trains.serial else "parallel"
    remarks = {"read_scaling": _READ_SCALING[converters.input_scale], "writing": writing, "exact": array.exact}
    return facts_of(facts) | remarks


def _writes_per_cell(array: SynapseArray) -> WritesPerCell | None:
    """Return mean, 99.9th percentile and maximum of the pulses per device; None where the array does not count them."""
    counts = by_kind(array, array.writes())
    if not counts:
        return None
    pulses = torch.cat([*counts.values()])
    rank = len(pulses) - len(pulses) // 1000  # at most one in a thousand has more
    percentile = float(torch.kthvalue(pulses, rank).values)
    return WritesPerCell(float(pulses.double().mean()), percentile, float(pulses.max()))

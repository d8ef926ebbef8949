"""The clustering network of Deep-STDP as a chip: a crossbar that is built, programmed and metered, and its account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.config import HardwareSection
from neurohw.config.hardware import has_devices
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.remedies import CELLS, Remedy
from neurohw.deepstdp.crossbar_network import CrossbarNetwork, weight_window
from neurohw.deepstdp.stdp_network import Response, STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.runs.hardware import array_spec, device_model
from neurohw.runs.meters import array_facts
from neurohw.seeding import Streams

Neurons = Literal["digital", "analog"]
_ARRAY = "W1"


class ClusteringChip:
    """One crossbar and its neurons, which cluster again and again: each time with other weights, programmed first.

    Args:
        hardware: of the array; `weight_range` None: the device's range stands for weights of 0 to weight_max.
        parameters: of the network.
        clusters, inputs: k and n, two per feature.
        streams: of the run; the devices are of stream "devices.W1".
        ledger: where all is counted.
        neurons: "digital", behind converters, or "analog" ones that integrate currents: what is counted, not how they
            behave.
    """

    def __init__(
        self,
        hardware: HardwareSection,
        parameters: STDPParameters,
        clusters: int,
        inputs: int,
        streams: Streams,
        ledger: EnergyLedger,
        neurons: Neurons = "digital",
    ) -> None:
        self._hardware, self._parameters, self._ledger, self._neurons = hardware, parameters, ledger, neurons
        array, zero = _fresh_array(hardware, parameters, (clusters, inputs), streams)
        self.clock = Clock()
        settings = ArraySettings.of(array, integrated=neurons == "analog")
        self.array = MeteredArray(array, ledger, self.clock, _ARRAY, settings)
        seconds = hardware.step_seconds * parameters.timesteps
        self._crossbar = CrossbarNetwork(self.array, parameters, zero=zero, clock=self.clock, sample_seconds=seconds)

    def network(self, inputs: int, generator: torch.Generator) -> MeteredClustering:
        """Return the network with fresh weights; as `STDPClusterer` asks for one.

        Raises:
            InputError: the crossbar has another number of lines.
        """
        clusters, lines = self.array.shape
        if inputs != lines:
            raise InputError(f"features: got {inputs // 2}; allowed: {lines // 2}, for which the crossbar has lines")
        self._crossbar.restart(STDPNetwork(inputs, clusters, self._parameters, generator).weights)
        return MeteredClustering(self._crossbar, self._ledger, self._neurons)

    def facts(self, epochs: float) -> dict[str, Any]:
        """Return what an account needs besides the counts, after so many epochs."""
        meter = self.array.meter
        return {
            "arrays": {_ARRAY: array_facts(self._hardware.tile, self.array, meter)},
            "images": {"epochs": epochs, "batches": meter.updates},
            "step_seconds": self._hardware.step_seconds,
            "sizes": list(self.array.shape)[::-1],
            "neurons": self._neurons,
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of everything that changes, the ledger apart."""
        return self._crossbar.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self._crossbar.load_state_dict(state)


class MeteredClustering:
    """A clustering network on a metered array, which counts what its neurons do; changes no number.

    Counted per sample of T steps, of k neurons on n inputs, in the phase of its reads ("forward" where it learns):
    digital neurons: `adds` 2 T k (the drive, and what all neurons' are offset by) and those of inhibition; `macs` T k
        (leak), T k where drives have gains of their own, and T (2 k + n) where it learns (thresholds, traces);
        `activations` T k (comparisons with thresholds).
    analog neurons: under "neurons" `settlings` T k; under "target" `comparisons` T k (who fires), `spikes`, and
        `synaptic_events` (of inhibition); `macs` T (k + n) of traces where it learns.
    Normalisation is counted by the array. `images` under "clock"; `seconds` too, where time passes.

    Args:
        network: what is metered.
        ledger: where it is counted.
        neurons: which ones.
    """

    def __init__(self, network: CrossbarNetwork, ledger: EnergyLedger, neurons: Neurons) -> None:
        self.network, self.parameters = network, network.parameters
        self._ledger, self._neurons = ledger, neurons

    @property
    def weights(self) -> Tensor:
        """The network's weights, [k, n]."""
        return self.network.weights

    @property
    def thresholds(self) -> Tensor:
        """The network's thresholds, mV, [k]."""
        return self.network.thresholds

    def present(self, spikes: Tensor, *, learn: bool = True) -> Response:
        """Present samples, and count: see `ClusteringNetwork`."""
        response = self.network.present(spikes, learn=learn)
        samples, steps, n = spikes.shape
        k = response.counts.shape[1]
        phase = "forward" if learn else self.network.clock.phase
        inhibitions = int(response.events[:, 4].sum())
        slots = samples * steps
        gains = slots * k * self.network.constants.normalises_gain
        if self._neurons == "digital":
            of_neurons = {
                "digital": {"adds": 2 * slots * k + inhibitions, "activations": slots * k,
                            "macs": slots * (k + (2 * k + n) * learn) + gains},
            }  # fmt: skip
        else:
            of_neurons = {
                "neurons": {"settlings": slots * k},
                "target": {"comparisons": slots * k, "spikes": int(response.counts.sum()),
                           "synaptic_events": inhibitions},
                "digital": {"macs": slots * (k + n) * learn},
            }  # fmt: skip
        for component, events in of_neurons.items():
            for event, count in events.items():
                self._ledger.record(component, phase, event, count)
        self._ledger.record("clock", phase, "images", samples)
        if learn:
            self._ledger.record("clock", "update", "seconds", samples * self.network.sample_seconds)
        return response

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's state: the counts are the ledger's."""
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the network's state."""
        self.network.load_state_dict(state)


def weight_bounds(device: DeviceModel | None, remedy: Remedy, from_zero: bool = False) -> tuple[float, float]:
    """Return between what an array's weights are, on average over cells, in units of the device's upper bound.

    Args:
        device: of the array; None: one without a law, its range symmetric.
        remedy: how devices make a weight: a pair is their difference, a reference cell the distance from a symmetry
            point.
        from_zero: devices of a pair go from 0 on, whatever their lower bound is, as in aihwkit.
    """
    if device is None:
        return -1.0, 1.0
    law, cell = device.response(), remedy.for_devices(device.sided).cell
    if CELLS[cell].paired:
        reach = 1.0 if from_zero else (law.w_max - law.w_min) / law.w_max
        return -reach, reach
    middle = (device.symmetry_point() or 0.0) if cell == "reference-cell" else 0.0
    return (law.w_min - middle) / law.w_max, (law.w_max - middle) / law.w_max


def _fresh_array(
    hardware: HardwareSection, parameters: STDPParameters, shape: tuple[int, int], streams: Streams
) -> tuple[SynapseArray, float]:
    """Return an array whose weights are all zero, and what it holds for them."""
    spec = array_spec(hardware)
    if has_devices(hardware.backend):
        bounds = weight_bounds(device_model(hardware), hardware.remedy, from_zero=hardware.backend == "aihwkit")
        largest, zero = weight_window(parameters.weight_max, bounds, hardware.weight_range)
        spec = replace(spec, weight_range=largest)
    else:
        zero = 0.0
        spec = replace(spec, bounds=(0.0, parameters.weight_max))
    seed = streams.integer(f"devices.{_ARRAY}")
    weights = torch.full(shape, zero)
    return build_array(spec, weights, construction_seed=seed, torch_device=streams.device), zero

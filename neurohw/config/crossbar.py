"""Experiments that may run on crossbars: what all kinds of them share, and what those of spiking neurons do."""

from __future__ import annotations

from typing import Any, Protocol

from neurohw.config.energy import EnergySection
from neurohw.config.experiment import Experiment
from neurohw.config.hardware import HardwareSection, hardware_complaints, has_devices, with_hardware_named
from neurohw.crossbar.remedies import WRITINGS
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.errors import InputError


class WithHardware(Protocol):
    """What has the tables of a crossbar and its account."""

    @property
    def kind(self) -> str:
        """What the experiment does."""

    @property
    def hardware(self) -> HardwareSection:
        """On what it runs."""

    @property
    def energy(self) -> EnergySection:
        """How it is accounted."""


class WithSpikes(WithHardware, Protocol):
    """What has spiking neurons on it, too."""

    @property
    def stdp(self) -> STDPParameters:
        """What they are made of."""


class CrossbarExperiment(Experiment):
    """An experiment with a table [hardware]; its kind declares the tables, each in its place."""

    @classmethod
    def implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what follows from a device that is named."""
        hardware = given.get("hardware")
        named = isinstance(hardware, dict) and hardware.get("device") is not None
        return {"hardware": {"backend": "analog"}} if named else {}

    @classmethod
    def seen(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what conditions see: hardware by all of its names."""
        return with_hardware_named(super().seen(given))

    @property
    def on_crossbar(self: WithHardware) -> bool:
        """Whether synapses are devices."""
        return has_devices(self.hardware.backend)


def spiking_complaints(e: WithSpikes, circuits: str, circuit: str) -> list[str]:
    """Return what is said of the neurons and of a crossbar that is not there, or that their kinds do not read.

    Args:
        e: complete configuration.
        circuits: the key that says how neurons are built.
        circuit: what it says.
    """
    wrong = [f'hardware.{key}: got {given!r}, which experiments of kind "{e.kind}" do not read'
             for key in ("fault_maps", "off_chip") if (given := getattr(e.hardware, key))]  # fmt: skip
    if not has_devices(e.hardware.backend) and circuit != "digital":
        wrong.append(f"{circuits}: got {circuit!r}, but hardware.backend {e.hardware.backend!r} has no devices")
    if not has_devices(e.hardware.backend) and e.hardware.precision != "float32":
        wrong.append(f"hardware.precision: got {e.hardware.precision!r}, which exact synapses of experiments of kind "
                     f'"{e.kind}" do not read')  # fmt: skip
    if has_devices(e.hardware.backend) and e.stdp.engine != "auto":
        wrong.append(f"stdp.engine: got {e.stdp.engine!r}, which synapses of devices (hardware.backend "
                     f"{e.hardware.backend!r}) do not read")  # fmt: skip
    wrong += hardware_complaints(e.hardware, e.energy) + _weight_complaints(e)
    try:
        e.stdp.check()
    except InputError as error:
        wrong.append(str(error))
    return wrong


def _weight_complaints(e: WithSpikes) -> list[str]:
    """Return what is said of weights and would not be read, or not be written."""
    usual, stdp = STDPParameters(), e.stdp
    if stdp.weight_mean and stdp.initial_weight != usual.initial_weight:
        return [f"stdp.initial_weight: got {stdp.initial_weight:g}, which is not read where weights are scaled before "
                f"the first sample, to stdp.weight_mean {stdp.weight_mean:g}; allowed: with weight_mean 0"]  # fmt: skip
    if not stdp.weight_mean and stdp.normalisation != "weights":
        return [f"stdp.normalisation: got {stdp.normalisation!r}, which is not read with stdp.weight_mean 0"]
    hidden = has_devices(e.hardware.backend) and WRITINGS[e.hardware.writing].transfers
    if hidden and stdp.weight_mean and stdp.normalisation == "weights":
        return [f"hardware.writing: got {e.hardware.writing!r}, whose weights cannot be scaled (stdp.normalisation "
                '"weights"); allowed: with stdp.normalisation "gain", or stdp.weight_mean 0']  # fmt: skip
    return []

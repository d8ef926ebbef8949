"""Experiments that may run on crossbars: what all kinds of them share, and what those of spiking neurons do."""

from __future__ import annotations

from typing import Any, Protocol

from neurohw.config.energy import EnergySection
from neurohw.config.experiment import Experiment
from neurohw.config.hardware import HardwareSection, hardware_complaints, has_devices, with_hardware_named
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
    if has_devices(e.hardware.backend) and e.stdp.engine != "auto":
        wrong.append(f"stdp.engine: got {e.stdp.engine!r}, which synapses of devices (hardware.backend "
                     f"{e.hardware.backend!r}) do not read")  # fmt: skip
    wrong += hardware_complaints(e.hardware, e.energy)
    try:
        e.stdp.check_potentials()
    except InputError as error:
        wrong.append(str(error))
    return wrong

"""A layer that learns by STDP (Diehl & Cook 2015): the experiment of kind "stdp"."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from neurohw.config.crossbar import CrossbarExperiment, spiking_complaints
from neurohw.config.data import ImagesSection
from neurohw.config.energy import EnergySection
from neurohw.config.hardware import HardwareSection
from neurohw.config.readers import SPIKING
from neurohw.config.section import Count, Fraction, Section
from neurohw.config.unread import Read
from neurohw.deepstdp.stdp_parameters import STDPParameters

_OF_CLUSTERING = ("passes", "labels", "silent_samples", "silent_neurons")
_DIEHL_COOK: dict[str, Any] = {  # BindsNET's DiehlAndCook2015, in steps of 1 ms; 128 Hz at full brightness
    "timesteps": 250, "v_decay": 100.0, "trace_decay": 20.0, "threshold_step": 0.05, "eta_pre": 1e-4, "eta_post": 1e-2,
    "inhibition": 17.5, "rate_scale": 0.128, "gain": 1.0,
}  # fmt: skip


class SpikingLayerSection(Section):
    """The layer.

    Args:
        neurons: that compete.
        circuit: digital neurons behind converters, or analog ones on the array; what is counted.
    """

    neurons: Count = 100
    circuit: Literal["digital", "analog"] = "digital"


class STDPTrainingSection(Section):
    """How long it learns.

    Args:
        epochs: passes through the images.
    """

    epochs: Count = 1


class AssociationSection(Section):
    """How neurons get their classes.

    Args:
        label_fraction: share of the training images whose labels are used.
        every: epochs from one evaluation to the next.
    """

    label_fraction: Fraction = 1.0
    every: Count = 1


class STDPExperiment(CrossbarExperiment):
    """An experiment of kind "stdp": spiking neurons learn images by STDP, without labels."""

    readers: ClassVar[tuple[Read, ...]] = SPIKING

    kind: Literal["stdp"] = "stdp"
    data: ImagesSection = ImagesSection()
    network: SpikingLayerSection = SpikingLayerSection()
    stdp: STDPParameters = STDPParameters(**_DIEHL_COOK)
    training: STDPTrainingSection = STDPTrainingSection()
    evaluation: AssociationSection = AssociationSection()
    hardware: HardwareSection = HardwareSection()
    energy: EnergySection = EnergySection()

    @classmethod
    def implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return Diehl and Cook's numbers, and what follows from a device that is named."""
        return {"stdp": _DIEHL_COOK} | super().implied(given)

    def complaints(self) -> list[str]:
        """Return what does not fit together, or would not be read."""
        usual = STDPParameters()
        wrong = [f'stdp.{key}: got {given!r}, which experiments of kind "stdp" do not read'
                 for key in _OF_CLUSTERING if (given := getattr(self.stdp, key)) != getattr(usual, key)]  # fmt: skip
        return wrong + spiking_complaints(self, "network.circuit", self.network.circuit)

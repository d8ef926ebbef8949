"""What jobs share whose spiking neurons may stand on a crossbar: images, checksums, what is said of the chip."""

from __future__ import annotations

from typing import Any, TypeVar

from neurohw.config import DeepSTDPExperiment, STDPExperiment
from neurohw.data import data_checksums, load_dataset
from neurohw.energy.recorded import Account
from neurohw.energy.table import EnergyTable
from neurohw.runs.accounts import energy_of
from neurohw.runs.clustering_chip import ClusteringChip
from neurohw.runs.hardware import hardware_contents
from neurohw.runs.job import Job
from neurohw.runs.record import RunRecord
from neurohw.runs.task import divided, majority
from neurohw.seeding import Streams

E = TypeVar("E", bound=DeepSTDPExperiment | STDPExperiment)


class SpikingJob(Job[E]):
    """A job that divides a data set of images and may build a chip of spiking neurons; see Job.

    Attributes:
        dataset, training, test: the images, and how they are divided.
        chip: the crossbar, if there is one; there once `build` was called.
    """

    chip: ClusteringChip | None

    def __init__(self, experiment: E, streams: Streams) -> None:
        super().__init__(experiment, streams)
        self.dataset = load_dataset(experiment.data.dataset).to(streams.device)
        self.training, self.test = divided(self.dataset, experiment.data)
        self.chance = majority(self.test)

    @classmethod
    def checksums(cls, experiment: E) -> dict[str, str]:
        """Return the checksums of data, device and table."""
        return data_checksums(experiment.data.dataset) | hardware_contents(experiment.hardware)

    def contents(self) -> dict[str, str]:
        """Return the checksums of what this run has read."""
        return self.dataset.checksums | hardware_contents(self.experiment.hardware)

    def facts(self, epochs: float) -> dict[str, Any]:
        """Return the facts of the crossbar, if there is one."""
        return self.chip.facts(epochs) if self.chip else {}

    def account(self, record: RunRecord) -> Account | None:
        """Return the account of the neurons and their crossbar with `hardware.periphery`."""
        if self.experiment.hardware.periphery is None:
            return None
        return energy_of(record, EnergyTable.load(self.experiment.hardware.periphery))

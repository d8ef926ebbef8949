"""What a search is scored by: a metric of the experiment's kind, or a figure of the account of its chip."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.config import Experiment, OnChipExperiment
from neurohw.config.accuracies import LINEAR, accuracies_of
from neurohw.config.hardware import has_devices
from neurohw.energy.figures import FIGURES
from neurohw.energy.recorded import ChipAccount
from neurohw.errors import InputError
from neurohw.kinds import KINDS
from neurohw.metrics import Metric
from neurohw.runs.record import RunRecord
from neurohw.studies.journal import Direction
from neurohw.validation import did_you_mean


@dataclass(frozen=True)
class Objective:
    """One figure that is to be high, or low.

    Args:
        metric: its name, unit and direction.
        measured: by each evaluation; else it is of the account.
    """

    metric: Metric
    measured: bool

    @property
    def as_it_goes(self) -> bool:
        """Whether it is known while a network learns; a linear classifier is trained in the end."""
        return self.measured and self.metric is not LINEAR

    @property
    def name(self) -> str:
        """As in records."""
        return self.metric.name

    @property
    def title(self) -> str:
        """In words; the network's own read-out is its accuracy, of the validation split."""
        return self.metric.quantity if self.metric.readout == "" else self.metric.title

    @property
    def direction(self) -> Direction:
        """As Optuna calls it."""
        return "maximize" if self.metric.better == "higher" else "minimize"

    def value(self, record: RunRecord) -> float:
        """Return the record's figure.

        Raises:
            InputError: it has none.
        """
        if self.measured:
            if self.name in record.metrics:
                return float(record.metrics[self.name])
            there = [name for name in record.metrics if name in {metric.name for metric in KINDS[record.kind].metrics}]
            raise InputError(f"objectives: got {self.name!r}, which this experiment does not measure; allowed: "
                             f"{', '.join([*there, *FIGURES])}")  # fmt: skip
        chip = record.energy if isinstance(record.energy, ChipAccount) else None
        if chip is None:
            raise InputError(f"objectives: got {self.name!r}, but the record of {record.name} has no account of a "
                             "chip; allowed: with devices and hardware.periphery")  # fmt: skip
        if (value := FIGURES[self.name].of(chip)) is None:
            missing = ("what its cells endure is not known ([write] endurance in the device's file)"
                       if self.name == "images_until_worn" else "the account has none")  # fmt: skip
            raise InputError(f"objectives: got {self.name!r}, but of {record.name} {missing}")
        return value

    def guesses(self, value: float, chance: float) -> bool:
        """Return whether a network of that figure guesses, where guessing has the accuracy `chance`."""
        return self.measured and self.metric.near_chance(value, chance)


def objectives_of(names: tuple[str, ...], experiment: Experiment) -> tuple[Objective, ...]:
    """Return the objectives of some names.

    Raises:
        InputError: there is no such figure, or the experiment will not have it.
    """
    metrics = {metric.name: metric for metric in KINDS[experiment.kind].metrics}
    measured = _measured(experiment)
    found = []
    for name in names:
        if name not in measured and name not in FIGURES:
            why = f"{did_you_mean(name, [*measured, *FIGURES])}" if name not in metrics else (
                ", which this experiment does not measure")  # fmt: skip
            raise InputError(f"objectives: got {name!r}{why}; allowed: {', '.join([*measured, *FIGURES])}")
        found.append(Objective(metrics[name] if name in metrics else FIGURES[name].metric, name in metrics))
    if accounted := [each.name for each in found if not each.measured]:
        hardware = getattr(experiment, "hardware", None)
        if hardware is None or not has_devices(hardware.backend) or hardware.periphery is None:
            raise InputError(f"objectives: got {accounted[0]!r}, which is a figure of a chip's account; allowed: with "
                             "hardware.device and hardware.periphery, in [set] or in the experiment")  # fmt: skip
    return tuple(found)


def _measured(experiment: Experiment) -> list[str]:
    """Return the names of what an experiment measures, as far as that is known before it runs."""
    metrics = KINDS[experiment.kind].metrics
    if isinstance(experiment, OnChipExperiment):
        metrics = accuracies_of(experiment.training.mode, experiment.evaluation.association)
    return [metric.name for metric in metrics]

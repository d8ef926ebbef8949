"""What is tuned: an experiment on a device, scored on a validation split of the training data, not on the test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neurohw.config import OnChipExperiment, config_hash
from neurohw.config.hardware import unread_hardware
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.job import job_class
from neurohw.studies.tune_space import Space

VALIDATION = 0.2  # of the training images


@dataclass(frozen=True)
class Tuning:
    """What is tuned, and how long.

    Args:
        device: a shipped device's name, or its file.
        rule: "bp" or "ep".
        folder: of the journal and of runs.
        experiment: a file or a shipped name.
        fixed: dotted keys that hold for every trial, and are not searched.
        minutes: for all of it.
        trials: at most, those of earlier calls included; None: as many as there is time for.
        jobs: processes.
        seed: of the search.
    """

    device: str
    rule: str
    folder: Path
    experiment: str = "quickstart"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 10.0
    trials: int | None = None
    jobs: int = 1
    seed: int = 0

    def given(self, values: Mapping[str, Any]) -> OnChipExperiment:
        """Return the experiment on the device with some values (by dotted keys).

        Raises:
            InputError: something does not fit.
        """
        base = load_experiment(self.experiment, {"hardware.recommended": False})
        if not isinstance(base, OnChipExperiment):
            raise InputError(f"{self.experiment}: got an experiment of kind {base.kind!r}; allowed: 'onchip'")
        if unread_hardware(base.hardware.model_copy(update={"backend": "ideal", "device": None})):
            raise InputError(f"{self.experiment}: sets how arrays are made, which tune varies and ideal ones lack; "
                             "allowed: such keys by --set")  # fmt: skip
        usual = {"hardware.device": self.device, "hardware.recommended": False, "data.validation_fraction": VALIDATION}
        always = {"network.rule": self.rule, "data.evaluate_on": "validation", "evaluation.every": 1}
        loaded: OnChipExperiment = load_experiment(self.experiment, {**usual, **self.fixed, **values, **always}, "tune")
        return loaded

    def ideal(self) -> OnChipExperiment:
        """Return the experiment on ideal arrays."""
        kept = {key: value for key, value in self.fixed.items() if not key.startswith(("hardware", "energy"))}
        without = replace(self, fixed=kept)
        return without.given({"hardware": {"backend": "ideal"}, "hardware.device": None, "hardware.periphery": None})

    def space(self) -> Space:
        """Return what is searched."""
        return Space.of(self.ideal(), load_device(self.device).sided, self.fixed)

    def name(self) -> str:
        """Return what the trials stand under: rule and hash of all that decides what a trial gives."""
        experiment = self.given({})
        return f"{self.rule}-{config_hash(experiment, job_class(experiment).checksums(experiment))}"

    @property
    def metric(self) -> str:
        """What is scored."""
        return "direct_accuracy" if self.ideal().training.mode == "unsupervised" else "test_accuracy"

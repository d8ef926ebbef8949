"""Kinds of experiments: the configuration, the job and the metrics of each, in one registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from neurohw.config import DeepSTDPExperiment, Experiment, OnChipExperiment, STDPExperiment
from neurohw.config.accuracies import ACCURACIES, DIRECT, SINGLE_NEURON
from neurohw.config.deep_stdp import DEEP_STDP
from neurohw.errors import InputError
from neurohw.metrics import Metric


@dataclass(frozen=True)
class Kind:
    """What a value of `kind` stands for.

    Args:
        experiment: the model of its experiment files.
        metrics: what it measures, in the order of reports; the first that a run has stands for it.
        job: where its `Job` is, "module:class"; imported when something is run.
        epochs: dotted key of how long it trains.
    """

    experiment: type[Experiment]
    metrics: tuple[Metric, ...]
    job: str
    epochs: str = "training.epochs"

    @property
    def name(self) -> str:
        """The value of `kind`."""
        return str(self.experiment.model_fields["kind"].default)

    def load_job(self) -> Any:
        """Return its class of jobs."""
        return resolve_name(self.job)


ONCHIP = Kind(OnChipExperiment, ACCURACIES, "neurohw.runs.onchip:OnChip")
_DEEP_STDP = Kind(DeepSTDPExperiment, DEEP_STDP, "neurohw.runs.deep_stdp:DeepSTDP")
_STDP = Kind(STDPExperiment, (DIRECT, SINGLE_NEURON), "neurohw.runs.stdp:STDPLayer")
KINDS = {kind.name: kind for kind in (ONCHIP, _DEEP_STDP, _STDP)}
METRICS = {metric.name: metric for kind in KINDS.values() for metric in kind.metrics}


def standing_metrics() -> list[Metric]:
    """Return the metrics of all kinds that stand by themselves, those that are always beside another left out."""
    return [metric for metric in METRICS.values() if not metric.secondary]


def kind_of(tables: Mapping[str, Any]) -> Kind:
    """Return the kind of an experiment's tables.

    Raises:
        InputError: there is none of that name.
    """
    name = tables.get("kind", ONCHIP.name)
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(f"kind: got {name!r}; allowed: {', '.join(sorted(KINDS))}")
    return KINDS[name]


def shown_metrics(values: Mapping[str, Any]) -> str:
    """Return the values that a line has room for, in words: "test accuracy 91.20 %".

    All shares; of other metrics those that stand by themselves.
    """
    brief = [metric.name for metric in METRICS.values() if metric.share or not metric.secondary]
    texts = worded({key: value for key, value in values.items() if key in brief})
    return ", ".join(f"{name} {text}" for name, text in texts.items())


def worded(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the metrics among values in words: "test accuracy" -> "91.20 %"."""
    return {key.replace("_", " "): METRICS[key].text(value) for key, value in values.items()
            if key in METRICS and isinstance(value, float)}  # fmt: skip

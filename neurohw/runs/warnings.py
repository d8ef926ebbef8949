"""What a run warns of itself: weights its devices cannot hold, accuracies that guessing reaches, a change midway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neurohw.config import OnChipExperiment
from neurohw.crossbar.remedies import CELLS, WRITINGS
from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.networks.base import Network
from neurohw.runs.build import device_model

_LEAST_CLIPPED = 0.01  # share of a layer's weights
_OUTRUN = (
    "retention.drift_nu = {:g}: each write restarts the drift of a cell and not that of its reference, which learning "
    "on single devices does not outrun; pairs (differential, one-sided) and agad lose less, and so does a smaller "
    "hardware.step_seconds"
)


def clipped_weights(network: Network) -> list[str]:
    """Return a warning for each layer of whose initial weights 1 % or more lay beyond what their cells hold."""
    return [
        f"W{i + 1}: {100 * layer.array.clipped:.1f} % of the initial weights lie beyond what their devices can hold "
        "and were clipped; a larger hardware.weight_range or a smaller network.init_gain keeps them"
        for i, layer in enumerate(network.layers)
        if layer.array.clipped >= _LEAST_CLIPPED
    ]


def rounded_products(experiment: OnChipExperiment, network: Network) -> list[str]:
    """Return a warning where reads of ideal arrays multiply in less precision than float32."""
    if experiment.hardware.precision == "float32" or all(layer.array.exact for layer in network.layers):
        return []
    return [f'hardware.precision = "{experiment.hardware.precision}": reads are products in bfloat16, of 8 significant '
            "bits, an approximation of ideal ones"]  # fmt: skip


def other_versions(before: dict[str, str], now: dict[str, str], epochs: int) -> list[str]:
    """Return a warning where a run goes on with other threads, packages or code than it was begun with.

    Args:
        before, now: name -> version, commit or number of threads; nothing is said of names that `before` lacks.
        epochs: that are done.
    """
    changed = [f"{name} {now.get(name)} (before: {value})" for name, value in before.items() if now.get(name) != value]
    if not changed:
        return []
    return [
        f"went on after epoch {epochs} with {', '.join(changed)}: its last bits are not those of a run in one piece"
    ]


def near_chance_warnings(metrics: dict[str, Any], chance: float, drift: float = 0.0) -> list[str]:
    """Return a warning for each metric, aged ones included, that is less than a tenth of the way above guessing.

    Args:
        metrics: of an evaluation.
        chance: accuracy of guessing, 0 to 1.
        drift: nu of devices that learn one by one, less a reference; 0: none of these, or no drift.
    """
    warnings = [
        f"{metric.name.replace('_', ' ')} {_short(metric, value)}{age} is near chance "
        f"({_short(metric, metric.guessed(chance))})"
        for metric, value, age in _with_ages(metrics)
        if metric.near_chance(value, chance)
    ]
    return [*warnings, _OUTRUN.format(drift)] if warnings and drift else warnings


def drift_of_single_devices(experiment: OnChipExperiment) -> float:
    """Return nu of devices that learn one by one, each less a reference; 0: others, or none that drift."""
    section, device = experiment.hardware, device_model(experiment.hardware)
    if section.backend != "analog" or device is None or WRITINGS[section.writing].follows_drift:
        return 0.0
    by_itself = section.reference == "none" or (device.signed and section.reference is None)
    paired = CELLS[section.cell].paired or device.sided == 1
    return 0.0 if by_itself or paired else device.retention_parameters().middle[0]


def _with_ages(metrics: dict[str, Any]) -> Iterator[tuple[Metric, float, str]]:
    ages = {f" at an age of {float(age):g} s": aged for age, aged in metrics.get("by_age_seconds", {}).items()}
    for age, values in ({"": metrics} | ages).items():
        yield from ((metric, values[metric.name], age) for metric in standing_metrics() if metric.name in values)


def _short(metric: Metric, value: float | None) -> str:
    assert value is not None
    return f"{100 * value:.1f} %" if metric.share else metric.text(value)

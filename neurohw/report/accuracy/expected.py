"""Measured beside expected: what an experiment's expected.toml says, and what these records gave."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.kinds import METRICS
from neurohw.metrics import Metric
from neurohw.runs.record import RunRecord
from neurohw.studies.expected import Agreement, agreements

EXPECTED_COLUMNS = (
    "Experiment",
    "Metric",
    "Epoch",
    "Measured",
    "Expected",
    "Difference",
    "Allowed",
    "Agrees",
    "Source of the expected value",
)

EXPECTED_NOTE = (
    "Mean ± sample standard deviation. Differences of shares are in percentage points; allowed is a stated tolerance, "
    'or three standard errors of both sides combined. A source "own run" guards against regressions and proves nothing '
    "else."
)


def expected_rows(records: Sequence[RunRecord]) -> tuple[tuple[str, ...], ...]:
    """Return a row of `EXPECTED_COLUMNS` for every expectation that records speak to."""
    return tuple(_row(agreement) for agreement in agreements(records))


def _row(a: Agreement) -> tuple[str, ...]:
    metric = METRICS[a.expected.metric].fitted((a.mean, a.expected.value))
    return (
        a.expected.of(a.name),
        a.expected.what,
        str(a.expected.epoch),
        _spread(metric, a.mean, a.std, a.n),
        _spread(metric, a.expected.value, a.expected.std, a.expected.n),
        metric.number(a.difference, signed=True),
        "–" if a.allowed is None else f"±{metric.number(a.allowed)}",
        a.verdict,
        a.expected.source,
    )


def _spread(metric: Metric, mean: float, std: float | None, n: int) -> str:
    spread = "" if std is None else f" ± {metric.number(std, digits=3)}"
    return f"{metric.number(mean)}{spread} {metric.shown_unit}".rstrip() + f" (n = {n})"

"""What an experiment is expected to give: value, tolerance and source from its expected.toml, against records."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from neurohw.config import Experiment
from neurohw.errors import InputError
from neurohw.kinds import KINDS, METRICS, Kind
from neurohw.loading import load_experiment, validated
from neurohw.runs.record import RunRecord
from neurohw.shipping import read_toml, shipped
from neurohw.validation import refused

_ROUNDING = 1e-9  # of differences: 0.9577 - 0.9547 is a bit above 0.003
_AFTERWARDS = ("periphery", "off_chip")  # keys of [hardware]: what an account, or a programmed copy, is made with


def _of_the_kind(metric: str, info: ValidationInfo) -> str:
    assert isinstance(info.context, Kind)
    allowed = [m.name for m in info.context.metrics]
    if metric not in allowed:
        raise ValueError(f"got {metric!r}; allowed: {', '.join(allowed)}")
    return metric


def require_in_range(metric: str, value: float) -> None:
    """Raise ValueError where the metric is a fraction and the value is none."""
    if METRICS[metric].share and not 0 <= value <= 1:
        raise ValueError(f"value: got {value!r}; allowed: 0 to 1, as {metric} is a fraction")


Entry = TypeVar("Entry", bound=BaseModel)
MetricOfTheKind = Annotated[str, AfterValidator(_of_the_kind)]


class Expectation(BaseModel):
    """One expected value.

    Args:
        metric: a column of metrics.csv.
        epoch: epoch (or round) of the main phase it was read after; 0 is the end of pre-training.
        label_fraction: share of the labels that the read-out saw; the experiment's largest unless given. Others are
            read out at a run's end only.
        value: mean; of a metric in percent: a fraction.
        std: sample standard deviation over `n` runs, where published.
        n: number of runs.
        tolerance: largest difference allowed; unless given, `standard_errors` of both sides combined.
        where: dotted keys of the experiment that this value belongs to.
        source: who measured it; "own run" guards against regressions only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: MetricOfTheKind
    epoch: Annotated[int, Field(ge=0)]
    label_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    value: Annotated[float, Field(allow_inf_nan=False)]
    std: Annotated[float, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1)] = 1
    tolerance: Annotated[float, Field(gt=0)] | None = None
    standard_errors: Annotated[float, Field(gt=0)] = 3
    where: dict[str, Any] = {}
    source: Annotated[str, Field(min_length=3)]

    @model_validator(mode="after")
    def _a_share_is_a_fraction(self) -> Expectation:
        require_in_range(self.metric, self.value)
        return self

    @property
    def what(self) -> str:
        """The metric in words, and the share of the labels that it was read out with."""
        share = "" if self.label_fraction is None else f", {100 * self.label_fraction:g} % labels"
        return self.metric.replace("_", " ") + share

    def of(self, name: str) -> str:
        """Return the experiment's name with the keys that the value belongs to."""
        where = ", ".join(f"{key} = {value}" for key, value in self.where.items())
        return f"{name} ({where})" if where else name


@dataclass(frozen=True)
class Agreement:
    """An expectation beside what was measured, both as recorded.

    Args:
        name: the experiment.
        expected: see Expectation.
        mean, std, n: measured; std is None for one seed.
        allowed: the largest difference that still agrees; None where neither side has a spread.
    """

    name: str
    expected: Expectation
    mean: float
    std: float | None
    n: int
    allowed: float | None

    @property
    def difference(self) -> float:
        """Measured minus expected."""
        return self.mean - self.expected.value

    @property
    def verdict(self) -> str:
        """Whether the difference is within what is allowed: "yes", "no", or "no spread"."""
        if self.allowed is None:
            return "no spread"
        return "yes" if self.within(self.allowed) else "no"

    def within(self, allowed: float) -> bool:
        """Return whether the difference is at most so large; one that is exactly so large is."""
        return abs(self.difference) <= allowed + _ROUNDING


def expectations(name: str) -> list[Expectation]:
    """Return what a shipped experiment's expected.toml holds; nothing if there is none.

    Raises:
        InputError: the file is not valid.
    """
    return entries(name, "expect", Expectation)


def entries(name: str, table: str, model: type[Entry], common: Sequence[str] | None = None) -> list[Entry]:
    """Return the entries of one table of a shipped experiment's expected.toml; nothing if there is none.

    Args:
        name: of the experiment.
        table: which, as in "expect".
        model: of an entry.
        common: keys that an entry takes from the top of the file where it has none; all that stand there, unless given.

    Raises:
        InputError: the file is not valid.
    """
    path = shipped("experiments") / name / "expected.toml"
    if not path.is_file():
        return []
    tables = read_toml(path)
    top = {key: value for key, value in tables.items() if key not in ("expect", "published")}
    shared = top if common is None else {key: top[key] for key in common if key in top}
    kind = KINDS[load_experiment(name).kind]
    try:
        return [model.model_validate({**shared, **entry}, context=kind) for entry in tables.get(table, [])]
    except ValidationError as error:
        raise refused(error, str(path), model) from None


def agreements(records: Sequence[RunRecord]) -> list[Agreement]:
    """Return every expectation that these records speak to, beside what they measured.

    A record speaks to an expectation if it is a result, has the experiment's name and, evaluation apart, its
    configuration, and was evaluated with the same share of the labels. Each seed counts once.
    """
    names = sorted({record.name for record in records if record.has_result})
    found = (agreement(name, expected, records) for name in names for expected in expectations(name))
    return [each for each in found if each is not None]


def agreement(name: str, expected: Expectation, records: Sequence[RunRecord]) -> Agreement | None:
    """Return one expectation of a shipped experiment beside what records measured; None where none speaks to it."""
    same = having_learnt(load_experiment(name, expected.where), records)
    by_seed = {record.seed: v for record in same if (v := _value(record, expected)) is not None}
    return _agreement(name, expected, list(by_seed.values())) if by_seed else None


def having_learnt(experiment: Experiment, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the results of this very experiment; it may have been evaluated otherwise, with the same most labels."""
    wanted = what_is_learnt(experiment)
    return [r for r in records if r.has_result and r.name == experiment.name and _learnt_by(r) == wanted]


def what_is_learnt(experiment: Experiment) -> dict[str, Any]:
    """Return the configuration that decides what is learnt: without read-out and account, but for the labels shown."""
    return _what_was_learnt(experiment.canonical())


def _what_was_learnt(config: dict[str, Any]) -> dict[str, Any]:
    learnt = {key: value for key, value in config.items() if key not in ("evaluation", "runs", "energy")}
    if hardware := config.get("hardware"):
        learnt["hardware"] = {key: value for key, value in hardware.items() if key not in _AFTERWARDS}
    whole = validated(learnt, "record").canonical()
    del whole["runs"]
    shown = config.get("evaluation", {}).get("label_fraction", 1.0)
    return {**whole, "labels_shown": max(shown) if isinstance(shown, list) else shown}


def _learnt_by(record: RunRecord) -> dict[str, Any] | None:
    """Return what a record's run learnt, keys that are younger than it at their defaults; None of another version's."""
    try:
        return _what_was_learnt(record.config)
    except InputError:
        return None


def _value(record: RunRecord, expected: Expectation) -> float | None:
    if expected.label_fraction is not None:
        if record.timing.get("epochs") != expected.epoch:
            return None
        by_fraction: dict[str, dict[str, float]] = record.metrics.get("by_label_fraction", {})
        return _last_known([by_fraction.get(f"{expected.label_fraction:g}", {}).get(expected.metric)])
    values = [row.get(expected.metric) for row in record.curve if row["epoch"] == expected.epoch]
    if record.status == "finished" and expected.epoch == record.timing.get("epochs"):
        values.insert(0, record.metrics.get(expected.metric))
    return _last_known(values)


def _last_known(values: Sequence[float | None]) -> float | None:
    """Return the last that is a number; None where none is."""
    return next((float(value) for value in reversed(values) if value is not None and math.isfinite(value)), None)


def _agreement(name: str, expected: Expectation, values: list[float]) -> Agreement:
    n = len(values)
    std = statistics.stdev(values) if n > 1 else None
    return Agreement(name, expected, statistics.mean(values), std, n, _allowed(expected, std, n))


def _allowed(expected: Expectation, std: float | None, n: int) -> float | None:
    """Return the stated tolerance, or the standard errors of both sides; a missing spread is taken from the other."""
    if expected.tolerance is not None:
        return expected.tolerance
    ours = std if std is not None else expected.std
    theirs = expected.std if expected.std is not None else std
    if ours is None or theirs is None:
        return None
    return expected.standard_errors * math.sqrt(ours**2 / n + theirs**2 / expected.n)

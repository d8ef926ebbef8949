"""What a findings.toml holds: which numbers of which reports, and the sentences that they fill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from neurohw.config.evaluation import Compensation
from neurohw.energy.figures import FIGURES
from neurohw.kinds import METRICS
from neurohw.loading import nested
from neurohw.metrics import Metric
from neurohw.report.naming import flatten
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.validation import did_you_mean, refused


def metric_of(name: str) -> Metric:
    """Return the metric of a number of a record, given dotted below `metrics`, or of its account."""
    last = name.rpartition(".")[2]
    return METRICS[last] if last in METRICS else FIGURES[last].metric


def _known(name: str) -> str:
    last = name.rpartition(".")[2]
    if last not in METRICS and last not in FIGURES:
        names = [*METRICS, *FIGURES]
        raise ValueError(f"got {name!r}{did_you_mean(last, names)}; allowed: {', '.join(names)}, or what stands below "
                         'an age, as in "by_age_seconds.3600.direct_accuracy"')  # fmt: skip
    return name


class Wanted(BaseModel):
    """One number, of the only configuration of a report that is meant.

    Args:
        label: in figures.
        report: one of `reports`.
        where: dotted keys of that configuration and their values; of a line or an age, of its points.
        of: the metric, or a figure of the account; its mean over seeds.
        epoch: of the learning curve, 0: after pre-training; none: at the end.
        lost_along: instead of it, where one point is lost along this swept key.
        lost_after: instead of it, at which age one point is lost, drift met in this way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    report: str
    where: dict[str, Any] = {}
    of: Annotated[str, AfterValidator(_known)] = "direct_accuracy"
    epoch: int | None = None
    lost_along: str | None = None
    lost_after: Compensation | None = None

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of `where`, dotted however they were given."""
        return flatten(nested(self.where))

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.lost_along and self.lost_after:
            raise ValueError("lost_along and lost_after: got both; allowed: one of them")
        if self.epoch is not None and (self.lost_along or self.lost_after):
            raise ValueError(f"epoch: got {self.epoch} where a point is lost; allowed: with a metric")
        return self


class Finding(BaseModel):
    """A sentence, the numbers that it is made of, and how they are drawn.

    Args:
        title: over it.
        says: the sentence, a Jinja template: `{{ name }}` is the number with spread and unit, `name.mean` its mean,
            `points(a, b)` by how many percentage points a is above b, `change(b, a)` the same with its sign,
            `times(a, b)` how many times b it is.
        axis: linear or logarithmic, of the figures of its metrics that are no percentages.
        values: by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    says: str
    axis: Literal["linear", "log"] = "linear"
    values: Annotated[dict[str, Wanted], Field(min_length=1)]


class Source(BaseModel):
    """A report that is drawn on.

    Args:
        command: that made its records.
        about: what was run, how long, with how many seeds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    about: str


class FindingsFile(BaseModel):
    """A page.

    Args:
        title: of it.
        intro: a paragraph before the findings.
        reports: by their folders below the folder of reports.
        findings: in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    intro: str = ""
    reports: Annotated[dict[str, Source], Field(min_length=1)]
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _reports_are_named(self) -> Self:
        for finding in self.findings:
            for name, value in finding.values.items():
                if value.report not in self.reports:
                    raise ValueError(f"findings: {finding.title!r}, {name}.report: got {value.report!r}; allowed: "
                                     f"{', '.join(self.reports)}")  # fmt: skip
        return self


@dataclass(frozen=True)
class Findings:
    """A page's file, read."""

    name: str
    path: Path
    file: FindingsFile


def read_findings(path_or_name: str | Path) -> Findings:
    """Return the findings of a path (file or folder) or of a shipped name.

    Raises:
        InputError: there are none, or they are not valid.
    """
    path = find_file("findings", path_or_name, shipped_files("experiments", "*/findings.toml"), "findings.toml")
    try:
        file = FindingsFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise refused(error, str(path), FindingsFile) from None
    return Findings(path.resolve().parent.name, path, file)

"""Published tables and figures: which runs they need, and what records say of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from neurohw.kinds import METRICS
from neurohw.loading import load_experiment
from neurohw.runs.record import RunRecord
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.studies.expected import Agreement, Expectation, agreement, expectations, having_learnt
from neurohw.studies.sweep import Seeds
from neurohw.validation import did_you_mean, refused

LEAST_ALLOWED = 0.003  # difference that always agrees: a seed or two of ten thousand images tells no less


def _metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"got {name!r}{did_you_mean(name, METRICS)}; allowed: {', '.join(METRICS)}")
    return name


class Wanted(BaseModel):
    """Runs that a table needs.

    Args:
        experiment: a shipped one's name; its expected.toml has the published values.
        seeds: of them.
        set: dotted keys.
        stop_after: epochs; the whole schedule unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str
    seeds: Seeds = (0,)
    set: dict[str, Any] = {}
    stop_after: Annotated[int, Field(strict=True, ge=1)] | None = None


class TableFile(BaseModel):
    """What a reproduce.toml holds.

    Args:
        title: of the table or figure.
        metrics: that it shows.
        label_fractions: shares of the labels that it shows; 1 is what the experiment itself reports.
        runs: that it needs.
        note: what else is known of its values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    metrics: Annotated[tuple[Annotated[str, AfterValidator(_metric)], ...], Field(min_length=1)]
    label_fractions: Annotated[tuple[float, ...], Field(min_length=1)] = (1.0,)
    runs: Annotated[tuple[Wanted, ...], Field(min_length=1)]
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A published table or figure by its name, with its file's path."""

    name: str
    path: Path
    file: TableFile


@dataclass(frozen=True)
class Result:
    """A published value and what was measured.

    Args:
        experiment: its name.
        expected: the published value.
        full: epochs of the whole schedule.
        found: what was measured; None: no run there is speaks to it.
        seconds: of training of one run, in the mean of those of most epochs; None: there is none, at any length.
        after: epochs that were trained, where nothing was published for runs so short; then nothing is compared.
    """

    experiment: str
    expected: Expectation
    full: int
    found: Agreement | None
    seconds: float | None = None
    after: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is the value at the published length (or of what comes before the schedule)."""
        return self.after is None and self.expected.epoch in (0, self.full)

    @property
    def allowed(self) -> float | None:
        """The largest difference that agrees: three standard errors of both sides, at least `LEAST_ALLOWED`."""
        if self.after is not None or self.found is None or self.found.allowed is None:
            return None
        return max(self.found.allowed, LEAST_ALLOWED)

    @property
    def outside(self) -> bool:
        """Whether it differs by more than is allowed."""
        return self.found is not None and self.allowed is not None and not self.found.within(self.allowed)

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        if self.found is None:
            return "not run" if self.seconds is None else "run; nothing published at its epochs"
        if self.after is not None:
            return f"shorter: epoch {self.after} of {self.full}"
        if self.allowed is None:
            return "not judged: neither side has a spread"
        verdict = "outside" if self.outside else "reproduced" if self.whole else "as published so far"
        return verdict if self.whole else f"{verdict}: epoch {self.expected.epoch} of {self.full}"


def paper_tables() -> dict[str, PaperTable]:
    """Return the shipped tables and figures by name."""
    return {name: paper_table(name) for name in shipped_files("experiments", "paper/*/reproduce.toml")}


def paper_table(path_or_name: str | Path) -> PaperTable:
    """Return the table of a path (file or folder) or of a shipped name.

    Raises:
        InputError: there is none, or it is not valid.
    """
    files = shipped_files("experiments", "paper/*/reproduce.toml")
    path = find_file("table", path_or_name, files, "reproduce.toml")
    try:
        file = TableFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise refused(error, str(path), TableFile) from None
    name = path.resolve().parent.name if path.name == "reproduce.toml" else path.stem
    return PaperTable(name, path, file)


def results(table: PaperTable, records: Sequence[RunRecord]) -> list[Result]:
    """Return every value that a table publishes beside what was measured.

    Where no run has the published length, the value is that of the curve at the last epoch that all sides have.
    """
    found = []
    for wanted in table.file.runs:
        experiment = load_experiment(wanted.experiment, wanted.set, str(table.path))
        speaking = having_learnt(experiment, records)
        full = wanted.stop_after or experiment.training.epochs
        seconds = _seconds_of_a_run(speaking)
        shown = [e for e in expectations(wanted.experiment) if _belongs(e, experiment, table.file)]
        for what in dict.fromkeys((e.metric, e.label_fraction) for e in shown):
            own = [e for e in shown if (e.metric, e.label_fraction) == what]
            beside = [Result(wanted.experiment, e, full, agreement(wanted.experiment, e, speaking), seconds)
                      for e in own]  # fmt: skip
            found += [_or_shorter(result, speaking) for result in _told(beside)]
    return found


def _seconds_of_a_run(speaking: Sequence[RunRecord]) -> float | None:
    """Return the mean time of the runs with most epochs; shorter ones, which stand beside them, say nothing of it."""
    most = max((record.timing["epochs"] for record in speaking), default=0)
    whole = [record.timing["train_seconds"] for record in speaking if record.timing["epochs"] == most]
    return fmean(whole) if whole else None


def _or_shorter(result: Result, speaking: Sequence[RunRecord]) -> Result:
    """Return the result; where nothing speaks to it, what shorter runs have after the last epoch that all have."""
    last = int(min((record.timing["epochs"] for record in speaking), default=0))
    if result.found or not 0 < last < result.expected.epoch:
        return result
    early = result.expected.model_copy(update={"epoch": last})
    found = agreement(result.experiment, early, speaking)
    return replace(result, found=found, after=last) if found else result


def _belongs(expected: Expectation, experiment: Any, file: TableFile) -> bool:
    """Return whether a value is of this configuration, and of what the table shows."""
    there = load_experiment(experiment.name, expected.where).canonical()
    learnt = {key: value for key, value in experiment.canonical().items() if key not in ("evaluation", "runs")}
    return (
        expected.metric in file.metrics
        and (expected.label_fraction or 1.0) in file.label_fractions
        and all(there.get(key) == value for key, value in learnt.items())
    )


def _told(beside: Sequence[Result]) -> list[Result]:
    """Return what comes before the schedule, and of the rest the value after most epochs that was measured."""
    begin = [result for result in beside if result.expected.epoch == 0]
    schedule = sorted((r for r in beside if r.expected.epoch), key=lambda r: r.expected.epoch)
    measured = [result for result in schedule if result.found]
    return begin + (measured or schedule)[-1:]

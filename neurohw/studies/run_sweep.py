"""All points of a sweep, wherever they run: records, failures, and a line about each point."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from neurohw.errors import InputError, NeurohwError
from neurohw.runs.files import locked, writable_folder
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord, read_record
from neurohw.studies.execution.base import RETRIES, Executor
from neurohw.studies.execution.child import Child
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.processes import Processes, threads_of
from neurohw.studies.reuse import check_there, take_over
from neurohw.studies.standing import Count, Standing, StandingFile, batches_text
from neurohw.studies.sweep import Point, Sweep, SweepFile
from neurohw.validation import refused


@dataclass(frozen=True)
class Execution:
    """Where and how points run.

    Args:
        jobs: local processes; 0: in this process.
        threads: of each; its share of the cores unless given, one on a cluster.
        scheduler: address of a Dask cluster's, which then runs them.
        retries: of a point whose process is killed, that raises, or takes too long.
        timeout: seconds that an attempt at a point may take.
    """

    jobs: int = 1
    threads: int | None = None
    scheduler: str | None = None
    retries: int = RETRIES
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        least = {"jobs": 0, "threads": 1, "retries": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InputError(f"{name}: got {value}; allowed: at least {lowest}")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"point_timeout: got {self.timeout}; allowed: more than 0 seconds")
        if self.timeout is not None and not (self.jobs or self.scheduler):
            raise InputError("point_timeout: needs processes that can be ended; allowed: with jobs of at least 1")


class Watcher(Protocol):
    """Shows how a sweep goes."""

    def note(self, line: str) -> None:
        """Show a line that is about no point."""

    def changed(self, now: Callable[[], Standing], line: str | None) -> None:
        """Show the standing, which `now` returns; `line` is about the point that ended, None where one goes on."""


class Telling:
    """See Watcher; every line goes to a function."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.note = tell

    def changed(self, now: Callable[[], Standing], line: str | None) -> None:
        """Tell the line."""
        if line is not None:
            self.note(line)


@dataclass
class Swept:
    """What became of a sweep.

    Args:
        folders: of the points that have a record, in the order of their end.
        warnings: of their records: text -> names of the points that have it.
        failures: name of each other point -> why it has no result.
    """

    folders: list[Path] = field(default_factory=list)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, NeurohwError] = field(default_factory=dict)

    def records(self) -> list[RunRecord]:
        """Read the records."""
        return [read_record(folder) for folder in self.folders]

    def warned(self) -> list[str]:
        """Return a line a warning, whoever has it."""
        return [f"{names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)}: {text}"
                for text, names in self.warnings.items()]  # fmt: skip

    def raise_failure(self) -> None:
        """Say how many points failed, and why the first did.

        Raises:
            NeurohwError: some failed.
        """
        if self.failures:
            total = len(self.folders) + len(self.failures)
            name, why = next(iter(self.failures.items()))
            told = str(why).removeprefix(f"{name}: ")
            raise NeurohwError(f"{len(self.failures)} of {total} points failed; the first: {name}: {told}")


def run_sweep(
    sweep: Sweep,
    folder: Path,
    execution: Execution,
    watcher: Watcher,
    report: Reporter | None = None,
    reuse: Sequence[Path] = (),
) -> Swept:
    """Run all points and return what became of them; finished ones are only read.

    Args:
        sweep: what is run.
        folder: each point gets one of its own below it; it is locked.
        execution: where they run.
        watcher: shown how it goes.
        report: told about epochs where everything runs in this process.
        reuse: folders in which finished runs are looked for, and copied instead of run again.

    Raises:
        InputError: a point is no valid experiment, or somebody else sweeps in the folder; nothing was run.
    """
    check_there(reuse)
    with locked(writable_folder(folder)):
        points, executor = _prepared(sweep, folder, execution, watcher, report)
        for line in dict.fromkeys(str(each) for point in points for each in point.advice):
            watcher.note(line)
        try:
            for taken, place in take_over([member for point in points for member in point.members], reuse):
                watcher.note(f"{taken.folder.name}: taken over from {place}")
        except BaseException:  # a full disk, an interrupt: its processes are there already
            executor.close()
            raise
        where = "; ".join(filter(None, (str(executor), batches_text(points))))
        count, swept = Count(sum(len(point.members) for point in points), where), Swept()
        written = StandingFile(folder, count)

        def epoch(point: Point, row: dict[str, Any]) -> None:
            count.epoch(point, row)
            watcher.changed(count.now, None)
            written.if_older()

        watcher.changed(count.now, None)
        with contextlib.closing(run_points(points, executor, execution.retries, epoch)) as settled:
            for each in settled:
                name = each.point.folder.name
                if isinstance(each.outcome, RunRecord):
                    swept.folders.append(each.point.folder)
                    for text in each.outcome.warnings:
                        swept.warnings.setdefault(text, []).append(name)
                else:
                    swept.failures[name] = each.outcome
                watcher.changed(count.now, count.settled(each))
                written.if_older()
        written.if_older(0.0)
    return swept


def _prepared(
    sweep: Sweep, folder: Path, execution: Execution, watcher: Watcher, report: Reporter | None
) -> tuple[Sequence[Point], Executor]:
    """Return the points, and what runs them; a process makes the points, so that this one need not load torch."""
    if not execution.jobs and not execution.scheduler:
        from neurohw.studies.execution.serial import Serial

        return all_points(sweep, folder, 1), Serial(report or Silent())
    if execution.scheduler:
        from neurohw.studies.execution.cluster import Cluster

        cluster = Cluster(execution.scheduler, execution.threads or 1, execution.timeout, watcher.note)
        with contextlib.ExitStack() as unless_prepared:
            unless_prepared.callback(cluster.close)
            with contextlib.closing(Child(1)) as child:
                points = _asked(child, sweep, folder, 0)
            unless_prepared.pop_all()
        return points, cluster
    child = Child(execution.threads or threads_of(execution.jobs))
    points = _asked(child, sweep, folder, execution.jobs)
    return points, Processes(execution.jobs, execution.threads, execution.timeout, child)


def _asked(child: Child, sweep: Sweep, folder: Path, jobs: int) -> list[Point]:
    child.ask(all_points, sweep, folder, jobs)
    points: list[Point] = child.answer()
    return points


def all_points(sweep: Sweep, folder: Path, jobs: int) -> list[Point]:
    """Return the points of a sweep; a function, so that another process can be asked for them.

    Args:
        sweep, folder: see `run_sweep`.
        jobs: processes for which they are grouped, see `in_groups`; 0: each stays by itself, as where none sees
            another's folder.
    """
    points = list(sweep.points(folder))
    if not jobs:
        return points
    from neurohw.studies.groups import in_groups  # here, since it loads torch

    return in_groups(points, jobs)


def sweep(
    experiment: str | Path,
    axes: Mapping[str, Sequence[Any]] | None = None,
    seeds: Sequence[int] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    design: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    stop_after: int | None = None,
    out: Path | str = "runs/sweep",
    jobs: int = 1,
    threads: int | None = None,
    scheduler: str | None = None,
    retries: int = RETRIES,
    point_timeout: float | None = None,
    reuse: Sequence[Path | str] = (),
    tell: Callable[[str], None] | None = print,
) -> list[RunRecord]:
    """Run a sweep and return its records; called again, it goes on with what is missing.

    Args:
        experiment: a shipped experiment's name, or a file.
        axes: dotted key -> values, all combined; a table as a value is laid over that section.
        seeds: of every point; 0 to the experiment's `runs` - 1 unless given.
        settings: dotted keys that hold for every point.
        variants: name -> dotted keys; each is run at every point.
        design: what [design] holds in a sweep file (`neurohw.studies.design.Design`); combined with the axes.
        constraints: comparisons of keys that every point must fulfil, as "hardware.adc_bits >= hardware.dac_bits".
        stop_after: end each run after so many epochs, the schedule unchanged.
        out: folder of the runs; `load_runs(out)` has them as a table.
        jobs: local processes; 1 without `threads` and `point_timeout` runs in this process.
        threads: of each process; its share of the cores unless given, one on a cluster.
        scheduler: address of a Dask cluster's scheduler ("tcp://HOST:PORT"), which runs the points instead.
        retries: of a point whose process is killed, that raises, or takes too long.
        point_timeout: seconds that an attempt at a point may take.
        reuse: folders in which finished runs are looked for, and copied instead of run again.
        tell: gets a line about each point that ends; None: nothing is said.

    Raises:
        InputError: a point is no valid experiment; nothing was run.
        NeurohwError: points failed, after all others have run; their folders say how far they came.
    """
    given: dict[str, Any] = {
        "experiment": str(experiment), "set": dict(settings or {}), "axes": dict(axes or {}), "design": design,
        "variants": dict(variants or {}), "constraints": tuple(constraints), "stop_after": stop_after,
    }  # fmt: skip
    try:
        file = SweepFile.model_validate(given | ({} if seeds is None else {"seeds": tuple(seeds)}))
    except ValidationError as error:
        raise refused(error, "sweep", SweepFile) from None
    if jobs < 1:
        raise InputError(f"jobs: got {jobs}; allowed: at least 1")
    here = jobs == 1 and threads is None and point_timeout is None and scheduler is None
    execution = Execution(0 if here else jobs, threads, scheduler, retries, point_timeout)
    telling, folders = Telling(tell or (lambda line: None)), [Path(folder) for folder in reuse]
    swept = run_sweep(Sweep(Path("sweep"), file), Path(out), execution, telling, reuse=folders)
    swept.raise_failure()
    return swept.records()

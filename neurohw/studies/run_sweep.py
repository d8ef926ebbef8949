"""All points of a sweep, one after the other or in local processes: records, failures, and a line about each point."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from neurohw.errors import Diverged, InputError, NeurohwError
from neurohw.kinds import shown_metrics
from neurohw.runs.files import writable_folder
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord
from neurohw.studies.executors import run_points
from neurohw.studies.sweep import Sweep, SweepFile
from neurohw.validation import refused


def run_sweep(
    sweep: Sweep, folder: Path, jobs: int = 1, report: Reporter | None = None, tell: Callable[[str], None] | None = None
) -> tuple[list[RunRecord], NeurohwError | None]:
    """Run all points and return their records, and what to raise where some failed; finished ones are only read.

    Args:
        sweep: what is run.
        folder: each point gets one of its own below it.
        jobs: local processes; they share the cores.
        report: told about epochs where everything runs in this process.
        tell: gets a line about what devices gave to silent experiments, and about each point that ends.

    Raises:
        InputError: a point is no valid experiment; nothing was run.
    """
    points = list(sweep.points(writable_folder(folder)))
    if tell:
        for line in dict.fromkeys(str(each) for point in points for each in point.advice):
            tell(line)
    records, failures = [], []
    with contextlib.closing(run_points(points, jobs, report or Silent())) as outcomes:
        for done, (point, outcome) in enumerate(outcomes, 1):
            if isinstance(outcome, Exception):
                failures.append(outcome)
                text = f"{'diverged' if isinstance(outcome, Diverged) else 'failed'}: {outcome}"
            else:
                records.append(outcome)
                text = shown_metrics(outcome.metrics)
            if tell:
                tell(f"{done}/{len(points)} {point.folder.name}: {text}")
    if not failures:
        return records, None
    return records, NeurohwError(f"{len(failures)} of {len(points)} points failed; the first: {failures[0]}")


def sweep(
    experiment: str | Path,
    axes: Mapping[str, Sequence[Any]],
    seeds: Sequence[int] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    stop_after: int | None = None,
    out: Path | str = "runs/sweep",
    jobs: int = 1,
    tell: Callable[[str], None] | None = print,
) -> list[RunRecord]:
    """Run a grid of settings and return its records; called again, it goes on with what is missing.

    Args:
        experiment: a shipped experiment's name, or a file.
        axes: dotted key -> values, all combined; a table as a value is laid over that section.
        seeds: of every point; 0 to the experiment's `runs` - 1 unless given.
        settings: dotted keys that hold for every point.
        stop_after: end each run after so many epochs, the schedule unchanged.
        out: folder of the runs; `load_runs(out)` has them as a table.
        jobs: local processes; more than one needs `if __name__ == "__main__":` in a script, not in a notebook.
        tell: gets a line about each point that ends; None: nothing is said.

    Raises:
        InputError: a point is no valid experiment; nothing was run.
        NeurohwError: points failed, after all others have run; their folders say how far they came.
    """
    given = {"experiment": str(experiment), "set": dict(settings or {}), "axes": dict(axes), "stop_after": stop_after}
    try:
        file = SweepFile.model_validate(given | ({} if seeds is None else {"seeds": tuple(seeds)}))
    except ValidationError as error:
        raise refused(error, "sweep", SweepFile) from None
    if jobs < 1:
        raise InputError(f"jobs: got {jobs}; allowed: at least 1")
    records, failed = run_sweep(Sweep(Path("sweep"), file), Path(out), jobs, tell=tell)
    if failed:
        raise failed
    return records

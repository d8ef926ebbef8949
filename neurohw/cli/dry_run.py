"""`--dry-run` of `neurohw sweep` and of `neurohw run`: what would be run, and how much time and disk it would take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from neurohw.cli import console
from neurohw.units import duration_text

if TYPE_CHECKING:
    from neurohw.config import Experiment
    from neurohw.studies.sweep import Point, Sweep


def print_estimate(experiment: Experiment, folder: Path | None, stop_after: int | None) -> None:
    """Check a run, and print how much time and disk it would take; a few of its batches are timed."""
    from neurohw.runs.job import job_class
    from neurohw.studies.estimate import estimate

    job_class(experiment).check(experiment, "cpu")
    takes = estimate(experiment, stop_after)
    console.stdout.print(f"nothing was run; {experiment.name} would take about {_takes(takes.seconds)} on this CPU")
    _print_disk(takes.size, folder or Path("runs"))


def print_dry_run(sweep: Sweep, points: Sequence[Point], folder: Path, jobs: int) -> None:
    """Print a line a configuration, and how much time and disk is left to need."""
    from neurohw.studies.forecast import forecast
    from neurohw.studies.standing import batches_text

    rows = forecast(points)
    table = Table()
    for heading in ("run", "seeds", "what", "done", "each takes"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        name = row.point.folder.name.rpartition("-")[0]
        takes = "-" if row.each is None else f"{'' if row.measured else '~ '}{_takes(row.each.seconds)}"
        table.add_row(name, _span(row.seeds), Text(row.point.place), f"{row.done} of {len(row.seeds)}", takes)
    console.stdout.print(table)
    seconds, size = sum(row.seconds for row in rows), sum(row.size for row in rows)
    done = sum(row.done for row in rows)
    runs = sum(len(point.members) for point in points)
    left_out = sweep.size() - runs
    shared_batches = f", {text}" if (text := batches_text(points)) else ""
    others = f", {left_out} left out by constraints or the same as others" if left_out > 0 else ""
    alone, shared = _takes(seconds), _takes(seconds / jobs)
    console.stdout.print(f"{runs} run{'s' * (runs != 1)}, {done} done{others}{shared_batches}; about {alone} one after "
                         f"the other, {shared} or more with --jobs {jobs}")  # fmt: skip
    _print_disk(size, folder)
    for line in dict.fromkeys(str(each) for point in points for each in point.advice):
        console.stdout.print(line, highlight=False, soft_wrap=True)


def _print_disk(size: int, folder: Path) -> None:
    free = shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.is_dir())).free
    style = "red" if size > free else ""
    console.stdout.print(f"disk: about {_size(size)}; {_size(free)} are free", style=style, highlight=False)


def _takes(seconds: float) -> str:
    """Return a duration; of a small run the first digits matter, as there may be hundreds."""
    return f"{seconds:.2g} s" if seconds < 10 else duration_text(seconds)


def _span(seeds: tuple[int, ...]) -> str:
    """Return seeds as text: "0 to 4" where they follow each other."""
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

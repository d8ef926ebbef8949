"""One experiment, from configuration to record: what is run is looked up by its kind, and driven in its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurohw.config import Experiment, config_hash
from neurohw.errors import Diverged, InputError
from neurohw.runs.driver import Driver
from neurohw.runs.files import locked, writable_folder
from neurohw.runs.folder import RunFolder, default_folder, finished
from neurohw.runs.freed_memory import keep_freed_memory
from neurohw.runs.job import evenly, job_class
from neurohw.runs.lockstep import Lockstep
from neurohw.runs.products import float32_products
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord
from neurohw.seeding import Streams

CHECKPOINT_SECONDS = 300.0


def run(
    experiment: Experiment,
    seed: int = 0,
    out: Path | str | None = None,
    *,
    device: str = "cpu",
    stop_after: int | None = None,
    resume: bool = False,
    report: Reporter | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> RunRecord:
    """Run one experiment and return its record; the same configuration and seed give the same numbers.

    Args:
        experiment: complete configuration.
        seed: of every random stream.
        out: folder of record, metrics and checkpoint; `runs/<name>-<hash>-<seed>` unless given.
        device: "cpu" or "cuda".
        stop_after: end after so many epochs (rounds, if semi-supervised), the schedule unchanged.
        resume: go on from the folder's checkpoint.
        report: told about each epoch.
        checkpoint_seconds: how often a long epoch writes checkpoints between its batches; each epoch's end writes one,
            unless the last one is younger than ten times what writing it took.

    Raises:
        InputError: something asked for does not fit or is not there; nothing was run.
        Diverged: what is learnt is no number any more; the record says so.
    """
    outcome = run_seeds(
        experiment,
        {seed: None if out is None else Path(out)},
        device=device,
        stop_after=stop_after,
        resume=resume,
        report=report,
        checkpoint_seconds=checkpoint_seconds,
    )[seed]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run_seeds(
    experiment: Experiment,
    folders: Mapping[int, Path | None],
    *,
    device: str = "cpu",
    stop_after: int | None = None,
    resume: bool = False,
    report: Reporter | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> dict[int, RunRecord | Exception]:
    """Run an experiment with several seeds, and return by seed each run's record, or what ended it.

    Runs are trained together where `Job.at_once` allows more than one; each is what it would be alone: its numbers, its
    folder, and what is said in its record if it ends early.

    Args:
        experiment: complete configuration.
        folders: seed -> folder, as `out` of `run`.
        device, stop_after, resume, report, checkpoint_seconds: see `run`.

    Raises:
        InputError: the experiment does not fit; nothing was run.
    """
    keep_freed_memory()
    kind = job_class(experiment)
    kind.check(experiment, device)
    jobs = kind.of_seeds(experiment, [Streams(seed, device) for seed in folders])
    digest = config_hash(experiment, jobs[0].contents())
    outcomes: dict[int, RunRecord | Exception] = {}
    products = float32_products(kind.multiplications(experiment) if device == "cpu" else 0)
    with products, contextlib.ExitStack() as locks:
        drivers = []
        for job, (seed, out) in zip(jobs, folders.items(), strict=True):
            folder = out if out is not None else default_folder(experiment, digest, seed)
            try:
                if resume and (done := finished(folder, digest, seed, stop_after)):
                    outcomes[seed] = _known(done)
                    continue
                driver = Driver(job, digest)
                _check_length(driver, stop_after)
                locks.enter_context(locked(writable_folder(folder)))
                if resume and (done := finished(folder, digest, seed, stop_after)):  # by who held the lock before
                    outcomes[seed] = _known(done)
                    continue
                driver.open(RunFolder.opened(folder, digest, seed, resume), resume)
                drivers.append(driver)
            except Exception as error:
                outcomes[seed] = error
        for alike in _alike(drivers, kind.at_once(experiment)):
            went = Lockstep(alike, report or Silent(), checkpoint_seconds).go(stop_after)
            outcomes |= {driver.streams.seed: outcome for driver, outcome in zip(alike, went, strict=True)}
    return outcomes


def _check_length(driver: Driver, stop_after: int | None) -> None:
    """Refuse to stop within what is not trained here."""
    first = driver.job.plan[0].round
    if stop_after is not None and stop_after < first:
        raise InputError(f"stop_after: got {stop_after}, but the network has had its {first} epochs: nothing is "
                         f"trained; allowed: none, or {first} and more")  # fmt: skip


def _known(record: RunRecord) -> RunRecord | Exception:
    return Diverged(record.message or "the run has diverged") if record.status == "diverged" else record


def _alike(drivers: Sequence[Driver], most: int) -> Iterator[Sequence[Driver]]:
    """Yield the runs in groups of those that can go on together, at most so many."""
    by_position: dict[Any, list[Driver]] = {}
    for driver in drivers:
        by_position.setdefault(driver.position, []).append(driver)
    for alike in by_position.values():
        yield from evenly(alike, most)

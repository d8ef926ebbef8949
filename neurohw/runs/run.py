"""One experiment, from configuration to record: what is run is looked up by its kind, and driven in its folder."""

from __future__ import annotations

from pathlib import Path

from neurohw.config import Experiment, config_hash
from neurohw.errors import Diverged
from neurohw.runs.driver import Driver
from neurohw.runs.files import locked, writable_folder
from neurohw.runs.folder import RunFolder, default_folder, finished
from neurohw.runs.job import job_class
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
        checkpoint_seconds: how often a long epoch writes checkpoints between its batches; each epoch's end writes one.

    Raises:
        InputError: something asked for does not fit or is not there; nothing was run.
        Diverged: what is learnt is no number any more; the record says so.
    """
    kind = job_class(experiment)
    kind.check(experiment, device)
    job = kind(experiment, Streams(seed, device))
    digest = config_hash(experiment, job.contents())
    folder = Path(out) if out is not None else default_folder(experiment, digest, seed)
    if resume and (done := finished(folder, digest, seed, stop_after)):
        return _known(done)
    with float32_products(kind.multiplications(experiment) if device == "cpu" else 0):
        driver = Driver(job, digest, report or Silent(), checkpoint_seconds)
        with locked(writable_folder(folder)):
            if resume and (done := finished(folder, digest, seed, stop_after)):  # by who held the lock before
                return _known(done)
            return driver.go(RunFolder.opened(folder, digest, seed, resume), resume, stop_after)


def _known(record: RunRecord) -> RunRecord:
    if record.status == "diverged":
        raise Diverged(record.message or "the run has diverged")
    return record

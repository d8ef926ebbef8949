"""A run's folder: what stands in it, and what another run may do there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurohw.config import Experiment
from neurohw.errors import InputError
from neurohw.runs.files import remove_partial
from neurohw.runs.record import CHECKPOINT, METRICS, RECORD, RunRecord, read_record

AGAIN = ".rerun"  # where a run works that is to replace a former one's results, which stand until it is whole


def default_folder(experiment: Experiment, digest: str, seed: int) -> Path:
    """Return `runs/<name>-<hash>-<seed>`."""
    return Path("runs") / f"{experiment.name}-{digest}-{seed}"


def finished(folder: Path, digest: str, seed: int, stop_after: int | None) -> RunRecord | None:
    """Return the folder's record if there is nothing left to do for it."""
    if not (folder / RECORD).is_file() or (folder / AGAIN).is_dir():
        return None
    record = read_record(folder)
    same = record.config_hash == digest and record.seed == seed
    enough = record.status in ("finished", "diverged") or (
        record.status == "stopped"
        and record.message is None  # not interrupted
        and stop_after is not None
        and record.timing.get("epochs", 0) >= stop_after
    )
    return record if same and enough else None


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run that may begin, or go on, in it.

    Args:
        path: gets record, metrics and checkpoint.
        work: where the checkpoint is until the run is whole: `path`, or `.rerun` below it.
        recorded: a record stands in `path`, so that metrics of further epochs are written with one of their own.
    """

    path: Path
    work: Path
    recorded: bool

    @classmethod
    def opened(cls, path: Path, digest: str, seed: int, resume: bool) -> RunFolder:
        """Return the folder as it stands; the caller holds its lock.

        Raises:
            InputError: what stands there is not this run's, or is an interrupted run and would be lost.
        """
        record = read_record(path) if (path / RECORD).is_file() else None
        results = record is not None and record.message is None
        again = (path / AGAIN).is_dir() or (results and not resume)
        work = path / AGAIN if again else path
        begun = (work / CHECKPOINT).is_file()
        if record is not None and (record.config_hash, record.seed) != (digest, seed) and not (resume and begun):
            raise InputError(f"{path}: holds the run {record.name}-{record.config_hash}-{record.seed}; this one is "
                             f"{digest}-{seed}: name another folder with --out, or remove that one")  # fmt: skip
        diverged = record is not None and record.status == "diverged"  # which --resume would only say again
        if begun and not resume and not diverged:
            raise InputError(f"{work}: holds an interrupted run; --resume goes on with it, --out names another folder, "
                             f"and removing its {CHECKPOINT} and {METRICS} starts anew")  # fmt: skip
        metrics = work / METRICS
        if record is None and not begun and metrics.exists() and metrics.stat().st_size > 1:
            raise InputError(f"{metrics}: stands without a {RECORD} or a {CHECKPOINT}, so that it may be anybody's; "
                             "move it away, or name another folder with --out")  # fmt: skip
        return cls(path, work, record is not None)

    def make_ready(self) -> None:
        """Clear the folder of the temporary files that killed processes left."""
        self.work.mkdir(exist_ok=True)
        for name in (CHECKPOINT, RECORD, METRICS):
            remove_partial(self.work / name)
            remove_partial(self.path / name)

    @property
    def replaces(self) -> bool:
        """Whether a former run's results stand until this one is whole."""
        return self.work != self.path

    def take_place(self) -> None:
        """Put what was done in `.rerun` where the former run's was; its record is there already."""
        (self.work / CHECKPOINT).replace(self.path / CHECKPOINT)
        (self.work / METRICS).unlink(missing_ok=True)
        self.work.rmdir()

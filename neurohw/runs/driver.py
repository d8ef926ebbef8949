"""One run in its folder: where it stands, what it has measured, and what is written of it when."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from neurohw.crossbar.precision import multiplying_library
from neurohw.errors import Diverged, GivenUp, NeurohwError, OutputLost
from neurohw.metering.ledger import of_training
from neurohw.runs.checkpoint import Progress, load_checkpoint, save_checkpoint
from neurohw.runs.folder import RunFolder
from neurohw.runs.job import Job
from neurohw.runs.memory import peak_memory_bytes, reset_peak_memory
from neurohw.runs.record import RunRecord, Status, git_revision, versions, write_curve
from neurohw.runs.warnings import other_versions
from neurohw.training.phases import Epoch

MESSAGE = 10_000  # characters of one in a record


class Driver:
    """One run in progress: the job, and where it stands; `Lockstep` takes it from its checkpoint to its record.

    Args:
        job: what is run.
        digest: the configuration's hash.
    """

    def __init__(self, job: Job[Any], digest: str) -> None:
        reset_peak_memory()
        self.job, self.digest = job, digest
        self.experiment, self.streams = job.experiment, job.streams
        self.identity = f"{digest}-{self.streams.seed}-{self.streams.device.type}"
        job.build()
        self.rounds = job.plan[-1].round
        self.counted = True  # unless it goes on from a checkpoint without a ledger: half a count would mislead
        self.progress = Progress()
        self.epoch: Epoch | None = None  # in progress, or the last one that was trained here
        computed = {"device": str(self.streams.device), "threads": str(torch.get_num_threads())}
        self.versions = versions() | computed | {"float32 products": multiplying_library()} | job.sources()
        self.git = git_revision()  # now, before the code changes on disk

    def open(self, folder: RunFolder, resume: bool) -> None:
        """Stand where the folder's checkpoint does, or at the beginning; the caller holds the folder's lock."""
        self.folder = folder
        if resume:
            self._restore()
        now = self.versions | {"commit": self.git or "unknown"}
        self.progress.warnings += other_versions(self.progress.versions, now, self.progress.round)
        self.progress.versions = now
        folder.make_ready()

    def _restore(self) -> None:
        restored = load_checkpoint(self.folder.work, self.identity, self.job, self.streams)
        self.progress = restored or self.progress
        self.counted = restored is None or bool(restored.ledger)
        if restored is not None and restored.ledger:
            self.job.ledger.load_state_dict(restored.ledger)

    @property
    def position(self) -> tuple[int, int, bool, str]:
        """Where it stands, and what is counted by now: runs that are alike in all of it can go on together."""
        return self.progress.done, self.progress.batches, self.counted, repr(self.job.ledger.counts())

    def next_epoch(self, stop: int) -> Epoch | None:
        """Return the epoch that is to be trained; None where `stop` rounds of the main phase are done, or all."""
        epoch = self.job.plan[self.progress.done] if self.progress.done < len(self.job.plan) else None
        return None if epoch is None or epoch.round > stop else epoch

    def enter(self) -> None:
        """Stand in the next epoch, which draws its order from the stream "batches" as it is now."""
        self.epoch = self.job.plan[self.progress.done]
        self.progress.order = self.streams.generator("batches").get_state()

    def trained(self, images: int, seconds: float) -> None:
        """A batch is done, and took so long."""
        self.progress.batches += 1
        self.progress.epoch_images += images
        self.progress.epoch_seconds += seconds

    def close(self) -> None:
        """End the epoch: evaluate it where it is to be, and add its row to the curve."""
        progress, epoch = self.progress, self.epoch
        assert epoch is not None
        seconds = progress.epoch_seconds
        row: dict[str, Any] = {"epoch": epoch.round, "phase": epoch.phase, "index": epoch.index + 1,
                               "images": progress.epoch_images, "seconds": seconds}  # fmt: skip
        if epoch.evaluated and epoch.round < self.rounds:  # the last one's evaluation is the final one
            row |= self._evaluated(str(progress.done + 1), final=False)
        row |= self.job.epoch_row()
        progress.done += 1
        progress.round = epoch.round if epoch.closes_round else progress.round
        progress.train_seconds += seconds
        progress.images += progress.epoch_images  # of the plan's, some may have no label to learn
        progress.curve.append(row)
        progress.ledger_curve.append(of_training(self.job.ledger.counts()))
        progress.batches, progress.epoch_images, progress.epoch_seconds, progress.order = 0, 0, 0.0, None

    def conclude(self) -> None:
        """Evaluate for the last time."""
        self.progress.curve[-1] |= self._evaluated(str(self.progress.done), final=True)

    def _evaluated(self, moment: str, final: bool) -> dict[str, float]:
        """Evaluate, keep the metrics, and return those that are numbers: they stand in the epoch's row."""
        self.progress.metrics = self.job.evaluate(moment, final)
        return {key: value for key, value in self.progress.metrics.items() if isinstance(value, float)}

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            Diverged: what is learnt is no number any more.
        """
        self.job.require_numbers()
        self.progress.ledger = self.job.ledger.state_dict() if self.counted else {}
        save_checkpoint(self.folder.work, self.identity, self.progress, self.job, self.streams)

    def write_so_far(self) -> None:
        """Write the epochs' metrics; where a record stands that would not belong to them, a new one, too."""
        if self.folder.recorded and not self.folder.replaces:
            record = self._record("stopped", "under way, or killed; --resume goes on from the last checkpoint")
            record.write(self.folder.path)
        else:
            write_curve(self.folder.work, self.progress.curve)

    def write_record(self) -> RunRecord:
        """Write the record of a run that is over."""
        record = self._record("finished" if self.progress.round == self.rounds else "stopped")
        record.write(self.folder.path)  # before the account, which may lack a figure: nothing is lost then
        if self.folder.replaces:
            self.folder.take_place()
        return record

    def add_account(self, record: RunRecord) -> None:
        """Add to its record what the run cost, where that is asked for."""
        if record.ledger and (account := self.job.account(record)):
            record.energy = account
            record.add(self.job.accounted_symptoms(record))
            record.write_json(self.folder.path)

    def ended(self, error: BaseException) -> BaseException:
        """Write the record of a run that an error ends early, and return the error as its user is to see it."""
        if isinstance(error, Diverged):
            message = f"{self._standing()}: {error}"
            self._write_end("diverged", message)
            return Diverged(message)
        if isinstance(error, OutputLost):
            message = f"{error}; --resume goes on from the last checkpoint"
            self._write_end("stopped", message)
            return OutputLost(message)
        if isinstance(error, GivenUp):
            self._write_end("stopped", f"{self._standing()}: {error}")
        elif isinstance(error, KeyboardInterrupt):
            self._write_end("stopped", "interrupted; --resume goes on from the last checkpoint")
        elif isinstance(error, Exception):
            self._write_end("failed", f"{type(error).__name__}: {error}")
        return error

    def _write_end(self, status: Status, message: str) -> None:
        """Write the record of a run that ends early, unless a former run's results stand, or the disk takes nothing."""
        if not self.folder.replaces:
            with contextlib.suppress(NeurohwError):
                self._record(status, message).write(self.folder.path)

    def _standing(self) -> str:
        assert self.epoch is not None
        return f"{self.epoch.phase} epoch {self.epoch.index + 1}, after {self.progress.batches} of its batches"

    def _epochs_counted(self) -> float:
        """Return how many epochs the ledger has counted, the part of one that was stopped included."""
        progress = self.progress
        if self.epoch is None or not progress.batches:
            return progress.done
        return progress.done + progress.epoch_images / self.epoch.images

    def _record(self, status: Status, message: str | None = None) -> RunRecord:
        progress, job = self.progress, self.job
        symptoms = job.symptoms(progress.metrics)
        ledger = {
            "counts": job.ledger.counts(),
            "facts": job.facts(self._epochs_counted()),
            "ledger_curve": progress.ledger_curve,
            **job.counted_apart(),
        }
        return RunRecord(
            name=self.experiment.name,
            kind=self.experiment.kind,
            config=self.experiment.canonical(),
            config_hash=self.digest,
            seed=self.streams.seed,
            versions=self.versions,
            git=self.git,
            status=status,
            message=message and message[:MESSAGE],
            warnings=job.warnings + progress.warnings + [symptom.message for symptom in symptoms],
            symptoms=symptoms,
            metrics=progress.metrics,
            looks=job.looks() if status in ("finished", "stopped") else None,
            chance=job.chance,
            timing={
                "train_seconds": progress.train_seconds,
                "train_images_per_second": progress.images / progress.train_seconds if progress.train_seconds else 0.0,
                "epochs": progress.round,
            },
            ledger=ledger if self.counted and ledger["counts"] else {},
            peak_memory_bytes=peak_memory_bytes(),
            curve=progress.curve,
        )

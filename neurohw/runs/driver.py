"""Driving a job from its checkpoint to its record: signals, progress, divergence, and what is written when."""

from __future__ import annotations

import contextlib
import time
from itertools import islice
from typing import Any

import torch

from neurohw.errors import Diverged, NeurohwError, OutputLost
from neurohw.metering.ledger import of_training
from neurohw.runs.checkpoint import Progress, load_checkpoint, save_checkpoint
from neurohw.runs.folder import RunFolder
from neurohw.runs.interrupts import HeldSignals
from neurohw.runs.job import Job
from neurohw.runs.memory import peak_memory_bytes, reset_peak_memory
from neurohw.runs.products import multiplying_library
from neurohw.runs.progress import Reporter
from neurohw.runs.record import RunRecord, Status, git_revision, versions, write_curve
from neurohw.runs.warnings import other_versions
from neurohw.training.phases import Epoch

CHECKED_EVERY = 64  # batches between two looks whether all that is learnt is finite; one costs less than a batch
MESSAGE = 10_000  # characters of one in a record


class Driver:
    """One run in progress: the job, and where it stands.

    Args:
        job: what is run.
        digest: the configuration's hash.
        report: told about each epoch.
        checkpoint_seconds: how often a long epoch writes checkpoints between its batches.
    """

    def __init__(self, job: Job[Any], digest: str, report: Reporter, checkpoint_seconds: float) -> None:
        reset_peak_memory()
        self.job, self.digest, self.report, self.checkpoint_seconds = job, digest, report, checkpoint_seconds
        self.experiment, self.streams = job.experiment, job.streams
        self.identity = f"{digest}-{self.streams.seed}-{self.streams.device.type}"
        self.saved = self.began = time.perf_counter()  # the last checkpoint; the epoch, less its interruptions
        job.build()
        self.rounds = job.plan[-1].round
        self.counted = True  # unless it goes on from a checkpoint without a ledger: half a count would mislead
        self.progress = Progress()
        self.epoch: Epoch | None = None  # in progress, or the last one that was trained here
        self.signals = HeldSignals()
        computed = {"device": str(self.streams.device), "threads": str(torch.get_num_threads())}
        self.versions = versions() | computed | {"float32 products": multiplying_library()}
        self.git = git_revision()  # now, before the code changes on disk

    def go(self, folder: RunFolder, resume: bool, stop_after: int | None) -> RunRecord:
        """Run, or go on, until the plan or `stop_after` rounds of it are done, and return the record.

        Raises:
            Diverged: what is learnt is no number any more; the record says so.
        """
        self.folder = folder
        if resume:
            self._restore()
        now = self.versions | {"commit": self.git or "unknown"}
        self.progress.warnings += other_versions(self.progress.versions, now, self.progress.round)
        self.progress.versions = now
        folder.make_ready()
        with contextlib.closing(self.report):
            self._learn(min(stop_after or self.rounds, self.rounds))
            record = self._record("finished" if self.progress.round == self.rounds else "stopped")
            with self.signals:
                record.write(folder.path)  # before the account, which may lack a figure: nothing is lost then
                if folder.replaces:
                    folder.take_place()
            self._tell()
        if record.ledger and (account := self.job.account(record)):
            record.energy = account
            record.add(self.job.accounted_symptoms(record))
            record.write_json(folder.path)
        return record

    def _restore(self) -> None:
        restored = load_checkpoint(self.folder.work, self.identity, self.job, self.streams)
        self.progress = restored or self.progress
        self.counted = restored is None or bool(restored.ledger)
        if restored is not None and restored.ledger:
            self.job.ledger.load_state_dict(restored.ledger)

    def _learn(self, stop: int) -> None:
        """Go through the plan, up to `stop` rounds of its main phase, and evaluate; a record says what ended it."""
        try:
            for epoch in islice(self.job.plan, self.progress.done, None):
                if epoch.round > stop:
                    break
                self._epoch(epoch)
                self._save()
                if not (epoch.closes_round and epoch.round == stop):
                    self._write_so_far()
                    self._tell()
            self.progress.curve[-1] |= self._evaluated(str(self.progress.done), final=True)
        except Diverged as error:
            message = f"{self._standing()}: {error}"
            self._write_end("diverged", message)
            raise Diverged(message) from None
        except KeyboardInterrupt:
            self._write_end("stopped", "interrupted; --resume goes on from the last checkpoint")
            raise
        except OutputLost as error:
            message = f"{error}; --resume goes on from the last checkpoint"
            self._write_end("stopped", message)
            raise OutputLost(message) from None
        except Exception as error:
            self._write_end("failed", f"{type(error).__name__}: {error}")
            raise

    def _epoch(self, epoch: Epoch) -> None:
        progress = self.progress
        self.epoch = epoch
        self.report.begin(self._title(epoch), epoch.images)
        self._train(epoch)
        seconds = progress.epoch_seconds
        row: dict[str, Any] = {"epoch": epoch.round, "phase": epoch.phase, "index": epoch.index + 1,
                               "images": epoch.images, "seconds": seconds}  # fmt: skip
        if epoch.evaluated and epoch.round < self.rounds:  # the last one's evaluation is the final one
            self._save_if_older(self.checkpoint_seconds / 10)  # an interrupt does not wait for an evaluation
            row |= self._evaluated(str(progress.done + 1), final=False)
        row |= self.job.epoch_row()
        progress.done += 1
        progress.round = epoch.round if epoch.closes_round else progress.round
        progress.train_seconds += seconds
        progress.images += epoch.images
        progress.curve.append(row)
        progress.ledger_curve.append(of_training(self.job.ledger.counts()))
        progress.batches, progress.epoch_images, progress.epoch_seconds, progress.order = 0, 0, 0.0, None

    def _evaluated(self, moment: str, final: bool) -> dict[str, float]:
        """Evaluate, keep the metrics, and return those that are numbers: they stand in the epoch's row."""
        self.progress.metrics = self.job.evaluate(moment, final)
        return {key: value for key, value in self.progress.metrics.items() if isinstance(value, float)}

    def _tell(self) -> None:
        if self.epoch is not None:  # else all epochs had been done before
            self.report.end(self.progress.curve[-1])

    def _train(self, epoch: Epoch) -> None:
        """Train the epoch, or what a checkpoint between two batches left of it; an interrupt waits for its batch."""
        progress = self.progress
        progress.order = self.streams.generator("batches").get_state()
        if progress.batches:
            self.report.tick(progress.epoch_images)
        self.began = time.perf_counter() - progress.epoch_seconds
        with self.signals:
            if not progress.batches:
                self.job.begin(epoch, self._beginning)
            for images in self.job.train(epoch, progress.batches):
                self._after_batch(images)
        self.job.require_numbers()

    def _beginning(self, what: str, done: int, total: int) -> None:
        """Tell what comes before the first batch; an interrupt ends the run here, and loses the epoch's beginning."""
        self.report.prepare(what, done, total)
        self.signals.deliver()

    def _after_batch(self, images: int) -> None:
        progress = self.progress
        progress.batches += 1
        progress.epoch_images += images
        progress.epoch_seconds = time.perf_counter() - self.began
        try:
            self.report.tick(images)
            self.signals.deliver()
        except BaseException:  # the run ends here, where it can go on from
            self._save()
            raise
        if progress.batches % CHECKED_EVERY == 0:
            self.job.require_numbers()
        self._save_if_older(self.checkpoint_seconds)

    def _save(self) -> None:
        self.job.require_numbers()
        self.progress.ledger = self.job.ledger.state_dict() if self.counted else {}
        save_checkpoint(self.folder.work, self.identity, self.progress, self.job, self.streams)
        self.saved = time.perf_counter()

    def _write_so_far(self) -> None:
        """Write the epochs' metrics; where a record stands that would not belong to them, a new one, too."""
        if self.folder.recorded and not self.folder.replaces:
            record = self._record("stopped", "under way, or killed; --resume goes on from the last checkpoint")
            record.write(self.folder.path)
        else:
            write_curve(self.folder.work, self.progress.curve)

    def _write_end(self, status: Status, message: str) -> None:
        """Write the record of a run that ends early, unless a former run's results stand, or the disk takes nothing."""
        if not self.folder.replaces:
            with contextlib.suppress(NeurohwError):
                self._record(status, message).write(self.folder.path)

    def _save_if_older(self, seconds: float) -> None:
        if time.perf_counter() - self.saved >= seconds:
            self._save()

    def _standing(self) -> str:
        assert self.epoch is not None
        return f"{self.epoch.phase} epoch {self.epoch.index + 1}, after {self.progress.batches} of its batches"

    def _title(self, epoch: Epoch) -> str:
        return f"{self.experiment.name} seed {self.streams.seed} {epoch.phase} {epoch.index + 1}/{epoch.total}"

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

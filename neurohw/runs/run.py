"""One experiment, from configuration to record: builds, trains, evaluates, checkpoints."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from neurohw.circuits.target import Decision, DecisionEvents
from neurohw.clock import Clock
from neurohw.config import Experiment, config_hash
from neurohw.crossbar.backends import find_backend
from neurohw.energy.table import EnergyTable
from neurohw.errors import Diverged, InputError, NeurohwError, OutputLost
from neurohw.runs.accounts import check_accountable, energy_of
from neurohw.runs.after_training import evaluate_ages
from neurohw.runs.build import build_circuit, build_network, build_plan, file_contents
from neurohw.runs.checkpoint import Progress, load_checkpoint, save_checkpoint
from neurohw.runs.divergence import EVERY, require_numbers
from neurohw.runs.evaluate import evaluate
from neurohw.runs.fault_maps import Contents, read_fault_maps
from neurohw.runs.files import locked, writable_folder
from neurohw.runs.folder import RunFolder, default_folder, finished
from neurohw.runs.interrupts import HeldSignals
from neurohw.runs.meters import metered
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord, Status, git_revision, versions, write_curve
from neurohw.runs.task import Task, build_task
from neurohw.runs.warnings import accuracies_near_chance, clipped_weights, drift_of_single_devices, other_versions
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Epoch

CHECKPOINT_SECONDS = 300.0
MESSAGE = 10_000  # characters of one in a record


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
        Diverged: a weight, a bias or a threshold is no number any more; the record says so.
    """
    if device != "cpu" and "torch_device" not in find_backend(backend := experiment.hardware.backend).reads:
        raise InputError(f"--device: got {device!r}, but {backend}'s arrays run on the CPU; allowed: cpu")
    check_accountable(experiment)
    streams = Streams(seed, device)
    task = build_task(experiment, streams)
    fault_maps = read_fault_maps(experiment)
    digest = config_hash(experiment, file_contents(experiment, task.checksums, fault_maps))
    folder = Path(out) if out is not None else default_folder(experiment, digest, seed)
    if resume and (done := finished(folder, digest, seed, stop_after)):
        return _known(done)
    session = _Session(experiment, seed, digest, task, streams, report or Silent(), checkpoint_seconds, fault_maps)
    with locked(writable_folder(folder)):
        if resume and (done := finished(folder, digest, seed, stop_after)):  # by who held the lock before
            return _known(done)
        return session.go(RunFolder.opened(folder, digest, seed, resume), resume, stop_after)


def _known(record: RunRecord) -> RunRecord:
    if record.status == "diverged":
        raise Diverged(record.message or "the run has diverged")
    return record


class _Session:
    """One run in progress: the parts, and where it stands."""

    def __init__(
        self,
        experiment: Experiment,
        seed: int,
        digest: str,
        task: Task,
        streams: Streams,
        report: Reporter,
        checkpoint_seconds: float,
        fault_maps: Contents,
    ) -> None:
        _reset_peak_memory()
        self.experiment, self.seed, self.digest = experiment, seed, digest
        self.task, self.streams, self.report = task, streams, report
        self.identity = f"{digest}-{seed}-{streams.device.type}"
        self.checkpoint_seconds = checkpoint_seconds
        self.saved = self.began = time.perf_counter()  # the last checkpoint; the epoch, less its interruptions
        network = build_network(experiment, streams, Clock(), fault_maps)
        self.metered = metered(experiment, network, build_circuit(experiment, streams, task.n_classes))
        self.network, self.circuit = self.metered.network, self.metered.circuit
        self.warnings = clipped_weights(self.network)
        self.counted = True  # unless it goes on from a checkpoint without a ledger: half a count would mislead
        self.phases, self.plan = build_plan(experiment, task, self.network)
        self.progress = Progress(self.circuit.initial())
        self.epoch: Epoch | None = None  # in progress, or the last one that this session trained
        self.signals = HeldSignals()
        self.versions = versions() | {"device": str(streams.device), "threads": str(torch.get_num_threads())}
        self.git = git_revision()  # now, before the code changes on disk

    def go(self, folder: RunFolder, resume: bool, stop_after: int | None) -> RunRecord:
        self.folder = folder
        if resume:
            restored = load_checkpoint(folder.work, self.identity, self.network, self.phases, self.streams)
            self.progress = restored or self.progress
            self.counted = restored is None or bool(restored.ledger)
            if restored is not None and restored.ledger:
                self.metered.ledger.load_state_dict(restored.ledger)
        now = self.versions | {"commit": self.git or "unknown"}
        self.progress.warnings += other_versions(self.progress.versions, now, self.progress.round)
        self.progress.versions = now
        folder.make_ready()
        with contextlib.closing(self.report):
            self._learn(min(stop_after or self.experiment.training.epochs, self.experiment.training.epochs))
            whole = self.progress.round == self.experiment.training.epochs
            record = self._record("finished" if whole else "stopped")
            with self.signals:
                record.write(folder.path)  # before the account, which may lack a figure: nothing is lost then
                if folder.replaces:
                    folder.take_place()
            self._tell()
        if self.experiment.hardware.periphery is not None and record.ledger:
            record.energy = energy_of(record, EnergyTable.load(self.experiment.hardware.periphery))
            record.write_json(folder.path)
        return record

    def _learn(self, stop: int) -> None:
        """Go through the plan, up to `stop` epochs of its main phase, and evaluate; a record says what ended it."""
        try:
            for epoch in islice(self.plan, self.progress.done, None):
                if epoch.round > stop:
                    break
                self._epoch(epoch)
                self._save()
                if not (epoch.closes_round and epoch.round == stop):
                    self._write_so_far()
                    self._tell()
            self._conclude()
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
        progress, phase = self.progress, epoch.phase
        self.epoch = epoch
        images = len(phase.samples.images)
        self.report.begin(self._title(epoch), images)
        self._train(epoch)
        seconds = progress.epoch_seconds
        row: dict[str, Any] = {"epoch": epoch.round, "phase": phase.name, "index": epoch.index + 1,
                               "images": images, "seconds": seconds}  # fmt: skip
        if self._evaluation_is_due(epoch):
            self._save_if_older(self.checkpoint_seconds / 10)  # an interrupt does not wait for an evaluation
            row |= self._evaluated(str(progress.done + 1), final=False)
        row |= progress.events.shares()
        progress.done += 1
        progress.round = epoch.round if epoch.closes_round else progress.round
        progress.train_seconds += seconds
        progress.images += images
        progress.curve.append(row)
        progress.ledger_curve.append(self.metered.training_counts())
        progress.batches, progress.epoch_seconds, progress.order, progress.events = 0, 0.0, None, DecisionEvents(0, 0)

    def _evaluated(self, moment: str, final: bool) -> dict[str, float]:
        """Evaluate, keep the metrics, and return those that are numbers: they stand in the epoch's row."""
        self.progress.metrics = evaluate(self.experiment, self.network, self.task, self.streams, moment, final)
        return {key: value for key, value in self.progress.metrics.items() if isinstance(value, float)}

    def _conclude(self) -> None:
        """Evaluate the trained network, also as it ages: for the record, as the checkpoint was written before."""
        moment = str(self.progress.done)
        self.progress.curve[-1] |= self._evaluated(moment, final=True)
        if self.experiment.evaluation.age_seconds:
            self.progress.metrics |= evaluate_ages(self.experiment, self.network, self.task, self.streams, moment)

    def _tell(self) -> None:
        if self.epoch is not None:  # else all epochs had been done before
            self.report.end(self.progress.curve[-1])

    def _train(self, epoch: Epoch) -> None:
        """Train the epoch, or what a checkpoint between two batches left of it; an interrupt waits for its batch."""
        progress, phase = self.progress, epoch.phase
        order = self.streams.generator("batches")
        progress.order = order.get_state()
        if progress.batches:
            self.report.tick(min(progress.batches * phase.batch_size, len(phase.samples.images)))
        elif phase.samples.labels is None and self.experiment.target.reset == "epoch":
            progress.homeostasis = self.circuit.initial()
        self.began = time.perf_counter() - progress.epoch_seconds
        with self.signals:
            train_epoch(
                self.network,
                self.circuit,
                progress.homeostasis,
                epoch,
                self.task.as_input(self.network.dtype),
                order,
                self.experiment.hardware.step_seconds,
                progress.batches,
                self._after_batch,
            )
        require_numbers(self.network, progress.homeostasis)

    def _after_batch(self, images: int, decision: Decision) -> None:
        progress = self.progress
        progress.homeostasis = decision.homeostasis
        progress.events += decision.events
        progress.batches += 1
        progress.epoch_seconds = time.perf_counter() - self.began
        try:
            self.report.tick(images)
            self.signals.deliver()
        except BaseException:  # the run ends here, where it can go on from
            self._save()
            raise
        if progress.batches % EVERY == 0:
            require_numbers(self.network, progress.homeostasis)
        self._save_if_older(self.checkpoint_seconds)

    def _save(self) -> None:
        require_numbers(self.network, self.progress.homeostasis)
        self.progress.ledger = self.metered.ledger.state_dict() if self.counted else {}
        save_checkpoint(self.folder.work, self.identity, self.progress, self.network, self.phases, self.streams)
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
        return f"{self.epoch.phase.name} epoch {self.epoch.index + 1}, after {self.progress.batches} of its batches"

    def _evaluation_is_due(self, epoch: Epoch) -> bool:
        """Return whether the schedule asks for one; the last epoch's is the final one."""
        if not epoch.closes_round:
            return epoch.round == 0 and epoch.index + 1 == self.experiment.training.pretrain.epochs
        return epoch.round % self.experiment.evaluation.every == 0 and epoch.round < self.experiment.training.epochs

    def _title(self, epoch: Epoch) -> str:
        training = self.experiment.training
        total = training.pretrain.epochs if epoch.phase.name == "pretraining" else training.epochs
        return f"{self.experiment.name} seed {self.seed} {epoch.phase.name} {epoch.index + 1}/{total}"

    def _epochs_counted(self) -> float:
        """Return how many epochs the ledger has counted, the part of one that was stopped included."""
        progress = self.progress
        if self.epoch is None or not progress.batches:
            return progress.done
        phase = self.epoch.phase
        return progress.done + min(progress.batches * phase.batch_size / len(phase.samples.images), 1.0)

    def _record(self, status: Status, message: str | None = None) -> RunRecord:
        progress = self.progress
        return RunRecord(
            name=self.experiment.name,
            kind=self.experiment.kind,
            config=self.experiment.canonical(),
            config_hash=self.digest,
            seed=self.seed,
            versions=self.versions,
            git=self.git,
            status=status,
            message=message and message[:MESSAGE],
            warnings=self.warnings
            + progress.warnings
            + accuracies_near_chance(progress.metrics, self.task.chance, drift_of_single_devices(self.experiment)),
            metrics=progress.metrics,
            chance=self.task.chance,
            timing={
                "train_seconds": progress.train_seconds,
                "train_images_per_second": progress.images / progress.train_seconds if progress.train_seconds else 0.0,
                "epochs": progress.round,
            },
            ledger=self.metered.record(self._epochs_counted(), progress.ledger_curve) if self.counted else {},
            peak_memory_bytes=_peak_memory_bytes(),
            curve=progress.curve,
        )


def _reset_peak_memory() -> None:
    """Let the kernel count this process's peak anew, so that a run of a sweep does not inherit the former one's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_bytes() -> int:
    """Return the peak resident size since the run began (Linux), or of the process."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

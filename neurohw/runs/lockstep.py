"""From checkpoints to records: one run, or several of one experiment that are trained batch by batch together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from neurohw.errors import OutputLost
from neurohw.runs.driver import Driver
from neurohw.runs.interrupts import HeldSignals
from neurohw.runs.job import Together
from neurohw.runs.progress import Reporter
from neurohw.runs.record import RunRecord
from neurohw.training.phases import Epoch

CHECKED_EVERY = 64  # batches between two looks whether all that is learnt is finite; one costs less than a batch
_YOUNG = 1.0  # seconds: of several runs, whose epochs may take less, younger checkpoints stand another epoch
_WORTH = 10.0  # of any run those that are younger than so many times what writing one took


class Lockstep:
    """Runs that stand at the same place of the same plan, and go through it together; a single run is one of one.

    What ends one of them by itself, as that it diverges or that its folder is full, is said in its record, and the
    others go on. An interrupt ends all of them.

    Args:
        drivers: of the runs, alike in `Driver.position`.
        report: told about each epoch.
        checkpoint_seconds: how often a long epoch writes checkpoints between its batches.
    """

    def __init__(self, drivers: Sequence[Driver], report: Reporter, checkpoint_seconds: float) -> None:
        self.drivers, self.report, self.checkpoint_seconds = list(drivers), report, checkpoint_seconds
        self.going = list(drivers)
        self.outcomes: dict[Driver, RunRecord | Exception] = {}
        self.signals = HeldSignals()
        self.saved = self.ticked = time.perf_counter()  # the last checkpoint; the last batch
        self.young = _young(drivers)  # seconds, up to which a checkpoint stands another epoch

    def go(self, stop_after: int | None) -> list[RunRecord | Exception]:
        """Run, or go on, until the plan or `stop_after` rounds of it are done.

        Returns:
            Each run's record, or what ended it.
        """
        with contextlib.closing(self.report):
            rounds = self.drivers[0].rounds
            try:
                self._learn(min(stop_after or rounds, rounds))
            except BaseException as error:
                self._end(error)
            with self.signals:
                self._each(self._record, told=False)
            self._tell()
        self._each(self._account, told=False)
        return [self.outcomes[driver] for driver in self.drivers]

    def _learn(self, stop: int) -> None:
        """Go through the plan, up to `stop` rounds of its main phase, and evaluate."""
        while self.going and (epoch := self.going[0].next_epoch(stop)) is not None:
            self._epoch(epoch)
            last = epoch.closes_round and epoch.round == stop
            if last or self._is_older(min(self.young, self.checkpoint_seconds)):
                self._save()
                if not last:
                    self._each(Driver.write_so_far)
            if not last:
                self._tell()
        self._each(Driver.conclude)

    def _epoch(self, epoch: Epoch) -> None:
        for driver in self.going:
            driver.enter()
        self.report.begin(self._title(epoch), epoch.images)
        self._train()
        self._each(lambda driver: driver.job.require_numbers())
        if epoch.evaluated and self.going and epoch.round < self.going[0].rounds:
            self._save_if_older(self.checkpoint_seconds / 10)  # an interrupt does not wait for an evaluation
        self._each(Driver.close)

    def _train(self) -> None:
        """Train the epoch, or what a checkpoint between two batches left of it; an interrupt waits for its batch."""
        begun = self.going[0].progress
        if begun.batches:
            self.report.tick(begun.epoch_images)
        self.ticked = time.perf_counter()
        with self.signals:
            if not begun.batches:
                self._each(self._begin)
            if not self.going:
                return
            jobs = [driver.job for driver in self.going]
            together = jobs[0].together(jobs)
            for images in together.train(begun.done, begun.batches):
                self._after_batch(images, together)
                if not self.going:
                    return
            together.settle()

    def _begin(self, driver: Driver) -> None:
        assert driver.epoch is not None
        driver.job.begin(driver.epoch, self._beginning)

    def _beginning(self, what: str, done: int, total: int) -> None:
        """Tell what comes before the first batch; an interrupt ends the run here, and loses the epoch's beginning."""
        self.report.prepare(what, done, total)
        self.signals.deliver()

    def _after_batch(self, images: int, together: Together) -> None:
        before, self.ticked = self.ticked, time.perf_counter()
        for driver in self.going:  # each has its share of the time
            driver.trained(images, (self.ticked - before) / len(self.going))
        try:
            self.report.tick(images)
            self.signals.deliver()
        except BaseException:  # the runs end here, where they can go on from
            together.settle()
            self._save()
            raise
        if self.going[0].progress.batches % CHECKED_EVERY == 0:
            together.settle()
            self._each(lambda driver: driver.job.require_numbers())
        if self._is_older(self.checkpoint_seconds):
            together.settle()
            self._save()

    def _save(self) -> None:
        begun = time.perf_counter()
        self._each(Driver.save)
        self.saved = time.perf_counter()
        self.young = max(_young(self.drivers), _WORTH * (self.saved - begun))

    def _save_if_older(self, seconds: float) -> None:
        if self._is_older(seconds):
            self._save()

    def _is_older(self, seconds: float) -> bool:
        return time.perf_counter() - self.saved >= seconds

    def _record(self, driver: Driver) -> None:
        self.outcomes[driver] = driver.write_record()

    def _account(self, driver: Driver) -> None:
        record = self.outcomes[driver]
        assert isinstance(record, RunRecord)
        driver.add_account(record)

    def _each(self, does: Callable[[Driver], None], told: bool = True) -> None:
        """Let every run that goes on do something; one that it ends leaves the others, and says so in its record.

        Args:
            does: what.
            told: False: a run that ends has its record already, as far as there will be one.
        """
        for driver in list(self.going):
            try:
                does(driver)
            except OutputLost:
                raise
            except Exception as error:
                self._leave(driver, driver.ended(error) if told else error)

    def _leave(self, driver: Driver, error: BaseException) -> None:
        assert isinstance(error, Exception)
        self.outcomes[driver] = error
        self.going.remove(driver)

    def _end(self, error: BaseException) -> None:
        """End all runs, and raise what is no affair of a run: an interrupt, or that nobody reads what they say."""
        if isinstance(error, Exception) and not isinstance(error, OutputLost):
            for driver in list(self.going):
                self._leave(driver, driver.ended(error))
            return
        seen = [driver.ended(error) for driver in self.going] or [error]
        raise seen[0] from None

    def _title(self, epoch: Epoch) -> str:
        experiment = self.going[0].experiment
        who = f"seed {self.going[0].streams.seed}" if len(self.going) == 1 else f"mean of {len(self.going)} seeds"
        return f"{experiment.name} {who} {epoch.phase} {epoch.index + 1}/{epoch.total}"

    def _tell(self) -> None:
        if self.going and self.going[0].epoch is not None:  # else all epochs had been done before
            self.report.end(_mean([driver.progress.curve[-1] for driver in self.going]))
            self.report.show(self.going[0].job.looks)


def _young(drivers: Sequence[Driver]) -> float:
    return _YOUNG if len(drivers) > 1 else 0.0


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the epoch's rows as one: the time of all, and the mean of what is measured."""
    if len(rows) == 1:
        return rows[0]
    measured = [key for key, value in rows[0].items() if isinstance(value, float)]
    mean = {key: fmean(row[key] for row in rows) for key in measured}
    return rows[0] | mean | {"seconds": sum(row["seconds"] for row in rows)}

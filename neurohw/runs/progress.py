"""What a run says while it goes on: a bar on a terminal, plain lines otherwise, or nothing."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from neurohw.errors import GivenUp, InputError
from neurohw.kinds import shown_metrics
from neurohw.runs.looks import Looks


class Reporter(Protocol):
    """Told about epochs as they come."""

    def begin(self, title: str, images: int) -> None:
        """An epoch of `images` images begins."""

    def prepare(self, what: str, done: int, total: int) -> None:
        """Before the first batch, so much is done, as of features or clusters."""

    def tick(self, images: int) -> None:
        """A batch is done."""

    def end(self, row: dict[str, Any]) -> None:
        """The epoch is done; `row` is its line of metrics.csv."""

    def show(self, looks: Callable[[], Looks | None]) -> None:
        """After an epoch: `looks` tells what its arrays look like now."""

    def close(self) -> None:
        """The run is over, however it ended."""


class Silent:
    """Says nothing."""

    def begin(self, title: str, images: int) -> None:
        """Nothing."""

    def prepare(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def tick(self, images: int) -> None:
        """Nothing."""

    def end(self, row: dict[str, Any]) -> None:
        """Nothing."""

    def show(self, looks: Callable[[], Looks | None]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Endable(Silent, abc.ABC):
    """A reporter that ends its run early, at the next batch, when it is given up."""

    @abc.abstractmethod
    def given_up(self) -> GivenUp | None:
        """Return why; None while it goes on."""

    def begin(self, title: str, images: int) -> None:
        """End the run if it is given up."""
        self.tick(0)

    def tick(self, images: int) -> None:
        """End the run if it is given up."""
        if (why := self.given_up()) is not None:
            raise why


class Lines(Silent):
    """One line per epoch; pre-training, whose epochs are evaluated at its end only, is one line in all."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._before = 0.0  # seconds of pre-training that no line has told

    def begin(self, title: str, images: int) -> None:
        """Remember what the line is about."""
        self._title = title

    def end(self, row: dict[str, Any]) -> None:
        """Print the line."""
        metrics = shown_metrics(row)
        self._before += row["seconds"]
        if row["epoch"] == 0 and not metrics:
            return
        seconds, self._before = self._before, 0.0
        measured = ", ".join(filter(None, (f"{seconds:.1f} s", metrics)))
        self._console.print(f"{self._title}: {measured}", highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Forget a pre-training that ended early."""
        self._before = 0.0


class Bar(Lines):
    """A bar per epoch, replaced by its line when the epoch is done."""

    _progress: Progress | None = None

    def begin(self, title: str, images: int) -> None:
        """Show the bar."""
        super().begin(title, images)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task, self._images = self._progress.add_task(title, total=images), images
        self._progress.start()

    def prepare(self, what: str, done: int, total: int) -> None:
        """Show a bar of its own for what comes first, and the images' again when it is done."""
        assert self._progress is not None
        if done < total:
            self._progress.update(self._task, description=f"{self._title}: {what}", completed=done, total=total)
        else:
            self._progress.update(self._task, description=self._title, completed=0, total=self._images)

    def tick(self, images: int) -> None:
        """Move the bar."""
        assert self._progress is not None
        self._progress.advance(self._task, images)

    def end(self, row: dict[str, Any]) -> None:
        """Replace the bar by the line."""
        self._stop()
        super().end(row)

    def close(self) -> None:
        """Take the bar away."""
        self._stop()
        super().close()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


class TensorBoard:
    """Passes everything on, and writes to TensorBoard's log each epoch's numbers, weights and conductances.

    Args:
        reporter: what else is told.
        folder: of the log.

    Raises:
        InputError: the package tensorboard is not installed.
    """

    def __init__(self, reporter: Reporter, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "--tensorboard: tensorboard is not installed; get it with: pip install 'neurohw[tensorboard]'"
            ) from error
        self._reporter = reporter
        self._writer = SummaryWriter(str(folder))
        self._rows = 0

    def begin(self, title: str, images: int) -> None:
        """Pass on."""
        self._reporter.begin(title, images)

    def prepare(self, what: str, done: int, total: int) -> None:
        """Pass on."""
        self._reporter.prepare(what, done, total)

    def tick(self, images: int) -> None:
        """Pass on."""
        self._reporter.tick(images)

    def end(self, row: dict[str, Any]) -> None:
        """Write the line's numbers under its phase, and pass on."""
        self._rows += 1
        for key, value in row.items():
            if isinstance(value, float):
                self._writer.add_scalar(f"{row['phase']}/{key}", value, self._rows)
        self._reporter.end(row)

    def show(self, looks: Callable[[], Looks | None]) -> None:
        """Write weights as images of their own range, black to white, and conductances as histograms."""
        seen = looks()
        if seen is None:
            return
        if seen.weights is not None:
            maps = seen.weights
            self._writer.add_images(f"{maps.array}/weights", maps.levels, self._rows)
        for array, kinds in seen.conductances.items():
            for kind, histogram in kinds.items():
                self._writer.add_histogram_raw(f"{array}/{kind}/siemens", **histogram.summary(), global_step=self._rows)

    def close(self) -> None:
        """Close the log, and pass on."""
        self._writer.close()
        self._reporter.close()


def reporter(console: Console, quiet: bool) -> Reporter:
    """Return the reporter that fits the terminal."""
    if quiet:
        return Silent()
    return Bar(console) if console.is_terminal else Lines(console)

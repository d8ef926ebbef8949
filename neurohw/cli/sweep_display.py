"""What a sweep shows while it goes on: one live display on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from neurohw.studies.run_sweep import Telling, Watcher
from neurohw.studies.standing import Standing
from neurohw.units import duration_text

PER_SECOND = 4.0  # pictures
_SAID_EVERY = 60.0  # seconds, where the output is no terminal


class _Quiet:
    def note(self, line: str) -> None:
        pass

    def changed(self, now: Callable[[], Standing], line: str | None) -> None:
        pass


class _Lines(Telling):
    """A line about each point that ends, and now and then how long the rest will take."""

    def __init__(self, console: Console) -> None:
        super().__init__(lambda line: console.print(line, highlight=False, soft_wrap=True))
        self._said: float | None = None

    def changed(self, now: Callable[[], Standing], line: str | None) -> None:
        """Print the line."""
        if self._said is None:
            self._said, begun = time.monotonic(), now()
            self.note(f"{begun.total} point{'s' * (begun.total != 1)}, {begun.where}")
        super().changed(now, line)
        if time.monotonic() - self._said >= _SAID_EVERY:
            self._said = time.monotonic()
            self.note(now().summary())


class _Live:
    """One display, in place: points done, rate, time left, failures, last accuracies, what is under way."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._now: Callable[[], Standing] | None = None

    def note(self, line: str) -> None:
        """Print the line above."""
        self._live.console.print(line, highlight=False, soft_wrap=True)

    def changed(self, now: Callable[[], Standing], line: str | None) -> None:
        """Keep what tells the standing; it is drawn a few times a second."""
        self._now = now

    def drawn(self) -> Group:
        """Return what is shown now."""
        return Group() if self._now is None else picture(self._now())


def picture(standing: Standing) -> Group:
    """Return the display of a standing."""
    known = standing.done or standing.seconds_left is not None
    said = standing.summary().partition(", ")[2] if known else "the first epochs are under way"
    head = Table.grid(padding=(0, 1))
    head.add_row(f"{standing.done}/{standing.total}", ProgressBar(standing.total, standing.done, width=30), said)
    lines = [Text(f"{standing.where}, {duration_text(standing.seconds)} so far", style="dim")]
    lines += [_line(text, "") for text in standing.under_way]
    lines += [_line(text, "green") for text in standing.recent]
    lines += [_line(text, "red") for text in standing.failures]
    return Group(head, *lines)


def _line(text: str, style: str) -> Text:
    return Text(text.partition("\n")[0], style=style, no_wrap=True, overflow="ellipsis")


@contextmanager
def watcher(console: Console, quiet: bool) -> Iterator[Watcher]:
    """Yield what fits the terminal."""
    if quiet:
        yield _Quiet()
    elif not console.is_terminal:
        yield _Lines(console)
    else:
        with Live(console=console, refresh_per_second=PER_SECOND) as live:
            shown = _Live(live)
            live.get_renderable = shown.drawn  # type: ignore[method-assign]
            yield shown

"""What a sweep shows while it goes on: one live display on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from neurohw.studies.run_sweep import Telling, Watcher
from neurohw.studies.standing import Standing, duration_text

_PER_SECOND = 4.0
_LINES_UNDER_WAY = 8
_SAID_EVERY = 60.0  # seconds, where the output is no terminal


class _Quiet:
    def note(self, line: str) -> None:
        pass

    def changed(self, standing: Standing, line: str | None) -> None:
        pass


class _Lines(Telling):
    """A line about each point that ends, and now and then how long the rest will take."""

    def __init__(self, console: Console) -> None:
        super().__init__(lambda line: console.print(line, highlight=False, soft_wrap=True))
        self._said = time.monotonic()
        self._began = False

    def changed(self, standing: Standing, line: str | None) -> None:
        """Print the line."""
        if not self._began:
            self._began = True
            self.note(f"{standing.total} point{'s' * (standing.total != 1)}, {standing.where}")
        super().changed(standing, line)
        if time.monotonic() - self._said >= _SAID_EVERY and standing.done < standing.total:
            self._said = time.monotonic()
            self.note(standing.summary())


class _Live:
    """One display, in place: points done, rate, time left, failures, last accuracies, what is under way."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._standing: Standing | None = None

    def note(self, line: str) -> None:
        """Print the line above."""
        self._live.console.print(line, highlight=False, soft_wrap=True)

    def changed(self, standing: Standing, line: str | None) -> None:
        """Keep the standing; it is drawn a few times a second."""
        self._standing = standing

    def drawn(self) -> Group:
        """Return what is shown now."""
        return Group() if self._standing is None else picture(self._standing)


def picture(standing: Standing) -> Group:
    """Return the display of a standing."""
    head = Table.grid(padding=(0, 1))
    known = standing.done or standing.seconds_left is not None
    said = standing.summary().partition(", ")[2] if known else "the first epochs are under way"
    bar = ProgressBar(standing.total, standing.done, width=30)
    head.add_row(f"{standing.done}/{standing.total}", bar, said)
    lines = [Text(f"{standing.where}, {duration_text(standing.seconds)} so far", style="dim")]
    lines += [_line(text, "") for text in list(standing.under_way.values())[:_LINES_UNDER_WAY]]
    lines += [_line(text, "green") for text in standing.recent if text not in standing.failures]
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
        with Live(console=console, refresh_per_second=_PER_SECOND) as live:
            shown = _Live(live)
            live.get_renderable = shown.drawn  # type: ignore[method-assign]
            yield shown

"""The consoles of the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

stdout, stderr = Console(markup=False), Console(stderr=True, markup=False)  # names of folders may hold brackets


@contextmanager
def lines() -> Iterator[Callable[[str], None]]:
    """Yield what shows the standing: in one line on a terminal, as lines otherwise."""
    if not stdout.is_terminal:
        yield lambda line: stdout.print(line, highlight=False, soft_wrap=True)
        return
    with stdout.status("") as status:
        yield status.update

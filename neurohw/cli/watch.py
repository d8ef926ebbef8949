"""The command `neurohw watch`: parse, call, print."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from neurohw.cli import console

_LOOK_SECONDS = 1.0


def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder (--out) of a sweep.")],
    once: Annotated[bool, typer.Option("--once", help="Show how it stands, and end.")] = False,
) -> None:
    """Show how a sweep stands that runs in another terminal, or ran, until it ends; it is not disturbed."""
    from rich.live import Live

    from neurohw.cli.sweep_display import PER_SECOND, picture
    from neurohw.runs.files import is_locked
    from neurohw.studies.standing import Standing, read_standing

    def standings() -> Iterator[tuple[Standing, bool]]:
        """Yield how it stands, and whether it goes on, until it does not."""
        goes_on = True
        while goes_on:
            goes_on = is_locked(folder) and not once
            yield read_standing(folder), goes_on
            if goes_on:
                time.sleep(_LOOK_SECONDS)

    standing = read_standing(folder)
    if console.stdout.is_terminal:
        with Live(console=console.stdout, refresh_per_second=PER_SECOND) as live:
            for standing, _ in standings():
                live.update(picture(standing))
    else:
        said = ""
        for standing, goes_on in standings():
            line = standing.summary()
            if line.partition(",")[0] != said or not goes_on:
                said = line.partition(",")[0]
                console.stdout.print(line, highlight=False, soft_wrap=True)
        for line in (*standing.failures, *standing.under_way, *standing.recent):
            console.stdout.print(line, highlight=False, soft_wrap=True)
    if standing.done < standing.total and not is_locked(folder):
        console.stdout.print("it was ended before its last point; the same command goes on", highlight=False)

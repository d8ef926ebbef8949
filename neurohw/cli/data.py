"""The commands of `neurohw data`: parse, call, print."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from neurohw.cli import console

data_app = typer.Typer(no_args_is_help=True, help="Where data sets are, and how to get them.")


@data_app.command("list")
def data_list() -> None:
    """List the data sets: where they are, their sizes, their licences."""
    from neurohw.data import summary

    name, where = Column("data set", no_wrap=True), Column("where", overflow="fold")
    table = Table(name, "state", "images", where, "licence")
    for row in summary():
        table.add_row(row.name, row.state, row.sizes, row.place, row.licence)
    console.stdout.print(table)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="One of those of `neurohw data list` that are files.")],
    source: Annotated[
        str | None, typer.Option("--from", metavar="DIR|URL", help="Folder or URL that holds the files.")
    ] = None,
) -> None:
    """Copy or download a data set's files, verified; a broken download goes on where it stopped."""
    from neurohw.data import fetch

    for path in fetch(name, source):
        console.stdout.print(str(path), highlight=False, soft_wrap=True)

"""`neurohw keys`: every key of experiment files, as text that folds, as JSON, or as a page (`experiments/KEYS.md`)."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from neurohw.cli import completion, console

if TYPE_CHECKING:
    from neurohw.keys import Key

FOLLOWS = "follows from other keys"
_HEAD = f"""# Keys of experiment files

Made by `neurohw keys --markdown`; `neurohw keys PATTERN` finds one. Files, `--set`, sweeps and Python take them.
A default marked * {FOLLOWS} (rule, mode, variant, architecture, device). Numbers of a device are as in its file unless
given; `neurohw keys device_parameters --device ecram` shows them. All are in SI units."""


def keys(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN",
            help="A part of a key (with * or ?: all of it), or of its meaning.",
            autocompletion=completion.keys,
        ),
    ] = "",
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            help="Numbers of devices: of this one, with its values.",
            show_default=False,
            autocompletion=completion.devices,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as in experiments/KEYS.md.")] = False,
) -> None:
    """List keys of experiment files, which --set and sweeps take: default, unit, what is allowed, what it means."""
    from neurohw.keys import find_keys

    found = find_keys(pattern, device)
    if as_json:
        sys.stdout.write(json.dumps([dataclasses.asdict(key) for key in found], indent=1) + "\n")
        return
    if as_markdown:
        sys.stdout.write(markdown(found))
        return
    for key in found:
        console.stdout.print(_heading(key))
        console.stdout.print(Padding(Text(_details(key)), (0, 0, 0, 4), expand=False))


def _heading(key: Key) -> Text:
    value = f" = {key.default}" if key.default else ""
    return Text.assemble((key.key, "bold"), value, (f"  {FOLLOWS}" if key.follows else "", "dim"))


def _details(key: Key) -> str:
    allowed = f"allowed: {key.allowed}" * bool(key.allowed)
    unit = f"unit: {key.unit}" * (key.unit != "1")
    only = f"only of {key.of}" * bool(key.of)
    return "; ".join(note for note in (key.meaning, allowed, unit, only) if note)


def markdown(keys: Sequence[Key]) -> str:
    """Return the page: a table for each section, with one line a key."""
    from neurohw.kinds import KINDS

    lines = [_HEAD]
    for section, group in itertools.groupby(keys, _section):
        members = list(group)
        of = {key.of for key in members}
        kind = f', kind "{members[0].of}"' if len(of) == 1 and of <= KINDS.keys() else ""
        lines += ["", f"## {section}{kind}", "", "| key | default | unit | allowed | meaning |", "|" + " --- |" * 5]
        for key in members:
            default = f"`{key.default}`" + "*" * key.follows if key.default else ""
            meaning = f"{key.meaning} (only of {key.of})" if key.of else key.meaning
            cells = (f"`{key.key}`", default, key.unit, key.allowed, meaning)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _section(key: Key) -> str:
    """Return the first table of a key, or the table of numbers that it is in."""
    first, *rest = key.key.split(".")
    if len(rest) > 1 and rest[0].endswith("parameters"):
        return f"{first}.{rest[0]}"
    return first if rest else "at the top"

"""Figures of speed against those that are committed: which ratios got worse?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from neurohw.bench.machine import Machine
from neurohw.bench.rounds import Figure
from neurohw.reading import read_text
from neurohw.validation import Place, refused

WORSE = 0.15  # a ratio that is so much worse is a regression

Verdict = Literal["worse", "noise", "as before", "better", "not committed", "not measured"]
Figures = Mapping[str, Sequence[Figure]]  # by benchmark


class Committed(BaseModel, frozen=True):
    """A machine and its figures of speed, by benchmark."""

    machine: Machine
    figures: dict[str, list[Figure]]


class Compared(BaseModel, frozen=True):
    """A figure now and before, and what to think of it.

    Args:
        benchmark, figure: its names.
        before, now: None on the side that lacks it.
        change: how many times as bad as before; below 1 it is better.
        verdict: see `judged`.
    """

    benchmark: str
    figure: str
    before: float | None
    now: float | None
    change: float | None
    verdict: Verdict

    def __str__(self) -> str:
        name = f"{self.benchmark}: {self.figure}"
        if self.before is None or self.now is None:
            return f"{self.verdict}: {name}"
        return f"{self.verdict}: {name}: {self.now:.3g}, committed {self.before:.3g}: {self.change:.2f} times as bad"


def read_committed(path: Path, names: Iterable[str]) -> Committed:
    """Return the figures of a file that `neurohw bench --json` has written.

    Args:
        path: of the file; names: of benchmarks of speed; it may hold others, which are not read.

    Raises:
        InputError: it cannot be read or holds something else; the message names the file and the key.
    """
    text = read_text(path)
    try:
        tables = _TABLES.validate_json(text)
        figures = {name: tables[name] for name in names if name in tables}
        return Committed.model_validate({**tables, "figures": figures})
    except ValidationError as error:
        raise refused(error, str(path), Committed, Place(unseen="figures")) from None


def compare(now: Figures, before: Figures) -> list[Compared]:
    """Return every figure of the benchmarks that were measured now, and which of them are committed."""
    found = []
    for benchmark, figures in now.items():
        committed = {figure.figure: figure for figure in before.get(benchmark, ())}
        measured = {figure.figure: figure for figure in figures}
        for name in {**committed, **measured}:
            found.append(_compared(benchmark, name, measured.get(name), committed.get(name)))
    return found


def confirmed(first: Sequence[Compared], again: Sequence[Compared]) -> list[Compared]:
    """Return the first comparison, where what is not worse in another one as well is noise."""
    still = {(one.benchmark, one.figure) for one in again if one.verdict == "worse"}
    return [
        one.model_copy(update={"verdict": "noise"})
        if one.verdict == "worse" and (one.benchmark, one.figure) not in still
        else one
        for one in first
    ]


def judged(now: Figure, before: Figure) -> tuple[Verdict, float]:
    """Return what to think of a figure, and how many times as bad it is as before.

    More than 15 % worse is "worse" if all its rounds are worse than the committed median, or else "noise".
    """
    if now.higher_is_better:
        change, best = before.ratio / now.ratio, before.ratio / now.high
    else:
        change, best = now.ratio / before.ratio, now.low / before.ratio
    if change > 1 + WORSE:
        return ("worse" if best > 1 else "noise"), change
    return ("better" if change < 1 / (1 + WORSE) else "as before"), change


def _compared(benchmark: str, name: str, now: Figure | None, before: Figure | None) -> Compared:
    verdict: Verdict = "not committed" if before is None else "not measured"
    change = None
    if now is not None and before is not None:
        verdict, change = judged(now, before)
    return Compared(
        benchmark=benchmark,
        figure=name,
        before=None if before is None else before.ratio,
        now=None if now is None else now.ratio,
        change=change,
        verdict=verdict,
    )


_TABLES = TypeAdapter(dict[str, Any])

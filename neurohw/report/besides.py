"""What stands in folders besides records: points that gave none, and what an attribution found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pandas as pd

from neurohw.errors import InputError
from neurohw.reading import read_text
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.failed import FAILED, Failed, read_failed

ATTRIBUTION = "attribution.csv"
STUDY, CAUSE = "study", "cause"
_SHOWN = 5
_NUMBERS = [f"{name}{of}" for name in ("cost", "alone", "regained") for of in ("", "_interval")]


@dataclass(frozen=True)
class Besides:
    """What was found.

    Args:
        failed: points that gave no record.
        costs: a row per study and cause, in points of accuracy, see `neurohw.studies.attribution_words.as_frame`;
            None where nothing was attributed.
    """

    failed: tuple[Failed, ...] = ()
    costs: pd.DataFrame | None = None

    def without(self, records: Iterable[RunRecord]) -> Besides:
        """Return it without the points that have a record now, whoever ran them again."""
        made = {(r.config_hash, r.seed) for r in records
                if r.status == "diverged" or (r.has_result and r.message is None)}  # fmt: skip
        return replace(self, failed=tuple(f for f in self.failed if (f.config_hash, f.seed) not in made))

    def failures(self) -> list[str]:
        """Return a line for each of the first points that failed: which, how often, and what the last attempt said."""
        lines = [f"{point.name}-{point.config_hash}-{point.seed} failed {len(point.attempts)}x: "
                 f"{point.attempts[-1].message}" for point in self.failed[:_SHOWN]]  # fmt: skip
        more = len(self.failed) - _SHOWN
        return [*lines, f"and {more} more that failed"] if more > 0 else lines


def besides_in(folders: Sequence[Path], left_out: list[str]) -> Besides:
    """Return what stands at or below the folders; `left_out` gets what is wrong with files that are no use."""
    failed: dict[tuple[str, int], Failed] = {}
    costs: dict[str, pd.DataFrame] = {}
    for path in _below(folders, FAILED):
        try:
            found = read_failed(path)
            failed.setdefault((found.config_hash, found.seed), found)
        except InputError as error:
            left_out.append(str(error))
    for path in _below(folders, ATTRIBUTION):
        try:
            for study, frame in _costs(path).groupby(STUDY, sort=False):
                own = frame.reset_index(drop=True)
                if not costs.setdefault(str(study), own).equals(own):  # no copy of it, but another of its name
                    costs.setdefault(place := str(path.parent), own.assign(**{STUDY: place}))
        except InputError as error:
            left_out.append(str(error))
    return Besides(tuple(failed.values()), pd.concat(costs.values(), ignore_index=True) if costs else None)


def _below(folders: Sequence[Path], name: str) -> list[Path]:
    """Return the files of that name, those of studies before the copies in their reports."""
    found = {path for folder in folders if folder.is_dir() for path in folder.rglob(name)}
    return sorted(found, key=lambda path: (len(path.parts), path))


def _costs(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(StringIO(read_text(path)), dtype={STUDY: str, CAUSE: str})
        if STUDY not in frame:
            frame.insert(0, STUDY, path.absolute().parent.name)
        frame = frame[[STUDY, CAUSE, *_NUMBERS]]
        return frame.astype(dict.fromkeys(_NUMBERS, float))
    except (ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: {why}; this is no attribution that neurohw wrote") from None

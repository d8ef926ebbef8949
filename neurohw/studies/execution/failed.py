"""`failed.json` in the folder of a point that gave no record: every attempt at it, where, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from neurohw.errors import InputError
from neurohw.runs.files import write_text
from neurohw.studies.execution.base import LOG, AttemptFailed, Ended
from neurohw.studies.sweep import Point

FAILED = "failed.json"


def write_failed(point: Point, attempts: Sequence[Ended]) -> None:
    """Write what was tried; the folder is made where there is none.

    Args:
        point: that failed.
        attempts: at it, none of which gave a record.
    """
    content = {
        "schema": 1,
        "name": point.experiment.name,
        "config_hash": point.digest,
        "seed": point.seed,
        "place": point.place,
        "attempts": [
            {"where": each.place, "how": _how(each.outcome), "message": str(each.outcome), "seconds": each.seconds}
            for each in attempts
        ],
        "log": LOG if (point.folder / LOG).is_file() else None,
    }
    point.folder.mkdir(parents=True, exist_ok=True)
    write_text(point.folder / FAILED, json.dumps(content, indent=1) + "\n")


def clear_failed(folder: Path) -> None:
    """Remove what was written of former attempts: there is a record now."""
    (folder / FAILED).unlink(missing_ok=True)


def _how(outcome: object) -> str:
    if isinstance(outcome, AttemptFailed):
        return outcome.how
    return "input" if isinstance(outcome, InputError) else "failed"

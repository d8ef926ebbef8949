"""`failed.json` in the folder of a point that gave no record: every attempt at it, where, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neurohw.errors import InputError
from neurohw.reading import RECORDED, read_bytes
from neurohw.runs.files import write_text
from neurohw.studies.execution.base import LOG, AttemptFailed, Ended
from neurohw.studies.sweep import Point
from neurohw.validation import first_fault
from neurohw.values import LONGEST, Amount, Text, Whole

FAILED = "failed.json"


class Tried(BaseModel):
    """An attempt at a point: where it ran, how it ended and why, and how long it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Text
    how: Text
    message: Text
    seconds: Amount


class Failed(BaseModel):
    """A point that gave no record.

    Args:
        name: of its experiment; with hash and seed, which run it is.
        place: what of the sweep it is, in words.
        attempts: at it, in turn.
        log: name of the file beside it that has what they said, if any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Text
    config_hash: Text
    seed: Whole
    place: Text
    attempts: Annotated[tuple[Tried, ...], Field(min_length=1)]
    log: Text | None


def write_failed(point: Point, attempts: Sequence[Ended]) -> None:
    """Write what was tried; the folder is made where there is none.

    Args:
        point: that failed.
        attempts: at it, none of which gave a record.
    """
    tried = [Tried(where=a.place, how=_how(a.outcome), message=str(a.outcome)[:LONGEST], seconds=a.seconds)
             for a in attempts]  # fmt: skip
    failed = Failed(
        name=point.experiment.name, config_hash=point.digest, seed=point.seed, place=point.place,
        attempts=tuple(tried), log=LOG if (point.folder / LOG).is_file() else None,
    )  # fmt: skip
    point.folder.mkdir(parents=True, exist_ok=True)
    write_text(point.folder / FAILED, failed.model_dump_json(by_alias=True, indent=1) + "\n")


def read_failed(path: Path) -> Failed:
    """Return what a `failed.json` holds.

    Raises:
        InputError: it cannot be read, or is not one of ours.
    """
    try:
        return Failed.model_validate_json(read_bytes(path, RECORDED))
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}") from None


def clear_failed(folder: Path) -> None:
    """Remove what was written of former attempts: there is a record now."""
    (folder / FAILED).unlink(missing_ok=True)


def _how(outcome: object) -> str:
    if isinstance(outcome, AttemptFailed):
        return outcome.how
    return "input" if isinstance(outcome, InputError) else "failed"

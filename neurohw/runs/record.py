"""The record of a run: what was run, with what, and what came out; everything a report needs."""

from __future__ import annotations

import io
import json
import operator
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_serializer,
    model_validator,
)

from neurohw.energy.recorded import Account, read_account
from neurohw.errors import InputError
from neurohw.kinds import shown_metrics, worded
from neurohw.names import Hash, Name
from neurohw.reading import RECORDED, read_bytes
from neurohw.runs.files import atomic, atomic_set, write_text
from neurohw.runs.looks import Looks
from neurohw.runs.shapes import (
    Ledger,
    Metrics,
    Shaped,
    Share,
    Timing,
    as_configuration,
    as_plain,
    checked_curve,
)
from neurohw.runs.symptoms import Symptom
from neurohw.shown import as_html
from neurohw.validation import first_fault
from neurohw.values import Text, Whole

RECORD, METRICS, CHECKPOINT = "record.json", "metrics.csv", "checkpoint.pt"
_ANOTHER_TREE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # what git sets for a hook, and we may run in one


Status = Literal["finished", "stopped", "diverged", "failed"]


class RunRecord(BaseModel):
    """What `record.json` holds; `curve` is `metrics.csv`, a row per epoch.

    Accuracies are fractions in 0..1; `chance` is that of answering the most frequent class (records from before it
    stood there are of ten equal classes). `warnings` is what the run has to say against itself, `symptoms` what of it
    keeps networks from learning. `ledger` has `counts` (component, phase, event), `facts` (what an account needs
    besides), and `ledger_curve` (counts of training after each epoch); it is empty where events were not counted.
    `looks` are weights as images, and conductances before and after.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: Name
    kind: Text
    config: Annotated[dict[str, Any], AfterValidator(as_configuration)]
    config_hash: Hash
    seed: Whole
    versions: dict[str, Text]
    git: Text | None
    status: Status
    message: Text | None = None
    warnings: list[Text] = []
    symptoms: Annotated[list[Symptom], Field(exclude_if=operator.not_)] = []  # younger than the first records
    metrics: Annotated[dict[str, Any], Shaped(Metrics)]
    chance: Share = 0.1
    timing: Annotated[dict[str, float], Shaped(Timing)]
    ledger: Annotated[dict[str, Any], Shaped(Ledger)] = {}
    energy: Annotated[Account | None, PlainValidator(read_account)] = None
    looks: Annotated[Looks | None, Field(exclude_if=lambda looks: not looks)] = None  # younger than symptoms
    peak_memory_bytes: Whole
    curve: list[dict[str, Any]] = Field(default=[], exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _in_measure(cls, given: Any) -> Any:
        return as_plain(given)

    @field_serializer("energy")
    def _account(self, energy: Account | None) -> dict[str, Any]:
        return energy.as_recorded() if energy else {}

    def __repr__(self) -> str:
        """Return what was run, with which seed, and what came out."""
        what = f"{self.name}, seed {self.seed}, {self.status}, {self.timing.get('epochs', 0):.0f} epochs"
        return f"RunRecord({', '.join(filter(None, (what, shown_metrics(self.metrics))))})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return the numbers of the run as a table, for notebooks."""
        rows = [*worded(self.metrics).items(), *(("warning", text) for text in self.warnings)]
        return as_html(repr(self), ("metric", "value"), rows)

    @property
    def has_result(self) -> bool:
        """Whether it is a result: the run neither failed nor diverged."""
        return self.status in ("finished", "stopped")

    def add(self, symptoms: Iterable[Symptom]) -> None:
        """Add what is known of a run that is over, to its warnings, too."""
        for symptom in symptoms:
            self.symptoms.append(symptom)
            self.warnings.append(symptom.message)

    def write(self, folder: Path) -> None:
        """Write `record.json` and `metrics.csv` into the folder, in place of a former pair."""
        with atomic_set(folder / METRICS, folder / RECORD) as (metrics, record):
            _write_csv(metrics, self.curve)
            record.write_text(self._text(), encoding="utf-8")

    def write_json(self, folder: Path) -> None:
        """Write `record.json` into the folder, beside the `metrics.csv` that it has."""
        write_text(folder / RECORD, self._text())

    def _text(self) -> str:
        return json.dumps(self.model_dump(by_alias=True), indent=1) + "\n"


def write_curve(folder: Path, curve: list[dict[str, Any]]) -> None:
    """Write `metrics.csv`, a row per epoch."""
    with atomic(folder / METRICS) as temporary:
        _write_csv(temporary, curve)


def _write_csv(path: Path, curve: list[dict[str, Any]]) -> None:
    pd.DataFrame(curve).to_csv(path, index=False)


def read_record(folder: Path | str) -> RunRecord:
    """Return the record of a run's folder (or of the `record.json` in it).

    Raises:
        InputError: there is no record, or it is not one of ours.
    """
    folder = Path(folder)
    if folder.name == RECORD and folder.is_file():
        folder = folder.parent
    path = folder / RECORD
    try:
        content = read_bytes(path, RECORDED)
    except InputError as error:
        raise InputError(f"{error}; there is no record of a run here") from None
    record = validated_record(content, str(path))
    if (folder / METRICS).exists():
        record.curve = read_curve(folder)
    return record


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a folder's `metrics.csv`, one an epoch; it may be that of a run that goes on.

    Raises:
        InputError: it cannot be read, or is not one of ours.
    """
    metrics = folder / METRICS
    if len(table := read_bytes(metrics, RECORDED)) <= 1:
        return []
    try:
        rows = pd.read_csv(io.BytesIO(table)).to_dict("records")
    except (ValueError, OverflowError) as error:  # pandas' own errors and undecodable bytes
        raise InputError(f"{metrics}: cannot be read ({error})") from error
    return checked_curve(rows, str(metrics))


def validated_record(text: str | bytes, origin: str) -> RunRecord:
    """Return the record of JSON text; `origin` is named in errors.

    Raises:
        InputError: it is not one of ours.
    """
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{origin}: {first_fault(error)}; this is no record that neurohw wrote") from None


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide numbers."""
    known = {"python": platform.python_version()}
    for package in ("neurohw", "torch", "numpy", "aihwkit", "scikit-learn"):
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = "absent"
    return known


@cache
def git_revision() -> str | None:
    """Return the source tree's commit, marked "+changes" where files differ from it; None outside a checkout.

    It is that of the code that runs, which may change on disk while it does: one look serves the process. No lock is
    taken.
    """
    tree = Path(__file__).parents[2]
    if not (tree / ".git").exists():
        return None
    try:
        lines = subprocess.run(  # not `git describe --dirty`, which locks the index whatever it is told
            ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"],
            cwd=tree, capture_output=True, text=True, timeout=10, check=True,
            env={key: value for key, value in os.environ.items() if key not in _ANOTHER_TREE},
        ).stdout.splitlines()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    changed = any(not line.startswith("#") for line in lines)
    return None if commit == "(initial)" else commit[:12] + "+changes" * changed

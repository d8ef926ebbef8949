"""Runs as one table, a row each: for CSV, and for whoever goes on in pandas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from neurohw.energy.figures import FIGURES
from neurohw.report.accuracy.data import images_presented
from neurohw.report.energy.account import chip_of
from neurohw.report.naming import differing_keys, flatten
from neurohw.report.points import epochs_done, epochs_scheduled
from neurohw.runs.collection import located_records
from neurohw.runs.record import RunRecord

Folders = Path | str | Sequence[Path | str]


def load_runs(folders: Folders) -> pd.DataFrame:
    """Return every run at or below the folders, a row each, sorted by path.

    Columns: name, config_hash, seed, status, epochs_done, epochs_scheduled and images presented; every setting under
    its dotted key, as in "hardware.device", lists as JSON; metrics, as fractions or in their own unit; seconds of the
    simulation; what an account says, nominal, in SI (joules_per_training_image, joules_per_inference, joules,
    seconds_of_training of the hardware, square_metres, images_until_worn); path. What a run lacks is missing. Means
    over seeds are a line of pandas: `frame.groupby("hardware.device").direct_accuracy.agg(["mean", "std", "count"])`.

    Args:
        folders: one or several that `neurohw run`, `sweep` or `report` wrote, or files of records.

    Raises:
        InputError: a folder holds no records, or one that cannot be read.
    """
    several = [folders] if isinstance(folders, Path | str) else folders
    located = located_records([Path(folder) for folder in several])
    records = [record for _, record in located]
    keys = dict.fromkeys(key for record in records for key in flatten(record.config) if key != "name")
    accounts = pd.DataFrame([_account(record) for record in records])
    return _frame(records, keys).join(accounts).assign(path=[str(path) for path, _ in located])


def records_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return a row per record: what it is, the keys that differ, every metric as a plain number."""
    return _frame(records, (key for key in differing_keys([flatten(r.config) for r in records]) if key != "name"))


def _frame(records: Sequence[RunRecord], keys: Iterable[str]) -> pd.DataFrame:
    several = list(keys)
    return pd.DataFrame([_row(record, several) for record in records])


def _row(record: RunRecord, keys: Sequence[str]) -> dict[str, Any]:
    config = flatten(record.config)
    row: dict[str, Any] = {
        "name": record.name,
        "config_hash": record.config_hash,
        "seed": record.seed,
        "status": record.status,
        "epochs_done": epochs_done(record),
        "epochs_scheduled": epochs_scheduled(config),
        "images": images_presented(record.timing),
    }
    row |= {key: json.dumps(value) if isinstance(value := config.get(key), list) else value for key in keys}
    row |= flatten(record.metrics)
    row |= {key: record.timing.get(key) for key in ("train_seconds", "train_images_per_second")}
    return row | {"peak_memory_bytes": record.peak_memory_bytes, "git": record.git, "message": record.message}


def _account(record: RunRecord) -> dict[str, float | None]:
    chip = chip_of(record)
    if chip is None:
        return {}
    return {name: figure.of(chip) for name, figure in FIGURES.items()}

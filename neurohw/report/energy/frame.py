"""Every number of every record's account, for CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from neurohw.energy.lifetime import Lifetime
from neurohw.energy.recorded import Account, ChipAccount
from neurohw.report.energy.account import chip_of
from neurohw.report.energy.digital import kind_name
from neurohw.report.energy.learning import Learning, first_reached, levels
from neurohw.report.energy.models import MODELS
from neurohw.report.energy.sections import Energies
from neurohw.report.points import Point
from neurohw.runs.record import RunRecord

FRAME_COLUMNS = (
    *("point", "hash", "seed", "table", "device", "quantity", "component", "part", "phase", "event", "epoch", "count"),
    *("low", "nominal", "high", "unit", "provenance", "figures"),
)
ENERGY_DIGITS = "%.7g"  # figures are known to three at best; counts stand in the records
_QUANTITIES = {"per_inference": "J", "per_training_image": "J", "per_epoch": "J", "total": "J", "average_power": "W",
               "tops_per_watt": "1e12/J", "useful_tops_per_watt": "1e12/J", "latency": "s",
               "training_latency": "s", "inference_latency": "s", "area": "m2"}  # fmt: skip

_Row = dict[str, Any]


def energy_frame(data: Energies) -> pd.DataFrame:
    """Return every number of every record, in SI, a row each.

    Rows whose quantity is "energy" add up to the record's "total"; they are single events where the record has them
    (`items`), else components and phases. Those of "digital_energy" add up to "digital_total", one accelerator (the
    column `part`) at a time.
    """
    rows = [row for point in data.points for record in point.records for row in _of_record(point, record)]
    rows += [row for learning in data.learnings for row in _reached_rows(learning, levels(data.learnings))]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))


def _of_record(point: Point, record: RunRecord) -> Iterator[_Row]:
    account = record.energy
    if account is None:
        return
    rows = [*_account_rows(account), *_learning_rows(account)] if isinstance(account, ChipAccount) else []
    rows += _digital_rows(account)
    rows += [*_model_rows(account)] if isinstance(account, ChipAccount) else []
    for row in (*rows, *_metric_rows(record)):
        yield {**_whose(point, record), **row}


def _whose(point: Point, record: RunRecord) -> _Row:
    account, chip = record.energy, chip_of(record)
    return {"point": point.label, "hash": record.config_hash, "seed": record.seed,
            "table": account and account.table, "device": chip and chip.device}  # fmt: skip


def _account_rows(account: ChipAccount) -> Iterator[_Row]:
    for item in account.items:
        yield {"quantity": "energy", "component": item.component, "part": item.part, "phase": item.phase,
               "event": item.event, "count": item.count, **item.energy.as_dict(), "unit": "J",
               "provenance": item.provenance, "figures": item.sources}  # fmt: skip
    for component, by_phase in account.by_component_and_phase.items() if not account.items else ():
        for phase, energy in by_phase.items():
            yield {"quantity": "energy", "component": component, "phase": phase, **energy.as_dict(), "unit": "J"}
    for quantity, unit in _QUANTITIES.items():
        if bounds := getattr(account, quantity):
            yield {"quantity": quantity, **bounds.as_dict(), "unit": unit}
    for phase, seconds in account.latency_by_phase.items():
        yield {"quantity": "phase_latency", "phase": phase, **seconds.as_dict(), "unit": "s"}
    for part, area in account.area_by_part.items():
        yield {"quantity": "part_area", "part": part, **area.as_dict(), "unit": "m2"}
    for array, share in account.utilisation.items():
        yield {"quantity": "utilisation", "part": array, "nominal": share, "unit": "1"}
    yield {"quantity": "cells_used", "nominal": account.cells_used, "unit": "1"}
    for provenance, share in account.provenance.items():
        yield {"quantity": "share", "nominal": share, "unit": "1", "provenance": provenance}
    for key, share in account.assumed.items():
        yield {"quantity": "figure_share", "nominal": share, "unit": "1", "provenance": "assumed", "figures": key}
    for lifetime in account.lifetime:
        yield from _wear_rows(lifetime)
    counted = account.images
    for quantity, number in (("trained_images", counted.trained), ("inferred_images", counted.inferred),
                             ("epochs_epochs", counted.epochs)):  # fmt: skip
        yield {"quantity": quantity, "nominal": number, "unit": "1"}


def _wear_rows(cell: Lifetime) -> Iterator[_Row]:
    for key in ("mean", "p999", "max"):
        yield {"quantity": f"writes_per_cell_{key}", "part": cell.array, "nominal": getattr(cell, key), "unit": "1"}
    yield {"quantity": "endurance", "part": cell.array, "low": cell.endurance_low, "nominal": cell.endurance,
           "high": cell.endurance_high, "unit": "1", "figures": cell.source}  # fmt: skip
    yield {"quantity": "lifetime_images", "part": cell.array, "low": cell.images_low, "nominal": cell.images,
           "high": cell.images_high, "unit": "1"}  # fmt: skip


def _learning_rows(account: ChipAccount) -> Iterator[_Row]:
    for i, energy in enumerate(account.training_by_epoch):
        yield {"quantity": "training_so_far", "epoch": i + 1, **energy.as_dict(), "unit": "J"}
    for phase, cost in (account.by_training_phase or {}).items():
        yield {"quantity": "training_phase", "phase": phase, "count": cost.images, **cost.energy.as_dict(), "unit": "J"}


def _digital_rows(account: Account) -> Iterator[_Row]:
    for cost in account.digital:
        name = f"{kind_name(cost.kind)}, {cost.node:g} nm"
        for key in ("total", "training", "per_training_image"):
            if energy := getattr(cost, key):
                yield {"quantity": f"digital_{key}", "part": name, **energy.as_dict(), "unit": "J"}
        for component, energy in cost.parts.items():
            yield {"quantity": "digital_energy", "component": component, "part": name, **energy.as_dict(), "unit": "J"}


def _model_rows(account: ChipAccount) -> Iterator[_Row]:
    for array in account.array_models:
        for what, count, by_model in (("read", array.vectors, array.read), ("write", array.pulses, array.write)):
            for model in MODELS:
                if energy := getattr(by_model, model):
                    yield {"quantity": f"array_{what}_{model}", "part": array.array, "count": count,
                           **energy.as_dict(), "unit": "J"}  # fmt: skip


def _metric_rows(record: RunRecord) -> Iterator[_Row]:
    for metric, value in record.metrics.items():
        if isinstance(value, int | float):
            yield {"quantity": metric, "nominal": value, "unit": "1"}


def _reached_rows(learning: Learning, wanted: Sequence[float]) -> Iterator[_Row]:
    """Yield what each seed took to the accuracies of the table."""
    records = {record.seed: record for record in learning.point.records}
    part = "int8, on chip, in equal parts per epoch" if learning.digital else "chip"
    for seed, steps in learning.steps.items():
        for level in wanted:
            if step := first_reached(level, (s.accuracy for s in steps), steps):
                yield {**_whose(learning.point, records[seed]), "quantity": f"energy_to_{level:g}", "part": part,
                       "epoch": step.epoch, **step.energy.as_dict(), "unit": "J"}  # fmt: skip

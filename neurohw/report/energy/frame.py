"""Every number of every record's account, for CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

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
    if not account:
        return
    rows = [*_account_rows(account)] if "total" in account else []
    rows += [*_learning_rows(account), *_digital_rows(account), *_model_rows(account), *_metric_rows(record)]
    for row in rows:
        yield {**_whose(point, record), **row}


def _whose(point: Point, record: RunRecord) -> _Row:
    account = record.energy
    return {"point": point.label, "hash": record.config_hash, "seed": record.seed, "table": account.get("table"),
            "device": account.get("device")}  # fmt: skip


def _account_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    if items := account.get("items"):
        for item in items:
            bounds = {key: item[f"{key}_joules"] for key in ("low", "nominal", "high")}
            yield {"quantity": "energy", "unit": "J", **item, **bounds}
    else:
        for component, by_phase in account["by_component_and_phase"].items():
            for phase, energy in by_phase.items():
                yield {"quantity": "energy", "component": component, "phase": phase, **energy, "unit": "J"}
    for quantity, unit in _QUANTITIES.items():
        if account.get(quantity):
            yield {"quantity": quantity, **account[quantity], "unit": unit}
    for phase, seconds in account["latency_by_phase"].items():
        yield {"quantity": "phase_latency", "phase": phase, **seconds, "unit": "s"}
    for part, area in account["area_by_part"].items():
        yield {"quantity": "part_area", "part": part, **area, "unit": "m2"}
    for array, share in account["utilisation"].items():
        yield {"quantity": "utilisation", "part": array, "nominal": share, "unit": "1"}
    yield {"quantity": "cells_used", "nominal": account["cells_used"], "unit": "1"}
    yield from _trust_rows(account)
    yield from _wear_rows(account)
    for what, number in account["images"].items():
        yield {"quantity": f"{what}_epochs" if what == "epochs" else f"{what}_images", "nominal": number, "unit": "1"}


def _trust_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    for provenance, share in account["provenance"].items():
        yield {"quantity": "share", "nominal": share, "unit": "1", "provenance": provenance}
    for key, share in account["assumed"].items():
        yield {"quantity": "figure_share", "nominal": share, "unit": "1", "provenance": "assumed", "figures": key}


def _wear_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    for wear in account["lifetime"]:
        for key in ("mean", "p999", "max"):
            yield {"quantity": f"writes_per_cell_{key}", "part": wear["array"], "nominal": wear[key], "unit": "1"}
        for key, quantity in (("endurance", "endurance"), ("images", "lifetime_images")):
            bounds = {"low": wear.get(f"{key}_low"), "nominal": wear[key], "high": wear.get(f"{key}_high")}
            source = wear.get("source") if key == "endurance" else None
            yield {"quantity": quantity, "part": wear["array"], **bounds, "unit": "1", "figures": source}


def _learning_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    for i, energy in enumerate(account.get("training_by_epoch", ())):
        yield {"quantity": "training_so_far", "epoch": i + 1, **energy, "unit": "J"}
    for phase, cost in (account.get("by_training_phase") or {}).items():
        energy = {key: cost[key] for key in ("low", "nominal", "high")}
        yield {"quantity": "training_phase", "phase": phase, "count": cost["images"], **energy, "unit": "J"}


def _digital_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    for cost in account.get("digital", ()):
        name = f"{kind_name((cost['precision'], cost['dram']))}, {cost['node']:g} nm"
        for key in ("total", "training", "per_training_image"):
            if cost[key]:
                yield {"quantity": f"digital_{key}", "part": name, **cost[key], "unit": "J"}
        for component, energy in cost["parts"].items():
            yield {"quantity": "digital_energy", "component": component, "part": name, **energy, "unit": "J"}


def _model_rows(account: Mapping[str, Any]) -> Iterator[_Row]:
    for array in account.get("array_models", ()):
        for what, count in (("read", "vectors"), ("write", "pulses")):
            for model in MODELS:
                if array[what][model]:
                    yield {"quantity": f"array_{what}_{model}", "part": array["array"], "count": array[count],
                           **array[what][model], "unit": "J"}  # fmt: skip


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
                bounds = {"low": step.energy.low, "nominal": step.energy.nominal, "high": step.energy.high}
                yield {**_whose(learning.point, records[seed]), "quantity": f"energy_to_{level:g}", "part": part,
                       "epoch": step.epoch, **bounds, "unit": "J"}  # fmt: skip

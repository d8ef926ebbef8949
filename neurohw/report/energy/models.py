"""The arrays' reads and writes by our account and by NeuroSim's formulas, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from neurohw.energy.ranges import Range
from neurohw.report.energy.bounds import mean_bounds, mean_of
from neurohw.report.points import Point
from neurohw.runs.record import RunRecord

MODELS = ("ours", "ohmic", "neurosim")


@dataclass(frozen=True)
class ArrayModels:
    """All arrays of a point; means over seeds, J; None: not counted, or not modelled.

    Args:
        point: which.
        vectors, pulses: read and written in the run.
        reads, writes: model -> energy of the run; models are "ours", "ohmic" (our formula with NeuroSim's numbers) and
            "neurosim".
    """

    point: Point
    vectors: float
    pulses: float
    reads: dict[str, Range | None]
    writes: dict[str, Range | None]


def models_data(points: Iterable[Point]) -> list[ArrayModels]:
    """Return both models of every point whose records carry them."""
    found = []
    for point in points:
        if records := [record for record in point.records if record.energy.get("array_models")]:
            arrays = [record.energy["array_models"] for record in records]
            vectors, pulses = (fmean(sum(array[key] for array in of) for of in arrays) for key in ("vectors", "pulses"))
            reads, writes = ({model: _mean_sum(records, what, model) for model in MODELS} for what in ("read", "write"))
            found.append(ArrayModels(point, vectors, pulses, reads, writes))
    return found


def _mean_sum(records: Sequence[RunRecord], what: str, model: str) -> Range | None:
    """Return the mean over seeds of the sum over arrays; None where one of them is not known."""
    sums = []
    for record in records:
        energies = [array[what][model] for array in record.energy["array_models"]]
        if any(energy is None for energy in energies):
            return None
        mean = mean_of(energies)
        sums.append(mean * len(energies) if mean else None)
    return mean_bounds(sums)

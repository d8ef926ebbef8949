"""The arrays' reads and writes by our account and by NeuroSim's formulas, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import chip_of
from neurohw.report.energy.bounds import mean_bounds
from neurohw.report.points import Point

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
    modelled = []
    for point in points:
        accounts = [account for record in point.records if (account := chip_of(record))]
        if runs := [account.array_models for account in accounts if account.array_models]:
            vectors, pulses = (
                fmean(sum(getattr(a, key) for a in run) for run in runs) for key in ("vectors", "pulses")
            )
            reads = {model: _mean_sum([[getattr(a.read, model) for a in run] for run in runs]) for model in MODELS}
            writes = {model: _mean_sum([[getattr(a.write, model) for a in run] for run in runs]) for model in MODELS}
            modelled.append(ArrayModels(point, vectors, pulses, reads, writes))
    return modelled


def _mean_sum(runs: Sequence[Sequence[Range | None]]) -> Range | None:
    """Return the mean over seeds of the sum over arrays; None where one of them is not known."""
    known = [[energy for energy in run if energy is not None] for run in runs]
    return mean_bounds([Range.total(run) for run in known]) if known == runs else None

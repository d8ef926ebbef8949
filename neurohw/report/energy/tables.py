"""Tables of energy, as text: what points cost, how long they take, how they wear, and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.bounds import bounds_text, digits, share_text
from neurohw.report.energy.models import ArrayModels
from neurohw.report.energy.notes import MARK
from neurohw.report.points import Point
from neurohw.report.table import NOTHING, Row, Table, percent


def cost_table(data: Sequence[PointEnergy]) -> Table:
    """Return what each point costs."""
    columns = ("Point", "Accuracy, %", "Per inference", "Per training image", "Per epoch", "Whole run", "Seeds")
    return table_of(columns, [(e.point, _cost_cells(e)) for e in data])


def time_table(data: Sequence[PointEnergy]) -> Table:
    """Return time, power and area, and how much of the chip works."""
    columns = ("Point", "Time of the run", "Of an inference", "Average power", "TOPS/W", "Useful TOPS/W", "Area",
               "Arrays busy", "Cells used")  # fmt: skip
    return table_of(columns, [(e.point, _time_cells(e)) for e in data])


def phases_table(data: Sequence[PointEnergy]) -> Table:
    """Return what each phase of training costs, of schedules that have several."""
    columns = ("Point", "Phase", "Images", "Energy", "Of the training", "Per image")
    rows = []
    for e in data:
        whole = sum(phase.energy.nominal for phase in e.training_phases)
        for phase in e.training_phases if len(e.training_phases) > 1 else ():
            each = bounds_text(phase.energy * (1 / phase.images), "J") if phase.images else NOTHING
            cells = (phase.name, f"{phase.images:,.0f}", marked(e, bounds_text(phase.energy, "J")))
            rows.append((e.point, (*cells, share_text(phase.energy.nominal / whole), marked(e, each))))
    return table_of(columns, rows)


def wear_table(data: Sequence[PointEnergy]) -> Table:
    """Return writes per cell and lifetime of every array."""
    columns = ("Point", "Array", "Mean", "99.9 %", "Maximum", "Endurance, pulses", "Lifetime, images",
               "Lifetime, such runs")  # fmt: skip
    rows = []
    for e in data:
        for wear in e.wear:
            cells = (wear.array, *(digits(v) for v in (wear.mean, wear.p999, wear.max)))
            runs = _number(wear.runs).partition(" (")[0]
            rows.append((e.point, (*cells, _number(wear.endurance), _number(wear.images), runs)))
    return table_of(columns, rows)


def trust_table(data: Sequence[PointEnergy]) -> Table:
    """Return who answers for the figures behind each point, and where the spread comes from."""
    columns = ("Point", "Published", "Scaled", "Assumed", "Widest spread")
    kinds = ("published", "scaled", "assumed")
    rows = [(e.point, (*(share_text(e.provenance.get(k, 0.0)) for k in kinds), e.widest or NOTHING)) for e in data]
    return table_of(columns, rows)


def assumed_table(data: Sequence[PointEnergy]) -> Table:
    """Return every assumed figure, and the point whose energy depends on it most."""
    largest: dict[str, tuple[float, Point]] = {}
    for e in data:
        for key, share in e.assumed.items():
            if key not in largest or share > largest[key][0]:
                largest[key] = share, e.point
    ranked = sorted(largest.items(), key=lambda pair: -pair[1][0])
    rows = [Row((key, share_text(share), point.label), point) for key, (share, point) in ranked]
    return Table(("Assumed figure", "Largest share", "Where"), tuple(rows))


def models_table(data: Sequence[ArrayModels]) -> Table:
    """Return reads and writes of the arrays by both models."""
    columns = ("Point", "Vectors read", "Reads: ours", "Reads: V² G t, NeuroSim's cell", "Reads: NeuroSim V2.1",
               "Pulses", "Writes: ours", "Writes: NeuroSim V2.1")  # fmt: skip
    rows = []
    for m in data:
        reads = [bounds_text(m.reads["ours"], "J"), *(_single(m.reads[model]) for model in ("ohmic", "neurosim"))]
        writes = [bounds_text(m.writes["ours"], "J"), _single(m.writes["neurosim"])]
        rows.append((m.point, (digits(m.vectors), *reads, digits(m.pulses), *writes)))
    return table_of(columns, rows)


def table_of(
    columns: tuple[str, ...],
    rows: Sequence[tuple[Point, tuple[str, ...]]],
    naming: Callable[[Point], str] = lambda point: point.label,
) -> Table:
    """Return a table whose rows are named by their points; a point's name is written once."""
    named: list[Row] = []
    for point, cells in rows:
        again = bool(named) and named[-1].point is point
        first = not named or named[-1].point.name.group != point.name.group
        named.append(Row(("" if again else naming(point), *cells), point, first=first))
    return Table(columns, tuple(named))


def marked(e: PointEnergy, text: str) -> str:
    """Return an energy with a mark where some of it is missing."""
    return f"{text} {MARK}" if e.uncounted and text != NOTHING else text


def _cost_cells(e: PointEnergy) -> tuple[str, ...]:
    energies = (e.per_inference, e.per_training_image, e.per_epoch, e.total)
    return (percent(e.accuracy), *(marked(e, bounds_text(energy, "J")) for energy in energies), str(len(e.seeds)))


def _time_cells(e: PointEnergy) -> tuple[str, ...]:
    busy = ", ".join(f"{array} {100 * share:.0f} %" for array, share in sorted(e.utilisation.items()))
    figures = (
        marked(e, bounds_text(e.latency, "s")),
        bounds_text(e.inference_latency, "s"),
        marked(e, bounds_text(e.average_power, "W")),
        marked(e, bounds_text(e.tops_per_watt, "1")),
        marked(e, bounds_text(e.useful_tops_per_watt, "1")),
    )
    return (*figures, bounds_text(e.area, "m2"), busy, f"{100 * e.cells_used:.0f} %")


def _single(bounds: Range | None) -> str:
    """Return a figure that has no spread."""
    return bounds_text(bounds, "J").partition(" (")[0]


def _number(bounds: Range | None) -> str:
    if bounds is None:
        return "not known"
    spread = f" ({_powers(bounds.low)} to {_powers(bounds.high)})" if bounds.low != bounds.high else ""
    return f"{_powers(bounds.nominal)}{spread}"


def _powers(value: float) -> str:
    """Return a large number as in "4.03e12"."""
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e") if value >= 1e5 else digits(value)

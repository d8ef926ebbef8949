"""What equal accuracy takes, as a table and a note."""

from __future__ import annotations

from neurohw.config.deep_stdp import ENERGY, PROBE
from neurohw.metrics import Metric
from neurohw.report.clusters.data import EqualAccuracy, Reached
from neurohw.report.table import NOTHING, Table, mean_text, table_of

_NOTE = (
    "Compared at {level}: the lowest of the points' best means over seeds; what clusters nothing sets no level. "
    "Epoch: the first evaluated one whose mean over seeds reaches it{every}. Network passes until then, as forward "
    "passes through the training set: an epoch has one for the features and training.passes for learning, which "
    "count three each (backward as two forward); evaluations are left out. Digital energy: of all clusterings until "
    "then in digital arithmetic, from counted operations and by the paper's formula (Eqs. 16 to 18), mean ± sample "
    "standard deviation; that of the network is not in it, and of points on crossbars it is what the same clustering "
    "takes without one: their own energy is in their accounts. In the paper (Lu & Sengupta 2024, Sec. 5.4) STDP needs "
    "50 epochs of one training pass and 2767.2 mJ to be as good as k-means is after 175 epochs, of two training "
    "passes, and 2467.5 mJ, by the formula."
)


def equal_accuracy_table(compared: EqualAccuracy) -> Table:
    """Return epoch, passes and energy at which each point reaches the level."""
    energy = ENERGY.fitted(v for row in compared.rows for v in (*row.counted.values, *row.formula.values))
    columns = (
        "Point",
        f"Best {PROBE.label.lower()}",
        "at epoch",
        "Level reached at epoch",
        "Network passes",
        f"Digital energy, counted, {energy.shown_unit}",
        f"Digital energy, formula, {energy.shown_unit}",
        "Seeds",
    )
    return table_of(columns, [(row.point, _cells(row, energy)) for row in compared.rows])


def equal_accuracy_note(compared: EqualAccuracy) -> str:
    """Return how to read the table."""
    every = {int(row.point.config["evaluation.every"]) for row in compared.rows} - {1}
    intervals = f" (evaluated every {', '.join(map(str, sorted(every)))} epochs)" if every else ""
    return _NOTE.format(level=PROBE.text(compared.level), every=intervals)


def _cells(row: Reached, energy: Metric) -> tuple[str, ...]:
    reached = ("not reached", NOTHING) if row.epoch is None else (str(row.epoch), str(row.passes))
    spent = (mean_text(row.counted, energy), mean_text(row.formula, energy))
    return (mean_text(row.best, PROBE), str(row.best_epoch), *reached, *spent, str(row.best.n))

"""The runs that a published table needs and nobody has made."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.loading import load_experiment
from neurohw.runs.record import RunRecord
from neurohw.studies.expected import having_learnt
from neurohw.studies.paper import PaperTable
from neurohw.studies.sweep import Sweep, SweepFile


def missing(table: PaperTable, records: Sequence[RunRecord], stop_after: int | None = None) -> list[Sweep]:
    """Return sweeps of the runs that a table needs and no record has.

    Args:
        table: see PaperTable.
        records: those there are.
        stop_after: ends each earlier than published.
    """
    sweeps = []
    for wanted in table.file.runs:
        experiment = load_experiment(wanted.experiment, wanted.set, str(table.path))
        until = min(filter(None, (wanted.stop_after, stop_after)), default=None)
        done = {record.seed for record in having_learnt(experiment, records)
                if record.timing.get("epochs", 0) >= (until or experiment.training.epochs)}  # fmt: skip
        if left := tuple(seed for seed in wanted.seeds if seed not in done):
            file = SweepFile(experiment=wanted.experiment, seeds=left, set=wanted.set, stop_after=until)
            sweeps.append(Sweep(table.path, file))
    return sweeps

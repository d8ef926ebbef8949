"""Trials of a search in a journal on disk (Optuna's): a line each for what is asked and told, so that it goes on."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neurohw.errors import InputError

Direction = Literal["minimize", "maximize"]

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner


def require_optuna(command: str) -> None:
    """Refuse to search without it, and let it say no more than it must."""
    if importlib.util.find_spec("optuna") is None:
        raise InputError(f"{command}: Optuna is not installed; get it with: pip install 'neurohw[search]'")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(
    path: Path, name: str, directions: Sequence[Direction], pruner: BasePruner | None = None, shared: bool = False
) -> Study:
    """Return the study of that name in a journal, made where there is none.

    Args:
        path: of the journal.
        name: of the study.
        directions: "maximize" or "minimize" for each objective.
        pruner: which trials are given up; none unless given.
        shared: several processes write to it; else who calls is alone in the folder, whose lock it holds.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if not shared:
        _clear_up(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            directions=list(directions),
            pruner=pruner or optuna.pruners.NopPruner(),
            load_if_exists=True,
        )


def _clear_up(path: Path) -> None:
    """Remove what a process that was killed at it wrote of a line, and Optuna's lock, for which the next would wait."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)

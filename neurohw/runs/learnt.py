"""What another run has learnt, read from its folder to be programmed into a chip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from neurohw.config import OnChipExperiment
from neurohw.errors import InputError
from neurohw.runs.checkpoint import read_network, sha256_of
from neurohw.runs.record import RunRecord, read_record

_KEY = "network.weights"
_ALIKE = ("data", "network", "target", "training", "ep")  # sections that decide what is learnt
_CIRCUIT = {f"target.{key}" for key in ("circuit", "model", "parameters", "ties")}  # of the chip, which may learn later
_FREE = {_KEY, "data.test_limit", "data.evaluate_on"} | _CIRCUIT  # keys of these that do not
_BYTES = 16  # of a checkpoint per weight, at most: Adam keeps two moments


@dataclass(frozen=True)
class Learnt:
    """Weights and biases of a network that has learnt on ideal arrays.

    Args:
        weights: [n_post, n_pre] of each array, a bias line included.
        biases: [n_post] of each, or None where they are no digital numbers.
        sha256: of all of them.
        origin: the run in words.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor | None, ...]
    sha256: str
    origin: str


def read_learnt(experiment: OnChipExperiment) -> Learnt | None:
    """Return what the run in the folder `network.weights` has learnt; None where the network learns by itself.

    Raises:
        InputError: there is no such run, it is not finished or not on ideal arrays, or it has learnt something else
            than the experiment says.
    """
    folder = experiment.network.weights
    if folder is None:
        return None
    try:
        record = read_record(folder)
        _check(experiment, record, folder)
        size = _BYTES * sum(stage.weights for stage in experiment.network.stages)
        state = read_network(Path(folder), f"{record.config_hash}-{record.seed}", size)
        depth = experiment.network.depth
        weights = tuple(state[f"{i}.array.weights"] for i in range(depth))
        biases = tuple(state.get(f"{i}.bias") for i in range(depth))
    except InputError as error:
        raise InputError(f"{_KEY}: {error}") from None
    origin = f"{record.name}-{record.config_hash}, seed {record.seed}, {record.timing['epochs']:g} epochs"
    return Learnt(weights, biases, sha256_of([weights, biases]), origin)


def _check(experiment: OnChipExperiment, record: RunRecord, folder: str) -> None:
    """Refuse a run whose network is not the one that the experiment describes, fully trained."""
    try:
        made = OnChipExperiment.model_validate(record.config)
    except ValidationError:
        raise InputError(f"{folder}: holds a run of kind {record.kind!r}, or of another version of neurohw; allowed: "
                         "a finished run of an experiment of kind onchip on ideal arrays") from None  # fmt: skip
    if record.status != "finished":
        raise InputError(f"{folder}: that run is {record.status}; allowed: a finished one "
                         f"(`neurohw run ... --out {folder} --resume` goes on)")  # fmt: skip
    if made.hardware.backend != "ideal" or made.network.weights:
        raise InputError(f"{folder}: that network did not learn on ideal arrays; allowed: hardware.backend ideal")
    if (experiment.data.evaluate_on, made.data.evaluate_on) == ("validation", "test"):
        raise InputError(f"{folder}: that network has learnt from the images that data.evaluate_on = 'validation' "
                         "evaluates on; allowed: 'test', or a run that left them out by the same key")  # fmt: skip
    ours, theirs = _flat(experiment), _flat(made)
    for key in dict.fromkeys((*ours, *theirs)):
        if key not in _FREE and ours.get(key) != theirs.get(key):
            raise InputError(f"{folder}: has {key} = {theirs.get(key)!r}, and this experiment {ours.get(key)!r}; "
                             "allowed: what the network was trained with")  # fmt: skip


def _flat(experiment: OnChipExperiment) -> dict[str, Any]:
    """Return the sections that decide what is learnt, under dotted keys."""
    flat, waiting = {}, [(name, experiment.canonical()[name]) for name in _ALIKE]
    for prefix, value in waiting:
        if isinstance(value, dict):
            waiting += [(f"{prefix}.{key}", item) for key, item in value.items()]
        else:
            flat[prefix] = value
    return flat

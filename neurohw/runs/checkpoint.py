"""Checkpoints: tensors and plain data, enough to go on to the same result."""

from __future__ import annotations

import pickle
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurohw.circuits.target import DecisionEvents, Homeostasis
from neurohw.energy.ledger import Counts
from neurohw.errors import InputError
from neurohw.networks.base import Network
from neurohw.runs.files import atomic
from neurohw.runs.record import CHECKPOINT
from neurohw.seeding import Streams
from neurohw.training.phases import Phase


@dataclass
class Progress:
    """Where a run stands between two epochs, or between two batches of one.

    Args:
        done: epochs of the plan that are done.
        round: epochs or rounds of the main phase that are done.
        homeostasis: the target circuit's thresholds, now.
        curve: rows of metrics.csv so far.
        train_seconds, images: time spent and images seen in training, in the epochs that are done.
        metrics: of the last evaluation.
        batches, epoch_seconds: of the epoch under way, batches that are done and time spent; 0 between epochs.
        order: state of the stream "batches" before the epoch under way, which it draws its order from; None between
            epochs.
        events: of the target circuit, in the epoch under way.
        ledger: state of the ledger when it was saved; empty before.
        ledger_curve: counts of training after each epoch.
    """

    homeostasis: Homeostasis
    done: int = 0
    round: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    train_seconds: float = 0.0
    images: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    batches: int = 0
    epoch_seconds: float = 0.0
    order: Tensor | None = None
    events: DecisionEvents = field(default_factory=lambda: DecisionEvents(0, 0))
    ledger: dict[str, Any] = field(default_factory=dict)
    ledger_curve: list[Counts] = field(default_factory=list)


def save_checkpoint(
    folder: Path, identity: str, progress: Progress, network: Network, phases: list[Phase], streams: Streams
) -> None:
    """Write `checkpoint.pt` atomically; `identity` names configuration and seed.

    Within an epoch the stream "batches" is saved as it stood before it, so that the same order is drawn again.
    """
    order = {} if progress.order is None else {"batches": progress.order}
    content = {
        "identity": identity,
        "done": progress.done,
        "round": progress.round,
        "threshold": progress.homeostasis.threshold,
        "activity": progress.homeostasis.activity,
        "curve": progress.curve,
        "train_seconds": progress.train_seconds,
        "images": progress.images,
        "metrics": progress.metrics,
        "batches": progress.batches,
        "epoch_seconds": progress.epoch_seconds,
        "events": list(astuple(progress.events)),
        "ledger": progress.ledger,
        "ledger_curve": progress.ledger_curve,
        "clock_seconds": network.clock.seconds,
        "network": network.state_dict(),
        "rules": [phase.rule.state_dict() for phase in phases],
        "streams": streams.state_dict() | order,
    }
    with (
        atomic(folder / CHECKPOINT) as temporary,
        temporary.open("wb") as file,
    ):  # by its name, torch hides why it fails
        torch.save(content, file)


def load_checkpoint(
    folder: Path, identity: str, network: Network, phases: list[Phase], streams: Streams
) -> Progress | None:
    """Restore every part from `checkpoint.pt` and return where the run stands; None if there is no checkpoint.

    Raises:
        InputError: the file is corrupt, or belongs to another configuration or seed.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        content = torch.load(path, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); remove it to start the run anew") from error
    if content.get("identity") != identity:
        raise InputError(
            f"{path}: belongs to configuration and seed {content.get('identity')}, this run is {identity}; "
            "name another folder with --out, or run the configuration that it was made with"
        )
    try:
        return _restored(content, network, phases, streams)
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: does not fit this version ({error}); remove it to start the run anew") from error


def _restored(content: dict[str, Any], network: Network, phases: list[Phase], streams: Streams) -> Progress:
    earlier: dict[str, Any] = {  # what the first had none of
        "batches": 0, "epoch_seconds": 0.0, "events": [0, 0], "ledger": {}, "ledger_curve": [],
    }  # fmt: skip
    content = earlier | content
    network.load_state_dict(content["network"])
    network.clock.seconds = content["clock_seconds"]
    for phase, state in zip(phases, content["rules"], strict=True):
        phase.rule.load_state_dict(state)
    streams.load_state_dict(content["streams"])
    kept = ("done", "round", "curve", "train_seconds", "images", "metrics", "batches", "epoch_seconds",
            "ledger", "ledger_curve")  # fmt: skip
    homeostasis, events = Homeostasis(content["threshold"], content["activity"]), DecisionEvents(*content["events"])
    return Progress(homeostasis, events=events, **{key: content[key] for key in kept})

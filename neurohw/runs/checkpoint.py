"""Checkpoints: tensors and plain data, enough to go on to the same result."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from zipfile import ZipFile

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from neurohw.circuits.target import DecisionEvents, Homeostasis
from neurohw.errors import InputError
from neurohw.networks.base import Network
from neurohw.reading import RECORDED, read_bytes, said
from neurohw.runs.files import atomic
from neurohw.runs.record import CHECKPOINT
from neurohw.runs.shapes import Amount, Counts, Metrics, Row, Shaped, Text, Whole, first_fault
from neurohw.seeding import Streams
from neurohw.training.phases import Phase

_SURPLUS, _COPIES = RECORDED, 4  # bytes besides the network's, and how often these: a digital optimiser has two moments
_REMEDY = "remove it to start the run anew"


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
        versions: of what trains now: packages, commit, threads.
        warnings: of what changed among them where the run went on.
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
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
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
        "versions": progress.versions,
        "warnings": progress.warnings,
        "clock_seconds": network.clock.seconds,
        "network": network.state_dict(),
        "rules": [phase.rule.state_dict() for phase in phases],
        "streams": streams.state_dict() | order,
    }
    with atomic(folder / CHECKPOINT) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content | {"sha256": _sha256(content)}, file)
        except RuntimeError as error:  # of the archive, which cannot be ended where the disk is full
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


class _Content(BaseModel):
    """What `checkpoint.pt` holds; `sha256` is that of all the rest."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    identity: Text
    done: Whole
    round: Whole
    threshold: Tensor
    activity: Tensor
    curve: Annotated[list[dict[str, Any]], Shaped(list[Row])]
    train_seconds: Amount
    images: Whole
    metrics: Annotated[dict[str, Any], Shaped(Metrics)]
    batches: Whole = 0  # this and what else has a value here, the first checkpoints had not
    epoch_seconds: Amount = 0.0
    events: Annotated[list[Whole], Field(min_length=2, max_length=5)] = [0, 0]
    ledger: dict[str, Any] = {}
    ledger_curve: list[Counts] = []
    versions: dict[str, Text] = {}
    warnings: list[Text] = []
    clock_seconds: Amount
    network: dict[str, Tensor]
    rules: list[dict[str, Tensor]]
    streams: dict[str, Tensor]
    sha256: Text | None = None


def load_checkpoint(
    folder: Path, identity: str, network: Network, phases: list[Phase], streams: Streams
) -> Progress | None:
    """Restore every part from `checkpoint.pt` and return where the run stands; None if there is no checkpoint.

    Raises:
        InputError: the file is damaged, is not as it was written, or belongs to another configuration or seed; nothing
            was restored then.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    content = _read(path, _SURPLUS + _COPIES * sum(tensor.nbytes for tensor in network.state_dict().values()))
    if content.get("identity") != identity:
        raise InputError(
            f"{path}: belongs to configuration and seed {str(content.get('identity'))[:80]}, this run is {identity}; "
            "name another folder with --out, or run the configuration that it was made with"
        )
    try:
        checked = _Content.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}; {_REMEDY}") from None
    if checked.sha256 and checked.sha256 != _sha256({key: item for key, item in content.items() if key != "sha256"}):
        raise InputError(f"{path}: sha256: what it holds is not what was saved; {_REMEDY}")
    try:
        return _restored(checked, network, phases, streams)
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: does not fit this version ({error}); {_REMEDY}") from error


def _read(path: Path, limit: int) -> dict[str, Any]:
    """Return what a checkpoint holds, tensors and plain data only, taking no more memory than a right one does."""
    file = read_bytes(path, limit)
    try:
        with ZipFile(BytesIO(file)) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > limit:
            raise ValueError(f"it unpacks to {said(size)}")
        content = torch.load(BytesIO(file), weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}")
    except Exception as error:  # a damaged one makes torch and pickle fail in any way
        told = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {told}); {_REMEDY}") from error
    return content


def _restored(content: _Content, network: Network, phases: list[Phase], streams: Streams) -> Progress:
    network.load_state_dict(content.network)
    network.clock.seconds = content.clock_seconds
    for phase, state in zip(phases, content.rules, strict=True):
        phase.rule.load_state_dict(state)
    streams.load_state_dict(content.streams)
    kept = ("done", "round", "curve", "train_seconds", "images", "metrics", "batches", "epoch_seconds",
            "ledger", "ledger_curve", "versions", "warnings")  # fmt: skip
    homeostasis, events = Homeostasis(content.threshold, content.activity), DecisionEvents(*content.events)
    return Progress(homeostasis, events=events, **{key: getattr(content, key) for key in kept})


def _sha256(value: Any) -> str:
    """Return the hash of tensors and plain data: of their types, shapes and bits."""
    digest, waiting = hashlib.sha256(), [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            digest.update(f"{item.dtype} {tuple(item.shape)} ".encode())
            digest.update(item.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(item, dict | list | tuple):
            digest.update(f"{type(item).__name__} {len(item)} ".encode())
            waiting += [x for pair in item.items() for x in pair] if isinstance(item, dict) else item
        else:
            digest.update(f"{type(item).__name__} {item!r} ".encode())
    return digest.hexdigest()

"""Checkpoints: tensors and plain data, enough to go on to the same result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from zipfile import ZipFile

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from neurohw.errors import InputError
from neurohw.reading import RECORDED, read_bytes, size_text
from neurohw.runs.files import atomic
from neurohw.runs.job import Job
from neurohw.runs.record import CHECKPOINT
from neurohw.runs.shapes import Counts, Metrics, Row, Shaped
from neurohw.seeding import Streams
from neurohw.validation import first_fault
from neurohw.values import Amount, Text, Whole

_SURPLUS, _COPIES = RECORDED, 4  # bytes besides the job's tensors, and how often these: moments come later
_REMEDY = "remove it to start the run anew"


@dataclass
class Progress:
    """Where a run stands between two epochs, or between two batches of one.

    Args:
        done: epochs of the plan that are done.
        round: epochs or rounds of the main phase that are done.
        curve: rows of metrics.csv so far.
        train_seconds, images: time spent and images seen in training, in the epochs that are done.
        metrics: of the last evaluation.
        batches, epoch_images, epoch_seconds: of the epoch under way, what is done and the time spent; 0 between epochs.
        order: state of the stream "batches" before the epoch under way, which it draws its order from; None between
            epochs.
        ledger: state of the ledger when it was saved; empty before.
        ledger_curve: counts of training after each epoch.
        versions: of what trains now: packages, commit, threads.
        warnings: of what changed among them where the run went on.
    """

    done: int = 0
    round: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    train_seconds: float = 0.0
    images: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    batches: int = 0
    epoch_images: int = 0
    epoch_seconds: float = 0.0
    order: Tensor | None = None
    ledger: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    ledger_curve: list[Counts] = field(default_factory=list)


_KEPT = [kept.name for kept in fields(Progress) if kept.name != "order"]


def save_checkpoint(folder: Path, identity: str, progress: Progress, job: Job[Any], streams: Streams) -> None:
    """Write `checkpoint.pt` atomically; `identity` names configuration and seed.

    Within an epoch the stream "batches" is saved as it stood before it, so that the same order is drawn again.
    """
    order = {} if progress.order is None else {"batches": progress.order}
    content = {"identity": identity, **{key: getattr(progress, key) for key in _KEPT}, **job.state_dict()}
    content["streams"] = streams.state_dict() | order
    with atomic(folder / CHECKPOINT) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content | {"sha256": sha256_of(content)}, file)
        except RuntimeError as error:  # of the archive, which cannot be ended where the disk is full
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


class _Content(BaseModel):
    """What `checkpoint.pt` holds besides the job's state; `sha256` is that of all the rest."""

    model_config = ConfigDict(extra="allow", strict=True, arbitrary_types_allowed=True)

    identity: Text
    done: Whole
    round: Whole
    curve: Annotated[list[dict[str, Any]], Shaped(list[Row])]
    train_seconds: Amount
    images: Whole
    metrics: Annotated[dict[str, Any], Shaped(Metrics)]
    batches: Whole = 0  # this and what else has a value here, the first checkpoints had not
    epoch_images: Whole = 0
    epoch_seconds: Amount = 0.0
    ledger: dict[str, Any] = {}
    ledger_curve: list[Counts] = []
    versions: dict[str, Text] = {}
    warnings: list[Text] = []
    streams: dict[str, Tensor]
    sha256: Text | None = None


def load_checkpoint(folder: Path, identity: str, job: Job[Any], streams: Streams | None) -> Progress | None:
    """Restore every part from `checkpoint.pt` and return where the run stands; None if there is no checkpoint.

    Args:
        folder: of the run.
        identity: that the checkpoint is to have.
        job: that is restored.
        streams: likewise; None: the run does not go on, and is only looked at, on the CPU.

    Raises:
        InputError: the file is damaged, is not as it was written, or belongs to another configuration or seed; nothing
            was restored then.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    limit = _SURPLUS + _COPIES * sum(tensor.nbytes for tensor in _tensors(job.state_dict()))
    content = _read(path, limit, None if streams else "cpu")
    if content.get("identity") != identity:
        raise InputError(
            f"{path}: belongs to configuration and seed {str(content.get('identity'))[:80]}, this run is {identity}; "
            "name another folder with --out, or run the configuration that it was made with"
        )
    try:
        checked = _Content.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}; {_REMEDY}") from None
    if checked.sha256 and checked.sha256 != sha256_of({key: item for key, item in content.items() if key != "sha256"}):
        raise InputError(f"{path}: sha256: what it holds is not what was saved; {_REMEDY}")
    try:
        job.load_state_dict(checked.model_extra or {})
        if streams:
            streams.load_state_dict(checked.streams)
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}; {_REMEDY}") from None
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: does not fit this version ({error}); {_REMEDY}") from error
    return Progress(**{key: getattr(checked, key) for key in _KEPT})


def read_network(folder: Path, run: str, limit: int) -> dict[str, Tensor]:
    """Return the network's state, on the CPU, out of a folder's `checkpoint.pt`.

    Args:
        folder: of a run that is over.
        run: its configuration's hash and its seed, joined by "-".
        limit: bytes that its tensors take, at most.

    Raises:
        InputError: there is none, it is damaged, is not as it was written, or is of another run.
    """
    path = folder / CHECKPOINT
    content = _read(path, _SURPLUS + limit, "cpu")
    sha256, network = content.pop("sha256", None), content.get("network")
    if sha256 != sha256_of(content):
        raise InputError(f"{path}: sha256: what it holds is not what was saved")
    if not str(content.get("identity")).startswith(f"{run}-"):
        raise InputError(f"{path}: belongs to configuration and seed {str(content.get('identity'))[:80]}; "
                         f"allowed: {run}, as the record beside it")  # fmt: skip
    if not isinstance(network, dict) or not network:
        raise InputError(f"{path}: holds no network's weights; allowed: that of a run which has learnt")
    return network


def _read(path: Path, limit: int, place: str | None) -> dict[str, Any]:
    """Return what a checkpoint holds, tensors and plain data only, taking no more memory than a right one does.

    Args:
        path: of the file.
        limit: bytes that it takes, at most.
        place: where its tensors are put; None: where they were.
    """
    file = read_bytes(path, limit)
    try:
        with ZipFile(BytesIO(file)) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > limit:
            raise ValueError(f"it unpacks to {size_text(size)}")
        content = torch.load(BytesIO(file), place, weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}")
    except Exception as error:  # a damaged one makes torch and pickle fail in any way
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read ({type(error).__name__}: {reason}); {_REMEDY}") from error
    return content


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def sha256_of(value: Any) -> str:
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

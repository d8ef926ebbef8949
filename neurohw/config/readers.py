"""Who reads the keys that not every experiment of a kind reads; those of learning rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from neurohw.config.unread import Read
from neurohw.networks.rules import LEARNING_RULES

_CHIP = (
    Read(
        ("data.validation_fraction",),
        'data.evaluate_on "validation"',
        lambda e: e.data.evaluate_on == "validation",
        "note",
    ),
    Read(("hardware.drift_compensation",), "hardware.off_chip", lambda e: e.hardware.off_chip is not None),
    Read(
        ("energy.ep", "energy.columns_per_adc", "energy.tiles_at_once", "energy.phases_overlap", "energy.standby",
         "energy.polarities"),
        "the account of a hardware.backend with devices", lambda e: e.on_crossbar, "note",
    ),
)  # fmt: skip


def _schedule(name: str) -> Iterator[Read]:
    """Yield who reads the keys of a schedule."""

    def of(kind: str) -> Callable[[Any], bool]:
        return lambda e: _at(e, f"{name}.kind") == kind

    yield Read((f"{name}.end", f"{name}.over"), f'{name}.kind "linear"', of("linear"))
    yield Read((f"{name}.decay",), f'{name}.kind "exponential"', of("exponential"))


def _at(e: Any, key: str) -> Any:
    for part in key.split("."):
        e = getattr(e, part)
    return e


def _pulsed(e: Any) -> bool:
    return bool(e.training.optimizer == "pulsed-sgd")


def _competes(e: Any) -> bool:
    return bool(e.training.mode != "supervised")


def _unsupervised(e: Any) -> bool:
    return bool(e.training.mode == "unsupervised")


ONCHIP = (
    *_CHIP,
    Read(
        ("data.labels", "data.labelled_set", "training.alternate_every", "training.supervised_schedule",
         "training.pretrain"),
        'training.mode "semi-supervised"', lambda e: e.training.mode == "semi-supervised", "error",
    ),
    *_schedule("training.schedule"),
    *_schedule("training.supervised_schedule"),
    *_schedule("training.pretrain.schedule"),
    Read(("training.cross_entropy_on",), 'training.loss "cross-entropy"', lambda e: e.training.loss == "cross-entropy"),
    Read(("training.loss_reduction",), 'training.loss "mse"', lambda e: e.training.loss == "mse"),
    # mixed precision reads no length either, but devices that ask for it (pcm) give one
    Read(
        ("hardware.pulse_length",), 'training.optimizer "pulsed-sgd"',
        lambda e: _pulsed(e) or e.hardware.backend != "analog",
    ),
    Read(
        ("hardware.increments",), 'training.optimizer "sgd" or "adam", or a Hebbian network.rule',
        lambda e: not _pulsed(e) or LEARNING_RULES[e.network.rule].greedy,
    ),
    Read(("ep",), 'network.rule "ep"', lambda e: e.network.rule == "ep", "note"),
    Read(("target.gamma",), "learning without labels (training.mode)", _competes),
    Read(
        ("target.average", "target.reset"), "a target.gamma above 0, in learning without labels (training.mode)",
        lambda e: _competes(e) and e.target.gamma > 0,
    ),
    Read(
        ("target.eta",), 'target.average "ema" with a target.gamma above 0',
        lambda e: e.target.average == "ema" and e.target.gamma > 0,
    ),
    Read(("evaluation.association",), 'training.mode "unsupervised"', _unsupervised),
    Read(
        ("evaluation.classifier",), 'evaluation.association "linear", in training.mode "unsupervised"',
        lambda e: _unsupervised(e) and "linear" in e.evaluation.association,
    ),
)  # fmt: skip
SPIKING = (
    *_CHIP,
    Read(("hardware.step_seconds",), "a hardware.backend with devices", lambda e: e.on_crossbar),
)
DEEP_STDP = (
    *SPIKING,
    Read(
        ("clustering.components", "clustering.whitening", "clustering.unit_norm"),
        'clustering.method "stdp" or "k-means"',
        lambda e: e.clustering.method in ("stdp", "k-means"),
    ),
)

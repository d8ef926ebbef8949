"""Learning rules by name: what a configuration must know of each, before any network is imported.

A rule is a network (a file in this folder) and its entry here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from neurohw.networks.operations import Operations

if TYPE_CHECKING:
    from neurohw.networks.base import ConfiguredNetwork

Parameter = bool | int | float | str


@dataclass(frozen=True)
class Settings:
    """What an experiment says to a network.

    Args:
        sizes: neurons per layer, the input first.
        bias: "digital" or "line".
        values: by dotted key, those that the rule reads.
        parameters: those of the rule's own.
        image: channels, height, width of an input; None while a configuration is checked, before any data are loaded.
    """

    sizes: tuple[int, ...]
    bias: str
    values: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    image: tuple[int, int, int] | None = None

    def __getitem__(self, key: str) -> Any:
        """Return the value of a dotted key that the rule reads; any other is a KeyError."""
        return self.values[key]


def neurons_of_each(settings: Settings) -> Iterator[str]:
    """Complain unless every layer of synapses has its neurons."""
    given, layers = len(settings["network.neurons"]), len(settings.sizes) - 1
    if given != layers:
        yield f"network.neurons: got {given} values; allowed: {layers} (one per layer of synapses, hidden first)"


def _equilibrium(settings: Settings) -> Iterator[str]:
    given = len(settings["network.neurons"])
    if given != 1:
        yield f"network.neurons: got {given} values; allowed: 1 (one circuit for all dynamical units of EP)"
    if settings["training.loss"] == "cross-entropy" and len(settings.sizes) < 3:
        yield "training.loss: cross-entropy under EP is a read-out on a hidden layer; network.layers has none"


@dataclass(frozen=True)
class Rule:
    """A learning rule.

    Args:
        network: the class of its network, "module:Class"; `layers_for` and `built` make one.
        work: the class of its operations, likewise.
        reads: keys of an experiment that it reads, of those that not every rule reads; others are refused.
        complaints: about settings that do not fit together.
        parameters: names and defaults of its own settings, `network.parameters`.
        frequency: T of the published code, from k / n_out and the share of outputs that dropout keeps.
    """

    network: str
    work: str
    reads: frozenset[str]
    complaints: Callable[[Settings], Iterator[str]] = lambda settings: iter(())
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    frequency: Callable[[float, float], float] = operator.mul

    def network_class(self) -> type[ConfiguredNetwork]:
        """Return the class of the network, imported now."""
        network: type[ConfiguredNetwork] = resolve_name(self.network)
        return network

    def work_class(self) -> type[Operations]:
        """Return the class of the operations."""
        work: type[Operations] = resolve_name(self.work)
        return work


LEARNING_RULES: dict[str, Rule] = {
    "bp": Rule(
        network="neurohw.networks.bp:BPNetwork",
        work="neurohw.networks.operations:FeedForward",
        reads=frozenset({
            "network.neurons", "training.loss", "training.loss_reduction", "training.cross_entropy_on",
            "training.dropout",
        }),
        complaints=neurons_of_each,
    ),
    "ep": Rule(
        network="neurohw.networks.ep:EPNetwork",
        work="neurohw.networks.operations:Relaxation",
        reads=frozenset({"network.neurons", "training.loss", "training.dropout", "ep"}),
        complaints=_equilibrium,
        frequency=operator.truediv,
    ),
}  # fmt: skip

"""Learning rules by name: what a configuration must know of each, before any network is imported.

A rule is a network (a file in this folder) and its entry here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from neurohw.networks.operations import Operations
from neurohw.networks.shapes import Convolution, Image, StageShape, stage_shapes

if TYPE_CHECKING:
    from neurohw.networks.base import ConfiguredNetwork

MAP_NEURONS = frozenset({"wta"})  # which only the maps of a convolution have
Parameter = bool | int | float | str


@dataclass(frozen=True)
class Settings:
    """What an experiment says to a network.

    Args:
        sizes: neurons per layer, the input first; convolutions, which stand behind the input, apart.
        bias: "digital" or "line".
        values: by dotted key, those that the rule reads.
        parameters: those of the rule's own.
        image: channels, height, width of an input; None while a configuration is checked, before any data are loaded.
        convolutions: of the network.
    """

    sizes: tuple[int, ...]
    bias: str
    values: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    image: Image | None = None
    convolutions: tuple[Convolution, ...] = ()

    @property
    def stages(self) -> tuple[StageShape, ...]:
        """The stages, input to output."""
        return stage_shapes(self.sizes, self.convolutions, self.image)

    def __getitem__(self, key: str) -> Any:
        """Return the value of a dotted key that the rule reads; any other is a KeyError."""
        return self.values[key]


def neurons_of_each(settings: Settings) -> Iterator[str]:
    """Complain unless every layer of synapses has its neurons, and those that compete have maps."""
    neurons, maps = settings["network.neurons"], len(settings.convolutions)
    given, layers = len(neurons), len(settings.sizes) - 1 + maps
    if given != layers:
        yield f"network.neurons: got {given} values; allowed: {layers} (one per layer of synapses, hidden first)"
    for name in neurons[maps:]:
        if name in MAP_NEURONS:
            yield f"network.neurons: got {name!r} of a dense layer; allowed: of a convolution, which has maps"


def _equilibrium(settings: Settings) -> Iterator[str]:
    given = len(settings["network.neurons"])
    if given != 1:
        yield f"network.neurons: got {given} values; allowed: 1 (one circuit for all dynamical units of EP)"
    if MAP_NEURONS & {*settings["network.neurons"]}:
        yield f"network.neurons: got {settings['network.neurons'][0]!r}; allowed: of convolutions, which rule 'bp' has"
    if settings["training.loss"] == "cross-entropy" and len(settings.sizes) < 3:
        yield "training.loss: cross-entropy under EP is a read-out on a hidden layer; network.layers has none"


_ALLOWED = {"decay": "true, false", "radius": "numbers > 0", "order": "numbers > 1", "answer": "softmax, power",
            "temperature": "numbers > 0", "power": "numbers > 0"}  # fmt: skip


def _hebbian(settings: Settings) -> Iterator[str]:
    if settings.bias != "digital":
        yield f"network.bias: got {settings.bias!r}, but Hebbian layers have no biases; leave it out"
    if len({*settings.sizes[1:]}) > 1:
        yield (f"network.layers: got {list(settings.sizes)}; allowed: as many neurons in each layer but the inputs, as "
               "one target circuit serves them in turn")  # fmt: skip
    for name, value in settings.parameters.items():
        if not _fits(name, value):
            yield f"network.parameters.{name}: got {value!r}; allowed: {_ALLOWED[name]}"


def _fits(name: str, value: Parameter) -> bool:
    """Return whether a parameter of a Hebbian rule is one that `_ALLOWED` describes."""
    if name == "answer":
        return value in ("softmax", "power")
    if name == "decay":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and (name == "order") < value < inf


@dataclass(frozen=True)
class Rule:
    """A learning rule.

    Args:
        network: the class of its network, "module:Class"; `layers_for` and `built` make one.
        work: the class of its operations, likewise.
        reads: keys of an experiment that it reads, of those that not every rule reads; others are refused.
        complaints: about settings that do not fit together.
        parameters: names and defaults of its own settings, `network.parameters`.
        allowed: what they may be, in words.
        frequency: T of the published code, from k / n_out and the share of outputs that dropout keeps.
        circuits: target circuits that it learns with; empty: any.
        greedy: layers learn one after the other, without labels.
        title: what reports call it; "": its name in capitals.
    """

    network: str
    work: str
    reads: frozenset[str]
    complaints: Callable[[Settings], Iterator[str]] = lambda settings: iter(())
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    allowed: Mapping[str, str] = field(default_factory=dict)
    frequency: Callable[[float, float], float] = operator.mul
    circuits: frozenset[str] = frozenset()
    greedy: bool = False
    title: str = ""

    def network_class(self) -> type[ConfiguredNetwork]:
        """Return the class of the network, imported now."""
        network: type[ConfiguredNetwork] = resolve_name(self.network)
        return network

    def work_class(self) -> type[Operations]:
        """Return the class of the operations."""
        work: type[Operations] = resolve_name(self.work)
        return work


_HEBBIAN: dict[str, Any] = {
    "network": "neurohw.networks.hebbian:HebbianNetwork",
    "work": "neurohw.networks.hebbian:HebbianWork",
    "reads": frozenset(),
    "complaints": _hebbian,
    "allowed": _ALLOWED,
    "greedy": True,
}
_ANSWER: dict[str, Parameter] = {"answer": "softmax", "temperature": 0.2, "power": 4.5}

LEARNING_RULES: dict[str, Rule] = {
    "bp": Rule(
        network="neurohw.networks.bp:BPNetwork",
        work="neurohw.networks.operations:FeedForward",
        reads=frozenset({
            "network.neurons", "network.conv", "training.loss", "training.loss_reduction",
            "training.cross_entropy_on", "training.dropout",
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
    "hebbian-wta": Rule(
        **_HEBBIAN,
        title="Hebbian WTA",
        parameters={"decay": True, **_ANSWER},
        circuits=frozenset({"ideal", "analog", "spiking"}),
    ),
    "softhebb": Rule(**_HEBBIAN, title="SoftHebb", parameters=_ANSWER, circuits=frozenset({"softmax"})),
    "krotov-hopfield": Rule(
        **_HEBBIAN,
        title="Krotov-Hopfield",
        parameters={"radius": 1.0, "order": 2.0, **_ANSWER, "answer": "power"},
        circuits=frozenset({"ranked"}),
    ),
}  # fmt: skip


def rule_title(name: str) -> str:
    """Return what reports call a learning rule, one of records whose rule is not known here as well."""
    rule = LEARNING_RULES.get(name)
    return rule.title if rule and rule.title else name.upper()

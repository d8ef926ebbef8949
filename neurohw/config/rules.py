"""What a learning rule reads of an experiment, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from neurohw.networks.rules import LEARNING_RULES, Settings
from neurohw.validation import shown
from neurohw.variants import published

if TYPE_CHECKING:
    from neurohw.config.onchip import OnChipExperiment

_OWNED = frozenset[str]().union(*(rule.reads for rule in LEARNING_RULES.values()))  # keys that not every rule reads
_REFUSED = {key for key in _OWNED if "." in key}  # a table of a rule's own may stand in a file that compares rules


def network_settings(e: OnChipExperiment, image: tuple[int, int, int] | None = None) -> Settings:
    """Return what the experiment says to its network; image: channels, height, width of an input."""
    rule = LEARNING_RULES[e.network.rule]
    values = {key: _plain(_at(e, key)) for key in rule.reads}
    parameters, seen = {**rule.parameters, **e.network.parameters}, e.network.image or image
    return Settings(e.network.layers, e.network.bias, values, parameters, seen, e.network.convolutions)


def rule_complaints(e: OnChipExperiment) -> list[str]:
    """Return what does not fit the learning rule, and what was set that it does not read."""
    rule = LEARNING_RULES[e.network.rule]
    complaints = [
        f"network.parameters.{key}: got {value!r}; rule {e.network.rule!r} reads "
        f"{', '.join(rule.parameters) or 'no parameters of its own'}"
        for key, value in e.network.parameters.items()
        if key not in rule.parameters
    ]
    usual = published(e.canonical())
    for key in sorted(_REFUSED - rule.reads):
        section, name = key.split(".")
        default = type(getattr(e, section)).model_validate(usual[section])
        if _at(e, key) != getattr(default, name):
            readers = " or ".join(name for name, other in LEARNING_RULES.items() if key in other.reads)
            complaints.append(
                f"{key}: got {shown(_plain(_at(e, key)))}, which network.rule {e.network.rule!r} does not read; "
                f"allowed: leave it out, or network.rule {readers}"
            )
    return complaints + list(rule.complaints(network_settings(e))) + list(_circuit_and_plan(e))


def _circuit_and_plan(e: OnChipExperiment) -> Iterator[str]:
    """Complain of a circuit that the rule cannot learn with, and of plans without an epoch for each layer."""
    name, rule, layers = e.network.rule, LEARNING_RULES[e.network.rule], e.network.depth
    if rule.circuits and e.target.circuit not in rule.circuits:
        yield (f"target.circuit: got {e.target.circuit!r}; allowed: {', '.join(sorted(rule.circuits))}, with which "
               f"network.rule {name!r} learns")  # fmt: skip
    if not rule.greedy:
        return
    if e.training.mode != "unsupervised":
        yield f'training.mode: got {e.training.mode!r}; allowed: "unsupervised", as network.rule {name!r} learns'
    if e.training.epochs < layers:
        yield (f"training.epochs: got {e.training.epochs}; allowed: {layers} or more, since the {layers} layers of "
               f"network.rule {name!r} learn one after the other")  # fmt: skip


def _at(e: OnChipExperiment, key: str) -> Any:
    value: Any = e
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return value.model_dump() if hasattr(value, "model_dump") else value

"""What a learning rule reads of an experiment, and what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neurohw.networks.rules import LEARNING_RULES, Settings
from neurohw.variants import published

if TYPE_CHECKING:
    from neurohw.config.onchip import OnChipExperiment

_OWNED = frozenset[str]().union(*(rule.reads for rule in LEARNING_RULES.values()))  # keys that not every rule reads
_REFUSED = {key for key in _OWNED if "." in key}  # a table of a rule's own may stand in a file that compares rules


def network_settings(e: OnChipExperiment, image: tuple[int, int, int] | None = None) -> Settings:
    """Return what the experiment says to its network; image: channels, height, width of an input."""
    rule = LEARNING_RULES[e.network.rule]
    values = {key: _plain(_at(e, key)) for key in rule.reads}
    return Settings(e.network.layers, e.network.bias, values, {**rule.parameters, **e.network.parameters}, image)


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
            complaints.append(f"{key}: got {_at(e, key)!r}, which network.rule {e.network.rule!r} does not read")
    return complaints + list(rule.complaints(network_settings(e)))


def _at(e: OnChipExperiment, key: str) -> Any:
    value: Any = e
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _plain(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else value

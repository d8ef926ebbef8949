"""What tells configurations apart, and the short human names made of it: "EP · reram_es + tiki-taka-v2", "k-means"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurohw import units
from neurohw.circuits.kinds import CIRCUITS
from neurohw.crossbar.backends import find_backend
from neurohw.kinds import KINDS, ONCHIP
from neurohw.networks.rules import rule_title
from neurohw.report.wording import axis_of

Flat = dict[str, Any]

UNCOUNTED = ("runs",)  # how often, not what: no part of the configuration's hash either
REMEDY = ("hardware.remedy", "hardware.cell", "hardware.writing")
_PARTS = ("hardware.device", *REMEDY)
SPARSE = ("target.parameters.", *(f"{key}_parameters." for key in _PARTS))  # absent: not given
_HARDWARE = ("hardware.backend", *_PARTS, "hardware.off_chip")
_CIRCUIT = ("target.circuit", "target.model")
_OF_CIRCUIT = ("target.parameters.", *_CIRCUIT)
_PREFERRED = ("network.rule", "training.mode", "data.", *_HARDWARE, *_CIRCUIT, "network.layers", "training.passes")
_YOUNGER = ("hardware.precision", "network.conv", "network.init")  # than the first records: absent where as usual
_ABSENT = {  # what a key is where a record, or the file, leaves it out and "none" would be another choice, or untrue
    "hardware.reference": "default", "hardware.kelvin": "default", "evaluation.compensation": "default",
    "evaluation.label_draw": "same", "evaluation.recovery_images": "0", "evaluation.classifier.halve_at": "[]",
    "clustering.neurons": "digital",
}  # fmt: skip
_MOST_TOLD = 3  # keys in a name; of more, each rule leaves out what most of its points have
_METHOD = "clustering.method"  # of kinds that have no learning rule: names begin with it
_METHODS = {"stdp": "STDP", "random": "random labels", "classes": "true classes"}
_COUNTED = {"data.labels": "labels", "data.train_limit": "images", "data.test_limit": "test images"}


@dataclass(frozen=True)
class Name:
    """A point's name in two parts.

    Args:
        group: what is learnt and how, e.g. "EP · 600 labels"; "" where the variant says it.
        variant: on which hardware, e.g. "ideal" or "reram_es + agad"; where none is known, which method.
    """

    group: str
    variant: str

    @property
    def label(self) -> str:
        """Both parts."""
        return " · ".join(filter(None, (self.group, self.variant)))


def flatten(config: dict[str, Any], prefix: str = "") -> Flat:
    """Return a configuration as dotted keys; lists are values."""
    flat: Flat = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return {key: value for key, value in flat.items() if key not in UNCOUNTED}


def differing_keys(configs: Sequence[Flat]) -> list[str]:
    """Return the keys whose values differ, those that name a point best first."""
    keys = list(dict.fromkeys(key for config in configs for key in config))
    differing = [key for key in keys if any(config.get(key) != configs[0].get(key) for config in configs)]
    return sorted(differing, key=_rank)


def follows(configs: Sequence[Flat]) -> str | None:
    """Return "target.ties" where the rule for ties follows from the circuit and the back-end, as its default does."""
    rules: dict[tuple[Any, Any], set[Any]] = {}
    for config in configs:
        made_of = config.get("target.circuit", "ideal"), config.get("hardware.backend", "ideal")
        rules.setdefault(made_of, set()).add(config.get("target.ties"))
    return "target.ties" if all(len(ties) == 1 for ties in rules.values()) else None


def is_preferred(key: str) -> bool:
    """Return whether a key belongs into a name whenever it differs."""
    return key.startswith(_PREFERRED)


def name_points(configs: Sequence[Flat], short: bool = False) -> list[Name]:
    """Return a name for each configuration: the preferred keys that differ, others only where they are needed.

    Args:
        configs: dotted keys.
        short: whether to leave out preferred keys, too, where the names stay as distinct without.
    """
    followed = follows(configs)
    differing = [key for key in differing_keys(configs) if key != followed]
    keys = [key for key in differing if is_preferred(key)]
    names = _named(configs, keys)
    for extra in (key for key in differing if not is_preferred(key)):
        if len(set(names)) == len(configs):
            break
        longer = _named(configs, [*keys, extra])
        if len(set(longer)) > len(set(names)):
            keys, names = [*keys, extra], longer
    for key in [*(key for key in keys if key.startswith(SPARSE)), *(reversed(keys) if short else ())]:
        fewer = [k for k in keys if k != key]  # a later key may have made this one needless
        if len(set(_named(configs, fewer))) == len(set(names)):
            keys, names = fewer, _named(configs, fewer)
    terse = _named([_without_idle(config) for config in configs], keys)
    names = terse if len(set(terse)) == len(set(names)) else names
    return [_with_circuit(name, config, keys) for name, config in zip(names, configs, strict=True)]


def name_alone(config: Flat) -> Name:
    """Return what a configuration is called where no other is beside it: rule and hardware, or the method."""
    return _name(config, {}, several_backends=False)


def natural_order(values: Iterable[Any]) -> tuple[tuple[int, float, str], ...]:
    """Return a sort key under which numbers come in their own order, before text."""
    return tuple(
        (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, plain(value)) for value in values
    )


def plain(value: Any) -> str:
    """Return a configuration's value as short text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    return str(value)


def given(key: str, value: Any) -> str:
    """Return a key's value as short text; of one that is left out what it is then."""
    return _ABSENT.get(key, plain(value)) if value is None else plain(value)


def on_hardware(config: Flat) -> bool:
    """Return whether what learns is arrays, ideal or not; who clusters without has no settings of them in a record."""
    if _METHOD in config:
        return any(key.startswith("hardware.") for key in config)
    return "hardware" in KINDS.get(str(config.get("kind")), ONCHIP).experiment.model_fields


def ideal_arrays(config: Flat) -> bool:
    """Return whether arrays have neither errors nor limits, as they have where a kind of experiment knows none."""
    return find_backend(config.get("hardware.backend", "ideal")).exact


def hardware(config: Flat) -> str:
    """Return the hardware's name: "ideal", "ideal → pcm" (programmed after training), or device and remedy.

    What another run has learnt is "ideal → device", too. A device's file is called by its name, without folder and
    ending.
    """
    if ideal_arrays(config):
        off_chip = config.get("hardware.off_chip")
        return f"ideal → {off_chip}" if off_chip else "ideal"
    device = str(config.get("hardware.device") or config["hardware.backend"])
    named = (config.get(key) for key in REMEDY)
    called = Path(device).stem if device.endswith(".toml") else device
    parts = " + ".join([called, *(name for name in named if name not in (None, "none"))])
    return f"ideal → {parts}" if config.get("network.weights") else parts


def ideal_circuit(config: Flat) -> bool:
    """Return whether the target circuit has no errors: it is given none, and has none of its own.

    Numbers of a graded one (a temperature) say what it decides, and are no errors.
    """
    circuit = CIRCUITS[config.get("target.circuit", "ideal")]
    given = config.get("target.model") or any(key.startswith("target.parameters.") for key in config)
    return circuit.exact and (circuit.graded or not given)


def _without_idle(config: Flat) -> Flat:
    """Return what means something: arrays at full precision have no converters, noise, pulses or tiles."""
    if not ideal_arrays(config) or config.get("hardware.off_chip"):
        return config
    return {key: None if _idles(key) else value for key, value in config.items()}


def _idles(key: str) -> bool:
    return key.startswith("hardware.") and key not in (*_HARDWARE, "hardware.step_seconds", "hardware.periphery")


def _rank(key: str) -> tuple[int, bool]:
    place = next((i for i, start in enumerate(_PREFERRED) if key.startswith(start)), len(_PREFERRED))
    return place + (key == "name"), not key.startswith("hardware.")


def _named(configs: Sequence[Flat], keys: Sequence[str]) -> list[Name]:
    """Return the names that these keys give; the back-end is spelled out where one device runs on several."""
    devices = {(hardware(config), config.get("hardware.backend")) for config in configs}
    several = len(devices) > len({name for name, _ in devices})
    lasts = [key.rpartition(".")[2] for key in keys]
    spelled = {key: key if lasts.count(last) > 1 else last for key, last in zip(keys, lasts, strict=True)}
    usual = _usual(configs, keys)
    return [_name(config, _unusual(config, spelled, usual), several) for config in configs]


def _name(config: Flat, spelled: dict[str, str], several_backends: bool) -> Name:
    group = [rule_title(str(config.get("network.rule", config.get("kind", "run"))))]
    variant = [hardware(config)] if on_hardware(config) else []
    if _METHOD in config:
        method = _METHODS.get(config[_METHOD], str(config[_METHOD]))
        group, variant = [], [method if ideal_arrays(config) else f"{method} on {hardware(config)}"]
    if several_backends and not ideal_arrays(config):
        variant[0] += f" ({config['hardware.backend']})"
    for key, word in sorted(spelled.items(), key=lambda it: it[0].startswith(_OF_CIRCUIT)):  # most share a circuit
        if key not in ("network.rule", _METHOD, *_HARDWARE) and not _is_left_out(key, config.get(key), config):
            aside = not group or key.startswith(("hardware.", *_OF_CIRCUIT))
            aside |= not on_hardware(config)
            part = variant if aside else group
            part.append(_phrase(key, word, config.get(key)))
    return Name(" · ".join(group), ", ".join(variant) or str(config.get("name", "run")))


def _usual(configs: Sequence[Flat], keys: Sequence[str]) -> set[tuple[Any, str, str]]:
    """Return what more than half of the points of a rule have, (rule, key, value), and goes without saying in a name.

    That is so where a method names the points, and where names would be long; of circuits never: exact ones go without
    saying.
    """
    long = len([key for key in keys if key not in ("network.rule", _METHOD, *_HARDWARE)]) > _MOST_TOLD
    by_rule: dict[Any, list[Flat]] = {}
    for config in configs:
        if long or _METHOD in config:
            by_rule.setdefault(_rule_of(config), []).append(config)
    others = [key for key in keys if not key.startswith(_OF_CIRCUIT)]
    counts = {
        (rule, key): Counter(plain(c.get(key)) for c in several) for rule, several in by_rule.items() for key in others
    }
    return {
        (*place, value)
        for place, values in counts.items()
        for value, n in values.items()
        if 2 * n > values.total() and (value == "none" or "none" not in values)  # what is not given is not told
    }


def _unusual(config: Flat, spelled: dict[str, str], usual: set[tuple[Any, str, str]]) -> dict[str, str]:
    """Return the keys that belong into a name."""
    rule = _rule_of(config)
    return {key: word for key, word in spelled.items() if (rule, key, plain(config.get(key))) not in usual}


def _rule_of(config: Flat) -> Any:
    return None if _METHOD in config else config.get("network.rule")


def _is_left_out(key: str, value: Any, config: Flat) -> bool:
    """Return whether it goes without saying: what was not given, and the target circuits of no errors of their own."""
    if value is None and key.startswith("hardware.") and ideal_arrays(config):
        return not config.get("hardware.off_chip")
    if value is None:
        return key.startswith((*SPARSE, *_CIRCUIT, *_YOUNGER, "network.parameters."))
    return key == "target.circuit" and CIRCUITS[value].exact


def _with_circuit(name: Name, config: Flat, keys: Sequence[str]) -> Name:
    """Return a name that calls nothing ideal whose target circuit is not, and that says so of the circuit."""
    if ideal_circuit(config):
        return name
    arrays = name.variant.removeprefix("ideal").removeprefix(", ") if hardware(config) == "ideal" else name.variant
    circuit = [key for key in keys if key.startswith(_OF_CIRCUIT)]
    named = any(not _is_left_out(key, config.get(key), config) for key in circuit)
    unnamed = "" if named else f"{config['target.circuit']} target"
    return Name(name.group, ", ".join(filter(None, [arrays, unnamed])))


def _phrase(key: str, word: str, value: Any) -> str:
    if key in ("training.mode", "data.dataset"):
        return str(value)
    if key in _CIRCUIT:
        return f"{value} target"
    if key == "network.layers" and value is not None:
        return "-".join(map(str, value))
    if key == "network.conv":
        return "-".join(map(_convolution, value)) if value else "dense"
    if key in _COUNTED:
        return f"all {_COUNTED[key]}" if value is None else f"{value} {_COUNTED[key]}"
    if (unit := axis_of(key).unit) != "1" and isinstance(value, int | float):
        return f"{word}={units.readable(value, unit, 6)}"
    return f"{word}={given(key, value)}"


def _convolution(section: Flat) -> str:
    """Return a convolution as papers write it, channels and kernel, and what else: 32f5+2 max4/2+1 pruned 0.5."""
    stride, padding, prune = (section.get(key, usual) for key, usual in (("stride", 1), ("padding", 0), ("prune", 0)))
    word: str = f"{section['channels']}f{section['kernel']}"
    word += f"/{stride}" * (stride != 1) + f"+{padding}" * bool(padding)
    if (pool := section.get("pool", "none")) != "none":
        size = section.get("pool_size", 2)
        step, around = section.get("pool_stride") or size, section.get("pool_padding", 0)
        word += f" {pool}{size}" + f"/{step}" * (step != size) + f"+{around}" * bool(around)
    return f"{word} pruned {prune:g}" if prune else word

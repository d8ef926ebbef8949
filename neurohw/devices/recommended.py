"""What a device's file recommends for training with it, its table [recommended].

It holds settings by their short names (`SETTINGS`), those of one learning rule in a table of its name
([recommended.ep]), and beside them what they rest on (`NOTES`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import tomlkit

from neurohw.errors import InputError
from neurohw.toml_files import line
from neurohw.validation import unknown_key

if TYPE_CHECKING:
    from neurohw.devices.model import DeviceModel

REMEDY = ("remedy", "remedy_parameters", "cell", "cell_parameters", "writing", "writing_parameters")
SETTINGS = {  # short name: key of an experiment
    "weight_range": "hardware.weight_range",
    "pulse_length": "hardware.pulse_length",
    "step_seconds": "hardware.step_seconds",
    **{name: f"hardware.{name}" for name in REMEDY},
    "contrast": "ep.contrast",
    "learning_rate": "training.learning_rate",
}
NOTES = ("evidence", "source", "experiment", "k")  # for people; k belongs to the network that it was found with


def recommended(model: DeviceModel, rule: str) -> dict[str, Any]:
    """Return what the device's file recommends for a learning rule: key of an experiment -> value; {}: nothing.

    A rule's own table is laid over what stands above it; where it names a remedy, no part of the other one is left.
    """
    common, own = _settings(model.recommended), _settings(model.recommended.get(rule))
    if own.keys() & set(REMEDY):
        common = {name: value for name, value in common.items() if name not in REMEDY}
    return {SETTINGS[name]: value for name, value in {**common, **own}.items()}


def asymmetry(model: DeviceModel) -> float:
    """Return the largest |up - down| / (up + down) of the mean cell's steps; 1: it cannot go down."""
    import torch

    if model.sided == 1:
        return 1.0
    law = model.response()
    cell = law.mean_cell()
    w = torch.lerp(cell["w_min"], cell["w_max"], torch.linspace(0.05, 0.95, 19))
    up, down = law.steps(w, cell, True), law.steps(w, cell, False)
    return ((up - down).abs() / (up + down).clamp_min(torch.finfo(w.dtype).tiny)).max().item()


def check_names(table: dict[str, Any]) -> None:
    """Refuse names in [recommended], or in the table of a rule, that nothing reads.

    Raises:
        InputError: naming the key.
    """
    known = (*SETTINGS, *NOTES)
    for name, value in table.items():
        inner = {f"{name}.{key}": key for key in value} if isinstance(value, dict) else {name: name}
        for where, key in inner.items() if name not in known else ():
            if key not in known:
                raise InputError(f"recommended.{where}: {unknown_key(key, known)}")


def with_recommendation(text: str, rule: str, values: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """Return a device's file with the table [recommended.RULE] made anew; all else stays as it is, comments included.

    Args:
        text: of the file.
        rule: of learning.
        values: key of an experiment -> value, of `SETTINGS`.
        evidence: what they rest on.
    """
    file = tomlkit.parse(text)
    names = {key: name for name, key in SETTINGS.items()}
    table = tomlkit.table()
    for key in sorted(values, key=list(names).index):
        table.add(names[key], line(values[key]))
    table.add("evidence", line(evidence))
    if "recommended" not in file:
        file.add(tomlkit.nl())
        file.add("recommended", tomlkit.table(is_super_table=True))
    advice = cast(tomlkit.items.Table, file["recommended"])
    advice.pop(rule, None)
    advice.add(rule, table)
    return tomlkit.dumps(file)


def _settings(table: Any) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name in SETTINGS} if isinstance(table, dict) else {}

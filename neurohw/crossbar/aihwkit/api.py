"""The parts of aihwkit in use, imported once, and how the fields of its dataclasses are set."""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any

from neurohw.crossbar.aihwkit.versions import REMEDY_COMMAND, fitting_torch
from neurohw.errors import EnvironmentMismatch, InputError


@functools.cache
def aihwkit_api() -> SimpleNamespace:
    """Return the parts of aihwkit in use, imported once per process.

    Raises:
        EnvironmentMismatch: aihwkit cannot be imported beside the installed torch; the message has the remedy.
    """
    try:
        from aihwkit.exceptions import ConfigError
        from aihwkit.simulator import configs
        from aihwkit.simulator.configs import compounds
        from aihwkit.simulator.parameters import IOParameters, UpdateParameters, enums
    except (ImportError, OSError, AttributeError) as error:
        raise EnvironmentMismatch(
            f"aihwkit cannot be imported: {error}. {fitting_torch()[1]}: {REMEDY_COMMAND}"
        ) from error
    return SimpleNamespace(
        configs=configs, compounds=compounds, enums=enums, io=IOParameters, update=UpdateParameters, error=ConfigError
    )


def set_field(parameters: Any, name: str, value: Any, owner: str) -> None:
    """Set one field of an aihwkit dataclass; integers given for real numbers are converted.

    Raises:
        InputError: no such field; the message lists the fields.
    """
    known = {field.name for field in dataclasses.fields(parameters)} - {
        "construction_seed",
        "unit_cell_devices",
        "device",
    }
    if name not in known:
        raise InputError(f"{owner} has no field {name!r}; allowed: {', '.join(sorted(known))}")
    current = getattr(parameters, name)
    setattr(parameters, name, float(value) if isinstance(current, float) else value)

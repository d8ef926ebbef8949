"""Templates of the exported files."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from neurohw.devices.model import DeviceModel
from neurohw.exporting.expressions import number


def rendered(template: str, model: DeviceModel, **values: Any) -> str:
    """Return a template with a device and more in it; a text of the device that has lines is on one."""
    environment = Environment(
        loader=PackageLoader("neurohw.exporting", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    one_line = {key: " ".join(getattr(model, key).split()) for key in ("description", "technology", "reference")}
    ascii_only = {key: text.encode("ascii", "replace").decode() for key, text in one_line.items()}
    return environment.get_template(template).render(device=model, identifier=identifier(model), **ascii_only, **values)


def identifier(model: DeviceModel) -> str:
    """Return a name as circuit languages take it, and none of their own: letters, digits and underscores."""
    return "cell_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in model.name)

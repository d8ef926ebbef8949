"""What an array is asked to be: one object, of which each back-end reads its part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from neurohw.crossbar.backends import find_backend, unread
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.precision import PRECISIONS
from neurohw.crossbar.remedies import KEYS, PLAIN, Remedy
from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from neurohw.crossbar.device_population import DevicePopulation
    from neurohw.crossbar.wires import Wires
    from neurohw.devices.model import DeviceModel


@dataclass(frozen=True)
class ArraySpec:
    """All of an array but its weights and its seed; what is left as it is, is not asked for.

    Args:
        backend: a name from `BACKENDS`, which says what it reads of the others.
        device: a device's name, file or model; of `AnalogArray` also a population, of `AihwkitArray` a preset's name.
        remedy: how devices make a weight, and how it is written.
        read_path, backward: converters and noise of `read`, and of `read_transposed` where that is another.
        pulses: the pulse trains of updates.
        weight_range: the largest |weight| that the device's w_max stands for; None: weights are the device's own.
        tile: (most rows on the post side, most columns on the pre side) of one crossbar; None: one crossbar holds all.
        increments, compensation, reference, fault_map: of `AnalogArray`.
        wire_resistance: of one segment of every line, ohm, or of each kind of line.
        precision: of the products of reads of ideal and analog arrays, see `product_dtype`.
        bounds: of the weights of an ideal array.
        absent: cells that are not there, [n_post, n_pre]: they read as 0, and are neither written nor counted.
        programmed: cells that hold levels begin on the nearest one, as those that are written and verified; False: on
            one of the two neighbours, drawn so that the mean is kept.
        batch_seconds, device_overrides, remedy_overrides: of `AihwkitArray`.

    Raises:
        InputError: an unknown back-end, or a setting that it does not read.
    """

    backend: str
    device: str | DeviceModel | DevicePopulation | None = None
    remedy: Remedy = PLAIN
    read_path: ReadPath | None = None
    backward: ReadPath | None = None
    pulses: PulseScheme | None = None
    weight_range: float | None = None
    tile: tuple[int, int] | None = None
    increments: str = "open-loop"
    compensation: str = "none"
    reference: str | None = None
    fault_map: Tensor | Mapping[str, Tensor] | None = None
    wire_resistance: float | Wires = 0.0
    precision: str = "float32"
    bounds: tuple[float, float] | None = None
    absent: Tensor | None = None
    programmed: bool = False
    batch_seconds: float = 1.0
    device_overrides: Mapping[str, Any] | None = None
    remedy_overrides: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, backend: str, **settings: Any) -> ArraySpec:
        """Return what the other arguments ask for, where `KEYS` of remedies name the remedy.

        Raises:
            InputError: as `ArraySpec`; an unknown setting, or an unknown remedy or parameter of it.
        """
        by_key = {key: settings.pop(key) for key in KEYS if settings.get(key) not in (None, {}, "none")}
        known = cls.__dataclass_fields__.keys() | set(KEYS)
        if unknown := settings.keys() - known:
            allowed = sorted(find_backend(backend).reads & known)
            raise InputError(f"{min(unknown)}: unknown setting; backend {backend!r} reads: "
                             f"{', '.join(allowed) or 'none'}")  # fmt: skip
        for key, value in by_key.items():
            if complaint := unread(backend, key, key, value):
                raise InputError(complaint)
        remedy = by_key.get("remedy")
        if isinstance(remedy, Remedy) and len(by_key) > 1:
            beside = ", ".join(key for key in by_key if key != "remedy")
            raise InputError(f"remedy: got a whole remedy, {remedy.name!r}, beside {beside}; allowed: one of them")
        others = {key: value for key, value in settings.items() if key not in KEYS}
        return cls(backend, remedy=remedy if isinstance(remedy, Remedy) else Remedy.from_keys(by_key), **others)

    def given(self) -> dict[str, Any]:
        """Return what is asked for, the back-end apart, as `of` takes it."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "backend"}
        return {name: value for name, value in values.items() if value is not None}

    def __post_init__(self) -> None:
        if find_backend(self.backend).devices and self.device is None:
            raise InputError(f"backend {self.backend!r} needs a device (see `neurohw device list`)")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision: got {self.precision!r}; allowed: {', '.join(PRECISIONS)}")
        for key, setting, value in _given(self):
            if complaint := unread(self.backend, key, setting, value):
                raise InputError(complaint)


def _given(part: ArraySpec | ReadPath | PulseScheme, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Yield what differs from its default: (where, the setting's name, value)."""
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name == "backend" or value is field.default or (isinstance(value, Mapping) and not value):
            continue
        if not isinstance(value, str | int | float | Remedy) or value != field.default:
            yield prefix + field.name, field.name, value
        if isinstance(value, ReadPath | PulseScheme):
            yield from _given(value, f"{field.name}.")

"""Colours of devices, markers and lines of rules, the same in every figure of energies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neurohw.report.drawing import INK
from neurohw.report.energy.bars_figure import PALETTE
from neurohw.report.points import Point

MARKERS = "o^vDph"  # no squares: those are digital
_LINES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


@dataclass(frozen=True)
class Looks:
    """What tells points apart: the device by colour, what is learnt by marker and line; settings are written.

    Args:
        devices: in the order of their colours.
        groups: in the order of their markers and lines.
    """

    devices: tuple[str, ...]
    groups: tuple[str, ...]

    @staticmethod
    def of(points: Iterable[Point]) -> Looks:
        """Return looks for these points."""
        points = list(points)
        devices = dict.fromkeys(device_of(point) for point in points if not point.ideal)
        return Looks(tuple(devices), tuple(dict.fromkeys(point.name.group for point in points)))

    def colour(self, point: Point) -> str:
        """Return a device's colour; ideal points are in ink."""
        return INK if point.ideal else PALETTE[self.devices.index(device_of(point)) % len(PALETTE)]

    def marker(self, point: Point) -> str:
        """Return the marker of what is learnt and how."""
        return MARKERS[self.groups.index(point.name.group) % len(MARKERS)]

    def line(self, point: Point) -> str | tuple[float, tuple[float, ...]]:
        """Return the line of what is learnt and how."""
        return _LINES[self.groups.index(point.name.group) % len(_LINES)]


def device_of(point: Point) -> str:
    """Return the device and its remedy, without settings."""
    return point.name.variant.partition(", ")[0]


def settings_of(point: Point) -> str:
    """Return what is set about the device, as in "adc_bits=4"."""
    return point.variant.removeprefix(device_of(point)).removeprefix(", ").strip()

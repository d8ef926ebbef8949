"""The remedies for poor devices by name, for the analog engine: how each is built from devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.pairs import DifferentialPair, OneSidedPair
from neurohw.crossbar.reference import ReferenceBank, References
from neurohw.crossbar.summed_cells import MixedPrecision
from neurohw.crossbar.transfer import BufferedTransfer, DynamicTransfer, ReadColumns, TikiTaka, Transfer
from neurohw.crossbar.unit_cells import (
    NewBank,
    SeveralDevices,
    SingleDevice,
    UnitCell,
)
from neurohw.errors import InputError


@dataclass(frozen=True)
class Parts:
    """What a remedy builds from.

    Args:
        new_bank: makes a crossbar of devices from its initial weights.
        references: makes what single devices are less.
        weights: [n_post, n_pre], in device units.
        generator: of everything that is drawn.
        read_columns: reads through the array's own periphery.
        sided: 1 where a device only potentiates.
    """

    new_bank: NewBank
    references: References
    weights: Tensor
    generator: torch.Generator
    read_columns: ReadColumns
    sided: int


@dataclass(frozen=True)
class AnalogRemedy:
    """A way to make poor devices learn.

    Args:
        name, description: for people.
        build: makes the unit cells.
        parameters: what can be set, with its default.
        one_sided: works with devices that only potentiate.
        transfers: updates go to a hidden array.
        paired: two devices make a weight, each the other's reference.
    """

    name: str
    description: str
    build: Callable[..., UnitCell]
    parameters: Mapping[str, Any]
    one_sided: bool = False
    transfers: bool = False
    paired: bool = False


def _single(parts: Parts) -> UnitCell:
    return _device(parts, parts.weights)


def _device(parts: Parts, weights: Tensor) -> UnitCell:
    bank = parts.new_bank(weights)
    return SingleDevice(bank, parts.references.of({"cell": bank}, {"cell": 1.0}), parts.generator)


def _several(parts: Parts, devices: int, base: float, carry_every: int) -> UnitCell:
    if devices < 2 or base < 1 or carry_every < 1:
        raise InputError("remedy 'several-cells': needs devices >= 2, base >= 1 and carry_every >= 1")
    new_reference = parts.references.of
    return SeveralDevices(parts.new_bank, parts.weights, parts.generator, new_reference, devices, base, carry_every)


def _reference(parts: Parts, error: float) -> UnitCell:
    cell = _zero_shifted(parts, parts.weights, error)
    if not bool(cell.bank.balances().any()):
        raise InputError(
            f"remedy 'reference-cell': a device of law {cell.bank.response.name!r} with these parameters has no "
            "symmetry point to refer to: its up and down steps are equal, or unlike, at every weight; allowed: devices "
            "whose steps change with the weight"
        )
    return cell


def _zero_shifted(parts: Parts, weights: Tensor, error: float = 0.0) -> SingleDevice:
    """Return devices less references at their symmetry points, off by a Gaussian of `error` steps."""
    bank = parts.new_bank(weights)
    point = bank.symmetry_point()
    if error:
        noise = torch.randn(point.shape, generator=parts.generator, device=point.device)
        point.add_(noise, alpha=error * bank.response.step)
    cell = SingleDevice(bank, parts.references.zero_shifting(point), parts.generator)
    cell.set(weights)
    return cell


def _differential(parts: Parts) -> UnitCell:
    return DifferentialPair(parts.new_bank, parts.weights, parts.generator)


def _one_sided(parts: Parts, refresh_every: int, refresh_at: float, refresh_both: float) -> UnitCell:
    return OneSidedPair(parts.new_bank, parts.weights, parts.generator, refresh_every, refresh_at, refresh_both)


def _mixed_precision(parts: Parts, zero_shift: bool) -> UnitCell:
    if parts.sided == 1:
        inner: UnitCell = _one_sided(parts, **_ONE_SIDED)
    else:
        inner = (_zero_shifted if zero_shift else _device)(parts, parts.weights)
    return MixedPrecision(inner, parts.weights, parts.generator)


def _transfer(kind: Callable[..., Transfer]) -> Callable[..., UnitCell]:
    def build(parts: Parts, zero_shift: bool, **options: Any) -> UnitCell:
        _refuse_outside(options, "chop", 1.0, least_excluded=kind is DynamicTransfer)
        _refuse_outside(options, "memory", math.inf, least_excluded=True)
        make = _zero_shifted if zero_shift else _device
        fast, slow = make(parts, torch.zeros_like(parts.weights)), make(parts, parts.weights)
        return kind(fast, slow, parts.read_columns, parts.generator, **options)

    return build


def _refuse_outside(options: Mapping[str, Any], key: str, most: float, least_excluded: bool) -> None:
    value = options.get(key)
    if value is not None and (value > most or (least_excluded and value == 0)):
        least = "above 0" if least_excluded else "of at least 0"
        raise InputError(
            f"{key}: got {value!r}; allowed: numbers {least}" + ("" if most == math.inf else f", up to {most:g}")
        )


_ONE_SIDED: dict[str, Any] = {"refresh_every": 100, "refresh_at": 0.75, "refresh_both": 0.25}
_SEVERAL: dict[str, Any] = {"devices": 4, "base": 1.0, "carry_every": 1000}
_TRANSFER: dict[str, Any] = {"fast_rate": 0.5, "every": 1, "memory": 1000.0, "zero_shift": False}
_REMEDIES = (
    AnalogRemedy("none", "one device a weight, pulsed in situ", _single, {}),
    AnalogRemedy("several-cells", "devices averaged, or of falling significance", _several, _SEVERAL),
    AnalogRemedy("reference-cell", "zero-shifting: device less its symmetry point", _reference, {"error": 0.0}),
    AnalogRemedy(
        "differential", "a pair, both moved by each write in opposite directions", _differential, {}, paired=True,
    ),
    AnalogRemedy(
        "one-sided", "a pair that is only potentiated, with a verified refresh", _one_sided, _ONE_SIDED, True,
        paired=True,
    ),
    AnalogRemedy(
        "tiki-taka", "a fast array, written column by column into the weight (Gokmen & Haensch 2020)",
        _transfer(TikiTaka), {"fast_rate": 1.0, "every": 1, "zero_shift": False}, transfers=True,
    ),
    AnalogRemedy(
        "tiki-taka-v2", "a fast array, transferred through a digital sum (Gokmen 2021)", _transfer(BufferedTransfer),
        _TRANSFER, transfers=True,
    ),
    AnalogRemedy(
        "chopped-tiki-taka", "v2 with random sign flips (Rasch et al. 2023)", _transfer(BufferedTransfer),
        {**_TRANSFER, "chop": 0.01}, transfers=True,
    ),
    AnalogRemedy(
        "agad", "chopped, with a dynamic reference (Rasch et al. 2023)", _transfer(DynamicTransfer),
        {**_TRANSFER, "chop": 0.02, "tail": 5.0}, transfers=True,
    ),
    AnalogRemedy(
        "mixed-precision", "products summed digitally, whole steps pulsed (Nandakumar 2020)", _mixed_precision,
        {"zero_shift": False}, True,
    ),
)  # fmt: skip

ANALOG_REMEDIES: dict[str, AnalogRemedy] = {remedy.name: remedy for remedy in _REMEDIES}


def build_cells(name: str, parts: Parts, parameters: Mapping[str, Any]) -> UnitCell:
    """Return the unit cells of a remedy.

    Raises:
        InputError: an unknown remedy or parameter, or a device that the remedy cannot use.
    """
    remedy = find_analog_remedy(name)
    if parts.sided == 1 and not remedy.one_sided:
        allowed = ", ".join(r.name for r in _REMEDIES if r.one_sided)
        raise InputError(f"remedy {name!r}: the device only potentiates and needs a pair; allowed: {allowed}")
    for key, value in parameters.items():
        if key not in remedy.parameters:
            raise InputError(
                f"remedy {name!r} has no parameter {key!r}; allowed: {', '.join(remedy.parameters) or '-'}"
            )
        if not _fits(value, remedy.parameters[key]):
            raise InputError(f"remedy {name!r}: {key}: got {value!r}; allowed: {_allowed(remedy.parameters[key])}")
    cells = remedy.build(parts, **{**remedy.parameters, **parameters})
    built = any(isinstance(bank, ReferenceBank) for bank in cells.banks.values())
    if parts.references.kind in ("array", "column") and not built:
        raise InputError(
            f"remedy {name!r}: it subtracts no {parts.references.kind} of references from conductances; allowed: to "
            'build one (`Parts.references`), to be `paired`, or hardware.reference "offset"'
        )
    return cells


def _fits(value: Any, default: Any) -> bool:
    """Return whether a value is of its default's kind and not too small."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool) and value >= min(default, 1)
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _allowed(default: Any) -> str:
    if isinstance(default, bool):
        return "true, false"
    return f"whole numbers of at least {min(default, 1)}" if isinstance(default, int) else "numbers of at least 0"


def find_analog_remedy(name: str) -> AnalogRemedy:
    """Return the remedy called `name`; an unknown one is an InputError that lists the allowed ones."""
    try:
        return ANALOG_REMEDIES[name]
    except KeyError:
        raise InputError(f"unknown remedy {name!r}; the analog engine has: {', '.join(ANALOG_REMEDIES)}") from None

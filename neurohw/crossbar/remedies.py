"""What makes poor devices learn, by name: how a weight is made of devices, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from neurohw.errors import InputError
from neurohw.validation import did_you_mean


@dataclass(frozen=True)
class CellKind:
    """A way to make a weight of devices.

    Args:
        name, description: for people.
        cells: "module:Class" of its unit cells, made of (parts, weights, **parameters).
        parameters: what can be set, with its default.
        one_sided: works with devices that only potentiate.
        paired: two devices make a weight, each the other's reference.
    """

    name: str
    description: str
    cells: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    one_sided: bool = False
    paired: bool = False


@dataclass(frozen=True)
class WritingKind:
    """A way to write weights.

    Args:
        name, description: for people.
        cells: "module:Class" of unit cells that are written so, made of (make, parts, **parameters), where `make`
            makes unit cells of weights; empty: these are written as they are.
        parameters: what can be set, with its default.
        transfers: updates go to a hidden array.
        pairs: a device that only potentiates is paired where no cell is named.
        follows_drift: what a column drifts is subtracted from it.
    """

    name: str
    description: str
    cells: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    transfers: bool = False
    pairs: bool = False
    follows_drift: bool = False


Kind = TypeVar("Kind", CellKind, WritingKind)


def _by_name(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


_HERE, _TRANSFER = "neurohw.crossbar.", {"fast_rate": 0.5, "every": 1, "memory": 1000.0}
CELLS = _by_name(
    CellKind("single", "one device", _HERE + "single_device:SingleDevice"),
    CellKind(
        "several-cells", "devices averaged, or of falling significance", _HERE + "several_devices:SeveralDevices",
        {"devices": 4, "base": 1.0, "carry_every": 1000},
    ),
    CellKind(
        "reference-cell", "zero-shifting: device less its symmetry point", _HERE + "single_device:ZeroShiftedDevice",
        {"error": 0.0},
    ),
    CellKind(
        "differential", "a pair, both moved by each write in opposite directions", _HERE + "pairs:DifferentialPair",
        paired=True,
    ),
    CellKind(
        "one-sided", "a pair that is only potentiated, with a verified refresh", _HERE + "pairs:OneSidedPair",
        {"refresh_every": 100, "refresh_at": 0.75, "refresh_both": 0.25}, one_sided=True, paired=True,
    ),
)  # fmt: skip
WRITINGS = _by_name(
    WritingKind("pulses", "products pulsed in situ"),
    WritingKind(
        "tiki-taka", "a fast array, written column by column into the weight (Gokmen & Haensch 2020)",
        _HERE + "transfer:TikiTaka", {"fast_rate": 1.0, "every": 1}, transfers=True,
    ),
    WritingKind(
        "tiki-taka-v2", "a fast array, transferred through a digital sum (Gokmen 2021)",
        _HERE + "transfer:BufferedTransfer", _TRANSFER, transfers=True,
    ),
    WritingKind(
        "chopped-tiki-taka", "v2 with random sign flips (Rasch et al. 2023)", _HERE + "transfer:BufferedTransfer",
        {**_TRANSFER, "chop": 0.01}, transfers=True,
    ),
    WritingKind(
        "agad", "chopped, with a dynamic reference (Rasch et al. 2023)", _HERE + "transfer:DynamicTransfer",
        {**_TRANSFER, "chop": 0.02, "tail": 5.0}, transfers=True, follows_drift=True,
    ),
    WritingKind(
        "mixed-precision", "products summed digitally, whole steps pulsed (Nandakumar 2020)",
        _HERE + "summed_cells:MixedPrecision", pairs=True,
    ),
)  # fmt: skip
MEANINGS = {  # of the parameters above
    "devices": "how many make a weight",
    "base": "ratio of two neighbours' significances; 1: all get the same pulses",
    "carry_every": "writes between two carries to the coarser devices",
    "error": "standard deviation of the reference from the symmetry point, in steps",
    "refresh_every": "writes between two looks for full pairs",
    "refresh_at": "share of the range from which a pair's larger device is near saturation",
    "refresh_both": "share of the range that the smaller one must hold, too",
    "fast_rate": "how full of pulses the fast array is written, of a typical product; of tiki-taka the gain itself",
    "every": "samples (of tiki-taka: batches) between two transfers of a column",
    "memory": "samples for which a product stays in the fast array",
    "chop": "probability that a column's sign flips after a read",
    "tail": "of the dynamic reference: share of the newest read, times chop",
}
KEYS = ("remedy", "remedy_parameters", "cell", "cell_parameters", "writing", "writing_parameters")
_ZERO_SHIFT = "zero_shift"  # the parameter by which the one name of a way to write asks for reference cells


@dataclass(frozen=True)
class Remedy:
    """How devices make a weight, and how it is written; what is left as it is: one device, pulsed in situ.

    Args:
        cell, cell_parameters: a name from `CELLS`, and its settings.
        writing, writing_parameters: a name from `WRITINGS`, and its settings.

    Raises:
        InputError: an unknown name or parameter.
    """

    cell: str = "single"
    writing: str = "pulses"
    cell_parameters: Mapping[str, Any] = field(default_factory=dict)
    writing_parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("cell", self.cell, CELLS, self.cell_parameters, "cell_parameters")
        _check("writing", self.writing, WRITINGS, self.writing_parameters, "writing_parameters")

    @staticmethod
    def of(name: str, parameters: Mapping[str, Any] | None = None) -> Remedy:
        """Return the remedy that has one name: "none", a cell that is pulsed, or a way to write single devices.

        Args:
            name: of it.
            parameters: of the cell, or of the way to write; there `zero_shift = true` makes reference cells.

        Raises:
            InputError: an unknown name or parameter.
        """
        given = dict(parameters or {})
        shifted = given.pop(_ZERO_SHIFT, False) if name in WRITINGS else False
        if name not in ("none", *CELLS, *WRITINGS):
            raise InputError(f"remedy: unknown remedy {name!r}{did_you_mean(name, names())}; allowed: "
                             f"{', '.join(names())}")  # fmt: skip
        if not isinstance(shifted, bool):
            raise InputError(f"remedy_parameters: {_ZERO_SHIFT}: got {shifted!r}; allowed: true, false")
        if name in WRITINGS:
            _check("writing", name, WRITINGS, given, "remedy_parameters")
            return Remedy("reference-cell" if shifted else "single", name, writing_parameters=given)
        cell = "single" if name == "none" else name
        _check("cell", cell, CELLS, given, "remedy_parameters")
        return Remedy(cell, cell_parameters=given)

    @staticmethod
    def from_keys(given: Mapping[str, Any]) -> Remedy:
        """Return the remedy of a table with keys of `KEYS`: its two halves, or its one name and perhaps the other half.

        Raises:
            InputError: an unknown name or parameter, or a half or a parameter that is named twice, differently.
        """
        for key, value in given.items():
            if not isinstance(value, Mapping if key.endswith("parameters") else str):
                allowed = "a table" if key.endswith("parameters") else "a name"
                raise InputError(f"{key}: got {value!r}; allowed: {allowed}")
        named = Remedy.of(given.get("remedy", "none"), given.get("remedy_parameters"))
        halves: dict[str, Any] = {}
        for half in ("cell", "writing"):
            by_name, asked = getattr(named, half), given.get(half)
            if asked is not None and by_name not in (asked, getattr(Remedy, half)):
                raise InputError(f"{half}: got {asked!r} beside remedy {given['remedy']!r}, which stands for "
                                 f"{by_name!r}; allowed: one of them")  # fmt: skip
            halves[half] = by_name if asked is None else asked
            key = f"{half}_parameters"
            by_name, asked = getattr(named, key), given.get(key, {})
            for name in by_name.keys() & asked.keys():
                if by_name[name] != asked[name]:
                    raise InputError(f"{key}: {name}: got {asked[name]!r} beside remedy_parameters, where it is "
                                     f"{by_name[name]!r}; allowed: one of them")  # fmt: skip
            halves[key] = {**by_name, **asked}
        return Remedy(**halves)

    def to_keys(self) -> dict[str, Any]:
        """Return the keys that `from_keys` makes it of: its one name, or where it has none, its two halves."""
        if self.one_name is None:
            return asdict(self)
        return dict(zip(KEYS, self.one_name, strict=False))

    @property
    def one_name(self) -> tuple[str, dict[str, Any]] | None:
        """The name and the parameters that `of` makes it of; None: it has none."""
        if self.writing == "pulses":
            return ("none" if self.cell == "single" else self.cell), dict(self.cell_parameters)
        if self.cell == "single":
            return self.writing, dict(self.writing_parameters)
        if self.cell == "reference-cell" and not self.cell_parameters:
            return self.writing, {**self.writing_parameters, _ZERO_SHIFT: True}
        return None

    @property
    def name(self) -> str:
        """What people call it: "none", a cell, a way to write, or both."""
        parts = [self.cell] * (self.cell != "single") + [self.writing] * (self.writing != "pulses")
        return " + ".join(parts) or "none"

    def for_devices(self, sided: int) -> Remedy:
        """Return what it is for devices of which those with `sided` 1 only potentiate.

        Raises:
            InputError: they cannot make its cell.
        """
        if sided != 1 or CELLS[self.cell].one_sided:
            return self
        if self.cell == "single" and WRITINGS[self.writing].pairs:
            return replace(self, cell=next(kind.name for kind in CELLS.values() if kind.one_sided))
        pairs = ", ".join(kind.name for kind in CELLS.values() if kind.one_sided)
        by_itself = ", ".join(kind.name for kind in WRITINGS.values() if kind.pairs)
        raise InputError(f"remedy {self.name!r}: the device only potentiates and needs a pair; allowed: "
                         f"cell {pairs} with any writing, or writing {by_itself} alone")  # fmt: skip


def names() -> list[str]:
    """Return the names of the remedies that have one."""
    return ["none", *(name for name in (*CELLS, *WRITINGS) if name not in ("single", "pulses"))]


def _check(what: str, name: str, kinds: Mapping[str, Kind], given: Mapping[str, Any], key: str) -> None:
    """Refuse an unknown name or parameter (under `key`), and a value not of its default's kind, or too small."""
    if name not in kinds:
        raise InputError(f"{what}: unknown {what} {name!r}{did_you_mean(name, kinds)}; allowed: {', '.join(kinds)}")
    known = kinds[name].parameters
    for parameter, value in given.items():
        where = f"{key}: {what} {name!r}"
        if parameter not in known:
            raise InputError(f"{where} has no parameter {parameter!r}; allowed: {', '.join(known) or '-'}")
        if not _fits(value, known[parameter]):
            raise InputError(f"{where}: {parameter}: got {value!r}; allowed: {_allowed(known[parameter])}")


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool) and value >= min(default, 1)
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _allowed(default: Any) -> str:
    return f"whole numbers of at least {min(default, 1)}" if isinstance(default, int) else "numbers of at least 0"


PLAIN = Remedy()

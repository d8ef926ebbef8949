"""What an account needs to know of a run besides its counts: arrays, converters, images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurohw.errors import InputError
from neurohw.metering.ledger import Counts

TRAINING_PHASES = ("forward", "backward", "free", "nudged", "target", "update", "homeostasis", "training")


@dataclass(frozen=True)
class WritesPerCell:
    """Pulses that cells got in the run: mean, 99.9th percentile and maximum over the cells."""

    mean: float
    p999: float
    max: float


@dataclass(frozen=True)
class ArrayFacts:
    """An array as the hardware has it.

    Args:
        n_post, n_pre: outputs and inputs.
        tiles: how many tiles it is cut into, over n_post and over n_pre.
        devices_per_weight: cells that stand for a weight.
        dac_bits, adc_bits: resolution, the sign included; 0 where the run did not quantise.
        writes_per_cell: how often cells were pulsed, if the run counted it.
        read_passes: reads that hardware makes of one vector (bit-serial inputs, signs one after the other).
        serial: inputs are bit-serial: a conversion is of one bit.
        devices_on_line: of them, those that hang on the lines of a read (a remedy's hidden ones do not); 0: all.
        code_bits: of the codes to the DACs and from the ADCs.
        tile_size: outputs and inputs of a tile as it is built; None: cut to the array's measure.
        uncounted: what the run did not count of it, "pulses", "conductance", ...: no energy of it is in an account.
    """

    n_post: int
    n_pre: int
    tiles: tuple[int, int] = (1, 1)
    devices_per_weight: float = 1
    dac_bits: int = 0
    adc_bits: int = 0
    writes_per_cell: WritesPerCell | None = None
    read_passes: int = 1
    serial: bool = False
    devices_on_line: float = 0
    code_bits: tuple[int, int] = (8, 8)
    tile_size: tuple[int, int] | None = None
    uncounted: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.n_post * self.n_pre

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.tiles[0] * self.tiles[1]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Outputs and inputs that the largest tile uses."""
        return math.ceil(self.n_post / self.tiles[0]), math.ceil(self.n_pre / self.tiles[1])

    @property
    def built(self) -> int:
        """Crossings that are built, used or not."""
        n_post, n_pre = self.tile_size or self.tile_shape
        return max(self.n_tiles * n_post * n_pre, self.weights)


@dataclass(frozen=True)
class RunFacts:
    """All that is not a count.

    Args:
        arrays: by the name of the component.
        trained, inferred: images learnt from and images inferred, over the run; 0 leaves the figures per image out.
        epochs: of training.
        batches: updates, for what is fetched once a batch; 0 where it is not known.
        optimizer_words: that a digital optimiser keeps per weight.
        nudged_phases: of EP: 1, or 2 where both signs of the nudge are relaxed.
    """

    arrays: Mapping[str, ArrayFacts] = field(default_factory=dict)
    trained: float = 0.0
    inferred: float = 0.0
    epochs: float = 0.0
    batches: float = 0.0
    optimizer_words: float = 0.0
    nudged_phases: float = 1.0

    @property
    def outputs(self) -> int:
        """Neurons of the last layer, between which the target circuit decides; 0 without arrays."""
        return [*self.arrays.values()][-1].n_post if self.arrays else 0


_ARRAY_KEYS = ("n_post", "n_pre", "tiles", "devices_per_weight", "dac_bits", "adc_bits")


def facts_from(given: Mapping[str, Any], counts: Counts) -> RunFacts:
    """Return the facts of a ledger.

    Args:
        given: {"arrays": {"W1": {n_post, n_pre, tiles, ...}}, "images": {"trained", "inferred", "epochs", "batches"},
            "nudged_phases", "optimizer"}; images that are not given are the clock's, by phase.
        counts: component, phase, event.

    Raises:
        InputError: naming what is missing or wrong.
    """
    if not isinstance(given.get("arrays"), Mapping):
        raise InputError("ledger facts: arrays: missing; needed: n_post, n_pre, tiles, ... of every array")
    arrays = {
        name: _array(f"ledger facts: arrays.{name}", facts, counts.get(name, {}))
        for name, facts in given["arrays"].items()
    }
    images = given.get("images") or {}
    if not isinstance(images, Mapping):
        raise InputError(f"ledger facts: images: got {images!r}; allowed: trained, inferred, epochs, batches")
    presented = {phase: events.get("images", 0.0) for phase, events in counts.get("clock", {}).items()}
    trained = images.get("trained", max(presented.get("forward", 0.0), presented.get("free", 0.0)))
    inferred = images.get("inferred", presented.get("inference", 0.0))
    numbers = {
        "trained": trained,
        "inferred": inferred,
        "epochs": images.get("epochs", 0.0),
        "batches": images.get("batches", 0.0),
        "optimizer_words": 2.0 if given.get("optimizer") == "adam" else 0.0,
        "nudged_phases": given.get("nudged_phases") or 1.0,
    }
    return RunFacts(arrays, **{key: _number(f"ledger facts: {key}", value) for key, value in numbers.items()})


def _array(where: str, given: Any, counts: Mapping[str, Mapping[str, float]]) -> ArrayFacts:
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: got {given!r}; needed: {', '.join(_ARRAY_KEYS)}")
    if absent := [key for key in _ARRAY_KEYS if key not in given]:
        raise InputError(f"{where}: missing {', '.join(absent)}; needed: {', '.join(_ARRAY_KEYS)}")
    tiles = _pair(f"{where}.tiles", given["tiles"]) or (1, 1)
    numbers = {key: _number(f"{where}.{key}", given[key] or 0) for key in _ARRAY_KEYS if key != "tiles"}
    for key in ("n_post", "n_pre", "devices_per_weight"):
        if not numbers[key]:
            raise InputError(f"{where}.{key}: got {given[key]!r}; allowed: more than 0")
    whole = {key: int(value) for key, value in numbers.items() if key != "devices_per_weight"}
    writes = given.get("writes_per_cell")
    per_cell = None
    if writes is not None:
        if not isinstance(writes, Mapping):
            raise InputError(f"{where}.writes_per_cell: got {writes!r}; needed: mean, p999, max")
        if absent := [key for key in ("mean", "p999", "max") if key not in writes]:
            raise InputError(f"{where}.writes_per_cell: missing {', '.join(absent)}; needed: mean, p999, max")
        per_cell = WritesPerCell(*(_number(f"{where}.writes_per_cell", writes[k]) for k in ("mean", "p999", "max")))
    return ArrayFacts(
        **whole,
        devices_per_weight=numbers["devices_per_weight"],
        tiles=tiles,
        writes_per_cell=per_cell,
        read_passes=int(_number(f"{where}.read_passes", given.get("read_passes", 1))) or 1,
        serial=given.get("coding") == "bit-serial",
        devices_on_line=_number(f"{where}.devices_on_line", given.get("devices_on_line") or 0),
        code_bits=_pair(f"{where}.code_bits", given.get("code_bits")) or (8, 8),
        tile_size=_pair(f"{where}.tile_size", given.get("tile_size")),
        uncounted=tuple(_uncounted(given, counts)),
    )


def _uncounted(given: Mapping[str, Any], counts: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield from (key for key in ("pulses", "conductance") if given.get(key) == "unknown")
    trains = [events for events in counts.values() if events.get("outer_products") and events.get("pulse_slots")]
    if any("train_bits" not in events for events in trains):  # a run from before they were counted
        yield "random bits of trains"


def _pair(where: str, given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or len(given) != 2 or not all(isinstance(n, int) and n > 0 for n in given):
        raise InputError(f"{where}: got {given!r}; allowed: two whole numbers of at least 1, of n_post and of n_pre")
    return given[0], given[1]


def checked(counts: Any) -> Counts:
    """Return the counts of a ledger, checked.

    Raises:
        InputError: no counts, or one that is no number of at least 0; component, phase and event are named.
    """
    if not isinstance(counts, Mapping) or not counts:
        raise InputError("no ledger: nothing was counted in this run; needed: counts[component][phase][event]")
    for component, phases in counts.items():
        if not isinstance(phases, Mapping):
            raise InputError(f"ledger: {component}: got {phases!r}; needed: events by phase")
        for phase, events in phases.items():
            if not isinstance(events, Mapping):
                raise InputError(f"ledger: {component}.{phase}: got {events!r}; needed: counts by event")
            for event, count in events.items():
                _number(f"ledger: {component}.{phase}.{event}", count)
    return counts


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: got {value!r}; allowed: a finite number of at least 0")
    return float(value)

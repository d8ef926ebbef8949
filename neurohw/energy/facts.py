"""What an account needs to know of a run besides its counts: arrays, converters, images; as a ledger holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from neurohw.errors import InputError
from neurohw.metering.ledger import Counts
from neurohw.validation import Place, refused
from neurohw.values import Amount, Count, Whole

TRAINING_PHASES = ("forward", "backward", "free", "nudged", "target", "update", "homeostasis", "training")
COMPENSATING = "compensation"  # reads that compensate the drift of a chip that has aged
LINE_BY_LINE = ("update", COMPENSATING)  # phases whose reads are of hidden arrays, rows and cells, not of vectors
UNKNOWN = "unknown"


def _or(value: float) -> BeforeValidator:
    """Take null for a value."""
    return BeforeValidator(lambda given: value if given is None else given)


Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Bits = Annotated[int, Field(strict=True, ge=0), _or(0)]
Pair = tuple[Count, Count]


@dataclass(frozen=True)
class WritesPerCell:
    """Pulses that cells got in the run: mean, 99.9th percentile and maximum over the cells."""

    mean: Amount
    p999: Amount
    max: Amount


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
        coding: of inputs; "bit-serial": a conversion is of one bit.
        devices_on_line: of them, those that hang on the lines of a read (a remedy's hidden ones do not); 0: all.
        code_bits: of the codes to the DACs and from the ADCs.
        tile_size: outputs and inputs of a tile as it is built; None: cut to the array's measure.
        pulses, conductance, train_bits: how the run knew of them; "unknown": no energy of it is in an account.
        reference: what is subtracted from the conductances.
        integrated: what reads of the inputs give is integrated by neurons where it arrives, and not converted.
        bias_line: the last line of the inputs is always on, and transposed reads leave out what comes out of it.
        vectors: presented to it per image, one for each position of a convolution.
        cells: weights that are there, where some crossings have none; null: all.
        updates: of it, where layers learn one after the other; null: as many as the run has batches.
    """

    n_post: Count
    n_pre: Count
    tiles: Pair = (1, 1)
    devices_per_weight: Positive = 1
    dac_bits: Bits = 0
    adc_bits: Bits = 0
    writes_per_cell: WritesPerCell | None = None
    read_passes: Annotated[int, AfterValidator(lambda passes: passes or 1), Field(strict=True, ge=0)] = 1
    coding: str = "amplitude"
    devices_on_line: Annotated[Amount, _or(0)] = 0
    code_bits: Annotated[Pair, BeforeValidator(lambda given: given or (8, 8))] = (8, 8)
    tile_size: Pair | None = None
    pulses: str = "counted"
    conductance: str = "snapshots"
    train_bits: str = "counted"
    reference: str | None = None
    integrated: bool = False
    bias_line: bool = False
    vectors: Count = 1
    cells: Whole | None = None
    updates: Whole | None = None

    @property
    def serial(self) -> bool:
        """Whether inputs are bit-serial."""
        return self.coding == "bit-serial"

    @property
    def uncounted(self) -> tuple[str, ...]:
        """What the run did not count of it."""
        known = {"pulses": self.pulses, "conductance": self.conductance, "random bits of trains": self.train_bits}
        return tuple(what for what, how in known.items() if how == UNKNOWN)

    @property
    def weights(self) -> int:
        """Number of weights that are there."""
        return self.n_post * self.n_pre if self.cells is None else self.cells

    @property
    def read_devices(self) -> float:
        """Cells that a read drives for a weight."""
        return self.devices_on_line or self.devices_per_weight

    @property
    def hidden(self) -> bool:
        """Whether devices of it are an array of their own, which reads do not drive."""
        return self.devices_on_line > 0 and self.devices_per_weight - self.devices_on_line > 0.5

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.tiles[0] * self.tiles[1]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Outputs and inputs that the largest tile uses."""
        return math.ceil(self.n_post / self.tiles[0]), math.ceil(self.n_pre / self.tiles[1])

    @property
    def built_tile(self) -> tuple[int, int]:
        """Outputs and inputs of a tile as it is built: lines, drivers and converters are there, used or not."""
        return self.tile_size or self.tile_shape

    @property
    def read_back(self) -> int:
        """Inputs of the largest tile that a transposed read converts: a line of biases, in the last tile, is none."""
        tiles = self.tiles[1]
        bounds = [self.n_pre * tile // tiles for tile in range(tiles + 1)]
        return max(end - start - (self.bias_line and end == self.n_pre) for start, end in pairwise(bounds))

    @property
    def built(self) -> int:
        """Crossings that are built, used or not."""
        n_post, n_pre = self.built_tile
        return max(self.n_tiles * n_post * n_pre, self.n_post * self.n_pre)


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

    arrays: dict[str, ArrayFacts] = field(default_factory=dict)
    trained: float = 0.0
    inferred: float = 0.0
    epochs: float = 0.0
    batches: float = 0.0
    optimizer_words: float = 0.0
    nudged_phases: float = 1.0

    @property
    def rewritten(self) -> float:
        """Weights that updates write, each as often as it is written."""
        return sum(array.weights * self._updates(array) for array in self.arrays.values())

    @property
    def fetched(self) -> float:
        """Weights that updates need, each once a batch: those of layers that learn, and of the layers below them."""
        weights, learnt = 0.0, 0.0  # batches in which layers below learn alone
        for array in self.arrays.values():
            updates = self._updates(array)
            weights += array.weights * max(updates, self.batches - learnt)
            learnt += updates if array.updates is not None else 0.0
        return weights

    def _updates(self, array: ArrayFacts) -> float:
        return self.batches if array.updates is None else array.updates

    @property
    def outputs(self) -> int:
        """Neurons of the last layer, between which the target circuit decides; 0 without arrays."""
        return [*self.arrays.values()][-1].n_post if self.arrays else 0


class _Images(BaseModel):
    trained: Amount | None = None
    inferred: Amount | None = None
    epochs: Amount = 0.0
    batches: Amount = 0.0


class _Run(BaseModel):
    """What stands in a ledger's facts besides the arrays."""

    images: Annotated[_Images, BeforeValidator(lambda given: given or {})] = _Images()
    nudged_phases: Amount | None = None
    optimizer: str | None = None


_NEEDED = ("n_post", "n_pre", "tiles", "devices_per_weight", "dac_bits", "adc_bits")  # of every array in a ledger
_ARRAY, _COUNTS = TypeAdapter(ArrayFacts), TypeAdapter(dict[str, dict[str, dict[str, Amount]]])


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
    try:
        run = _Run.model_validate(dict(given))
    except ValidationError as error:
        raise refused(error, "ledger facts", _Run) from None
    presented = {phase: events.get("images", 0.0) for phase, events in counts.get("clock", {}).items()}
    trained, inferred = run.images.trained, run.images.inferred
    return RunFacts(
        {name: _array(name, array, counts.get(name, {})) for name, array in given["arrays"].items()},
        trained=max(presented.get("forward", 0.0), presented.get("free", 0.0)) if trained is None else trained,
        inferred=presented.get("inference", 0.0) if inferred is None else inferred,
        epochs=run.images.epochs,
        batches=run.images.batches,
        optimizer_words=2.0 if run.optimizer == "adam" else 0.0,
        nudged_phases=run.nudged_phases or 1.0,
    )


def facts_of(array: ArrayFacts) -> dict[str, Any]:
    """Return an array's facts as a ledger holds them."""
    return dict(_ARRAY.dump_python(array, mode="json"))


def _array(name: str, given: Any, counts: Mapping[str, Mapping[str, float]]) -> ArrayFacts:
    where = f"arrays.{name}"
    if not isinstance(given, Mapping):
        raise InputError(f"ledger facts: {where}: got {given!r}; needed: {', '.join(_NEEDED)}")
    if absent := [key for key in _NEEDED if key not in given]:
        raise InputError(f"ledger facts: {where}: missing {', '.join(absent)}; needed: {', '.join(_NEEDED)}")
    try:
        facts = _ARRAY.validate_python(dict(given))
    except ValidationError as error:
        raise refused(error, "ledger facts", None, Place(where)) from None
    trains = [events for events in counts.values() if events.get("outer_products") and events.get("pulse_slots")]
    if any("train_bits" not in events for events in trains):  # a run from before they were counted
        return replace(facts, train_bits=UNKNOWN)
    return facts


def checked(counts: Any) -> Counts:
    """Return the counts of a ledger, checked.

    Raises:
        InputError: no counts, or one that is no number of at least 0; component, phase and event are named.
    """
    if not isinstance(counts, Mapping) or not counts:
        raise InputError("no ledger: nothing was counted in this run; needed: counts[component][phase][event]")
    try:
        _COUNTS.validate_python(counts)
    except ValidationError as error:
        raise refused(error, "ledger", None, Place(allowed=lambda _: "counts by component, phase and event")) from None
    return counts

"""The account of a run as its record holds it: written once, and read by attribute.

Keys that no field names are kept, since records of other versions have keys of their own; what an account lacks is
not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.facts import TRAINING_PHASES
from neurohw.energy.lifetime import Lifetime
from neurohw.energy.prices import Item
from neurohw.energy.ranges import Range
from neurohw.energy.schedule import Schedule
from neurohw.validation import first_fault
from neurohw.values import Amount, Number, Text


def _with_polarities(given: Any) -> Any:
    """Return a schedule with its way of pulsing lines; those from before there was a choice pulsed both at once."""
    return {"polarities": "together", **given} if isinstance(given, Mapping) else given


class _Recorded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    def as_recorded(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self.model_dump(exclude_unset=True)


class PhaseEnergy(_Recorded):
    """What a phase of training (pre-training, labelled, unlabelled) took in the run: images learnt from, and J."""

    images: Amount
    low: Number
    nominal: Number
    high: Number

    @property
    def energy(self) -> Range:
        """Of the phase, J."""
        return Range(self.low, self.nominal, self.high)


class AcceleratorCost(_Recorded):
    """The run on a digital accelerator, J: precision of its arithmetic; weights from DRAM, or on the chip; node, nm."""

    precision: Text
    dram: Annotated[bool, Field(strict=True)]
    node: Amount
    total: Range
    training: Range
    per_training_image: Range | None
    parts: dict[str, Range]

    @property
    def kind(self) -> tuple[str, bool]:
        """Precision, and whether there is DRAM."""
        return self.precision, self.dram


class ByModel(_Recorded):
    """Energy by our account, by NeuroSim's formulas, and by ours with NeuroSim's numbers ("ohmic"), J."""

    ours: Range | None
    neurosim: Range | None
    ohmic: Range | None


class ModelledArray(_Recorded):
    """Reads and writes of an array over the run, and how many vectors and pulses these are."""

    array: Text
    vectors: Amount
    pulses: Amount
    read: ByModel
    write: ByModel


class Images(_Recorded):
    """Images learnt from and inferred, and epochs of training."""

    trained: Amount
    inferred: Amount
    epochs: Amount


class AgedCost(_Recorded):
    """What a chip that had aged took: to compensate its drift, and to be trained again.

    Args:
        age_seconds: since training; compensation: how drift was compensated.
        compensating: reads of all cells, J.
        images, pulses: learnt from without labels, and given to devices, in re-training.
        recovery: re-training, J; seconds: what it took.
    """

    age_seconds: Amount
    compensation: Text
    compensating: Range
    images: Amount
    pulses: Amount
    recovery: Range
    seconds: Range


class DigitalAccount(_Recorded):
    """Of arrays that are no hardware: what the run costs on digital accelerators, at the node of a table."""

    table: Text
    digital: tuple[AcceleratorCost, ...] = ()


class ChipAccount(_Recorded):
    """Of a chip: the quantities of `EnergyBreakdown`, and beside them

    `training_by_epoch`, the energy of training up to and with each epoch; `by_training_phase`, the same shared out;
    `array_models`; `digital`, the same network on digital accelerators; `aged`, what the chip took after training,
    in none of the other figures; and `items`, every line, which no record keeps.
    """

    table: Text
    device: Text
    schedule: Annotated[Schedule, BeforeValidator(_with_polarities)]
    per_inference: Range | None
    per_training_image: Range | None
    per_epoch: Range | None
    total: Range
    average_power: Range | None
    tops_per_watt: Range | None
    useful_tops_per_watt: Range | None = None
    latency: Range
    training_latency: Range | None = None
    inference_latency: Range | None = None
    area: Range
    by_component_and_phase: dict[str, dict[str, Range]]
    latency_by_phase: dict[str, Range]
    area_by_part: dict[str, Range]
    utilisation: dict[str, Amount]
    cells_used: Amount
    provenance: dict[str, Amount]
    assumed: dict[str, Amount]
    uncounted: tuple[Text, ...]
    widest: Text | None
    lifetime: tuple[Lifetime, ...]
    images: Images
    training_by_epoch: tuple[Range, ...]
    by_training_phase: dict[str, PhaseEnergy] | None = None
    array_models: tuple[ModelledArray, ...] = ()
    digital: tuple[AcceleratorCost, ...] = ()
    aged: tuple[AgedCost, ...] = ()
    items: tuple[Item, ...] = Field(default=(), exclude=True)


Account: TypeAlias = ChipAccount | DigitalAccount


def read_account(given: Any) -> Account | None:
    """Return the account of a record, `energy`: a chip's has a total; None of an empty one.

    Raises:
        ValueError: it is none; the key is named.
    """
    if isinstance(given, Account | None):
        return given
    kind = ChipAccount if isinstance(given, Mapping) and "total" in given else DigitalAccount
    try:
        return kind.model_validate(given) if given != {} else None
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None


def chip_account(
    breakdown: EnergyBreakdown,
    spent: Sequence[Range],
    phases: Mapping[str, PhaseEnergy],
    models: Sequence[ModelledArray],
    digital: Sequence[AcceleratorCost],
    lines: bool = False,
    aged: Sequence[AgedCost] = (),
) -> ChipAccount:
    """Return the account of a chip for its record.

    Args:
        breakdown: of the run.
        spent: energy of training up to and with each epoch, J.
        phases, models, digital: as `ChipAccount` has them.
        lines: every line too.
        aged: what the chip took after training.
    """
    nested: dict[str, dict[str, Range]] = {}
    for (component, phase), energy in breakdown.by(lambda item: (item.component, item.phase)).items():
        nested.setdefault(component, {})[phase] = energy
    facts, latency = breakdown.facts, breakdown.latency
    return ChipAccount(
        table=breakdown.table, device=breakdown.device, schedule=breakdown.schedule,
        per_inference=breakdown.per_inference, per_training_image=breakdown.per_training_image,
        per_epoch=breakdown.per_epoch, total=breakdown.total, average_power=breakdown.average_power,
        tops_per_watt=breakdown.tops_per_watt("inference"), useful_tops_per_watt=breakdown.useful_tops_per_watt,
        latency=latency.total, training_latency=latency.of(*TRAINING_PHASES),
        inference_latency=breakdown.latency_of_an_image, area=Range.total(breakdown.area.values()),
        by_component_and_phase=nested, latency_by_phase=latency.phases, area_by_part=breakdown.area,
        utilisation=latency.utilisation(), cells_used=breakdown.cells_used, provenance=breakdown.provenance_shares(),
        assumed=breakdown.assumed(), uncounted=tuple(breakdown.uncounted()), widest=breakdown.widest,
        lifetime=breakdown.lifetimes,
        images=Images(trained=facts.trained, inferred=facts.inferred, epochs=facts.epochs),
        training_by_epoch=tuple(spent), by_training_phase=dict(phases), array_models=tuple(models),
        digital=tuple(digital), items=breakdown.items if lines else (), **({"aged": tuple(aged)} if aged else {}),
    )  # fmt: skip

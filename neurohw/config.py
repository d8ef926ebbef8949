"""The experiment: a frozen, validated configuration, read from TOML, overridden by dotted keys, hashed.

Sections mirror the parts; unknown keys are errors. A file may hold `[[when]]` tables: `match` names keys and values,
`set` names the keys that then change, so that one file can carry settings per label count, per device or per variant.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from neurohw.names import Name
from neurohw.variants import published

Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Bits = Annotated[int, Field(strict=True, ge=0, le=16)]  # 0: not quantised


class Section(BaseModel):
    """A table of an experiment file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _flat(given: Any) -> Any:
    """Take nested tables, as in [target.parameters.decision], for dotted keys."""
    if not isinstance(given, dict):
        return given
    flat: dict[str, Any] = {}
    for key, value in given.items():
        inner = _flat(value) if isinstance(value, dict) else None
        flat |= {key: value} if inner is None else {f"{key}.{name}": item for name, item in inner.items()}
    return flat


class DataSection(Section):
    """What is learnt: data set, subsets, and which part is evaluated."""

    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits"
    train_limit: Count | None = None
    test_limit: Count | None = None
    labels: Count | None = None
    labelled_set: Literal["stratified", "balanced"] = "stratified"
    evaluate_on: Literal["test", "validation"] = "test"
    validation_fraction: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1


class NetworkSection(Section):
    """Which network: learning rule, neurons per layer (the input first), activation circuits, biases."""

    rule: Literal["bp", "ep"] = "bp"
    layers: Annotated[tuple[Count, ...], Field(min_length=2)] = (64, 100)
    neurons: tuple[Literal["identity", "relu", "hardsigm", "sigmoid", "tanh"], ...] = ("hardsigm",)
    bias: Literal["digital", "line"] = "digital"
    init_gain: NonNegative = 0.5


class TargetSection(Section):
    """The target circuit: kWTA with homeostasis (Liu et al. 2024, Eqs. 1, 2, 9 to 13), and what it is made of."""

    circuit: Literal["ideal", "analog", "spiking"] = "ideal"
    model: str | None = None
    parameters: Annotated[dict[str, StrictBool | int | float | str], BeforeValidator(_flat)] = {}
    k: Count = 1
    gamma: NonNegative = 0.5
    average: Literal["batch", "ema"] = "batch"
    eta: Fraction = 0.1
    smoothing: Probability = 0.0
    reset: Literal["epoch", "never"] = "epoch"
    ties: Literal["lowest", "random"] = "lowest"
    activity_target: Literal["paper", "code"] = "code"
    average_of: Literal["target", "winners"] = "target"


class ScheduleSection(Section):
    """Factor of the learning rate per epoch; a linear one spans `over` epochs (the phase's, unless given)."""

    kind: Literal["constant", "linear", "exponential"] = "constant"
    start: NonNegative = 1.0
    end: NonNegative = 1.0
    over: Count | None = None
    decay: Fraction = 1.0


class PretrainSection(Section):
    """Supervised pre-training, and the labelled batches of the alternation."""

    epochs: Annotated[int, Field(strict=True, ge=0)] = 100
    batch_size: Count = 32
    learning_rate: tuple[NonNegative, ...] = (0.001, 0.003)
    schedule: ScheduleSection = ScheduleSection(kind="exponential", decay=0.97)


class TrainingSection(Section):
    """How it learns: mode, length, batches, update rule, schedules, dropout and loss."""

    mode: Literal["supervised", "unsupervised", "semi-supervised"] = "unsupervised"
    epochs: Count = 10
    batch_size: Count = 16
    learning_rate: tuple[NonNegative, ...] = (1.0,)
    optimizer: Literal["pulsed-sgd", "sgd", "adam"] = "pulsed-sgd"
    schedule: ScheduleSection = ScheduleSection()
    supervised_schedule: ScheduleSection = ScheduleSection()
    dropout: tuple[Probability, ...] = ()
    loss: Literal["mse", "cross-entropy"] = "mse"
    loss_reduction: Literal["mean", "sum"] = "mean"
    cross_entropy_on: Literal["outputs", "logits"] = "outputs"
    pretrain: PretrainSection = PretrainSection()


class EPSection(Section):
    """Equilibrium Propagation: relaxation, nudging, and how the contrast is written."""

    dt: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.2
    free_steps: Count = 40
    nudged_steps: Count = 10
    beta: Positive = 0.2
    beta_sign: Literal["random", "positive"] = "random"
    estimate: Literal["one-sided", "symmetric"] = "one-sided"
    contrast: Literal["two-phase", "difference"] = "two-phase"
    pulse_order: Literal["free-first", "nudged-first"] = "free-first"
    hold_input: StrictBool = True


class HardwareSection(Section):
    """On what it runs: back-end, device and remedy, pulses, converters and read errors, tiles, wires, time."""

    backend: Literal["ideal", "analog", "aihwkit"] = "ideal"
    device: str | None = None
    device_parameters: dict[str, StrictBool | float | tuple[float, ...]] = {}
    remedy: str = "none"
    remedy_parameters: dict[str, StrictBool | int | float] = {}
    reference: Literal["array", "column", "offset", "none"] | None = None
    pulse_length: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 31
    pulse_kind: Literal["stochastic", "deterministic"] = "stochastic"
    increments: Literal["open-loop", "verified"] = "open-loop"
    weight_range: Positive | None = None
    dac_bits: Bits = 7
    adc_bits: Bits = 9
    output_bound: Positive = 12.0
    read_noise: NonNegative = 0.06
    weight_noise: NonNegative = 0.0
    relative_noise: NonNegative = 0.0
    input_noise: NonNegative = 0.0
    input_coding: Literal["amplitude", "pulse-width", "bit-serial"] = "amplitude"
    input_scale: Literal["vector", "batch"] = "vector"
    signed_passes: StrictBool = False
    column_gain: NonNegative = 0.0
    column_offset: NonNegative = 0.0
    read_nonlinearity: NonNegative = 0.0
    stuck_fraction: Probability = 0.0
    fault_maps: Annotated[dict[str, str], BeforeValidator(_flat)] = {}
    wire_resistance: NonNegative = 0.0
    tile: tuple[Count, Count] | None = None
    step_seconds: NonNegative = 1.0
    compensation: Literal["none", "global", "per-column"] = "none"
    off_chip: str | None = None
    drift_compensation: StrictBool = True
    periphery: str | None = None


class EnergySection(Section):
    """How a chip with `hardware.periphery` is accounted: what works at once, EP, standby, the pulses of lines."""

    ep: Literal["clocked", "continuous"] = "clocked"
    columns_per_adc: Count = 8
    tiles_at_once: Count | None = None
    phases_overlap: StrictBool = False
    digital: Literal["int8", "fp16", "fp32"] = "fp16"
    standby: Literal["busy", "simulated", "none"] = "busy"
    polarities: Literal["in-turn", "together"] = "in-turn"


class ClassifierSection(Section):
    """The linear classifier on the frozen outputs."""

    epochs: Count = 50
    batch_size: Count = 256
    learning_rate: Positive | tuple[Positive, ...] = 0.1
    dropout: Probability = 0.2
    activation: Literal["sigmoid", "identity"] = "sigmoid"
    decay: Fraction | None = None
    end_factor: Fraction = 1.0


class EvaluationSection(Section):
    """How classes are read out, with which shares of the labels, how often, and at which ages."""

    association: Annotated[tuple[Literal["direct", "linear"], ...], Field(min_length=1)] = ("direct",)
    label_fraction: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (1.0,)
    every: Count = 1
    age_seconds: tuple[NonNegative, ...] = ()
    classifier: ClassifierSection = ClassifierSection()


class Experiment(Section):
    """A complete experiment of kind "onchip"; what is not given takes its default, or the variant's."""

    name: Name = "experiment"
    kind: Literal["onchip"] = "onchip"
    variant: Literal["code", "paper"] = "code"
    runs: Count = 3
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    target: TargetSection = TargetSection()
    training: TrainingSection = TrainingSection()
    ep: EPSection = EPSection()
    hardware: HardwareSection = HardwareSection()
    energy: EnergySection = EnergySection()
    evaluation: EvaluationSection = EvaluationSection()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_what_was_published(cls, given: Any) -> Any:
        return merged(published(given), given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _fits_together(self) -> Experiment:
        if complaints := _complaints(self):
            raise ValueError("\n  ".join(complaints))
        return self

    def canonical(self) -> dict[str, Any]:
        """Return the configuration as plain data, every default written out."""
        return self.model_dump(mode="json")

    def __hash__(self) -> int:
        """Hash the plain data: tables of parameters are dictionaries, which have no hash of their own."""
        return hash(json.dumps(self.canonical(), sort_keys=True))


def config_hash(experiment: Experiment, contents: dict[str, str]) -> str:
    """Return the hash of what decides the numbers: the configuration and the checksums of the files it names.

    The number of runs is left out: it changes how often, not what.

    Args:
        experiment: complete configuration.
        contents: name -> checksum of data and device files.
    """
    config = {key: value for key, value in experiment.canonical().items() if key != "runs"}
    text = json.dumps({"config": config, "contents": contents}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on top, table by table."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        result[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result


def _complaints(e: Experiment) -> list[str]:
    """Return what does not fit together, each as `key: got value; allowed: ...`."""
    n_layers, n_out = len(e.network.layers) - 1, e.network.layers[-1]
    found = []
    if e.target.circuit == "ideal" and (e.target.model or e.target.parameters):
        given = "model" if e.target.model else "parameters"
        found.append(f'target.{given}: got {getattr(e.target, given)!r}, which target.circuit "ideal" does not read')
    timed = {"homeostasis.leak_seconds", "homeostasis.average_seconds"} & e.target.parameters.keys()
    if timed and not e.hardware.step_seconds:
        found.append(f"hardware.step_seconds: got 0; target.parameters {sorted(timed)[0]} needs the time of a batch")
    if e.target.circuit == "spiking" and e.target.model:
        found.append(f'target.model: got {e.target.model!r}, which target.circuit "spiking" does not read')
    if e.target.k > n_out:
        found.append(f"target.k: got {e.target.k}; allowed: 1 to {n_out}, the outputs of network.layers")
    lengths = {
        "training.learning_rate": (len(e.training.learning_rate), n_layers, "one per layer of synapses"),
        "training.dropout": (len(e.training.dropout) or n_layers + 1, n_layers + 1, "one per layer of neurons"),
    }
    if e.network.rule == "bp":
        lengths["network.neurons"] = (len(e.network.neurons), n_layers, "one per layer of synapses, hidden first")
    else:
        lengths["network.neurons"] = (len(e.network.neurons), 1, "one circuit for all dynamical units of EP")
    if e.training.mode == "semi-supervised":
        rates = len(e.training.pretrain.learning_rate)
        lengths["training.pretrain.learning_rate"] = (rates, n_layers, "one per layer of synapses")
        if e.data.labels is None:
            found.append("data.labels: not given; semi-supervised learning needs the number of labelled images")
    for key, (got, wanted, why) in lengths.items():
        if got != wanted:
            found.append(f"{key}: got {got} values; allowed: {wanted} ({why})")
    if e.network.rule == "ep" and e.training.loss == "cross-entropy" and n_layers < 2:
        found.append("training.loss: cross-entropy under EP is a read-out on a hidden layer; network.layers has none")
    if e.hardware.backend != "ideal" and e.hardware.device is None:
        found.append(f"hardware.device: not given; backend {e.hardware.backend} needs one (see `neurohw device list`)")
    for key in ("dac_bits", "adc_bits"):
        if getattr(e.hardware, key) == 1:
            found.append(f"hardware.{key}: got 1; allowed: 0 (not quantised) or 2 to 16, the sign takes one bit")
    found += _unread_hardware(e)
    if e.hardware.periphery is None and e.energy != EnergySection():
        found.append("energy: got settings, but hardware.periphery names no table to account with, as in 32nm")
    per_fraction = e.evaluation.classifier.learning_rate
    if isinstance(per_fraction, tuple) and len(per_fraction) != len(e.evaluation.label_fraction):
        found.append(
            f"evaluation.classifier.learning_rate: got {len(per_fraction)} values; allowed: one per label_fraction"
        )
    return found


_READ_BY = {
    "ideal": {"backend", "step_seconds", "off_chip", "drift_compensation", "periphery"},
    "aihwkit": {
        "backend", "device", "device_parameters", "remedy", "pulse_length", "weight_range", "dac_bits", "adc_bits",
        "output_bound", "read_noise", "weight_noise", "input_scale", "read_nonlinearity",
        "tile", "step_seconds", "periphery",
    },
    "analog": HardwareSection.model_fields.keys() - {"off_chip", "drift_compensation"},
}  # fmt: skip


def _unread_hardware(e: Experiment) -> list[str]:
    """Return the hardware keys that were set and that the chosen back-end would not read."""
    hardware, default = e.hardware, HardwareSection()
    unread = HardwareSection.model_fields.keys() - _READ_BY.get(hardware.backend, HardwareSection.model_fields.keys())
    found = [
        f'hardware.{key}: got {getattr(hardware, key)!r}, which backend "{hardware.backend}" does not read'
        for key in unread - {"off_chip"}
        if getattr(hardware, key) != getattr(default, key)
    ]
    if hardware.off_chip is not None and hardware.backend != "ideal":
        found.append(f'hardware.off_chip: got {hardware.off_chip!r}; only networks trained on "ideal" are programmed')
    if hardware.off_chip is not None and not e.evaluation.age_seconds:
        found.append(f"hardware.off_chip: got {hardware.off_chip!r}, but evaluation.age_seconds names no age")
    if e.evaluation.age_seconds and hardware.off_chip is None and hardware.backend == "ideal":
        found.append("evaluation.age_seconds: ideal weights do not age; name hardware.off_chip, or another back-end")
    return sorted(found)

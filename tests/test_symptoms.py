"""What keeps a run from learning: planted causes are named, each by itself, and what is counted has closed forms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import recall_score

from neurohw.crossbar.base import OuterProducts, Product, SynapseArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.standing import Conversions
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment
from neurohw.metering.array_watch import ArrayWatch, Signs
from neurohw.runs.onchip import OnChip
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.runs.symptoms import of_step_time, unanswered
from neurohw.runs.warnings import lost_classes
from neurohw.seeding import Streams

EQUAL = {"w_max_dtod": 0.0, "w_min_dtod": 0.0}
SHORT: dict[str, Any] = {
    "hardware.backend": "analog", "hardware.device": "constant_step", "hardware.device_parameters": EQUAL,
    "hardware.recommended": False, "data.train_limit": 400, "data.test_limit": 200, "training.epochs": 5,
}  # fmt: skip
EP = {"network.rule": "ep"}
AGES = {"hardware.device_parameters": EQUAL | {"retention.lifetime": 1e6}, "hardware.periphery": "32nm"}
PLANTED: dict[str, tuple[dict[str, Any], set[str], str]] = {  # keys, kinds that are named, key of the message
    "nothing": ({}, set(), ""),
    "nothing, EP": (EP, set(), ""),
    "a time base that no device minds": ({"hardware.periphery": "32nm", "hardware.step_seconds": 0.0}, set(), ""),
    "no learning": ({"network.init_gain": 0.0, "training.learning_rate": [0.0]}, {"near chance"},
                    "a training.learning_rate ten times larger"),
    "wide weights": ({"network.init_gain": 6.0}, {"clipped"}, "a larger hardware.weight_range"),
    "unlike steps": (EP | {"hardware.device_parameters": EQUAL | {"asymmetry": 0.4}}, {"stuck", "near chance"},
                     "a larger hardware.weight_range"),
    "small changes": ({"training.learning_rate": [1e-3]}, {"lost"}, "a larger training.learning_rate"),
    "rounded changes": ({"training.learning_rate": [0.1], "hardware.pulse_kind": "deterministic"},
                        {"lost"}, 'hardware.pulse_kind = "stochastic"'),
    "a low bound": ({"hardware.output_bound": 0.2}, {"ADC"}, "a larger hardware.output_bound"),
    "a wide bound": ({"hardware.output_bound": 300.0}, {"unseen"}, "more hardware.adc_bits"),
    "leaks": ({"hardware.device_parameters": EQUAL | {"retention.lifetime": 50.0}}, {"drift", "near chance"},
              "a smaller hardware.step_seconds"),
    "slow batches": (AGES, {"step time"}, "a smaller one"),
    "instant batches": (AGES | {"hardware.step_seconds": 0.0}, {"step time"}, "a larger one"),
}  # fmt: skip


@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_cause_is_named_and_no_other(cause: str, tmp_path: Path) -> None:
    """And what it does to the accuracy, where it does; which classes are lost is a matter of the draws."""
    keys, kinds, advice = PLANTED[cause]
    record = run(load_experiment("quickstart", SHORT | keys), 0, tmp_path)
    assert {symptom.kind for symptom in record.symptoms} - {"unanswered"} == kinds
    assert [symptom.message for symptom in record.symptoms] == record.warnings
    assert advice in " ".join(record.warnings)
    assert read_record(tmp_path).symptoms == record.symptoms
    assert ("symptoms" in (tmp_path / "record.json").read_text()) == bool(record.symptoms)
    if "near chance" in kinds and len(kinds) > 1:
        (other,) = kinds - {"near chance"}
        assert record.warnings[0].endswith(f"; what may be why: {other} (W1)")


SUPERVISED: dict[str, Any] = {
    "network.layers": [64, 60, 10], "training.mode": "supervised", "training.learning_rate": [2.0, 4.0],
    "training.epochs": 5, "training.dropout": [],
}  # fmt: skip


def test_classes_whose_outputs_died_are_named(tmp_path: Path) -> None:
    """Outputs of hardsigm fall below 0 for all images of a class; those of a sigmoid come back."""
    dead = load_experiment("quickstart", SUPERVISED)
    record = run(dead, 0, tmp_path / "dead")
    (symptom,) = record.symptoms
    shares = {label: own["test_accuracy"] for label, own in record.metrics["by_class"].items()}
    lost = [label for label, share in shares.items() if share < 0.05]
    assert symptom.kind == "unanswered"
    assert symptom.amount == len(lost) / 10 > 0
    assert f"classes {', '.join(lost)} fewer" in symptom.message
    assert "hardsigm that is 0 for all images of a class" in symptom.message
    alive = SUPERVISED | {"network.neurons": ["relu", "sigmoid"], "training.loss": "cross-entropy"}
    assert not run(load_experiment("quickstart", alive), 0, tmp_path / "alive").symptoms


@pytest.mark.parametrize("mode", ["supervised", "unsupervised"])
def test_accuracies_by_class_are_recalls(mode: str) -> None:
    """Against scikit-learn, and against the accuracy: the mean by how many images each class has."""
    keys = SUPERVISED if mode == "supervised" else {"data.test_limit": 300}
    job = OnChip(load_experiment("quickstart", keys), Streams(0))
    job.build()
    metrics = job.evaluate("now", final=True)
    outputs, labels = job.network.respond(job.task.as_input(torch.float32)(job.task.test.images)).output, job.task.test
    assert labels.labels is not None
    name = "test_accuracy" if mode == "supervised" else "direct_accuracy"
    shares = [metrics["by_class"][str(label)][name] for label in range(10)]
    counts = torch.bincount(labels.labels, minlength=10)
    assert sum(share * n for share, n in zip(shares, counts.tolist(), strict=True)) / len(labels.labels) == (
        pytest.approx(metrics[name])
    )
    assert len(set(shares)) > 2
    if mode == "supervised":
        assert shares == pytest.approx(list(recall_score(labels.labels, outputs.argmax(1), average=None)))
    assert "by_class" not in job.evaluate("between", final=False)


def test_a_network_at_chance_and_one_that_is_weak_have_lost_no_class() -> None:
    weak = {str(label): {"test_accuracy": 0.3} for label in range(10)}
    guesses = weak | {"0": {"test_accuracy": 1.0}} | {str(label): {"test_accuracy": 0.0} for label in range(1, 10)}
    assert not [*unanswered({"test_accuracy": 0.3, "by_class": weak}, 0.1)]
    assert not [*unanswered({"test_accuracy": 0.1, "by_class": guesses}, 0.1)]
    (one,) = unanswered({"test_accuracy": 0.3, "by_class": weak | {"7": {"test_accuracy": 0.049}}}, 0.1, "!")
    assert (one.where, one.amount) == ("test_accuracy", 0.1)
    assert one.message == "test accuracy: of class 7 fewer than 5 % of the images are recognised!"


def test_what_to_try_where_classes_are_lost() -> None:
    tried = [lost_classes(load_experiment("quickstart", keys)) for keys in ({}, {"target.gamma": 0.0}, SUPERVISED | EP)]
    assert ["more outputs" in tried[0], "target.gamma" in tried[0], "target.gamma above 0" in tried[1], tried[2]] == [
        True, False, True, ""
    ]  # fmt: skip


def test_a_run_that_goes_on_has_the_symptoms_of_one_in_one_piece(tmp_path: Path) -> None:
    keys = {**SHORT, "training.learning_rate": [1e-3], "hardware.output_bound": 0.2}
    experiment = load_experiment("quickstart", keys)
    whole = run(experiment, 0, tmp_path / "whole").symptoms
    run(experiment, 0, tmp_path / "parts", stop_after=2)
    assert run(experiment, 0, tmp_path / "parts", resume=True).symptoms == whole
    assert [symptom.kind for symptom in whole if symptom.kind != "unanswered"] == ["lost", "ADC"]


def _array(weights: torch.Tensor, parameters: dict[str, Any], **settings: Any) -> SynapseArray:
    still = {"step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, **EQUAL}
    return build_array("analog", weights, device=load_device("constant_step").with_parameters(still | parameters),
                       **settings)  # fmt: skip


def _signs(watch: ArrayWatch) -> Signs:
    signs = watch.signs()
    assert signs is not None
    return signs


@pytest.mark.parametrize("tile", [None, (40, 30)])
def test_changes_that_no_pulse_gives(tile: tuple[int, int] | None) -> None:
    """Every product asks for n = 0.02 steps: its train of one slot gives a pulse with that probability."""
    step, samples, n = 0.001, 100, 0.02
    array = _array(torch.zeros(100, 80), {}, tile=tile)
    products = OuterProducts((Product(torch.ones(samples, 100), torch.ones(samples, 80)),), 1.0)
    watch = ArrayWatch(array)
    array.update(products, n * step)
    watch.updated(products, n * step)
    signs = _signs(watch)
    assert signs.lost == pytest.approx((1 - n) ** samples, rel=0.15)  # near exp(-2); lines share their pulses
    assert not signs.rounded


def test_changes_that_rounding_takes() -> None:
    """Of two terms, one asks for 0.4 and 0.7 steps of two weights, the other for 0.3 and 0: 0.7 of 1.4 steps."""
    array = _array(torch.zeros(1, 2), {}, pulses=PulseScheme(kind="deterministic"))
    one, other = (torch.tensor([values]) for values in ([0.4, 0.7], [0.3, 0.0]))
    products = OuterProducts((Product(torch.ones(1, 1), one), Product(torch.ones(1, 1), other, -1)), 1.0)
    watch = ArrayWatch(array)
    watch.updated(products, 0.001)
    signs = _signs(watch)
    assert signs.rounded
    assert signs.lost == pytest.approx(0.7 / 1.4)


def test_digital_sums_lose_nothing_until_the_end() -> None:
    """Half a step a time: after one update nothing is written, after two all of it."""
    array = _array(torch.zeros(3, 4), {}, remedy="mixed-precision")
    products = OuterProducts((Product(torch.ones(1, 3), torch.ones(1, 4)),), 1.0)
    watch = ArrayWatch(array)
    for lost in (1.0, 0.0):
        array.update(products, 0.00051)
        watch.updated(products, 0.00051)
        assert _signs(watch).lost == lost


@pytest.mark.parametrize("remedy", ["none", "differential"])
def test_weights_that_come_to_a_bound(remedy: str) -> None:
    """Of 40 weights, ten start at the upper bound, and four more are driven to the lower one."""
    weights = torch.zeros(4, 10)
    weights[0] = 5.0
    array = _array(weights, {}, remedy=remedy)
    watch = ArrayWatch(array)
    delta = torch.zeros(4, 10)
    delta[2, :4] = -5.0
    array.increment(delta)
    watch.incremented(delta)
    assert _signs(watch).stuck == pytest.approx(4 / 40)


def test_broken_cells_are_not_stuck_at_a_bound() -> None:
    watch = ArrayWatch(_array(torch.zeros(40, 40), {"faults.stuck_high": 0.3}))
    assert _signs(watch).stuck == 0
    assert int(watch._array.standing().at_bound.sum()) == 0  # type: ignore[union-attr]


def test_drift_over_what_learning_asks_for() -> None:
    """A leak of time constant tau takes 1 - exp(-dt / tau) of each weight a batch."""
    weights = torch.full((6, 5), 0.2)
    array = _array(weights, {"retention.lifetime": 10.0})
    products = OuterProducts((Product(torch.ones(1, 6), torch.ones(1, 5)),), 1.0)
    watch = ArrayWatch(array)
    watch.updated(products, 0.03)  # of which nothing is written here
    array.elapse(2.0)
    watch.aged()
    assert _signs(watch).drift == pytest.approx(0.2 * -math.expm1(-0.2) / 0.03, rel=1e-5)


@pytest.mark.parametrize(("passes", "outputs", "beyond"), [(False, 8, 2), (True, 16, 6)])
def test_outputs_beyond_the_converters_bound(passes: bool, outputs: int, beyond: int) -> None:
    """A bound of 0.3: of 0.4, 0.2, 0.08, -0.4 and zeros two lie beyond; read sign by sign, so do four of 0.36."""
    path = ReadPath(None, None, read_noise=0.0, input_bound=math.inf, output_bound=0.3, signed_passes=passes)
    array = _array(torch.tensor([[0.4], [0.2], [0.08], [-0.4]]).expand(4, 2), {}, read_path=path)
    array.read(torch.tensor([[1.0, 0.0], [0.9, -0.9]]))
    standing = array.standing()
    assert standing is not None
    assert (standing.forward.outputs, standing.forward.beyond) == (outputs, beyond)
    assert standing.backward.outputs == 0


def test_outputs_within_half_a_step_of_the_converter() -> None:
    """Steps of 0.1: of 0.04, 0.049, 0.051 and 0.5 times 1, -1 and 0.5; a vector of zeros drives nothing."""
    path = ReadPath(None, 5, read_noise=0.0, input_bound=math.inf, output_bound=1.5)
    weights = torch.tensor([[0.04], [0.049], [0.051], [0.5]])
    array, other = (_array(values, EQUAL, read_path=path) for values in (weights, torch.zeros(4, 1)))
    array.read(torch.tensor([[1.0], [-1.0], [0.5], [0.0]]))
    array.read_transposed(torch.zeros(3, 4))
    other.load_state_dict(array.state_dict())
    for standing in (array.standing(), other.standing()):
        assert standing is not None
        assert standing.forward == Conversions(outputs=16, beyond=0, driven=12, zero=2 + 2 + 3)
        assert (standing.forward + standing.forward).unseen == 7 / 12
        assert (standing.backward.outputs, standing.backward.driven, standing.backward.unseen) == (3, 0, 0.0)


@pytest.mark.parametrize(("bits", "named"), [(6, {"W2, transposed"}), (9, set())])
def test_few_bits_do_not_show_the_outputs_to_the_layer_before(bits: int, named: set[str], tmp_path: Path) -> None:
    """EP tells 200 neurons of 10 outputs by reads of the weights between them, the other way round."""
    keys: dict[str, Any] = {
        "network.rule": "ep", "network.layers": [64, 200, 10], "training.mode": "supervised", "network.neurons":
        ["hardsigm"], "training.learning_rate": [0.01, 0.01], "hardware.adc_bits": bits, "hardware.weight_range": 1.0,
        "training.dropout": [0.0, 0.0, 0.0],
    }  # fmt: skip
    record = run(load_experiment("quickstart", SHORT | {"training.epochs": 1} | keys), 0, tmp_path)
    signs = [symptom for symptom in record.symptoms if symptom.kind == "unseen"]
    assert {sign.where for sign in signs} - {"W2"} == named  # small initial weights are not seen forward either
    assert all("more hardware.adc_bits" in sign.message for sign in signs)


@pytest.mark.parametrize(("given", "amount"), [(1.0, 100.0), (0.101, 10.1), (0.099, None), (0.01, None),
                                               (0.0011, None), (0.0009, 0.09)])  # fmt: skip
def test_a_time_base_is_far_from_ten_times_on(given: float, amount: float | None) -> None:
    """A batch takes 10 ms on the chip."""
    symptoms = [*of_step_time(given, 0.01)]
    assert [symptom.amount for symptom in symptoms] == ([] if amount is None else [pytest.approx(amount)])
    assert all("10 ms" in symptom.message for symptom in symptoms)

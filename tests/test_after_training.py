"""The trained chip as it ages: closed forms of its reads, independent ages, compensation, and learning on it again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.config import OnChipExperiment
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.metering.ledger import Counts
from neurohw.runs.after_training import Chip, _as_trained, _at_age, evaluate_ages, learn_again
from neurohw.runs.evaluate import evaluate
from neurohw.runs.onchip import OnChip
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.studies.estimate import estimate
from neurohw.training.loop import train_epoch
from neurohw.training.rules import build_rule

NU = 0.1
SMALL: dict[str, Any] = {
    "data.train_limit": 200, "data.test_limit": 100, "training.epochs": 2, "hardware.device": "ecram",
    "hardware.step_seconds": 1e-6,
    "hardware.device_parameters": {"retention.drift_nu": NU},
}  # fmt: skip
PERFECT = {f"hardware.{key}": 0 for key in ("dac_bits", "adc_bits")} | {"hardware.read_noise": 0.0}
SPREAD = {"hardware.device_parameters": {"retention.drift_nu": NU, "retention.drift_nu_dtod": 0.05}}
AGES = {
    "evaluation.age_seconds": [10.0, 1e6], "evaluation.compensation": ["none", "global"],
    "evaluation.recovery_images": 40,
}  # fmt: skip


def experiment_of(**more: Any) -> OnChipExperiment:
    experiment = load_experiment("quickstart", SMALL | more)
    assert isinstance(experiment, OnChipExperiment)
    return experiment


def trained(experiment: OnChipExperiment) -> tuple[OnChip, Chip]:
    job = OnChip(experiment, Streams(0))
    job.build()
    for epoch in job.plan:
        for _ in job.train(epoch, 0):
            pass
    return job, job._as_trained()


def layers_of(chip: Chip) -> list[Any]:
    return [layer.over(layer.array.array) for layer in chip.network.layers]


@pytest.mark.parametrize("seconds", [1.0, 1e3, 1e8])
def test_the_network_reads_what_drift_leaves_of_each_conductance(seconds: float) -> None:
    """g(t) = g(t0) (t / t0)^-nu, t0 = 1 s, of devices and of the reference cells that they are less, alike."""
    job, chip = trained(experiment_of(**PERFECT, **{"evaluation.age_seconds": [seconds]}))
    young = job.network.layers[0].array.snapshot().clone()
    images = chip.task.as_input()(chip.task.test.images)
    with _as_trained(chip, layers_of(chip), "none", "2") as aged:
        aged.network.elapse(seconds)
        (layer,) = aged.network.layers
        torch.testing.assert_close(layer.array.read(images), images @ young.t() * seconds**-NU, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("way", ["global", "per-column"])
def test_compensation_of_equal_exponents_is_exact_without_noise(way: str) -> None:
    job, chip = trained(experiment_of(**PERFECT, **{"evaluation.age_seconds": [1e6]}))
    young = job.network.layers[0].array.snapshot().clone()
    before = job.evaluate("2", final=False)
    with _as_trained(chip, layers_of(chip), way, "2") as aged:
        assert _at_age(chip, aged, 1e6, "2") == before
        torch.testing.assert_close(aged.network.layers[0].array.snapshot(), young, rtol=1e-4, atol=1e-6)
        counts = aged.ledger.counts()["W1"]["compensation"]
        assert counts["reads"] == 2 * 64  # every line of the inputs, before and after
        assert counts["adc_conversions"] == 2 * 64 * 100
    with _as_trained(chip, layers_of(chip), "none", "2") as aged:
        aged.network.elapse(1e6)
        assert "compensation" not in aged.ledger.counts().get("W1", {})
        shrunk = aged.network.layers[0].array.snapshot()
    torch.testing.assert_close(shrunk, young * 1e6**-NU, rtol=2e-4, atol=1e-6)


def test_ages_do_not_depend_on_each_other_nor_on_their_order() -> None:
    """With noise, a circuit that draws, and re-training: each age begins at the same trained state."""
    noisy = SPREAD | AGES | {
        "target.circuit": "analog", "target.parameters": {"decision.comparator_noise": 1e-9}, "target.ties": "random",
    }  # fmt: skip
    found = []
    for ages in ([10.0, 1e6], [1e6, 10.0], [1e6]):
        job, chip = trained(experiment_of(**noisy | {"evaluation.age_seconds": ages}))
        weights, streams = job.network.layers[0].array.snapshot().clone(), job.streams.state_dict()
        found.append(evaluate_ages(chip, "2").metrics["by_age_seconds"])
        assert torch.equal(job.network.layers[0].array.snapshot(), weights)
        assert all(torch.equal(state, streams[name]) for name, state in job.streams.state_dict().items())
    assert list(found[0]) == list(found[1]) == ["10", "1e+06"]
    assert found[0] == found[1]
    assert found[2]["1e+06"] == found[0]["1e+06"]
    assert found[0]["10"] != found[0]["1e+06"]


def test_learning_from_no_images_changes_nothing_and_from_some_goes_on() -> None:
    """40 images are a third batch begun, 400 two passes through 200; arrays are put back, and biases are a copy's."""
    job, chip = trained(experiment_of(**SPREAD, **{"evaluation.age_seconds": [1e6]}))
    before, young = job.network.state_dict(), job.evaluate("2", final=False)
    for images, presented in ((0, 0), (40, 48), (400, 400)):
        with _as_trained(chip, layers_of(chip), "none", "2") as aged:
            parts = (chip.experiment, aged.network, chip.task, chip.streams, "later")
            _at_age(chip, aged, 1e6, "2")
            as_aged, weights = evaluate(*parts, final=False), aged.network.layers[0].array.snapshot().clone()
            assert as_aged != young
            assert learn_again(chip, aged, images, "2") == presented
            assert aged.ledger.counts()["clock"].get("forward", {}).get("images", 0) == presented
            assert torch.equal(aged.network.layers[0].array.snapshot(), weights) is not bool(images)
            assert (evaluate(*parts, final=False) == as_aged) is not bool(images)
        assert all(torch.equal(value, before[name]) for name, value in job.network.state_dict().items())
    assert job.evaluate("2", final=False) == young


@pytest.fixture(scope="module")
def accounted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunRecord]:
    """Return a run, and the same run with ages: drift of equal exponents at 1 s is none."""
    more: dict[str, Any] = {"hardware.periphery": "32nm", "training.epochs": 4}
    ages = AGES | {"evaluation.age_seconds": [1.0, 1e6], "evaluation.recovery_images": 160}
    return {
        name: run(experiment_of(**more | how), 0, tmp_path_factory.mktemp(name))
        for name, how in {"plain": {}, "aged": ages}.items()
    }


def test_what_is_done_to_the_aged_chip_is_in_no_count_of_the_run(accounted: dict[str, RunRecord]) -> None:
    plain, aged = accounted["plain"], accounted["aged"]
    assert aged.ledger["counts"] == plain.ledger["counts"]
    assert plain.energy is not None
    assert aged.energy is not None
    assert aged.energy.total == plain.energy.total
    assert {key: value for key, value in aged.metrics.items() if key != "by_age_seconds"} == plain.metrics
    assert "aged" not in plain.ledger


def test_re_training_costs_what_training_does_and_compensation_a_read_of_all_cells(
    accounted: dict[str, RunRecord],
) -> None:
    """A chip that has not drifted yet takes per image what the last epoch took (pulses are random: within 5 %)."""
    account = accounted["aged"].energy
    assert account is not None
    spent = [energy.nominal for energy in account.training_by_epoch]
    costs = {(cost.age_seconds, cost.compensation): cost for cost in account.aged}
    assert list(costs) == [(1.0, "none"), (1.0, "global"), (1e6, "none"), (1e6, "global")]
    young = costs[1.0, "none"]
    assert (young.images, young.compensating.nominal) == (160, 0)
    assert young.recovery.nominal / young.images == pytest.approx((spent[-1] - spent[-2]) / 200, rel=0.05)
    assert costs[1.0, "global"].recovery.nominal == pytest.approx(young.recovery.nominal, rel=1e-3)
    assert account.per_inference is not None
    for age in (1.0, 1e6):  # 128 vectors of one line each: less than as many images, which drive all lines
        compensating = costs[age, "global"].compensating.nominal
        assert 0.3 * 128 * account.per_inference.nominal < compensating < 128 * account.per_inference.nominal
    assert all(cost.pulses > 0 for cost in account.aged)


def test_layers_that_learn_one_after_the_other_learn_again_so() -> None:
    """Each from half of the images, at the rate of its last epoch: about as many pulses an image as it took there."""
    hebbian = {"network.rule": "hebbian-wta", "network.layers": [64, 20, 20], "training.learning_rate": [0.3, 0.3],
               "training.epochs": 4}  # fmt: skip
    job = OnChip(experiment_of(**hebbian, **{"evaluation.age_seconds": [10.0]}), Streams(0))
    job.build()
    pulses = [{"W1": 0.0, "W2": 0.0}]
    for epoch in job.plan:
        job.begin(epoch, lambda *_: None)
        for _ in job.train(epoch, 0):
            pass
        pulses.append(pulses_of(job.ledger.counts()))
    chip = job._as_trained()
    with _as_trained(chip, layers_of(chip), "none", "4") as aged:
        assert learn_again(chip, aged, 400, "4") == 400
        again = pulses_of(aged.ledger.counts())
    assert again["W1"] == pytest.approx(pulses[2]["W1"] - pulses[1]["W1"], rel=0.5)
    assert again["W2"] == pytest.approx(pulses[4]["W2"] - pulses[3]["W2"], rel=0.5)


def test_the_layer_with_one_epoch_more_learns_again_at_the_rate_of_its_last_one(monkeypatch: Any) -> None:
    """Of three epochs the second of two layers has two, at factors 1 and 1/4 of a linear schedule."""
    hebbian = {"network.rule": "hebbian-wta", "network.layers": [64, 20, 20], "training.learning_rate": [0.3, 0.3],
               "training.epochs": 3, "training.schedule.kind": "linear", "training.schedule.end": 0.25}  # fmt: skip
    job = OnChip(experiment_of(**hebbian, **{"evaluation.age_seconds": [10.0]}), Streams(0))
    job.build()
    rates: dict[str, list[float]] = {"plan": [], "again": []}
    for part in job.plan:
        rates["plan"].append(part.legs[0].phase.schedule.factor(part.index))
    chip = job._as_trained()

    def seen(network: Any, circuit: Any, begin: Any, epoch: Any, *others: Any) -> Any:
        rates["again"].append(epoch.legs[0].phase.schedule.factor(epoch.index))
        return train_epoch(network, circuit, begin, epoch, *others)

    monkeypatch.setattr("neurohw.runs.after_training.train_epoch", seen)
    with _as_trained(chip, layers_of(chip), "none", "3") as aged:
        learn_again(chip, aged, 400, "3")
    assert rates == {"plan": [1.0, 1.0, 0.25], "again": [1.0, 0.25]}


def test_learning_goes_on_with_the_moments_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the first step of Adam is the whole learning rate for every weight."""
    adam = {"training.optimizer": "adam", "training.learning_rate": [0.01]}
    _, chip = trained(experiment_of(**adam, **{"evaluation.age_seconds": [10.0]}))
    before = chip.phases[0].rule.state_dict()
    assert int(before["0.0.step"]) == 2 * 13
    rules = []

    def made(*given: Any) -> Any:
        rules.append(build_rule(*given))
        return rules[-1]

    monkeypatch.setattr("neurohw.runs.after_training.build_rule", made)
    for images, batches in ((0, 0), (40, 3)):
        with _as_trained(chip, layers_of(chip), "none", "2") as aged:
            learn_again(chip, aged, images, "2")
        after = rules[-1].state_dict()
        assert int(after["0.0.step"]) == 2 * 13 + batches
        assert torch.equal(after["0.0.exp_avg_sq"], before["0.0.exp_avg_sq"]) is not bool(batches)
    assert all(torch.equal(value, before[name]) for name, value in chip.phases[0].rule.state_dict().items())


def test_thresholds_leak_while_the_chip_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-training goes on from H exp(-t / tau) where thresholds are kept from epoch to epoch."""
    leak = {"target.circuit": "analog", "target.parameters": {"homeostasis.leak_seconds": 2.0}, "target.reset": "never"}
    aged = leak | {"evaluation.age_seconds": [3.0], "evaluation.recovery_images": 40}
    job, chip = trained(experiment_of(**aged))
    begun = []

    def seen(network: Any, circuit: Any, begin: Any, *others: Any) -> Any:
        begun.append(begin.threshold)
        return train_epoch(network, circuit, begin, *others)

    monkeypatch.setattr("neurohw.runs.after_training.train_epoch", seen)
    evaluate_ages(chip, "2")
    assert job.homeostasis.threshold.abs().max() > 0.01
    torch.testing.assert_close(begun, [job.homeostasis.threshold * math.exp(-1.5)])


def pulses_of(counts: Counts) -> dict[str, float]:
    updates = {name: counts.get(name, {}).get("update", {}) for name in ("W1", "W2")}
    return {name: events.get("pulses_up", 0.0) + events.get("pulses_down", 0.0) for name, events in updates.items()}


def test_networks_that_were_programmed_age_with_and_without_compensation(tmp_path: Path) -> None:
    more = {"hardware.device": None, "hardware.device_parameters": {}, "hardware.off_chip": "pcm-like"}
    ages = {"evaluation.age_seconds": [1e8], "evaluation.compensation": ["none", "global"]}
    plain = {"evaluation.age_seconds": [1e8]}
    found = run(experiment_of(**more | ages), 0, tmp_path / "both").metrics["by_age_seconds"]["1e+08"]
    usual = run(experiment_of(**more | plain), 0, tmp_path / "usual").metrics["by_age_seconds"]["1e+08"]
    assert found["by_compensation"]["global"] == usual  # hardware.drift_compensation
    assert found["by_compensation"]["none"] != found["by_compensation"]["global"]
    assert found["direct_accuracy"] == found["by_compensation"]["none"]["direct_accuracy"]  # of the first way
    without = experiment_of(**more | plain | {"hardware.drift_compensation": False})
    left = run(without, 0, tmp_path / "without").metrics["by_age_seconds"]["1e+08"]
    assert left == found["by_compensation"]["none"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"evaluation.age_seconds": []}, r"evaluation\.compensation: got \['none', 'global'\], but .*names no age"),
        ({"evaluation.age_seconds": []}, r"evaluation\.recovery_images: got 40, but evaluation\.age_seconds names"),
        ({"evaluation.compensation": ["both"]}, r"evaluation\.compensation\.0: got 'both'"),
        ({"evaluation.compensation": ["none", "none"]}, r"evaluation\.compensation: .*each way once"),
        ({"evaluation.compensation": "none"}, r"evaluation\.compensation: got 'none'"),
        ({"evaluation.recovery_images": -1}, r"evaluation\.recovery_images: got -1"),
        ({"evaluation.recovery_images": 1.5}, r"evaluation\.recovery_images: got 1\.5"),
        ({"hardware.backend": "aihwkit", "hardware.device_parameters": {}},
         r"evaluation\.compensation: got \['global'\]; allowed here: none"),
        ({"hardware.compensation": "per-column"}, r"compensation: got \['global'\]; allowed here: none, per-column"),
        ({"training.mode": "supervised"}, r"evaluation\.recovery_images: got 40, but training\.mode supervised"),
        ({"hardware.device": None, "hardware.device_parameters": {}, "hardware.off_chip": "pcm-like"},
         r"evaluation\.recovery_images: got 40, but devices of hardware\.off_chip"),
        ({"hardware.device": None, "hardware.device_parameters": {}}, r"evaluation\.age_seconds: ideal weights"),
    ],
)  # fmt: skip
def test_what_no_chip_can_do_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        experiment_of(**AGES | settings)


def test_experiments_without_the_new_keys_keep_their_hash() -> None:
    assert not {"compensation", "recovery_images"} & experiment_of().canonical()["evaluation"].keys()
    assert experiment_of(**AGES).canonical()["evaluation"]["recovery_images"] == 40


def test_an_estimate_counts_ages_ways_and_recovery() -> None:
    """Three ages, two ways: an evaluation each, another after recovery; 3 x 2 x 1000 images are learnt from."""
    small = {"data.train_limit": 200, "data.test_limit": 100, "training.epochs": 1, "hardware.device": "pcm_drift"}
    aged = {"evaluation.age_seconds": [1.0, 10.0, 100.0], "evaluation.compensation": ["none", "global"],
            "evaluation.recovery_images": 1000}  # fmt: skip
    plain, ageing = (load_experiment("quickstart", {**small, **more}) for more in ({}, aged))
    assert [OnChip(e, Streams(0)).after_training() for e in (plain, ageing)] == [(0, 0), (12, 6000)]
    assert estimate(ageing).seconds > 5 * estimate(plain).seconds

"""Attribution: costs add up to the gap, agree with Shapley's formula, and name the cause that was planted."""

from __future__ import annotations

import itertools
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from neurohw.bench.attribution import planted, scored
from neurohw.cli.app import app
from neurohw.config.hardware import HardwareSection
from neurohw.config.section import Axis
from neurohw.devices.library import device_names
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.hardware import device_model
from neurohw.runs.record import read_record
from neurohw.studies import attribution, causes
from neurohw.studies.attribution import Estimate
from neurohw.studies.attribution_words import sentences
from neurohw.studies.execution.processes import Processes
from neurohw.studies.execution.serial import Serial
from neurohw.studies.game import Game

QUICK: dict[str, Any] = {
    "hardware.device": "ecram", "hardware.recommended": False, "training.epochs": 1, "data.train_limit": 200,
    "data.test_limit": 100, "hardware.dac_bits": 0, "hardware.adc_bits": 0,
}  # fmt: skip


def game(values: dict[frozenset[str], float], names: tuple[str, ...], seeds: int) -> Game:
    """Return a game whose accuracies are known for every set of causes, the same for all seeds."""
    every = tuple(causes.Cause(name, {}) for name in names)
    experiment = load_experiment("quickstart", QUICK)
    played = Game(experiment, every, "direct_accuracy", Path("nowhere"), Serial(), lambda line: None)
    played.accuracy = {(subset, seed): value for subset, value in values.items() for seed in range(seeds)}
    return played


def subsets(names: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(chosen) for n in range(len(names) + 1) for chosen in itertools.combinations(names, n)]


def shapley(values: dict[frozenset[str], float], names: tuple[str, ...], cause: str) -> float:
    """Return the cost of a cause by the formula with factorials."""
    n, exact = len(names), 0.0
    for subset in (s for s in subsets(names) if cause not in s):
        weight = math.factorial(len(subset)) * math.factorial(n - 1 - len(subset)) / math.factorial(n)
        exact += weight * (values[subset] - values[subset | {cause}])
    return exact


def test_costs_are_shapleys_and_add_up() -> None:
    """Against the formula with factorials, for a game with interactions of two and of three."""
    names, rng = ("a", "b", "c", "d"), np.random.default_rng(0)
    values = {subset: float(rng.random()) for subset in subsets(names)}
    orders = 400
    played = game(values, names, orders)
    chains = [attribution._chain(names, order) for order in range(orders)]
    shares = [attribution._share(played, cause, chains) for cause in played.causes]
    for share in shares:
        exact = shapley(values, names, share.cause.name)
        assert share.cost.mean == pytest.approx(exact, abs=share.cost.half + 0.02)
        assert share.alone.mean == pytest.approx(values[frozenset()] - values[frozenset({share.cause.name})])
        assert share.regained.mean == pytest.approx(
            values[frozenset(names) - {share.cause.name}] - values[frozenset(names)]
        )
    total = sum(share.cost.mean for share in shares)
    assert total == pytest.approx(values[frozenset()] - values[frozenset(names)], abs=1e-12)


def test_an_order_and_its_reverse_give_the_exact_costs_of_causes_and_pairs() -> None:
    """Shapley's cost is that of a cause alone and half of what it costs together with each other one."""
    names, rng = ("a", "b", "c", "d", "e", "f", "g"), np.random.default_rng(1)
    alone = dict(zip(names, rng.random(len(names)), strict=True))
    pairs = {frozenset(pair): rng.normal() for pair in itertools.combinations(names, 2)}
    values = {subset: -sum(alone[name] for name in subset) - sum(cost for pair, cost in pairs.items() if pair <= subset)
              for subset in subsets(names)}  # fmt: skip
    for first in (0, 2):
        chains = [attribution._chain(names, order) for order in (first, first + 1)]
        for cause in (played := game(values, names, 2)).causes:
            exact = alone[cause.name] + sum(cost for pair, cost in pairs.items() if cause.name in pair) / 2
            assert attribution._share(played, cause, chains).cost.mean == pytest.approx(exact)
    assert attribution._chain(names, 0) != attribution._chain(names, 2)


def test_what_is_lost_midway_is_shared_out_by_six_orders() -> None:
    """Where accuracy falls by how many causes there are, all cost the same, wherever it falls."""
    names = ("a", "b", "c", "d", "e", "f")
    for lost in range(6):
        played = game({subset: 0.9 if len(subset) <= lost else 0.3 for subset in subsets(names)}, names, 6)
        chains = [attribution._chain(names, order) for order in range(6)]
        costs = [attribution._share(played, cause, chains).cost.mean for cause in played.causes]
        assert costs == pytest.approx([0.1] * 6)


def test_intervals_cover_the_costs_where_accuracy_falls_to_chance() -> None:
    """Sixty games of five causes, each with a noise of its own: 19 in 20 intervals have Shapley's cost."""
    names, rng, covered = ("a", "b", "c", "d", "e"), np.random.default_rng(0), []
    for turn in range(60):
        weight = dict(zip(names, rng.uniform(0.2, 1.0, 5), strict=True))
        fall = {s: sum(weight[name] for name in s) / sum(weight.values()) for s in subsets(names)}
        values = {s: 0.1 + 0.85 / (1 + math.exp(8 * (share - 0.5))) for s, share in fall.items()}
        played = game(values, names, 6)
        played.accuracy = {key: value + 0.005 * rng.standard_normal() for key, value in played.accuracy.items()}
        chains = [attribution._chain(names, 6 * turn + order) for order in range(6)]
        for cause in played.causes:
            cost = attribution._share(played, cause, chains).cost
            covered.append(abs(cost.mean - shapley(values, names, cause.name)) <= cost.half)
    assert np.mean(covered) > 0.92


def test_a_fall_at_one_step_of_every_order_is_told() -> None:
    """There intervals miss Shapley's cost; where one cause takes most, or losses add up, they do not."""
    names = ("a", "b", "c", "d", "e")
    weight = dict(zip(names, (0.3, 0.25, 0.2, 0.15, 0.1), strict=True))
    sums = {s: sum(weight[name] for name in s) for s in subsets(names)}
    chains = [attribution._chain(names, order) for order in range(6)]

    def covered(values: dict[frozenset[str], float]) -> float:
        hits = []
        for turn in range(20):
            played, rng = game(values, names, 6), np.random.default_rng(turn)
            played.accuracy = {key: value + 0.005 * rng.standard_normal() for key, value in played.accuracy.items()}
            for cause in played.causes:
                cost = attribution._share(played, cause, chains).cost
                hits.append(abs(cost.mean - shapley(values, names, cause.name)) <= cost.half)
        return float(np.mean(hits))

    cliff = {s: 0.9 if total < 0.5 else 0.1 for s, total in sums.items()}
    one = {s: 0.9 - 0.6 * ("c" in s) - 0.1 * total for s, total in sums.items()}
    even = {s: 0.9 - 0.5 * total for s, total in sums.items()}
    assert [attribution._sudden(game(v, names, 6), chains) for v in (cliff, one, even)] == [True, False, False]
    assert covered(cliff) < 0.85
    assert min(covered(one), covered(even)) > 0.9


def test_sentences_say_part_where_what_is_named_is_less_than_half() -> None:
    share = attribution.Share(causes.Cause("read noise", {}), *(Estimate(0.05, 0.01),) * 3)
    gap, none = Estimate(0.4, 0.05), Estimate(0.0, 0.01)
    found = attribution.Attribution(
        "direct_accuracy", Estimate(0.9, 0.01), Estimate(0.9, 0.01), Estimate(0.5, 0.05), gap, none, (share,),
        {("a", "b"): Estimate(-0.02, 0.01)}, sudden=True,
    )  # fmt: skip
    text = " ".join(sentences(found, "EP on reram"))
    assert "Part of it is read noise, 5.0 ± 1.0 points." in text
    assert "Accuracy falls at once" in text
    assert "a and b together cost 2.0 ± 1.0 points less than the sum of each alone." in text


def test_what_two_cost_together_is_what_both_cost_beyond_each() -> None:
    values = {frozenset(): 0.9, frozenset("a"): 0.8, frozenset("b"): 0.85, frozenset("ab"): 0.6}
    found = attribution._together(game(values, ("a", "b"), 2), ["a", "b"], range(2))
    assert found["a", "b"].mean == pytest.approx(0.15)  # 0.3, not 0.1 + 0.05


def test_the_gap_is_to_ideal_arrays_with_an_ideal_circuit() -> None:
    circuit = {"target.circuit": "analog", "target.model": "subthreshold_180nm"}
    ideal = causes.on_ideal_arrays(load_experiment("quickstart", QUICK | circuit))
    assert (ideal.hardware.backend, ideal.target.circuit, ideal.target.model) == ("ideal", "ideal", None)
    assert ideal.training == load_experiment("quickstart", QUICK).training


def test_an_interval_is_students() -> None:
    values = [0.1, 0.13, 0.08, 0.12]
    found = Estimate.of(values)
    assert found.half == pytest.approx(3.182446 * np.std(values, ddof=1) / 2, rel=1e-6)
    assert math.isnan(Estimate.of([0.1]).half)
    assert not Estimate.of([0.1]).clear


@pytest.mark.parametrize("plant", [0, 6], ids=lambda i: planted()[i][0])
def test_the_planted_cause_is_named(plant: int) -> None:
    row = scored(*planted()[plant], limits={"data.train_limit": 400, "data.test_limit": 200})
    assert row["right"], row


def test_every_value_that_says_what_takes_it_away_is_a_cause() -> None:
    off = {key: m.off for key, info in HardwareSection.model_fields.items() for m in info.metadata
           if isinstance(m, Axis) and m.off is not None}  # fmt: skip
    assert off.keys() == causes._NAMES.keys()
    values = {f"hardware.{key}": 0.3 for key in off if not key.endswith(("bits", "seconds"))}
    values |= {"hardware.dac_bits": 5, "hardware.adc_bits": 5, "hardware.device": "pcm_drift"}
    found = causes.causes_of(load_experiment("quickstart", values))
    assert set(causes._NAMES.values()) <= {cause.name for cause in found}


@pytest.mark.parametrize("device", device_names())
def test_a_device_without_its_causes_has_none_but_steps(device: str) -> None:
    experiment = load_experiment("quickstart", {"hardware.device": device, "hardware.recommended": False})
    found = causes.causes_of(experiment)
    bare = causes.without(experiment, found)
    left = [cause.name for cause in causes.causes_of(bare)]
    assert left == [causes.STEPS] or left == [causes.LEVELS, causes.STEPS]
    model, before = device_model(bare.hardware), device_model(experiment.hardware)
    assert model is not None
    assert before is not None
    middle = [sum(m.response().step_at(0.5, up) for up in (True, False)[: m.sided]) for m in (model, before)]
    assert middle[0] == pytest.approx(middle[1] / 4)
    if model.sided == 2:
        assert model.response().step_at(0.5, True) == pytest.approx(model.response().step_at(0.5, False))
    assert bare.hardware.pulse_length == 4 * experiment.hardware.pulse_length
    assert experiment == causes.without(experiment, [])


@pytest.mark.parametrize("causes_off", [(), (causes.STEPS,), (causes.CYCLES,), (causes.STEPS, causes.NONLINEARITY)])
def test_what_knobs_gave_a_device_stays_where_other_causes_are_taken_away(causes_off: tuple[str, ...]) -> None:
    knobs = {"up_down_ratio": 4.0, "nonlinearity": 0.2}
    experiment = load_experiment("quickstart", QUICK | {"hardware.device": "linear_step",
                                                        "hardware.device_parameters": knobs})  # fmt: skip
    off = [cause for cause in causes.causes_of(experiment) if cause.name in causes_off]
    assert len(off) == len(causes_off)
    model = device_model(causes.without(experiment, off).hardware)
    assert model is not None
    law = model.response()
    assert law.step_at(0.5, up=True) / law.step_at(0.5, up=False) == pytest.approx(4)
    bend = 0.0 if causes.NONLINEARITY in causes_off else 0.2
    assert (law.nonlinearity(True), law.nonlinearity(False)) == pytest.approx((bend, bend), abs=1e-9)


def test_what_diverges_guesses_even_where_all_do(tmp_path: Path) -> None:
    """And processes stay from one set of runs to the next."""
    wild = load_experiment("quickstart", QUICK | {"training.optimizer": "adam", "training.learning_rate": [1e38]})
    calm = load_experiment("quickstart", QUICK)
    with closing(Processes(1)) as executor:
        played = Game.of(wild, None, tmp_path, executor, lambda line: None)
        guessed = played.played(wild, [0, 1], "")
        (process,) = [child.process.pid for child in executor._children]
        (learnt,) = played.played(calm, [0], "")
        assert [child.process.pid for child in executor._children] == [process]
    record = read_record(next(tmp_path.glob(f"{calm.name}-*-0")))
    assert guessed == [record.chance] * 2
    assert 0 < record.chance < learnt


def test_the_command_says_what_costs_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    out, runner = tmp_path / "runs", CliRunner()
    given = [f"--set={key}={value}".replace("False", "false") for key, value in QUICK.items()]
    command = ["attribute", "quickstart", *given, "--seeds", "2", "--out", str(out)]
    first = runner.invoke(app, command, catch_exceptions=False)
    assert "points less (95 % interval, 2 seeds)" in first.output
    frame = pd.read_csv(out / "attribution.csv").set_index("cause")
    gap, left = frame.cost["gap to ideal arrays"], frame.cost.iloc[-2]
    assert frame.cost.iloc[:-2].sum() + left == pytest.approx(gap, abs=0.05)
    assert "<svg" in (out / "attribution.svg").read_text()
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}
    assert runner.invoke(app, command, catch_exceptions=False).exit_code == 0
    assert written == {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}


def test_what_has_no_devices_and_too_many_runs_are_refused() -> None:
    with pytest.raises(InputError, match=r"hardware\.backend: got 'ideal'; allowed: one with devices"):
        causes.causes_of(load_experiment("quickstart"))
    result = CliRunner().invoke(app, ["attribute", "quickstart", "--set", "hardware.device=ecram", "--seeds", "200"])
    assert "allowed: fewer seeds, or --yes" in str(result.exception)
    result = CliRunner().invoke(app, ["attribute", "deep_stdp_digits"])
    assert "got an experiment of kind 'deep-stdp'" in str(result.exception)


def test_sentences_name_causes_pairs_and_the_cheapest_change() -> None:
    a, b = causes.Cause("read noise", {}), causes.Cause("asymmetry", {})
    sure, none = Estimate(0.05, 0.01), Estimate(0.002, 0.01)
    found = attribution.Attribution(
        "direct_accuracy", Estimate(0.85, 0.01), Estimate(0.84, 0.01), Estimate(0.79, 0.01), Estimate(0.06, 0.01),
        Estimate(0.01, 0.005), (attribution.Share(b, sure, sure, sure), attribution.Share(a, none, none, none)),
        {("asymmetry", "read noise"): Estimate(0.02, 0.01)},
        ((causes.Change("x", {}), none), (causes.Change("y", {}), Estimate(0.03, 0.01))),
    )  # fmt: skip
    text = " ".join(sentences(found, "EP on reram"))
    assert "79.0 % against 85.0 % on ideal arrays, 6.0 ± 1.0 points less" in text
    assert "Most of it is asymmetry, 5.0 ± 1.0 points; 1.0 ± 0.5 points are left" in text
    assert "read noise, " not in text
    assert "together cost 2.0 ± 1.0 points more" in text
    assert "Cheapest that regains half of the largest: y, 3.0 ± 1.0 points." in text


def test_the_cheapest_change_is_told_from_none_and_regains_half() -> None:
    half = Estimate(0.02, 0.005)
    share = attribution.Share(causes.Cause("read noise", {}), Estimate(0.04, 0.01), half, half)
    unclear, little, enough = Estimate(0.03, 0.04), Estimate(0.019, 0.005), half

    def cheapest(*gains: Estimate) -> Estimate | None:
        changes = tuple((causes.Change(f"change {i}", {}), gain) for i, gain in enumerate(gains))
        found = attribution.Attribution("direct_accuracy", *(half,) * 5, (share,), changes=changes).cheapest()
        return None if found is None else found[1]

    assert cheapest(unclear, little, enough, Estimate(0.04, 0.001)) is enough
    assert cheapest(unclear, little) is None


def test_sentences_of_devices_that_learn_better_than_ideal_arrays() -> None:
    gain = Estimate(-0.04, 0.01)
    share = attribution.Share(causes.Cause("device-to-device spread"), gain, gain, gain)
    found = attribution.Attribution(
        "direct_accuracy", Estimate(0.80, 0.01), Estimate(0.80, 0.01), Estimate(0.84, 0.01), gain, Estimate(0.0, 0.01),
        (share,),
    )  # fmt: skip
    text = " ".join(sentences(found, "BP on pcmo"))
    assert "84.0 % against 80.0 % on ideal arrays, 4.0 ± 1.0 points more (95 % interval, 6 seeds)." in text
    assert text.endswith("Most of the gain is device-to-device spread, 4.0 ± 1.0 points.")

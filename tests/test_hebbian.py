"""Hebbian rules: against loops over samples, outputs and inputs written from the equations, and their fixed points."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import neurohw as nh
from neurohw.circuits.ranked_target import RankedParameters, RankedTarget
from neurohw.circuits.soft_target import SoftParameters, SoftTarget
from neurohw.circuits.target import IdealTarget, TargetCircuit, TargetRule
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.devices.laws import ConstantStep
from neurohw.energy.account import facts_from, macs
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.hebbian import Answer, HebbianNetwork
from neurohw.networks.layer import Layer
from neurohw.report.naming import ideal_circuit, name_points
from neurohw.runs.onchip import OnChip
from neurohw.seeding import Streams
from neurohw.testing import TargetCircuitConformance
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Phase, Samples, plain_plan
from neurohw.training.rules import build_rule
from neurohw.training.schedules import Schedule

F64 = torch.float64
Numbers = NDArray[np.float64]
N_IN, N_OUT, RATE = 6, 5, 0.2
RULES: dict[str, dict[str, Any]] = {
    "hebbian-wta, Eq. 5": {"decay": False},
    "hebbian-wta": {},
    "softhebb": {"temperature": 0.7},
    "softhebb, least": {"temperature": 0.1, "least": 0.2},
    "krotov-hopfield": {"delta": 0.3, "rank": 3, "radius": 1.5},
    "krotov-hopfield, p = 3": {"delta": 0.3, "rank": 2, "radius": 0.8, "order": 3.0},
}


def circuit_of(name: str, temperature: float = 1.0, least: float = 0.0, delta: float = 0.4, rank: int = 2,
    dtype: torch.dtype = F64,
               **_: Any) -> TargetCircuit:  # fmt: skip
    if name.startswith("softhebb"):
        return SoftTarget(TargetRule(N_OUT, 1, 0.0), SoftParameters(temperature=temperature, least=least))
    if name.startswith("krotov"):
        return RankedTarget(TargetRule(N_OUT, rank, 0.0), RankedParameters(delta=delta))
    return IdealTarget(TargetRule(N_OUT, 1, 0.0), dtype=dtype)


def network_of(array: SynapseArray, decay: bool = True, radius: float = 1.0, order: float = 2.0,
               **_: Any) -> HebbianNetwork:  # fmt: skip
    return HebbianNetwork([Layer(array, "none")], decay=decay, radius=radius, order=order)


def taught(name: str, array: SynapseArray, images: Tensor, batch: int, epochs: int = 1, rate: float = RATE) -> Tensor:
    """Train on images in the order of seed 7; return the weights."""
    network, circuit = network_of(array, **RULES[name]), circuit_of(name, dtype=array.dtype, **RULES[name])
    phase = Phase("unsupervised", Samples(images, None), batch, build_rule("pulsed-sgd", network.layers, [rate]),
                  Schedule())  # fmt: skip
    for epoch in plain_plan(phase, epochs):
        for _ in train_epoch(network, circuit, circuit.initial(), epoch, lambda x: x, _seeded(7)):
            pass
    return array.snapshot()


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(name: str, weights: Numbers, images: Numbers, batch: int, decay: bool = True, temperature: float = 1.0,
            least: float = 0.0, delta: float = 0.4, rank: int = 2, radius: float = 1.0,
            order: float = 2.0) -> Numbers:  # fmt: skip
    """Eqs. 5 to 7 of Liu et al. 2024, number by number; ties go to the lowest index."""
    w = weights.copy()
    for start in range(0, len(images), batch):
        samples = images[start : start + batch]
        change = np.zeros_like(w)
        for x in samples:
            u = [sum(np.sign(w[j, i]) * abs(w[j, i]) ** (order - 1) * x[i] for i in range(N_IN)) for j in range(N_OUT)]
            ranked = sorted(range(N_OUT), key=lambda j: (-u[j], j))
            r = [0.0] * N_OUT
            if name.startswith("softhebb"):
                total = sum(np.exp((u[k] - max(u)) / temperature) for k in range(N_OUT))
                r = [np.exp((u[j] - max(u)) / temperature) / total for j in range(N_OUT)]
                r = [share if share >= least else 0.0 for share in r]
            else:
                r[ranked[0]] = 1.0
            if name.startswith("krotov"):
                r[ranked[rank - 1]] = -delta
            for j in range(N_OUT):
                for i in range(N_IN):
                    change[j, i] += r[j] * (radius**order * x[i] - (u[j] * w[j, i] if decay else 0.0))
        w += RATE * change / len(samples)
    return w


def some_images(kind: str, seed: int = 0) -> Tensor:
    images = (torch.rand(35, N_IN, generator=_seeded(seed), dtype=F64) * 8).round() / 8  # so that ties are exact
    if kind == "zeros":
        images[::3] = 0  # every output is tied at 0
    return images


def some_weights(kind: str, seed: int = 1) -> Tensor:
    weights = (
        torch.rand(N_OUT, N_IN, generator=torch.Generator().manual_seed(seed), dtype=F64) * 16
    ).round() / 16 - 0.25
    if kind == "ties":
        weights[1] = weights[3] = weights[4]
    return weights


@pytest.mark.parametrize("kind", ["any", "zeros", "ties"])
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("name", RULES)
def test_updates_are_those_of_the_equations(name: str, batch: int, kind: str) -> None:
    images, weights = some_images(kind), some_weights(kind)
    order = torch.randperm(len(images), generator=_seeded(7))
    wanted = by_hand(name, weights.numpy(), images[order].numpy(), batch, **RULES[name])
    got = taught(name, IdealArray(weights), images, batch)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-10, atol=1e-12)
    assert np.abs(wanted - weights.numpy()).max() > 0.01


@pytest.mark.parametrize("name", ["hebbian-wta", "softhebb, least", "krotov-hopfield", "krotov-hopfield, p = 3"])
def test_an_analog_array_without_errors_learns_as_the_ideal_one(name: str) -> None:
    """Certain, equal steps of 1e-5, counted: each update is off by a step in a weight at most."""
    device = DevicePopulation(ConstantStep(step=1e-5, w_max=2.0, w_min=-2.0, step_dtod=0.0, step_ctoc=0.0,
                                           asymmetry_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0))  # fmt: skip
    images, weights = some_images("any").float(), some_weights("any").float()
    analog = AnalogArray(weights, device, read_path=ReadPath.perfect(), generator=_seeded(),
                         pulses=PulseScheme(length=10_000, kind="deterministic"))  # fmt: skip
    got, wanted = (taught(name, array, images, 16, rate=0.05) for array in (analog, IdealArray(weights)))
    assert (got - wanted).abs().max() < 40 * 1e-5 < 0.01 < (wanted - weights).abs().max()


@pytest.mark.parametrize(("name", "order", "radius"), [
    ("hebbian-wta", 2, 1.0), ("softhebb", 2, 1.0), ("krotov-hopfield", 2, 1.5), ("krotov-hopfield, p = 3", 3, 0.8),
])  # fmt: skip
def test_weights_come_to_their_norm(name: str, order: int, radius: float) -> None:
    """|w|_p = R where E[r (R^p x - u w)] = 0: multiplied by sign(w) |w|^(p-1) it is E[r u] (R^p - |w|_p^p)."""
    directions = torch.eye(N_OUT, N_IN, dtype=F64) + 0.1  # one image for each output, again and again
    settings = dict(RULES[name])
    if name.startswith("krotov"):
        settings["delta"] = 0.0  # what is only pushed away has no fixed point
    network, circuit = network_of(IdealArray(directions * 0.4), **settings), circuit_of(name, **settings)
    rule = build_rule("pulsed-sgd", network.layers, [0.5])
    for _ in range(400):
        state = network.respond(directions, train=True)
        for layer, products in network.contrast(state, circuit(state.competition, circuit.initial()).target):
            rule.apply(layer, products)
    norms = network.layers[0].array.snapshot().abs().pow(order).sum(1).pow(1 / order)
    torch.testing.assert_close(norms, torch.full_like(norms, radius), rtol=1e-6, atol=0)


def test_answers() -> None:
    drive = torch.tensor([[1.0, 3.0, -2.0], [0.0, 0.0, 0.0], [-1.0, -3.0, -2.0]])
    soft = Answer("softmax", 0.5, 1.0)(drive.clone())
    np.testing.assert_allclose(soft[0], np.exp([2, 6, -4]) / np.exp([2, 6, -4]).sum(), rtol=1e-5)
    powers = Answer("power", 1.0, 2.0)(drive.clone())
    np.testing.assert_allclose(powers, [[1 / 9, 1, 0], [0, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_random_ties_push_each_of_the_tied_down_equally_often() -> None:
    """Three tied outputs at places 2 to 4, of which the third is pushed down."""
    circuit = RankedTarget(
        TargetRule(5, 3, 0.0), RankedParameters(delta=1.0), "random", torch.Generator().manual_seed(0)
    )
    competition = torch.tensor([0.5, 1.0, 0.5, 0.0, 0.5]).repeat(3000, 1)
    target = circuit(competition, circuit.initial()).target
    assert torch.equal(target[:, 1], torch.ones(3000))
    assert (target < 0).sum(1).eq(1).all()
    assert (target == -1).float().mean(0)[[0, 2, 4]].tolist() == pytest.approx([1 / 3] * 3, abs=0.03)


def two_layers(**more: Any) -> OnChip:
    keys = {"network.rule": "hebbian-wta", "network.layers": [64, 20, 20], "training.learning_rate": [0.3, 0.3],
            "training.epochs": 4, "data.train_limit": 200, "data.test_limit": 100}  # fmt: skip
    job = OnChip(load_experiment("quickstart", keys | more), Streams(0))
    job.build()
    return job


def test_layers_learn_one_after_the_other() -> None:
    """A layer is neither read nor written before the one below has learnt, and that one stays as it is then."""
    job = two_layers()
    assert [epoch.phase for epoch in job.plan] == ["W1", "W1", "W2", "W2"]
    factors = [leg.phase.schedule.factor(epoch.index) for epoch in job.plan for leg in epoch.legs]
    assert factors == pytest.approx([1, 0.50025, 1, 0.50025])
    states = [[layer.array.snapshot() for layer in job.network.layers]]
    for epoch in job.plan:
        job.begin(epoch, lambda *_: None)
        assert sum(job.train(epoch, 0)) == 200
        states.append([layer.array.snapshot() for layer in job.network.layers])
        if epoch.phase == "W1":
            assert "W2" not in job.ledger.counts()
    changed = [[bool((a != b).any()) for a, b in zip(before, after, strict=True)] for before, after in pairwise(states)]
    assert changed == [[True, False], [True, False], [False, True], [False, True]]


def test_what_a_stack_does_is_counted() -> None:
    """200 images four times, 13 batches each; 20 hidden answers of an activation and 2 products while W2 learns."""
    job = two_layers()
    rows = []
    for epoch in job.plan:
        job.begin(epoch, lambda *_: None)
        for _ in job.train(epoch, 0):
            pass
        rows.append(job.ledger.counts())
    counts = rows[-1]
    assert counts["W1"]["forward"]["reads"] == 800
    assert counts["W2"]["forward"]["reads"] == 400
    assert rows[1]["W1"]["update"] == counts["W1"]["update"]
    read = counts["W1"]["update"]["reads_transposed"] + counts["W2"]["update"]["reads_transposed"]
    assert 4 * 13 <= read <= 4 * 200  # the rows that won, once a batch
    assert counts["digital"]["forward"] == {"activations": 400 * 20, "macs": 2 * 400 * 20}
    rows_read = counts["W1"]["update"]["reads_transposed"] * 64 + counts["W2"]["update"]["reads_transposed"] * 20
    assert counts["digital"]["update"]["macs"] == 800 * 20 + rows_read  # r u; and rows by what they shrink
    assert counts["digital"]["update"]["adds"] == 800 * 20  # decays, over the batch
    assert counts["target"]["target"]["comparisons"] == 800 * 20
    facts = job.facts(4.0)
    assert facts["images"]["batches"] == 4 * 13
    assert [array["updates"] for array in facts["arrays"].values()] == [2 * 13, 2 * 13]


def test_a_softmax_counts_exponentials_and_rows() -> None:
    """All 20 outputs have a share of every image: 20 rows are read each batch, unless small shares are left out."""
    counts = {}
    for least in (0.0, 0.05):
        keys = {"network.rule": "softhebb", "network.layers": [64, 20], "training.learning_rate": [0.3],
                "target.parameters": {"temperature": 0.5, "least": least}}  # fmt: skip
        job = two_layers(**keys, **{"training.epochs": 1})
        for _ in job.train(job.plan[0], 0):
            pass
        counts[least] = job.ledger.counts()
    assert counts[0.0]["target"]["target"] == {"decisions": 200, "exponentials": 200 * 20}
    assert counts[0.0]["W1"]["update"]["reads_transposed"] == 13 * 20
    assert counts[0.05]["W1"]["update"]["reads_transposed"] < 13 * 20


def test_rows_that_are_read_for_a_digital_product_are_no_products_of_the_array() -> None:
    """p = 3: 20 rows a batch for u, and those of the decay; the products of 64 x 20 are digital ones."""
    keys = {"network.rule": "krotov-hopfield", "network.layers": [64, 20], "training.learning_rate": [0.01],
            "network.parameters": {"order": 3.0}, "training.epochs": 1}  # fmt: skip
    job = two_layers(**keys)
    for _ in job.train(job.plan[0], 0):
        pass
    counts = job.ledger.counts()
    assert 13 * 20 < counts["W1"]["update"]["reads_transposed"] <= 2 * 13 * 20
    assert counts["digital"]["forward"]["macs"] == 200 * 64 * 20
    assert not macs(counts, facts_from(job.facts(1.0), counts))


def test_a_stack_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    keys = {"network.rule": "softhebb", "network.layers": [64, 20, 20], "training.learning_rate": [0.3, 0.3],
            "training.epochs": 4, "data.train_limit": 200, "data.test_limit": 100, "target.gamma": 1.0,
            "hardware.device": "ecram", "hardware.periphery": "32nm"}  # fmt: skip
    experiment = load_experiment("quickstart", keys)
    whole = nh.run(experiment, out=tmp_path / "whole")
    part = nh.run(experiment, out=tmp_path / "part", stop_after=3)
    assert part.status == "stopped"
    again = nh.run(experiment, out=tmp_path / "part", resume=True)
    assert again.metrics == whole.metrics
    assert again.ledger["counts"] == whole.ledger["counts"]
    assert again.energy is not None
    assert again.energy.total.nominal > 0


@pytest.mark.parametrize(("keys", "message"), [
    ({"network.rule": "softhebb", "target.circuit": "ideal"}, r"target\.circuit: got 'ideal'; allowed: softmax"),
    ({"network.rule": "softhebb", "target.k": 2}, r"target\.k: got 2; allowed: 1"),
    ({"network.rule": "softhebb", "target.smoothing": 0.1}, r"target\.smoothing: got 0\.1; allowed: 0"),
    ({"network.rule": "softhebb", "target.parameters.temperature": 0.0}, r"temperature"),
    ({"network.rule": "softhebb", "network.parameters.decay": False}, r"network\.parameters\.decay: got False"),
    ({"network.rule": "softhebb", "network.parameters.answer": "relu"}, r"answer: got 'relu'; allowed: softmax, power"),
    ({"network.rule": "softhebb", "network.bias": "line"}, r"network\.bias: got 'line'"),
    ({"network.rule": "softhebb", "training.dropout": [0.1, 0.0]}, r"training\.dropout: .* does not read"),
    ({"network.rule": "softhebb", "hardware.device": "ecram", "hardware.writing": "tiki-taka-v2"},
     r"hardware\.writing: got 'tiki-taka-v2', whose hidden arrays take no increments"),
    ({"network.rule": "hebbian-wta", "training.mode": "supervised"}, r"training\.mode: got 'supervised'"),
    ({"network.rule": "hebbian-wta", "network.layers": [64, 20, 10], "training.learning_rate": [1.0, 1.0]},
     r"network\.layers: .* as many neurons in each layer"),
    ({"network.rule": "hebbian-wta", "network.layers": [64, 20, 20], "training.learning_rate": [1.0, 1.0],
      "training.epochs": 1}, r"training\.epochs: got 1; allowed: 2 or more"),
    ({"network.rule": "hebbian-wta", "network.parameters.decay": 1}, r"decay: got 1; allowed: true, false"),
    ({"network.rule": "krotov-hopfield", "network.parameters.order": 1.0}, r"order: got 1\.0; allowed: numbers > 1"),
    ({"network.rule": "krotov-hopfield", "network.parameters.radius": "big"}, r"got 'big'; allowed: numbers > 0"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OnChip(load_experiment("quickstart", keys), Streams(0)).build()


def test_rank_one_is_refused() -> None:
    job = OnChip(load_experiment("quickstart", {"network.rule": "krotov-hopfield", "target.k": 1}), Streams(0))
    with pytest.raises(InputError, match=r"target\.k: got 1; allowed: 2 or more"):
        job.build()


def test_reports_call_a_softmax_without_errors_ideal() -> None:
    """Its temperature says what it decides; and a rule's own settings that others have not go without saying."""
    configs: list[dict[str, Any]] = [
        {"network.rule": "softhebb", "target.circuit": "softmax", "target.parameters.temperature": 0.1},
        {"network.rule": "hebbian-wta", "target.circuit": "ideal", "network.parameters.decay": False},
        {"network.rule": "hebbian-wta", "target.circuit": "ideal"},
        {"network.rule": "bp", "target.circuit": "analog", "target.parameters.inputs.offset": 1e-9},
    ]
    assert [ideal_circuit(config) for config in configs] == [True, True, True, False]
    named = [str(name.group) for name in name_points(configs[:3])]
    assert named == ["SoftHebb", "Hebbian WTA · decay=false", "Hebbian WTA"]


@pytest.mark.parametrize("rule", ["hebbian-wta", "softhebb", "krotov-hopfield"])
def test_digits_are_learnt(rule: str) -> None:
    """Two epochs of 1,297 images."""
    record = nh.run(load_experiment("quickstart", {"network.rule": rule, "training.epochs": 2}))
    assert record.metrics["single_neuron_accuracy"] > 0.7


class TestSoftTarget(TargetCircuitConformance):
    k_hot = False

    def make_circuit(self, n_out: int, k: int) -> SoftTarget:
        return SoftTarget(TargetRule(n_out, 1, gamma=0.5), SoftParameters(temperature=0.3))

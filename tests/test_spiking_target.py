"""The spiking target: neurons by closed forms, agreement with the ideal target, replay, and a small training."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from neurohw.bench.spiking import spiking
from neurohw.circuits.neuron import neuron
from neurohw.circuits.spiking_neurons import SpikingNeurons
from neurohw.circuits.spiking_parameters import SpikingParameters
from neurohw.circuits.spiking_target import SpikingEvents, SpikingTarget
from neurohw.circuits.target import Homeostasis, IdealTarget, TargetRule
from neurohw.crossbar.ideal import IdealArray
from neurohw.errors import InputError
from neurohw.networks.bp import BPNetwork
from neurohw.networks.layer import Layer
from neurohw.testing import TargetCircuitConformance
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Phase, Samples, plain_plan
from neurohw.training.rules import PulsedSGD
from neurohw.training.schedules import Schedule

EXACT = SpikingParameters(coding="current", dt=2e-3)
COARSE = SpikingParameters(dt=4e-3)  # 25 steps


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spread_outputs(batch: int, n: int, seed: int = 0) -> Tensor:
    """Return outputs of which most are near 0, as a trained layer's."""
    return torch.rand(batch, n, generator=seeded(seed)) ** 4


class TestSpikingTarget(TargetCircuitConformance):
    def make_circuit(self, n_out: int, k: int) -> SpikingTarget:
        return SpikingTarget(TargetRule(n_out, k, gamma=0.5), parameters=EXACT)


@pytest.mark.parametrize("membrane_time", [0.02, 0.5])
def test_a_leaky_neuron_fires_at_the_closed_form_time(membrane_time: float) -> None:
    """t = -tau ln(1 - theta_0 / (b + u - h)), whether tau is short or long beside the presentation."""
    p = SpikingParameters(coding="current", membrane_time=membrane_time, dt=1e-4)
    u = np.linspace(0, 1, 8).reshape(2, 4)
    h = np.array([0.3, -0.2, 0.0, 0.4])
    response = SpikingNeurons(2, 4, 4, p).present(u, h, None)
    drive = p.bias + u - h
    assert p.firing_threshold < drive.min()
    expected = -membrane_time * np.log(1 - p.firing_threshold / drive)
    late = response.latency - expected
    assert (late > -1e-9).all()
    assert (late < p.dt + 1e-9).all()


def test_a_neuron_whose_drive_stays_below_threshold_is_silent() -> None:
    p = EXACT
    edge = p.bias * (p.threshold - 1)  # of u - h: fires just at the end of the presentation
    response = SpikingNeurons(1, 2, 2, p).present(np.zeros((1, 2)), np.array([-edge + 0.05, -edge - 0.05]), None)
    assert np.isinf(response.latency[0, 0])
    assert response.latency[0, 1] <= p.presentation


@pytest.mark.parametrize(("coding", "spread"), [("poisson", 1.0), ("regular", 0.0)])
def test_input_spikes_come_at_the_coded_rate(coding: str, spread: float) -> None:
    """Counts have the mean R u T; Poisson ones its standard deviation, too."""
    p = SpikingParameters(coding=coding, threshold=2.0)  # nobody fires: the presentation is complete
    u = np.full((8, 5), 0.4)
    count = SpikingNeurons(8, 5, 1, p).present(u, np.zeros(5), seeded()).input_spikes
    expected = p.full_rate * p.presentation * u.sum()
    assert abs(count - expected) <= 5 * spread * math.sqrt(expected) + 0.5 * u.size


def test_the_interneuron_silences_the_others_at_the_kth_spike() -> None:
    """With inhibition only neurons of the k-th spike's time step and the next can follow; without, all do."""
    y = np.tile(np.linspace(0.0, 0.9, 10), (2, 1))
    y[1] = 0.0  # a sample that stays undecided until the end, so that the other goes on
    rest = np.zeros((2, 10))
    rest[1] = 2.0
    spiked, counted = {}, {}
    for inhibition in (0.0, 1.0):
        p = SpikingParameters(coding="current", dt=5e-4, inhibition=inhibition, refractory=1.0)
        response = SpikingNeurons(2, 10, 3, p).present(y, rest, None)
        spiked[inhibition], counted[inhibition] = int(np.isfinite(response.latency).sum()), response.output_spikes
    assert spiked == {0.0: 10, 1.0: 3}
    assert counted == {0.0: 3, 1.0: 3}  # what spikes after the decision is no part of it


def test_spikes_of_a_sample_do_not_depend_on_the_others_of_its_batch() -> None:
    """A presentation ends with the k-th winner, also where others of the batch go on, for five times as long here."""
    y = torch.rand(8, 20, generator=seeded())
    y[7] = 0.0
    target = SpikingTarget(TargetRule(20, 2, 0.0), None, SpikingParameters(coding="current", bias=0.5))
    together, *alone = (target(samples, target.initial()).events for samples in (y, *y.split(1)))
    spikes = [events.output_spikes for events in (together, *alone) if isinstance(events, SpikingEvents)]
    assert len(spikes) == 9
    assert spikes[0] == sum(spikes[1:])


@pytest.mark.parametrize("k", [1, 5])
def test_without_noise_it_agrees_with_the_ideal_target(k: int) -> None:
    """Also where thresholds have a mean, outputs are logits, and membranes forget within the presentation."""
    logits = torch.randn(16, 40, generator=seeded(1)) * 3
    h = Homeostasis(torch.randn(40, generator=seeded(2)) * 0.5 + 5, torch.zeros(40))
    p = SpikingParameters(coding="current", membrane_time=0.03, dt=2e-3, lowest=-15.0, highest=15.0)
    rule = TargetRule(40, k, 0.5, average="ema", smoothing=0.3, average_of="winners")
    ours = SpikingTarget(rule, parameters=p)(logits, h)
    ideal = IdealTarget(rule)(logits, h)
    torch.testing.assert_close(ours.target, ideal.target)
    torch.testing.assert_close(ours.homeostasis.threshold, ideal.homeostasis.threshold)
    torch.testing.assert_close(ours.homeostasis.activity, ideal.homeostasis.activity)
    assert ours.events.winners == 16 * k


def test_overlap_grows_with_time_and_rate() -> None:
    """On outputs of a trained layer, with its thresholds; at least 0.95 at the longest simulated time."""
    rows = spiking(times=(1e-3, 1e-2, 1.0), rates=(1e3, 1e5), winners=(5,), samples=24, seeds=1)
    over_rate = [row["overlap"] for row in rows if row["varied"] == "rate"]
    over_time = [row["overlap"] for row in rows if row["varied"] == "time" and row["coding"] == "poisson"]
    assert rows[-1]["seconds"] == 1.0
    assert over_time == sorted(over_time)
    assert over_rate == sorted(over_rate)
    assert over_time[0] < 0.9
    assert rows[-1]["overlap"] >= rows[-1]["goal_at_longest"] == 0.95
    assert {row["winners"] for row in rows} == {5.0}


def test_a_short_memory_limits_what_a_long_time_brings() -> None:
    """Membranes average over 2 tau at most."""
    y, ideal = spread_outputs(64, 50), IdealTarget(TargetRule(50, 5, 0.5))
    best = ideal(y, ideal.initial()).target
    overlap = []
    for membrane_time in (1e-3, 0.1):
        p = SpikingParameters(full_rate=1e4, membrane_time=membrane_time, dt=1e-3)
        ours = SpikingTarget(TargetRule(50, 5, 0.5), generator=seeded(), parameters=p)
        overlap.append(float((ours(y, ours.initial()).target * best).sum()) / best.sum().item())
    assert overlap[1] > overlap[0] + 0.1


def test_it_replays_from_the_generator_and_touches_no_other() -> None:
    generator = seeded(4)
    circuit = SpikingTarget(TargetRule(30, 3, 0.5), generator=generator, parameters=COARSE)
    y = spread_outputs(6, 30)
    circuit(y[:2], circuit.initial())  # another batch size in between changes nothing
    state = generator.get_state()
    numpys, torchs = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    first, second = circuit(y, circuit.initial()), circuit(y, circuit.initial())
    generator.set_state(state)
    again = SpikingTarget(TargetRule(30, 3, 0.5), generator=generator, parameters=COARSE)(y, circuit.initial())
    assert torch.equal(first.target, again.target)
    assert first.events == again.events != second.events
    assert np.array_equal(numpys, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torchs, torch.get_rng_state())


def test_equal_potentials_are_decided_by_chance() -> None:
    circuit = SpikingTarget(TargetRule(5, 2, 0.0), generator=seeded(), parameters=EXACT)
    decision = circuit(torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.5]]).repeat(1000, 1), circuit.initial())
    wins = decision.target.sum(0)
    assert wins[0] == 1000
    assert (wins[1:] - 250).abs().max() < 5 * (1000 * 0.25 * 0.75) ** 0.5
    assert decision.events.tied == decision.events.unresolved == 1000
    lowest = SpikingTarget(TargetRule(5, 2, 0.0), parameters=EXACT)
    assert lowest(torch.zeros(1, 5), lowest.initial()).target.tolist() == [[1, 1, 0, 0, 0]]


def test_too_few_spikes_are_fewer_winners() -> None:
    """Neurons that cannot reach threshold in time do not win; the events tell."""
    circuit = SpikingTarget(
        TargetRule(10, 3, 0.5), parameters=SpikingParameters(coding="current", dt=2e-3, threshold=1.1)
    )
    y = torch.zeros(2, 10)
    y[0, :2] = 0.9
    decision = circuit(y, circuit.initial())
    assert decision.target.nonzero().tolist() == [[0, 0], [0, 1]]
    events = decision.events
    assert isinstance(events, SpikingEvents)
    assert (events.decisions, events.winners, events.unresolved, events.input_spikes) == (2, 2, 2, 0)
    assert events.seconds == pytest.approx(0.2)


def test_homeostasis_equalises_the_winning_frequencies() -> None:
    """With fixed, unequal outputs the adaptive thresholds make every neuron win k/n of the time."""
    bias, generator = torch.linspace(0, 1, 10), seeded(3)

    def frequencies(gamma: float, decisions: int) -> Tensor:
        circuit = SpikingTarget(TargetRule(10, 2, gamma), generator=generator, parameters=COARSE)
        state, wins = circuit.initial(), []
        for _ in range(decisions):
            decision = circuit((bias + 0.1 * torch.rand(128, 10, generator=generator)) / 1.1, state)
            state = decision.homeostasis
            wins.append(decision.target.mean(0))
        return torch.stack(wins[decisions // 2 :]).mean(0)

    assert (frequencies(0.5, 24) - 0.2).abs().max() < 0.06
    assert frequencies(0.0, 2).max() > 0.9


def test_a_small_training_runs() -> None:
    """Five batches, the last one incomplete, through the common main line: weights and thresholds move."""
    generator = seeded(7)
    layer = Layer(IdealArray(torch.rand(20, 16, generator=generator) * 0.2))
    before = layer.array.snapshot()
    network = BPNetwork([layer], [neuron("hardsigm")])
    circuit = SpikingTarget(TargetRule(20, 2, 0.4), generator=generator, parameters=COARSE)
    images = torch.randint(0, 256, (36, 16), generator=generator, dtype=torch.uint8)
    phase = Phase("unsupervised", Samples(images, None), 8, PulsedSGD([layer], [1.0]), Schedule())
    (epoch,) = plain_plan(phase, 1)
    batches = list(train_epoch(network, circuit, circuit.initial(), epoch, lambda x: x / 255, generator))
    seen, homeostasis = [images for images, _ in batches], batches[-1][1].homeostasis
    assert seen == [8, 8, 8, 8, 4]
    assert not torch.equal(layer.array.snapshot(), before)
    assert homeostasis.threshold.abs().max() > 0.01
    torch.testing.assert_close(homeostasis.threshold.sum(), torch.tensor(0.0), atol=1e-4, rtol=0)  # k winners each


def test_brian2_works_in_any_thread_and_leaves_no_handlers_behind() -> None:
    """Brian2 would answer Ctrl-C and uncaught errors itself, and cannot be imported outside the main thread."""
    script = """
import signal, sys, threading
from neurohw.circuits.brian import brian2_and_code
from neurohw.circuits.spiking_neurons import _quiet
def load():
    with _quiet():
        brian2_and_code()
before = signal.getsignal(signal.SIGINT), sys.excepthook, signal.signal
thread = threading.Thread(target=load)
thread.start()
thread.join()
assert "brian2" in sys.modules
assert before == (signal.getsignal(signal.SIGINT), sys.excepthook, signal.signal)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("k", [0, 21])
def test_impossible_k(k: int) -> None:
    with pytest.raises(InputError, match=r"target\.k: got .* 1 to 20"):
        SpikingTarget(TargetRule(20, k, 0.5), parameters=EXACT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"presentation": -0.1}, r"spiking\.presentation: got -0\.1; allowed: a finite number above 0"),
        ({"dt": 0.0}, r"spiking\.dt: got 0\.0"),
        ({"dt": 1.0}, r"spiking\.dt: got 1\.0; allowed: at most the presentation"),
        ({"membrane_time": math.inf}, r"spiking\.membrane_time: got inf"),
        ({"full_rate": math.nan}, r"spiking\.full_rate: got nan"),
        ({"refractory": -1e-3}, r"spiking\.refractory: got -0\.001; allowed: a finite number, 0 or above"),
        ({"coding": "morse"}, r"spiking\.coding: got 'morse'; allowed: poisson, regular, current"),
        ({"highest": 0.0}, r"spiking\.highest: got 0\.0; allowed: a finite number above lowest, 0\.0"),
    ],
)
def test_impossible_parameters(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SpikingParameters(**wrong)  # type: ignore[arg-type]


def test_spikes_need_a_generator() -> None:
    with pytest.raises(InputError, match="without a generator"):
        SpikingTarget(TargetRule(4, 1, 0.5))

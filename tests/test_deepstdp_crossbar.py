"""STDP clustering on a crossbar: the exact network's spikes and weights on an ideal array, a case by hand, devices."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.config import HardwareSection
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.remedies import Remedy
from neurohw.deepstdp.crossbar_network import CrossbarNetwork, weight_window
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.devices.library import load_device
from neurohw.energy.account import account
from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.schedule import Schedule
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.metering.ledger import EnergyLedger, of_training
from neurohw.runs.accounts import energy_of
from neurohw.runs.clustering_chip import ClusteringChip, Neurons, weight_bounds
from neurohw.runs.operating_points import conditions
from neurohw.runs.record import RunRecord
from neurohw.seeding import Streams

LIVELY = {"gain": 20.0, "eta_pre": 2e-4, "eta_post": 5e-3, "weight_max": 5.0}
INPUTS, NEURONS = 20, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact(**values: Any) -> STDPNetwork:
    network = STDPNetwork(INPUTS, NEURONS, STDPParameters(**LIVELY | values), seeded(0))
    network.weights.mul_(0.7).add_(
        0.03
    )  # off the lower bound, which many small falls in turn meet otherwise than their sum
    network.state.seen[...] = network.state.weights
    return network


def on_ideal(network: STDPNetwork, zero: float = -0.4, dtype: torch.dtype = torch.float64) -> CrossbarNetwork:
    bounds = zero, zero + network.parameters.weight_max
    array = IdealArray((network.weights + zero).to(dtype), bounds=bounds)
    return CrossbarNetwork(array, network.parameters, zero=zero)


def trains(shape: tuple[int, ...], probability: float = 0.25, seed: int = 1) -> Tensor:
    return (torch.rand(shape, generator=seeded(seed)) < probability).to(torch.uint8)


def samples() -> Tensor:
    spikes = trains((5, 120, INPUTS))
    spikes[1] = 0  # a silent one
    return spikes


SETTINGS = [
    {},
    {"eta_pre": 0.0},
    {"normalisation": "gain", "eta_post": 1e-3},
    {"updates": "sample"},
    {"updates": "sample", "competition": "inhibition", "gain": 4.0, "rest_between_samples": False},
    {"eta_pre": 2e-2},
    {"competition": "inhibition", "gain": 4.0},
    {"weight_mean": 0.0, "inhibition": 3.0, "threshold_decay": 300.0, "trace_peak": 0.7},
    {"weight_mean": 0.0, "weight_max": 0.35, "eta_pre": 1e-2},
    {"rest_between_samples": False, "v_decay": 100.0, "trace_decay": 20.0, "refractory": 1},
]


@pytest.mark.parametrize("values", SETTINGS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_on_an_ideal_array_it_is_the_exact_network(
    values: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    reference, spikes = exact(**values), samples()
    crossbar = on_ideal(reference, dtype=dtype)
    for sample in spikes:
        expected, got = reference.present(sample[None]), crossbar.present(sample[None])
        assert (got.counts == expected.counts).all()
        assert (got.events == expected.events).all()
        torch.testing.assert_close(crossbar.weights.double(), reference.weights, rtol=0, atol=tolerance)
        assert (abs(crossbar.state.scale - reference.state.scale) < 10 * tolerance).all()
        torch.testing.assert_close(crossbar.thresholds, reference.thresholds, rtol=0, atol=1e-9)
        assert (abs(got.closest - expected.closest) < 1e-9 + 200 * tolerance).all()
    assert reference.thresholds.max() > 0.8


def test_samples_without_learning_leave_no_trace() -> None:
    reference, spikes = exact(), samples()
    crossbar = on_ideal(reference)
    for network in (reference, crossbar):
        network.present(spikes)
    before = crossbar.state_dict()
    expected, got = (network.present(spikes, learn=False) for network in (reference, crossbar))
    assert (got.counts == expected.counts).all()
    assert got.counts.sum() > 20
    for name in ("array.weights", "threshold"):
        assert torch.equal(crossbar.state_dict()[name], before[name])


class Swapped(IdealArray):
    """What is to fall rises."""

    def update(self, products: OuterProducts, rate: float) -> Any:
        terms = tuple(Product(term.post, term.pre) for term in products.terms)
        return super().update(OuterProducts(terms, products.scale), rate)


def test_a_depression_of_the_wrong_sign_is_seen() -> None:
    reference = exact()
    wrong = CrossbarNetwork(Swapped(reference.weights.clone()), reference.parameters)
    reference.present(samples())
    wrong.present(samples())
    assert (wrong.weights - reference.weights).abs().max() > 1e-4


def test_a_devices_range_stands_for_all_weights() -> None:
    assert weight_window(0.8) == (0.4, -0.4)
    device = load_device("ecram")  # -0.8276 to 1.1724
    largest, zero = weight_window(0.8, weight_bounds(device, Remedy()))
    assert largest == pytest.approx(0.8 * 1.1724 / 2)
    assert zero == pytest.approx(-0.8 * 0.8276 / 2)
    largest, zero = weight_window(0.8, weight_bounds(device, Remedy("differential")))
    assert (largest, zero) == (pytest.approx(0.4 * 1.1724 / 2), -0.4)  # a pair reaches twice as far, either way
    assert weight_window(0.8, weight_range=0.5) == (0.5, pytest.approx(-0.3))
    with pytest.raises(InputError, match=r"hardware.weight_range: got 0.3; allowed: at least 0.4, for weights of 0 to"):
        weight_window(0.8, weight_range=0.3)


@pytest.mark.parametrize(
    ("backend", "device", "cell", "writing"),
    [
        *(("analog", device, "single", "pulses") for device in ("idealized", "ecram", "reram_es")),
        *(("analog", device, "differential", "pulses") for device in ("idealized", "ecram", "reram_es")),
        *(("analog", device, "one-sided", "pulses") for device in ("capacitor", "ecram", "pcm")),
        ("analog", "pcm", "single", "mixed-precision"),  # a pair, as single devices cannot
        ("analog", "reram_es", "reference-cell", "pulses"),
        ("aihwkit", "ecram", "one-sided", "pulses"),  # whose devices begin at 0
    ],
)
def test_weights_of_devices_fill_the_window(backend: str, device: str, cell: str, writing: str) -> None:
    """Of asymmetric ranges, of pairs and reference cells, too: pulses that only rise end at weight_max, on average."""
    hardware = HardwareSection(backend=backend, device=device, cell=cell, writing=writing)
    parameters = STDPParameters(weight_max=0.8)
    chip = ClusteringChip(hardware, parameters, 12, INPUTS, Streams(0), EnergyLedger())
    network = chip.network(INPUTS, seeded(0))
    for goal, end in ((4.0, 0.8), (-4.0, 0.0)):
        chip.array.program(torch.full(chip.array.shape, goal))
        assert float(network.weights.mean()) == pytest.approx(end, abs=0.1)


CERTAIN = {"step": 0.125, "step_dtod": 0.0, "step_ctoc": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
HARDWARE = {"backend": "analog", "device": "idealized", "device_parameters": CERTAIN, "dac_bits": 2, "adc_bits": 8,
            "read_noise": 0.0, "step_seconds": 0.0}  # fmt: skip
AT_ONCE = STDPParameters(  # nothing outlives a step: a neuron fires where its drive exceeds 0.65
    v_decay=1e-3, trace_decay=1e-3, refractory=1, threshold_step=0.0, eta_pre=0.0625, eta_post=0.125, gain=20.0,
    competition="inhibition", weight_mean=0.0, timesteps=5,
)  # fmt: skip


class Case:
    """Weights 3/4, 1/4 and 1/8, 3/4 [post, pre], of steps of 1/16; five steps of two inputs; what that counts."""

    def __init__(self, neurons: Neurons = "digital", **parameters: Any) -> None:
        hardware = HardwareSection.model_validate(HARDWARE)
        self.ledger = ledger = EnergyLedger()
        chip = ClusteringChip(hardware, AT_ONCE.model_copy(update=parameters), 2, 2, Streams(0), ledger, neurons)
        self.network = chip.network(2, seeded(0))
        self.network.network.restart(torch.tensor([[0.75, 0.25], [0.125, 0.75]]))
        before = ledger.counts()
        spikes = torch.tensor([[[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]]], dtype=torch.uint8)
        self.spikes = self.network.present(spikes).counts.tolist()
        self.counts = {
            part: {phase: {event: count - before.get(part, {}).get(phase, {}).get(event, 0.0)
                           for event, count in events.items()} for phase, events in phases.items()}
            for part, phases in ledger.counts().items()
        }  # fmt: skip
        self.facts = chip.facts(1.0)

    def account(self) -> EnergyBreakdown:
        device = conditions(load_device("idealized"))
        return account(self.counts, self.facts, EnergyTable.load("32nm"), device, Schedule(standby="none"))


def test_counts_of_a_case_by_hand() -> None:
    """Neuron 0 fires in steps 1, 3 and 5, neuron 1 in 2 and 3, each when its own input is active.

    In steps 1, 2 and 5 one cell falls by a step and rises by two, in step 3 all four do: 7 falls, 14 rises. A train for
    one cell drives a line on each side, which half selects one cell each; of a train for all cells none is.
    """
    case = Case()
    assert case.spikes == [[3, 2]]
    expected = torch.tensor([[15 / 16, 5 / 16], [3 / 16, 14 / 16]])
    expected[0, 0] = 0.75 + 3 / 16
    expected[1, 1] = 0.75 + 2 / 16
    torch.testing.assert_close(case.network.weights, expected, rtol=0, atol=1e-6)
    reads = case.counts["W1"]["forward"]
    assert (reads["reads"], reads["dac_conversions"], reads["adc_conversions"]) == (5, 10, 10)
    # G = 1 + 24 w uS: inputs that are active meet 19 + 4, 7 + 19, all 49, and 19 + 4 before the sample, and after it
    before, after = 23 + 26 + 49 + 23, 29 + 30.5 + 59.5 + 29  # 23.5 + 5.5, 8.5 + 22
    assert reads["read_conductance"] == pytest.approx((before + after) / 2 * 1e-6)
    writes = case.counts["W1"]["update"]
    assert (writes["pulses_down"], writes["pulses_up"]) == (7, 14)
    assert writes["outer_products"] == 8
    assert writes["pulse_slots"] == 4 * (1 + 2)
    assert writes["line_pulses"] == 3 * (2 + 4) + (4 + 8)
    assert writes["half_selected_up"] + writes["half_selected_down"] == 3 * (2 + 4)
    of_neurons = {"adds": 2 * 5 * 2 + 5, "activations": 10, "macs": 5 * 2 + 5 * (2 * 2 + 2)}
    assert {event: case.counts["digital"]["forward"][event] for event in of_neurons} == of_neurons
    assert case.counts["clock"]["forward"]["images"] == 1


def test_joules_of_a_case_by_hand() -> None:
    spent = {}
    for item in Case().account().items:
        spent[item.component] = spent.get(item.component, 0.0) + item.energy.nominal
    assert spent["write"] == pytest.approx(21 * 13e-15)  # 13 fJ a pulse of this device
    assert spent["conduction"] == pytest.approx(0.2 * 0.4 * 100e-9 * 134.5e-6)  # read voltage, supply, time
    assert spent["adc"] == pytest.approx(10 * 1.71e-12)  # at 8 bits
    assert Case().account().total.nominal == pytest.approx(sum(spent.values()))


def test_a_pass_without_learning_writes_nothing() -> None:
    case = Case()
    before = case.ledger.counts()
    case.network.present(trains((2, 5, 2)), learn=False)
    after = case.ledger.counts()
    assert {phase: after["W1"][phase] for phase in ("forward", "update")} == before["W1"]
    assert after["W1"]["inference"]["reads"] == 10
    assert (after["clock"]["inference"]["images"], after["digital"]["inference"]["macs"]) == (2, 20)


def test_analog_neurons_integrate_what_digital_ones_convert() -> None:
    digital, analog = Case(), Case("analog")
    assert analog.spikes == digital.spikes
    assert analog.counts["W1"]["forward"].get("adc_conversions", 0) == 0
    assert analog.counts["neurons"]["forward"] == {"settlings": 10}
    assert analog.counts["target"]["forward"] == {"comparisons": 10, "spikes": 5, "synaptic_events": 5}
    assert analog.counts["W1"]["update"] == digital.counts["W1"]["update"]
    assert analog.account().latency.of("forward").nominal < digital.account().latency.of("forward").nominal
    assert {item.component for item in analog.account().items} >= {"neurons", "target", "conduction", "write"}


def test_normalisation_reads_rows_and_writes_them() -> None:
    """Both neurons fired: two rows are read, and come to a mean of 1/2 within a step of each cell."""
    case = Case(weight_mean=0.5)
    writes = case.counts["W1"]["update"]
    assert writes["reads_transposed"] == 2
    assert writes["programmed_cells"] == 4
    torch.testing.assert_close(case.network.weights.mean(1), torch.full((2,), 0.5), rtol=0, atol=1 / 16)


def test_a_gain_of_each_neuron_is_a_multiplication_a_step() -> None:
    by_weights, by_gain = (Case(weight_mean=0.5, normalisation=what) for what in ("weights", "gain"))
    macs = [case.counts["digital"]["forward"]["macs"] for case in (by_weights, by_gain)]
    assert macs[1] - macs[0] == 5 * 2
    assert by_gain.counts["W1"]["update"]["programmed_cells"] == 0


def test_pulses_after_the_sample_are_those_within_it() -> None:
    """Of five steps in which spikes do not depend on what was written."""
    within, after = Case(), Case(updates="sample")
    assert after.spikes == within.spikes
    for event in ("pulses_up", "pulses_down", "outer_products", "pulse_slots", "line_pulses", "half_selected_up"):
        assert after.counts["W1"]["update"][event] == within.counts["W1"]["update"][event]


def test_another_number_of_features_is_refused() -> None:
    chip = ClusteringChip(HardwareSection.model_validate(HARDWARE), AT_ONCE, 2, 4, Streams(0), EnergyLedger())
    with pytest.raises(InputError, match="features: got 3; allowed: 2, for which the crossbar has lines"):
        chip.network(6, seeded(0))


def test_a_chip_goes_on_where_its_state_was_kept() -> None:
    def made() -> tuple[ClusteringChip, EnergyLedger]:
        ledger = EnergyLedger()
        hardware = HardwareSection(backend="analog", device="reram_es")
        return ClusteringChip(hardware, STDPParameters(**LIVELY), NEURONS, INPUTS, Streams(3), ledger), ledger

    spikes = trains((6, 60, INPUTS))
    chip, ledger = made()
    network = chip.network(INPUTS, seeded(1))
    network.present(spikes[:3])
    state, counted = network.state_dict(), ledger.state_dict()
    whole, (other, others) = network.present(spikes[3:]), made()
    again = other.network(INPUTS, seeded(2))
    again.load_state_dict(state)
    others.load_state_dict(counted)
    resumed = again.present(spikes[3:])
    assert (resumed.counts == whole.counts).all()
    assert torch.equal(again.weights, network.weights)
    assert others.counts() == ledger.counts()


@pytest.mark.parametrize("neurons", ["digital", "analog"])
def test_a_record_is_accounted_as_that_of_any_kind(neurons: Neurons) -> None:
    hardware = HardwareSection(backend="analog", device="ecram", dac_bits=2, periphery="32nm")
    ledger = EnergyLedger()
    chip = ClusteringChip(hardware, STDPParameters(**LIVELY), NEURONS, INPUTS, Streams(0), ledger, neurons)
    network = chip.network(INPUTS, seeded(0))
    network.present(trains((4, 50, INPUTS)))
    counts = ledger.counts()
    record = RunRecord.model_construct(
        name="chip", seed=0, config={"kind": "deep-stdp", "hardware": hardware.model_dump(), "energy": {}},
        ledger={"counts": counts, "facts": chip.facts(1.0), "ledger_curve": [of_training(counts)]},
        curve=[{"phase": "clusters", "images": 4.0}],
    )  # fmt: skip
    energy = energy_of(record, EnergyTable.load("32nm"))
    assert energy.total is not None
    assert energy.by_training_phase["clusters"].nominal == pytest.approx(energy.total.nominal)
    assert energy.by_training_phase["clusters"].images == 4


def test_a_new_clustering_begins_without_the_gains_of_the_last_one() -> None:
    hardware, ledger = HardwareSection(backend="analog", device="ecram"), EnergyLedger()
    parameters = STDPParameters(**LIVELY, normalisation="gain")
    chip = ClusteringChip(hardware, parameters, NEURONS, INPUTS, Streams(0), ledger)
    used = chip.network(INPUTS, seeded(0))
    used.present(samples())
    assert abs(used.network.state.scale - 1).max() > 0.01
    assert (chip.network(INPUTS, seeded(1)).network.state.scale == 1).all()


def test_a_new_clustering_begins_with_new_weights_and_no_thresholds() -> None:
    hardware = HardwareSection.model_validate(HARDWARE | {"device_parameters": CERTAIN | {"step": 0.001}})
    ledger = EnergyLedger()
    chip = ClusteringChip(hardware, STDPParameters(**LIVELY), NEURONS, INPUTS, Streams(0), ledger)
    chip.network(INPUTS, seeded(0)).present(samples())
    programmed = ledger.counts()["W1"]["update"]["pulses_up"]
    again = chip.network(INPUTS, seeded(1))
    assert not again.thresholds.any()
    wanted = STDPNetwork(INPUTS, NEURONS, STDPParameters(**LIVELY), seeded(1)).weights
    assert (again.weights.double() - wanted).abs().max() < 5.0 / 2 * 0.001  # a step
    assert ledger.counts()["W1"]["update"]["pulses_up"] > programmed


def test_every_step_of_learning_takes_its_time_of_the_devices() -> None:
    """Four samples of 50 steps of 1000 s: exp(-0.2) of what the array holds is left, of a lifetime of a million."""
    hardware = HardwareSection(
        backend="analog", device="capacitor", device_parameters={"retention.lifetime_dtod": 0.0}, read_noise=0.0,
        step_seconds=1e3,
    )  # fmt: skip
    ledger = EnergyLedger()
    chip = ClusteringChip(hardware, STDPParameters(timesteps=50), NEURONS, INPUTS, Streams(0), ledger)
    network, silence = chip.network(INPUTS, seeded(0)), torch.zeros(4, 50, INPUTS, dtype=torch.uint8)
    fresh = chip.array.snapshot()
    network.present(silence)
    aged = chip.array.snapshot()
    torch.testing.assert_close(aged, fresh * exp(-0.2), rtol=1e-4, atol=1e-6)
    assert ledger.counts()["clock"]["update"]["seconds"] == 4 * 50 * 1e3
    network.present(silence, learn=False)
    torch.testing.assert_close(chip.array.snapshot(), aged, rtol=0, atol=0)

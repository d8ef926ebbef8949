"""The target circuit as hardware: equal to the ideal one with every error off, and each error by its closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import neurohw as nh
from neurohw.circuits.analog_parameters import BOLTZMANN, TargetParameters
from neurohw.circuits.analog_target import AnalogTarget
from neurohw.circuits.competition import compete
from neurohw.circuits.library import load_circuit
from neurohw.circuits.target import Decision, Homeostasis, IdealTarget, TargetRule
from neurohw.errors import InputError
from neurohw.testing import TargetCircuitConformance
from tests.approximately import approx
from tests.reference import kwta_at_rest

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


class TestAnalogTarget(TargetCircuitConformance):
    def make_circuit(self, n_out: int, k: int) -> AnalogTarget:
        return AnalogTarget(TargetRule(n_out, k, gamma=0.5))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def circuit(n: int, k: int, parameters: dict[str, Any], seed: int = 0, gamma: float = 0.5, **more: Any) -> AnalogTarget:
    made = TargetParameters().with_values(parameters)
    ties = {key: more.pop(key) for key in ("ties",) if key in more}
    rule = TargetRule(n, k, gamma, **more)
    return AnalogTarget(rule, made, chip=seeded(seed), generator=seeded(seed + 1), **ties)


def won(decision: Decision) -> Tensor:
    return decision.target == 1


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 12),
    share=st.floats(0, 1),
    batch=st.integers(1, 6),
    levels=st.integers(2, 200),
    ties=st.sampled_from(["lowest", "random"]),
    average=st.sampled_from(["batch", "ema"]),
    average_of=st.sampled_from(["target", "winners"]),
    smoothing=st.sampled_from([0.0, 0.3]),
    masked=st.booleans(),
    labelled=st.booleans(),
)
def test_without_errors_it_is_the_ideal_target_bit_for_bit(
    seed: int, n: int, share: float, batch: int, levels: int, masked: bool, labelled: bool, **common: Any
) -> None:
    n_out, k = 10 * n, 1 + int(share * (10 * n - 1))
    ties = common.pop("ties")
    rule = TargetRule(n_out, k, 0.5, **common)
    ideal, analog = (kind(rule, ties=ties, generator=seeded(seed)) for kind in (IdealTarget, AnalogTarget))
    draws, expected, got = seeded(seed + 1), ideal.initial(), analog.initial()
    for _ in range(3):
        y = torch.randint(levels, (batch, n_out), generator=draws) / levels
        active = (torch.rand(batch, n_out, generator=draws) > 0.3).float() if masked else None
        labels = torch.randint(10, (batch,), generator=draws) if labelled else None
        a = ideal(y, expected, active=active, labels=labels, seconds=1.0)
        b = analog(y, got, active=active, labels=labels, seconds=1.0)
        assert torch.equal(a.target, b.target)
        assert torch.equal(a.homeostasis.threshold, b.homeostasis.threshold)
        assert torch.equal(a.homeostasis.activity, b.homeostasis.activity)
        assert a.events == b.events
        expected, got = a.homeostasis, b.homeostasis


def test_gain_mismatch_follows_from_transistor_area() -> None:
    given_area = TargetParameters().with_values({"inputs.a_vt": 3.5e-9, "inputs.gate_area": 0.5e-12})
    sigma_vt = 3.5e-9 / math.sqrt(0.5e-12)  # 4.9 mV
    assert given_area.gain_mismatch == approx(sigma_vt / (1.3 * 0.025852), rel=1e-3)
    c = AnalogTarget(TargetRule(4000, 5, 0.5), given_area, chip=seeded(3))
    assert c._gain.std().item() == approx(given_area.gain_mismatch, rel=0.05)


def test_a_chip_is_what_its_seed_says() -> None:
    errors = {"inputs.offset": 1e-9, "inputs.gain_mismatch": 0.1, "levels.mismatch": 0.05}
    y = torch.rand(8, 40, generator=seeded(9))
    first, again, other = (circuit(40, 5, errors, seed)(y, circuit(40, 5, {}).initial()) for seed in (1, 1, 2))
    assert torch.equal(first.target, again.target)
    assert not torch.equal(first.target, other.target)


def test_an_offset_is_a_threshold_of_its_own() -> None:
    c = circuit(50, 5, {"inputs.offset": 2e-9})
    y = torch.rand(30, 50, generator=seeded(2))
    offsets = c._offset
    expected = IdealTarget(TargetRule(50, 5, 0.5))(y, Homeostasis(-offsets, torch.zeros(50)))
    assert torch.equal(c(y, c.initial()).target, expected.target)
    assert offsets.std().item() == approx(0.2, rel=0.3)  # 2 nA of 10 nA


def test_homeostasis_absorbs_static_offsets() -> None:
    """Every threshold moves by its input's offset, so that offsets cost time to learn H, and no winners.

    The offsets are as large as the outputs' own spread (0.2); without homeostasis they decide who wins.
    """
    offset = {"inputs.offset": 2e-9}
    plain, shifted = circuit(40, 4, {}), circuit(40, 4, offset)
    ideal, found = (compete(c, 4, 3000, seeded(5)) for c in (plain, shifted))
    moved = found.threshold[-1500:].mean(0) - ideal.threshold[-1500:].mean(0)
    moved, offsets = moved - moved.mean(), shifted._offset - shifted._offset.mean()
    assert ((moved * offsets).sum() / (offsets**2).sum()).item() == approx(1.0, abs=0.05)
    assert found.frequency.std() < 0.1 * found.wanted
    without = compete(circuit(40, 4, offset, gamma=0.0), 4, 200, seeded(5))
    assert without.frequency.std() > without.wanted


def test_comparator_noise_errs_as_often_as_the_normal_law_says() -> None:
    sigma, gap = 0.05, 0.06
    c = circuit(2, 1, {"decision.comparator_noise": sigma * 1e-8})
    y = torch.tensor([[0.5, 0.5 + gap]]).repeat(20_000, 1)
    errors = won(c(y, c.initial()))[:, 0].float().mean().item()
    expected = 0.5 * math.erfc(gap / (sigma * math.sqrt(2)) / math.sqrt(2))
    assert errors == approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / 20_000))


SLEWING = {"decision.seconds": 1e-5, "decision.separation": 0.1, "decision.node_capacitance": 50e-15}
LEAST = 50e-15 * 0.1 / 1e-5 / 1e-8  # t = C dV / dI, in outputs: 0.05


def pair(gap: float, n: int = 4000) -> Tensor:
    """One output far ahead, two near each other, one far behind."""
    return torch.tensor([[0.95, 0.5 + gap, 0.5, 0.1]]).repeat(n, 1)


@pytest.mark.parametrize("gap", [1.02 * LEAST, 3 * LEAST])
def test_a_gap_that_is_resolved_is_decided_rightly(gap: float) -> None:
    c = circuit(4, 2, SLEWING)
    decision = c(pair(gap), c.initial())
    assert torch.equal(won(decision), pair(gap) > 0.5)
    assert decision.events.unresolved == 0


def test_a_gap_that_is_not_resolved_is_a_coin_toss() -> None:
    c = circuit(4, 2, SLEWING)
    decision = c(pair(0.5 * LEAST), c.initial())
    assert won(decision)[:, 0].all()
    assert not won(decision)[:, 3].any()
    assert won(decision)[:, 1].float().mean().item() == approx(0.5, abs=5 * 0.5 / math.sqrt(4000))
    assert (won(decision).sum(1) == 2).all()
    assert decision.events.unresolved == 4000
    assert decision.events.shares() == {"winners_per_image": 2.0, "tied_share": 0.0, "unresolved_share": 1.0}


@pytest.mark.parametrize(("how", "count"), [("too-few", 1), ("too-many", 3)])
def test_unresolved_outputs_can_make_too_few_or_too_many_winners(how: str, count: int) -> None:
    c = circuit(4, 2, SLEWING | {"decision.unresolved": how})
    decision = c(pair(0.5 * LEAST), c.initial())
    assert (won(decision).sum(1) == count).all()
    assert decision.events.winners == 4000 * count


def test_more_unresolved_outputs_than_are_looked_at_first() -> None:
    c = circuit(400, 3, SLEWING)
    y = torch.full((300, 400), 0.5)
    y[:, :2] = 0.9
    decision = c(y, c.initial())
    assert (won(decision).sum(1) == 3).all()
    assert won(decision)[:, :2].all()
    third = won(decision)[:, 2:].float().argmax(1)
    assert len(third.unique()) > 150  # of 398 that are equal, not of the first 64 alone


def test_more_competitors_and_less_time_resolve_less() -> None:
    def least(n: int, seconds: float) -> float:
        c = circuit(n, 2, SLEWING | {"decision.seconds": seconds, "decision.cell_delay": 4e-8})
        return c.resolvable(torch.tensor([1e-8])).item()

    assert least(2000, 1e-4) > least(100, 1e-4)
    assert least(100, 2e-5) > least(100, 1e-4)
    assert least(2000, 2e-5) == math.inf  # the common line alone takes as long


def test_a_wrong_bias_empties_the_common_line_as_fast_as_the_k_that_it_makes() -> None:
    more = SLEWING | {"decision.seconds": 1e-4, "decision.cell_delay": 4e-7}
    current, five = torch.tensor([1e-8]), circuit(100, 5, more)
    wrong = circuit(100, 3, more | {"decision.winner_error": 2})
    assert wrong.resolvable(current) == five.resolvable(current)
    assert wrong.resolvable(current) < circuit(100, 3, more).resolvable(current)
    assert wrong.cost() == replace(five.cost(), joules_per_update=wrong.cost().joules_per_update)


def test_finite_gain_limits_the_resolution_at_rest() -> None:
    c = circuit(4, 2, {"decision.early_voltage": 2.8, "decision.separation": 0.1})
    assert c.resolvable(torch.tensor([1e-8])).item() == approx(0.1 / 2.8)


SOFT = {"decision.early_voltage": 2.8, "decision.output": "current"}


def test_soft_outputs_share_the_bias() -> None:
    """Shares add up to k - 1/2: clear winners get all, the k-th what is left; ties share it."""
    c = circuit(10, 3, SOFT)
    clear = torch.linspace(0.1, 1.0, 10).repeat(2, 1)
    tied = torch.tensor([[0.9] + [0.5] * 9])
    for y, expected in ((clear, [0.0] * 7 + [0.5, 1.0, 1.0]), (tied, [1.0] + [1.5 / 9] * 9)):
        target = c(y, c.initial()).target
        torch.testing.assert_close(target[0], torch.tensor(expected), atol=2e-3, rtol=0)
        assert target[0].sum().item() == approx(2.5, abs=1e-3)


@pytest.mark.parametrize("seconds", [None, 3e-5])
@pytest.mark.parametrize("k", [1, 5, 60, 200])
def test_soft_outputs_balance_whatever_the_inputs_are(k: int, seconds: float | None) -> None:
    """Outputs in the shares of one I_c that add up to k - 1/2, with inputs dense, sparse, equal or far apart."""
    noise = torch.rand(64, 200, generator=seeded(3))
    clear = noise * 1e-3
    clear[:, : k - 1] += 2.0
    inputs = torch.cat([noise, noise.where(noise > 0.95, 0.0), noise * 1e-4 + 0.5, torch.ones(8, 200), clear])
    c = circuit(200, k, {"decision.early_voltage": 2.8, "decision.output": "current", "decision.seconds": seconds,
                         "inputs.common_current": 1e-9})  # fmt: skip
    shares = c(inputs, c.initial()).target.double()
    assert ((shares.sum(1) / (k - 0.5) - 1).abs() < 5e-5).all()
    order = inputs.argsort(1)
    assert (shares.gather(1, order).diff(dim=1) >= 0).all()


def test_what_was_decided_before_does_not_matter() -> None:
    """Targets stay as they were given, and noise is drawn alike, whatever batches came before, in whichever order."""
    noisy = SOFT | {"decision.comparator_noise": 1e-10, "inputs.common_current": 5e-9}
    y = torch.rand(30, 40, generator=seeded(1))
    first, later = circuit(40, 4, noisy), circuit(40, 4, noisy)
    rows = later(y, later.initial()).target
    as_given = rows.clone()
    later(1 - y, later.initial())
    assert torch.equal(rows, as_given)
    later._generator.set_state(first._generator.get_state())
    columns = y.t().contiguous().t()
    assert torch.equal(later(columns, later.initial()).target, first(columns, first.initial()).target)


def test_soft_outputs_are_those_of_the_circuits_equations() -> None:
    inputs = np.array([[10.0, 9.95, 9.8, 9.7, 8.0, 3.0], [9.0, 8.97, 8.96, 8.5, 5.0, 1.0]]) * 1e-9
    expected = np.stack([kwta_at_rest(row, 2)[0] for row in inputs])
    ceiling = kwta_at_rest(np.full(6, 1e-8), 2)[1][0]  # the winner's node, which is part of the gain
    c = circuit(6, 2, SOFT | {"decision.ceiling": float(ceiling)})
    found = c(torch.from_numpy(inputs / 1e-8).float(), c.initial()).target.numpy()
    assert np.abs(found - expected).max() < 0.06


def test_the_reference_lets_the_k_largest_win() -> None:
    """Clear winners carry their limit each, the k-th the half that is left of the bias."""
    outputs, _ = kwta_at_rest(np.array([1.0, 9.0, 2.0, 7.0, 4.0, 0.5]) * 1e-9, 2)
    assert outputs == approx(np.array([0.0, 1.0, 0.0, 0.5, 0.0, 0.0]), abs=0.02)


def test_less_time_makes_softer_outputs() -> None:
    y = torch.linspace(0.1, 1.0, 10).repeat(1, 1)
    spreads = []
    for seconds in (1e-3, 1e-6, 1e-7):
        c = circuit(10, 3, SOFT | {"decision.seconds": seconds})
        spreads.append(c(y, c.initial()).target.std().item())
    assert spreads[0] > spreads[1] > 2 * spreads[2]


@pytest.mark.parametrize("error", [-2, 3])
def test_a_wrong_bias_makes_more_or_fewer_winners(error: int) -> None:
    c = circuit(20, 5, {"decision.winner_error": error})
    assert (won(c(torch.rand(4, 20), c.initial())).sum(1) == 5 + error).all()


def test_bias_mismatch_spreads_the_winners_from_chip_to_chip() -> None:
    made = [circuit(100, 20, {"decision.bias_mismatch": 0.1}, seed).chip_k for seed in range(200)]
    counts = torch.tensor(made, dtype=torch.float)
    assert counts.mean().item() == approx(19.75, abs=0.6)  # of ceil(bias - 1/4), bias about 19.5
    assert counts.std().item() == approx(1.97, rel=0.25)


def test_currents_below_zero_tie_where_they_are_rectified() -> None:
    c = circuit(6, 2, {"inputs.rectified": True}, ties="random")
    y = torch.tensor([[0.9, -0.1, -0.2, -0.3, -0.4, -0.5]]).repeat(500, 1)
    decision = c(y, c.initial())
    assert won(decision)[:, 0].all()
    assert won(decision)[:, 1:].float().mean(0).tolist() == approx([0.2] * 5, abs=0.1)
    assert decision.events.tied == 500


def thresholds(parameters: dict[str, Any], steps: int = 1, n: int = 10, **more: Any) -> Tensor:
    c = circuit(n, 2, parameters, **more)
    state = c.initial()
    for _ in range(steps):
        state = c(torch.arange(n).repeat(3, 1) / n, state, seconds=0.5).homeostasis
    return state.threshold


def test_thresholds_leak_with_their_time_constant() -> None:
    c = circuit(10, 2, {"homeostasis.leak_seconds": 2.0}, gamma=0.0)
    before = Homeostasis(torch.linspace(-1, 1, 10), torch.zeros(10))
    after = c(torch.rand(3, 10), before, seconds=0.7).homeostasis.threshold
    torch.testing.assert_close(after, before.threshold * math.exp(-0.7 / 2.0))
    labelled = c(torch.rand(3, 10), before, labels=torch.tensor([0, 1, 2]), seconds=0.7).homeostasis.threshold
    torch.testing.assert_close(labelled, after)  # a capacitor leaks while labels teach, too


COUNTER = {"homeostasis.storage": "counter", "homeostasis.range": 0.4}


def test_a_counter_holds_whole_steps_within_its_range() -> None:
    least = 2 * 0.4 / 2**5
    found = thresholds(COUNTER | {"homeostasis.bits": 5}, steps=7)
    torch.testing.assert_close(found / least, (found / least).round())
    assert found.abs().max() <= 0.4 + 1e-6
    assert found.abs().max() > 0.3  # saturated


@pytest.mark.parametrize("storage", ["capacitor", "counter"])
def test_b_bits_have_two_to_the_b_values(storage: str) -> None:
    bits = {"homeostasis.bits": 2, "homeostasis.range": 1.0, "homeostasis.storage": storage}
    c = circuit(200, 2, bits)
    wide = Homeostasis(torch.linspace(-2, 2, 200), torch.zeros(200))
    seen = (
        c._thresholds.next(wide, torch.zeros(3, 200), torch.zeros(200, dtype=torch.bool), 0.0)
        if storage == "counter"
        else wide
    )
    assert c._thresholds.read(seen).unique().tolist() == [-1.0, -0.5, 0.0, 0.5]


def test_a_capacitor_is_rounded_where_it_is_read_and_leaks_between() -> None:
    errors = {"homeostasis.bits": 6, "homeostasis.range": 1.0, "homeostasis.leak_seconds": 0.1}
    c = circuit(4, 1, errors, gamma=0.0)
    state = Homeostasis(torch.full((4,), 0.25), torch.zeros(4))
    for _ in range(100):
        state = c(torch.rand(2, 4), state, seconds=1e-3).homeostasis
    torch.testing.assert_close(state.threshold, torch.full((4,), 0.25 * math.exp(-1)))


def test_a_dithered_counter_is_right_on_average() -> None:
    exact = thresholds({})
    errors = COUNTER | {"homeostasis.bits": 4, "homeostasis.range": 1.0, "homeostasis.rounding": "stochastic"}
    found = torch.stack([thresholds(errors, seed=i) for i in range(300)])
    assert (found.mean(0) - exact).abs().max() < 5 * 0.125 / 2 / math.sqrt(300)


def test_step_mismatch_charge_injection_and_thermal_noise() -> None:
    n = 4000
    exact = thresholds({}, n=n)
    stepped = thresholds({"homeostasis.step_mismatch": 0.1}, n=n) / exact
    assert stepped.std().item() == approx(0.1, rel=0.05)
    injected = {"homeostasis.decrement_injection": 1e-15, "homeostasis.injection_mismatch": 0.2}
    jump = thresholds(injected, n=n) - exact  # 1 fC on 1 pF: 1 mV
    assert jump.mean().item() == approx(1e-3, rel=0.02)
    assert jump.std().item() == approx(2e-4, rel=0.05)
    noise = thresholds({"homeostasis.thermal_noise": True, "homeostasis.capacitance": 1e-15}, n=n) - exact
    assert noise.std().item() == approx(math.sqrt(BOLTZMANN * 300 / 1e-15), rel=0.05)


def test_a_winners_pulse_leaves_its_charge_on_winners_only() -> None:
    """By hand: 2 fC on 1 pF for each that won in the batch, -0.5 fC for all; the winners' order follows."""
    charges = {"homeostasis.charge_injection": 2e-15, "homeostasis.decrement_injection": -0.5e-15}
    y = torch.tensor([[0.9, 0.1, 0.2, 0.0], [0.9, 0.1, 0.2, 0.8], [0.9, 0.0, 0.3, 0.8]])  # 0 wins twice less, 3 twice
    exact, found = circuit(4, 1, {}), circuit(4, 1, charges)
    y[1, 3] = y[2, 3] = 0.95
    jump = found(y, found.initial()).homeostasis.threshold - exact(y, exact.initial()).homeostasis.threshold
    torch.testing.assert_close(jump, torch.tensor([1.5e-3, -0.5e-3, -0.5e-3, 1.5e-3]), rtol=1e-3, atol=1e-7)
    even = torch.full((1, 2), 0.5) + torch.tensor([[1e-4, 0.0]])  # closer than one injection: who won, loses next
    still, pushed = circuit(2, 1, {}, gamma=1e-9), circuit(2, 1, charges, gamma=1e-9)
    after = pushed(even, pushed.initial()).homeostasis
    assert won(pushed(even, after)).tolist() == [[False, True]]
    assert won(still(even, still.initial())).tolist() == [[True, False]]


def test_a_circuit_biased_for_another_current_is_as_fast_as_that_current() -> None:
    given = load_circuit("generic_180nm")
    slow, fast = (AnalogTarget(TargetRule(32, 4, 0.5), given.with_values({"inputs.unit_current": amps}), chip=seeded(1))
                  for amps in (1e-9, 8e-9))  # fmt: skip
    assert fast.resolution.delay(32, 4) == approx(slow.resolution.delay(32, 4) / 8)
    with pytest.raises(InputError, match=r"unit_current: got 1e-07 A .*characterised at 1e-09 A"):
        AnalogTarget(TargetRule(32, 4, 0.5), given.with_values({"inputs.unit_current": 1e-7}))


def test_another_temperature_needs_another_characterisation() -> None:
    given = load_circuit("generic_180nm")
    with pytest.raises(InputError, match=r"temperature: got 350\.0 K .*at 300 K; .*characterise --set temperature=350"):
        given.with_values({"temperature": 350.0})
    measured = {"decision.early_voltage": 14.5, "decision.ceiling": 0.51, "decision.separation": 0.069}
    assert given.with_values({"temperature": 350.0, **measured}).temperature == 350


def test_an_rc_averages_exponentially() -> None:
    eta = 1 - math.exp(-0.5 / 3 / 0.8)  # three samples in half a second
    rc = thresholds({"homeostasis.average_seconds": 0.8}, steps=4, average="ema")
    ideal = IdealTarget(TargetRule(10, 2, 0.5, average="ema", eta=eta))
    state = ideal.initial()
    for _ in range(4):
        state = ideal(torch.arange(10).repeat(3, 1) / 10, state).homeostasis
    torch.testing.assert_close(rc, state.threshold)


def test_levels_err_as_given() -> None:
    c = circuit(10, 2, {"levels.low_error": 0.05, "levels.high_error": -0.1}, smoothing=0.3)
    target = c(torch.arange(10).repeat(2, 1) / 10, c.initial()).target
    low = 0.3 * 2 / 10
    torch.testing.assert_close(target[0], torch.tensor([low + 0.05] * 8 + [0.7 + low - 0.1] * 2))
    labelled = c(torch.rand(1, 10), c.initial(), labels=torch.tensor([4])).target
    assert labelled[0, 4].item() == approx(0.7 + 0.3 / 10 - 0.1)


def test_cost_of_a_decision() -> None:
    c = circuit(100, 5, SLEWING | {"power.cell_current": 1e-9, "power.winner_current": 2e-9})
    cost = c.cost()
    assert cost.power == approx(1.8 * (100 * (5e-9 + 1e-9) + 5 * 2e-9))
    assert cost.seconds == 1e-5
    patient = circuit(100, 5, {"decision.early_voltage": 2.0, "decision.ceiling": 0.5, "decision.separation": 0.1})
    assert patient.cost().seconds == approx(50e-15 * 2.5 / 1e-8 * math.log(2), rel=0.01)  # 2 d: 1 - exp(-x) = 1/2
    assert cost.joules == approx(cost.power * 1e-5 + 100 * 50e-15 * 1.8**2)
    assert cost.joules_per_update == approx(100 * 1e-12 * 1.8 * 0.5 * 5 / 100)


@pytest.mark.parametrize("device", DEVICES)
def test_everything_on_replays_from_the_generator(device: str) -> None:
    def decide() -> Decision:
        made = TargetParameters().with_values(EVERYTHING)
        noise, chip = (torch.Generator(device).manual_seed(i) for i in (1, 2))
        c = AnalogTarget(TargetRule(60, 5, 0.5), made, chip=chip, generator=noise, device=device)
        y = torch.rand(16, 60, generator=torch.Generator(device).manual_seed(0), device=device)
        state = c.initial()
        for _ in range(3):
            decision = c(y, state, seconds=1e-3)
            state = decision.homeostasis
        return decision

    first, second = decide(), decide()
    assert torch.equal(first.target, second.target)
    assert torch.equal(first.homeostasis.threshold, second.homeostasis.threshold)


EVERYTHING = {
    "inputs.gain_mismatch": 0.05, "inputs.offset": 2e-10, "inputs.rectified": True, "inputs.common_current": 1e-9,
    "decision.comparator_noise": 1e-10, "decision.seconds": 5e-5, "decision.early_voltage": 2.8,
    "decision.ceiling": 0.5, "decision.separation": 0.1, "decision.cell_delay": 1e-9, "decision.bias_mismatch": 0.05,
    "homeostasis.step_mismatch": 0.1, "homeostasis.bits": 8, "homeostasis.range": 1.0,
    "homeostasis.rounding": "stochastic", "homeostasis.leak_seconds": 100.0, "homeostasis.charge_injection": 1e-15,
    "homeostasis.injection_mismatch": 0.1, "homeostasis.thermal_noise": True,
    "levels.low_error": 0.01, "levels.mismatch": 0.01,
}  # fmt: skip


def test_a_run_with_everything_on_resumes_to_the_bit(tmp_path: Path) -> None:
    overrides = {"target.circuit": "analog", "target.parameters": EVERYTHING, "target.ties": "random",
                 "training.epochs": 2, "hardware.backend": "ideal", "hardware.device": None}  # fmt: skip
    experiment = nh.load_experiment("quickstart", overrides=overrides)
    whole = nh.run(experiment, out=tmp_path / "whole")
    nh.run(experiment, out=tmp_path / "parts", stop_after=1)
    parts = nh.run(experiment, out=tmp_path / "parts", resume=True)
    assert parts.metrics == whole.metrics
    drop = {"seconds"}
    assert [{k: v for k, v in row.items() if k not in drop} for row in parts.curve] == [
        {k: v for k, v in row.items() if k not in drop} for row in whole.curve
    ]
    assert 0 < whole.curve[-1]["unresolved_share"] <= 1


@pytest.mark.parametrize("k", [0, 11, -1])
def test_k_out_of_range(k: int) -> None:
    with pytest.raises(InputError, match=rf"target\.k: got {k}; allowed: 1 to 10"):
        AnalogTarget(TargetRule(10, k, 0.5))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"decision.seconds": -1e-6}, r"decision\.seconds: got -1e-06; allowed: greater than 0"),
        ({"inputs.gate_area": -1.0}, r"inputs\.gate_area: got -1\.0; allowed: greater than 0"),
        ({"decision.seconds": 1e-6}, r"decision\.separation: not given"),
        ({"decision.output": "current"}, r"decision\.early_voltage: not given"),
        ({"inputs.a_vt": 1e-9}, r"inputs\.gate_area: not given"),
        ({"homeostasis.bits": 5}, r"homeostasis\.range: not given"),
        ({"homeostasis.rounding": "stochastic"}, r"homeostasis\.bits: not given"),
        ({"homeostasis.storage": "counter"}, r"homeostasis\.bits: not given"),
        (COUNTER | {"homeostasis.bits": 5, "homeostasis.leak_seconds": 1.0}, r"leak_seconds: got 1\.0, which a"),
        ({"homeostasis.injection_mismatch": 0.1}, r"homeostasis\.charge_injection: not given"),
        ({"homeostasis.average_seconds": 1.0}, r"average_seconds: got 1\.0 s, which only an exponential"),
        ({"inputs.gate_area": 1e-12}, r"inputs\.gate_area: got 1e-12 m2 without a_vt"),
        ({"decision.ceiling": 0.4}, r"decision\.separation: not given; .*ceiling needs"),
        (SOFT | {"decision.separation": 0.1}, r"decision\.output: got .current"),
        ({"decision.speed": 1.0}, r"decision\.speed: unknown key .*; allowed: temperature, "),
        ({"decision.unresolved": "maybe"}, r"decision\.unresolved: got 'maybe'; allowed: 'noise'"),
        ({"decision.winner_error": -5}, r"winner_error: got -5, which makes 0 winners; allowed: -4 to 5"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        circuit(10, 5, parameters)

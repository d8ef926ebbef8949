"""ngspice's measurements of the kWTA: equal to the golden results, and physically what they must be."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from neurohw.errors import InputError, NeurohwError
from neurohw.transistors.behaviour import Effort, characterise, required_separation
from neurohw.transistors.homeostasis_netlist import HomeostasisNetlist, homeostasis_step
from neurohw.transistors.kwta_measurements import (
    Simulator,
    at_current,
    dc_transfer,
    decide,
    decision_times,
    draw_shifts,
    monte_carlo,
    tie_offsets,
)
from neurohw.transistors.kwta_netlist import KWTANetlist, render, stimulus
from neurohw.transistors.ngspice import NgspiceError, run
from tests.approximately import approx
from tests.test_netlist import GOLDEN, INPUTS, MAIN, golden_fit, golden_times, golden_transfer, golden_winners

real = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed (apt-get install ngspice)")
SMALL = KWTANetlist(5, 2)


@real
@pytest.mark.parametrize("pair", GOLDEN["pairs"], ids=lambda pair: f"{pair['k']} of {pair['n']}")
def test_pairs_are_as_they_were(pair: dict[str, float]) -> None:
    netlist = KWTANetlist(
        int(pair["n"]), int(pair["k"]), unit_current=pair["unit_current_A"], limiter_current=pair["limiter_current_A"]
    )
    before, now = golden_transfer(pair), dc_transfer(netlist, GOLDEN["difference"])
    assert now.separation == approx(before.separation, rel=0.01)
    assert now.outputs == approx(before.outputs, rel=0.02, abs=1e-14)
    seconds = decision_times(netlist, GOLDEN["difference"], GOLDEN["required_V"]).seconds
    assert seconds == approx(golden_times(pair).seconds, rel=0.02)


@real
def test_winners_are_as_they_were() -> None:
    now = decide(MAIN, INPUTS[:30])
    ordered = -np.sort(-INPUTS[:30], axis=1)
    clear = (ordered[:, 3] - ordered[:, 4]) / ordered[:, 3] > 1e-3  # closer ones may fall either way elsewhere
    assert (now.winners == golden_winners("winners")[:30])[clear].all()
    assert now.supply_current == approx(np.array(GOLDEN["supply_current_A"][:30]), rel=0.01)


@real
def test_mismatch_is_as_it_was() -> None:
    shifts = np.array(GOLDEN["shifts_mV"]) * 1e-3
    assert tie_offsets(MAIN, shifts) == approx(np.array(GOLDEN["offsets"]), abs=1e-3)
    now = decide(MAIN, INPUTS[:5], shifts)
    assert (now.winners == golden_winners("winners_with_shifts")[:5]).all()


@real
def test_the_homeostasis_cell_is_as_it_was() -> None:
    now = homeostasis_step(HomeostasisNetlist())
    assert asdict(now) == approx(GOLDEN["homeostasis"], rel=0.02)
    ideal = 1e-9 * 1e-6 / 1e-12
    assert ideal < now.step < 2 * ideal  # the pulse's own charge, and what the switch injects


@real
def test_a_multiplier_is_as_many_competitors() -> None:
    inputs = np.array([[1e-9, 0.99e-9], [1e-9, 0.8e-9]])
    grouped = render(SMALL, stimulus(SMALL, inputs, (2, 3)))
    (found,) = run(grouped, ["dc vcase 0 1 1"])
    each = decide(SMALL, np.repeat(inputs, (2, 3), axis=1))
    assert each.outputs[:, 1] == approx(found["i(vout1)"] / 2, rel=1e-3)
    assert each.outputs[:, 4] == approx(found["i(vout2)"] / 3, rel=1e-3, abs=1e-15)


@real
def test_competitors_are_alike() -> None:
    inputs = np.array([1.0, 0.5, 1.4, 0.9, 0.3]) * 1e-9
    order = [3, 0, 4, 2, 1]
    found = decide(SMALL, np.stack([inputs, inputs[order]]))
    assert found.outputs[1] == approx(found.outputs[0][order], rel=1e-3, abs=1e-15)
    assert found.winners[0].tolist() == [True, False, True, False, False]


@real
@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_win_and_share_the_bias(k: int) -> None:
    netlist = KWTANetlist(5, k)
    found = decide(netlist, np.array([[1.0, 0.5, 1.4, 0.8, 0.3]]) * 1e-9)
    assert found.winners.sum() == k
    assert found.outputs.sum() == approx((k - 0.5) * netlist.limiter_current, rel=0.03)


@real
def test_what_is_too_close_is_never_decided() -> None:
    times = decision_times(SMALL, [0.001, 0.1], 0.1)
    assert np.isinf(times.seconds).tolist() == [True, False]


@real
def test_decisions_take_longer_the_closer_they_are() -> None:
    seconds = decision_times(SMALL, [0.01, 0.03, 0.1], 0.05).seconds
    assert (np.diff(seconds) < 0).all()


@real
def test_without_mismatch_nothing_is_offset_and_a_shift_acts_as_it_should() -> None:
    shifts = np.zeros((5, 5))
    assert tie_offsets(SMALL, shifts) == approx(np.zeros(5), abs=1e-6)
    shifts[2, 2] = 1e-3  # a higher threshold of its sink: the input counts for more
    offsets = tie_offsets(SMALL, shifts)
    assert offsets[2] - offsets[0] == approx(1e-3 / (1.36 * 0.02585), rel=0.05)


@real
def test_the_spread_is_that_of_three_subthreshold_transistors() -> None:
    mismatch = monte_carlo(MAIN, 8, np.random.default_rng(1))
    assert mismatch.offsets.shape == (8, 32)
    assert mismatch.offsets.mean(1) == approx(np.zeros(8), abs=1e-12)
    mirror, _, sink, *_ = MAIN.sigma_thresholds()
    expected = np.sqrt(2 * mirror**2 + sink**2) / (1.36 * 0.02585)
    assert mismatch.offsets.std() == approx(expected, rel=0.15)


@real
def test_the_same_seed_draws_the_same_chip() -> None:
    first, second = (monte_carlo(SMALL, 2, np.random.default_rng(7)).offsets for _ in range(2))
    assert (first == second).all()
    assert draw_shifts(SMALL, np.random.default_rng(7)).shape == (5, 5)


@real
def test_a_characterisation_says_what_the_netlist_implies() -> None:
    told: list[str] = []
    effort = Effort(differences=(0.01, 0.03, 0.1, 0.3), sizes=(2,), currents=(1.0,), chips=2, cases=20)
    found = characterise(SMALL, 3, effort=effort, progress=told.append)
    assert len(told) == 5
    assert [transfer.n for transfer in found.transfers] == [5, 10]
    assert max(found.fit.worst) < 0.06
    assert 0.001 < found.resolution < 0.02
    assert found.agreement.fraction == 1.0
    assert (found.winners_found == 2)[found.agreement.agrees].all()
    assert 0 < found.gain_mismatch < 0.3
    assert 1e-9 < found.static_power < 1e-6
    assert found.decision_seconds(0.1) < found.decision_seconds(0.02)
    assert found.homeostasis_netlist.activity_target == 0.4


@real
def test_the_law_of_one_nanoampere_holds_at_twenty() -> None:
    """Every node charges 20 times as fast, and the ceiling rises with the gates' voltages: fitted at 0.5 and 1 nA."""
    law, fast = golden_fit(k=(4,)).resolution.at(20e-9), at_current(MAIN, 20e-9)
    differences, required = [0.01, 0.05, 0.3], GOLDEN["required_V"]
    assert law.separation(np.array(differences)) == approx(dc_transfer(fast, differences).separation, rel=0.06)
    seconds = decision_times(fast, differences, required).seconds
    assert law.decision_time(np.array(differences), 20e-9, required, 32, 4) == approx(seconds, rel=0.08)
    assert seconds[-1] == approx(0.6e-6, rel=0.02)


def test_a_bias_that_cannot_find_k_winners_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    starved = replace(golden_transfer(GOLDEN["pairs"][0]), outputs=np.full((9, 2), 1e-12))
    monkeypatch.setattr("neurohw.transistors.behaviour.dc_transfer", lambda *_: starved)
    with pytest.raises(NeurohwError, match=r"does not tell 4 winners of 32: .* 0\.002 and 0\.002 times") as error:
        required_separation(MAIN)
    assert error.value.exit_status == 1


def test_a_simulator_that_fails_is_an_error(tmp_path: Path) -> None:
    fake = tmp_path / "ngspice"
    fake.write_text("#!/bin/sh\necho 'Error: out of memory'; exit 1\n")
    fake.chmod(0o755)
    with pytest.raises(NgspiceError, match="out of memory"):
        dc_transfer(SMALL, 0.1, Simulator(executable=fake))


@pytest.mark.parametrize("effort", [Effort(chips=0), Effort(cases=0)])
def test_an_effort_is_at_least_one(effort: Effort) -> None:
    with pytest.raises(InputError, match="allowed: at least 1 of each"):
        characterise(SMALL, 0, effort=effort)

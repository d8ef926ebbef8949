"""The kWTA's netlist: what it refuses, what it is made of, and the behavioural law against ngspice's golden results."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.characteristics import DecisionTimes, Transfer
from neurohw.circuits.resolution_fit import ResolutionFit, fit_resolution
from neurohw.errors import InputError
from neurohw.transistors.behaviour import agreement
from neurohw.transistors.card import Size
from neurohw.transistors.homeostasis_netlist import HomeostasisNetlist, render_homeostasis
from neurohw.transistors.kwta_measurements import (
    Outputs,
    at_current,
    dc_transfer,
    decide,
    decision_times,
    draw_shifts,
    monte_carlo,
)
from neurohw.transistors.kwta_netlist import KWTANetlist, render, stimulus
from tests.test_resolution import root_mean_square

GOLDEN = json.loads((Path(__file__).parent / "golden" / "kwta_ngspice.json").read_text())
MAIN = KWTANetlist(32, 4)
INPUTS = np.array(GOLDEN["inputs_pA"]) * 1e-12


def golden_transfer(pair: dict[str, Any]) -> Transfer:
    numbers = [np.array(pair[name]) for name in ("separation_V", "outputs_A")]
    return Transfer(pair["n"], pair["k"], pair["unit_current_A"], np.array(GOLDEN["difference"]), *numbers)


def golden_times(pair: dict[str, Any]) -> DecisionTimes:
    seconds = np.array([np.inf if t is None else t for t in pair["decision_times_s"]])
    of = pair["n"], pair["k"], pair["unit_current_A"]
    return DecisionTimes(*of, GOLDEN["required_V"], np.array(GOLDEN["difference"]), seconds)


def golden_winners(key: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array([np.isin(np.arange(MAIN.n), chosen) for chosen in GOLDEN[key]])


@cache
def golden_fit(k: tuple[int, ...] = (1, 4)) -> ResolutionFit:
    pairs = [pair for pair in GOLDEN["pairs"] if pair["k"] in k]
    return fit_resolution([golden_transfer(p) for p in pairs], [golden_times(p) for p in pairs], biased=True)


# what is refused


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"k": 0}, r"netlist.k: got 0 of 32; allowed: whole numbers, 1 <= k <= n"),
        ({"k": 33}, r"netlist.k: got 33 of 32"),
        ({"k": 1.5}, r"netlist.k: got 1.5 of 32"),
        ({"n": 1, "k": 1}, r"netlist.n: got 1 competitors; allowed: 2 to 1024"),
        ({"supply": 5.0}, r"netlist.supply: got 5 V; allowed: 1.2 to 2 V"),
        ({"unit_current": -1e-9}, r"netlist.unit_current: got -1e-09 A; allowed: 1e-11 to 1e-07 A"),
        ({"limiter_current": float("nan")}, r"netlist.limiter_current: got nan A"),
        ({"node_capacitance": 0.0}, r"netlist.node_capacitance: got 0 F; allowed: 1e-15 to 1e-11 F"),
        ({"temperature": 0.0}, r"netlist.temperature: got 0 K"),
        ({"a_vt": -1e-9}, r"netlist.a_vt: got -1e-09 V m; allowed: 0 to 2e-08 V m"),
    ],
)
def test_a_value_outside_its_range_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        dataclasses.replace(MAIN, **changes)
    assert error.value.exit_status == 2


@pytest.mark.parametrize(("side", "value"), [("width", -1e-6), ("length", 1e-9), ("length", float("inf"))])
def test_a_transistor_has_a_size_the_card_is_for(side: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{side} of a transistor: got {value:g} m; allowed"):
        Size(**{"width": 1e-6, "length": 1e-6, side: value})


@pytest.mark.parametrize(("name", "value"), [("pulse", -1e-6), ("capacitance", 0.0), ("activity_target", 2.0)])
def test_a_homeostasis_cell_outside_its_range_is_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"homeostasis\.{name}: got {value:g} .*; allowed: "):
        HomeostasisNetlist(**{name: value})


@pytest.mark.parametrize(
    ("currents", "counts", "told"),
    [
        (np.ones(32) * 1e-9, None, "inputs: got shape"),
        (np.ones((0, 32)) * 1e-9, None, "inputs: got shape"),
        (np.ones((2, 31)) * 1e-9, None, "inputs: got shape"),
        (np.ones((2, 2)) * 1e-9, (4, 27), "groups of n = 32 competitors"),
        (np.ones((2, 2)) * 1e-9, (33, -1), "counts: got"),
        (np.zeros((2, 32)), None, "inputs: got 0 to 0 A; allowed: 1e-13 to 1e-06 A"),
        (np.full((2, 32), np.nan), None, "inputs: got nan"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(currents: Any, counts: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        stimulus(MAIN, currents, counts)


@pytest.mark.parametrize("difference", [0.0, -0.1, 1.0, float("nan")])
def test_a_difference_is_between_0_and_1(difference: float) -> None:
    with pytest.raises(InputError, match="differences: got"):
        dc_transfer(MAIN, difference)


def test_measurements_refuse_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match="so that there is a runner-up"):
        dc_transfer(KWTANetlist(4, 4), 0.1)
    with pytest.raises(InputError, match="required: got -1 V"):
        decision_times(MAIN, 0.1, -1.0)
    with pytest.raises(InputError, match="chips: got 0"):
        monte_carlo(MAIN, 0, np.random.default_rng(0))
    with pytest.raises(InputError, match="inputs: got shape"):
        decide(MAIN, np.ones((3, 4)) * 1e-9)


# what it is made of


def test_every_cell_has_its_transistors_and_the_bias_2k_minus_1() -> None:
    text = render(MAIN, stimulus(MAIN, INPUTS[:2]))
    transistors = [line for line in text.splitlines() if line.startswith("m")]
    assert len(transistors) == 32 * 5 + 3
    assert sum(line.endswith("m=7") for line in transistors) == 1
    assert "delvto" not in text
    assert text.isascii()


def test_shifts_reach_their_transistors() -> None:
    shifts = np.arange(32 * 5).reshape(32, 5) * 1e-3
    text = render(MAIN, stimulus(MAIN, INPUTS[:1]), shifts)
    (sink,) = [line for line in text.splitlines() if line.startswith("msink3 ")]
    assert sink.endswith("delvto=0.012")


def test_thresholds_spread_as_pelgrom_says() -> None:
    """A_Vt is the spread of the difference of a pair, as foundries state it: 3.5 mV um on 4 um2 is 1.75 mV."""
    sigma = dataclasses.replace(MAIN, sink=Size(1e-6, 0.5e-6)).sigma_thresholds()
    assert sigma[2] == pytest.approx(3.5e-3, rel=1e-3)  # 3.5 mV um over the root of 2 x 0.5 um2
    shifts = draw_shifts(dataclasses.replace(MAIN, n=1000), np.random.default_rng(3))
    assert (shifts[:, 0] - shifts[:, 1]).std() == pytest.approx(1.75e-3, rel=0.08)  # the two of a mirror


def test_a_mirror_spreads_alike_in_the_netlist_and_in_the_behavioural_circuit() -> None:
    of_both = math.hypot(*MAIN.sigma_thresholds()[:2]) / (1.3 * 0.025852)
    values = {"inputs.a_vt": MAIN.a_vt, "inputs.gate_area": MAIN.mirror.width * MAIN.mirror.length}
    assert TargetParameters().with_values(values).gain_mismatch == pytest.approx(of_both, rel=1e-3)


def test_the_limiter_follows_the_unit_current() -> None:
    slow = at_current(MAIN, 0.5e-9)
    assert (slow.unit_current, slow.limiter_current) == (0.5e-9, 1e-9)


def test_the_homeostasis_cell_switches_at_the_sources() -> None:
    lines = {line.split()[0]: line.split()[1:5] for line in render_homeostasis(HomeostasisNetlist()).splitlines()}
    assert lines["mup"][0] == lines["mdown"][0] == lines["ch"][0] == "h"
    assert lines["mupswitch"][0] == lines["mup"][2]


# the behavioural law against ngspice, from the golden file


def test_the_law_follows_ngspice_over_two_decades() -> None:
    assert max(GOLDEN["difference"]) / min(GOLDEN["difference"]) >= 100
    fit = golden_fit()
    assert max(fit.worst) < 0.06
    assert max(root_mean_square(fit.separation), root_mean_square(fit.seconds)) < 0.02
    assert fit.disagreements == 0
    assert golden_fit(k=(4,)).resolution.slope_factor == pytest.approx(1.36, abs=0.06)  # the card's own


def test_the_law_resolves_what_ngspice_decides() -> None:
    resolution = golden_fit().resolution.resolvable(1e-9, None, GOLDEN["required_V"], MAIN.n)
    assert 0.002 < resolution < 0.008
    decided = Outputs(np.zeros_like(INPUTS), np.zeros(len(INPUTS)), golden_winners("winners"))
    found = agreement(INPUTS, decided, MAIN.k, resolution)
    assert found.resolved >= 75
    assert found.fraction >= 0.99
    assert not found.agrees[found.gaps <= resolution].all()  # the resolution is no empty claim


def test_mismatch_is_an_error_of_the_inputs() -> None:
    """What the servo finds, applied to the inputs, explains whom a mismatched netlist chooses."""
    winners = golden_winners("winners_with_shifts")
    decided = Outputs(np.zeros_like(INPUTS[:20]), np.zeros(20), winners)
    resolution = golden_fit().resolution.resolvable(1e-9, None, GOLDEN["required_V"], MAIN.n)
    corrected = INPUTS[:20] * (1 + np.array(GOLDEN["offsets"]))
    assert agreement(corrected, decided, MAIN.k, resolution).fraction >= 0.99
    assert agreement(INPUTS[:20], decided, MAIN.k, resolution).fraction < 0.8


def test_the_separation_is_linear_while_it_is_small() -> None:
    transfer = golden_transfer(GOLDEN["pairs"][0])
    gain = transfer.separation[:3] / transfer.difference[:3]
    assert np.ptp(gain) / gain.mean() < 0.02


def test_the_time_is_that_of_a_charged_capacitor() -> None:
    """t d = C dV / I while the difference is neither near the resolution nor so large that other nodes delay it."""
    times = golden_times(GOLDEN["pairs"][0])
    capacitance = times.seconds * times.difference * times.current / times.required
    assert capacitance[3:7] == pytest.approx(60e-15, rel=0.1)

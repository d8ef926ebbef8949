"""Cells that wear from cycle to cycle are told from those that only vary; slopes against numpy's own line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurohw.devices import laws
from neurohw.fitting.fatigue import _slope, fatigue
from neurohw.fitting.fit_device import fit_device
from neurohw.fitting.verdict import GOOD
from tests.test_verdict import SOFT, SPREADS, good, trains


def worn(each: float, moved: float = 0.0, cycles: int = 3, devices: int = 6) -> np.ndarray:
    """Triangles of 30 pulses up and 30 down of devices of unlike range, which shrinks by a share of it a cycle."""
    generator = np.random.default_rng(1)
    triangle = np.concatenate([np.linspace(0, 1, 30), np.linspace(1, 0, 30)])
    cycle = np.arange(cycles)[:, None]
    own = generator.uniform(0.7, 1.3, (devices, 1, 1))
    g = own * (0.5 + (triangle - 0.5) * (1 - each * cycle) + moved * cycle)
    return np.asarray(1e-5 * (1 + g + 0.01 * generator.standard_normal(g.shape)))


def told(measured: np.ndarray) -> list[str]:
    """What is said where simulated cells do the same in each cycle."""
    steady = worn(0.0, cycles=measured.shape[1], devices=len(measured))
    return list(fatigue(measured, np.stack([np.where(np.isfinite(measured), steady, np.nan)] * 2)))


@pytest.mark.parametrize(("each", "moved", "said"), [
    (0.2, 0.0, "the range of cells shrinks by 25%"), (-0.1, 0.0, "the range of cells grows by 9%"),
    (0.0, 0.15, "the middle of their range rises by 16%"), (0.0, -0.1, "the middle of their range falls by 11%"),
])  # fmt: skip
def test_what_changes_is_told_with_its_size(each: float, moved: float, said: str) -> None:
    """Of the mean range, that of the second of three cycles, 0.2 / 0.8, 0.1 / 1.1; ends are means of tenths: 0.93."""
    (text,) = told(worn(each, moved))
    assert said in text


@pytest.mark.parametrize("each", [0.0, 0.02])
def test_what_changes_little_is_not(each: float) -> None:
    assert told(worn(each)) == []


def test_what_simulated_cells_do_as_well_is_not() -> None:
    assert list(fatigue(worn(0.2), worn(0.2)[None])) == []


def test_one_cycle_or_one_device_of_two_tells_nothing() -> None:
    assert told(worn(0.3, cycles=1)) == []
    assert told(worn(0.3, cycles=2, devices=1)) == []


def test_reads_that_are_missing_are_left_out() -> None:
    """Every second one, and cycles that were never begun."""
    measured = worn(0.2, cycles=5)
    measured[:, :, 1::2], measured[2, 3:] = np.nan, np.nan
    (text,) = told(measured)
    assert float(text.split(" by ")[1].split("%")[0]) == pytest.approx(33, abs=5)  # 0.2 / 0.6, over five cycles
    assert told(np.full((6, 3, 60), np.nan)) == []


def test_the_slope_is_the_line_through_one_device() -> None:
    y = np.array([[1.0, 0.7, 0.75, 0.3, 0.1, np.nan]])
    slope, _ = _slope(y)
    assert slope == pytest.approx(np.polyfit(range(5), y[0, :5], 1)[0])


def test_chance_is_as_often_as_it_says() -> None:
    """4,000 measurements without a slope: p-values are uniform."""
    generator = np.random.default_rng(0)
    below = np.mean([_slope(generator.standard_normal((3, 4)))[1] < 0.05 for _ in range(4000)])
    assert below == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 4000) ** 0.5)


def test_cells_that_walk_to_where_steps_are_equal_do_not_wear() -> None:
    """A few pulses a cycle from the lower bound, steps up larger: the cells' places move, their laws do not."""
    measured = trains(laws.SoftBounds(step=0.015, asymmetry=0.3, w_max=1.0, w_min=-1.0, **SPREADS), 25, 25)
    g = measured.conductance
    assert "rises" in "".join(fatigue(g, np.broadcast_to(g[:, :1], (1, *g.shape))))  # if each cycle were as the first
    assert "simulated cells do not" not in str(fit_device(measured, "soft-bounds").verdict)


def test_a_fit_of_cells_that_wear_is_not_good_whatever_its_mean() -> None:
    assert good().verdict.level == GOOD
    measured = trains(SOFT, 30, 30)
    middle = measured.conductance.mean()
    shrinking = middle + (measured.conductance - middle) * (1 - 0.12 * np.arange(3)[:, None])
    verdict = fit_device(dataclasses.replace(measured, conductance=shrinking), "soft-bounds").verdict
    assert verdict.level != GOOD
    assert "the range of cells shrinks by 14%" in str(verdict)  # 0.12 / 0.88

"""Deep-STDP's estimate of clustering energy, Eqs. 16 to 18 of Lu & Sengupta 2024."""

from __future__ import annotations

import pytest

from neurohw.energy.deep_stdp import STDP, KMeans, implied_input_probability
from tests.approximately import approx


def test_k_means_costs_what_the_paper_says() -> None:
    clustering = KMeans(clusters=100, dimensions=256, iterations=20, samples=5000)
    assert clustering.multiplications == 2_560_000_000
    assert clustering.additions == 5_135_600_000
    assert clustering.energy() == approx(14.094e-3, rel=1e-5)
    assert round(clustering.energy() * 1e3, 1) == 14.1
    assert approx(2467.5) == 175 * 14.1


def test_stdp_needs_an_input_probability_and_the_paper_implies_one() -> None:
    assert implied_input_probability(55.34e-3) == approx(0.599, abs=1e-3)
    assert implied_input_probability(55.34e-3, STDP(0.0, timesteps=100)) == approx(2.40, abs=0.01)
    at = implied_input_probability(55.344e-3)
    assert 50 * STDP(at).energy() == approx(2767.2e-3)


@pytest.mark.parametrize(("probability", "joules"), [(0.05, 4.7e-3), (0.1, 9.3e-3), (0.2, 18.6e-3)])
def test_stdp_at_what_features_of_unit_norm_give(probability: float, joules: float) -> None:
    assert STDP(probability).energy() == approx(joules, rel=0.02)


def test_stdp_grows_by_92_millijoules_per_unit_of_input_probability() -> None:
    assert STDP(1.0).energy() - STDP(0.0).energy() == approx(92.2e-3, rel=1e-3)

"""What does clustering cost in Deep-STDP's own estimate (Lu & Sengupta 2024, Eqs. 16 to 18)?"""

from __future__ import annotations

from typing import Any

from neurohw.energy.deep_stdp import STDP, KMeans, implied_input_probability

PUBLISHED = {"k-means": 14.1e-3, "STDP": 55.34e-3}  # J per epoch
INPUT_PROBABILITIES = (0.05, 0.1, 0.2)  # spikes per input and step: what unit-norm features give, and above


def deep_stdp() -> list[dict[str, Any]]:
    """Return a row per method: millijoules per epoch, beside what was published.

    STDP's input probability is not in the paper: rows for some, and for the one that its figure implies.
    """
    implied = implied_input_probability(PUBLISHED["STDP"])
    rows = [_row("k-means, k = 100, d = 256, 20 iterations", KMeans().energy(), PUBLISHED["k-means"])]
    rows += [_row(f"STDP, input probability {p:g}", STDP(p).energy(), None) for p in INPUT_PROBABILITIES]
    rows.append(_row(f"STDP, input probability {implied:.3f}: implied", STDP(implied).energy(), PUBLISHED["STDP"]))
    return rows


def _row(method: str, energy: float, published: float | None) -> dict[str, Any]:
    return {"method": method, "mj_per_epoch": energy * 1e3, "published": "" if published is None else published * 1e3}

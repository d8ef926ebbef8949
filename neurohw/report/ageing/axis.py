"""The axis of ages: logarithmic, with ticks that people have words for."""

from __future__ import annotations

from collections.abc import Sequence

_TICKS = {
    1e-6: "1 µs", 1e-3: "1 ms", 1.0: "1 s", 60.0: "1 min", 3_600.0: "1 h", 86_400.0: "1 day", 2_592_000.0: "30 days",
    31_536_000.0: "1 year", 315_360_000.0: "10 years", 3_153_600_000.0: "100 years",
}  # fmt: skip


def ticks_between(ages: Sequence[float]) -> dict[float, str]:
    """Return age -> words of the ticks within what was tried, and a little around it; ages in seconds."""
    low, high = min(ages) / 1.5, max(ages) * 1.5
    return {age: text for age, text in _TICKS.items() if low <= age <= high}

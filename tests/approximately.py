"""Comparison of quantities in SI units, which may be as small as a femtojoule."""

from __future__ import annotations

from typing import Any

import pytest


def approx(expected: Any, **tolerance: Any) -> Any:
    """Return `pytest.approx` without its absolute 1e-12, which is a percent of a hundred picojoules."""
    return pytest.approx(expected, **{"rel": 1e-6, "abs": 0.0, **tolerance})

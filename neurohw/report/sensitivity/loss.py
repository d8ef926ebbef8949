"""Where a curve has lost one percentage point: interpolated between what was tried, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Literal

POINT = 0.01  # one percentage point
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Limit:
    """A value of a parameter, or a bound on it: "<" or ">" the value where nothing beyond was tried."""

    value: float
    relation: Literal["", "<", ">"] = ""


@dataclass(frozen=True)
class Lost:
    """Where one point of mean accuracy is lost, going from the mildest value tried to the severest.

    Args:
        at: the value, or a bound on it.
        early, late: the same for the mean loss plus, and minus, its standard error; None for one seed.
        at_mildest: whether it is lost at the mildest value tried already.
    """

    at: Limit
    early: Limit | None
    late: Limit | None
    at_mildest: bool = False

    @property
    def value(self) -> float | None:
        """The value; None where a point is lost at every value tried, or at none."""
        return None if self.at.relation else self.at.value


@dataclass(frozen=True)
class Tried:
    """One value of the parameter, the mean accuracy lost there (a fraction), and the standard error of that loss."""

    value: float
    loss: float
    error: float


def point_lost(path: Sequence[Tried], logarithmic: bool = False) -> Lost:
    """Return where one point is lost first.

    Args:
        path: from the mildest value to the severest; at least two.
        logarithmic: whether to interpolate between logarithms of the values.
    """
    errors = all(isfinite(tried.error) for tried in path)
    at, early, late = (
        _crossing([t.value for t in path], [t.loss + sign * t.error if sign else t.loss for t in path], logarithmic)
        for sign in (0, 1, -1)
    )
    return Lost(at, early if errors else None, late if errors else None, _is_lost(path[0].loss))


def _crossing(values: Sequence[float], losses: Sequence[float], logarithmic: bool) -> Limit:
    beyond: tuple[Literal["<", ">"], Literal["<", ">"]] = ("<", ">") if values[0] < values[-1] else (">", "<")
    for i, loss in enumerate(losses):
        if _is_lost(loss):
            if i == 0:
                return Limit(values[0], beyond[0])
            share = min(1.0, (POINT - losses[i - 1]) / (loss - losses[i - 1]))
            return Limit(_between(values[i - 1], values[i], share, logarithmic))
    return Limit(values[-1], beyond[1])


def _is_lost(loss: float) -> bool:
    return loss >= POINT - _ROUNDING


def _between(start: float, end: float, share: float, logarithmic: bool) -> float:
    if logarithmic:
        return exp(log(start) + share * (log(end) - log(start)))
    return start + share * (end - start)

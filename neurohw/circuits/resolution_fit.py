"""The resolution law fitted to a circuit of any origin (Brian2, scipy or ngspice), with its residuals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.circuits.resolution import LARGEST_EXPONENT, ROOM_TEMPERATURE, SLOPE_FACTOR, Resolution
from neurohw.errors import InputError

_Errors = Callable[[Resolution, "_Group"], Numbers]
_HOLD = 0.01  # weight of the ceiling's first guess in a fit, against logarithms: decides only what data leave open


@dataclass(frozen=True)
class ResolutionFit:
    """A law fitted to a circuit, and how well it does.

    Args:
        resolution: the law.
        standard_errors: of each fitted parameter, in its unit; inf where the data do not say.
        separation: law / circuit - 1, one array per Transfer; nan where the circuit does not separate.
        seconds: law / circuit - 1, one array per DecisionTimes; nan where law or circuit never decide.
        disagreements: points where only one of law and circuit ever decides (the difference is near the least).
    """

    resolution: Resolution
    standard_errors: dict[str, float]
    separation: tuple[Numbers, ...]
    seconds: tuple[Numbers, ...]
    disagreements: int

    @property
    def worst(self) -> tuple[float, float]:
        """The largest relative error of separation and of decision time; 0 without points."""
        return _largest(self.separation), _largest(self.seconds)


def fit_resolution(
    transfers: Sequence[Transfer],
    times: Sequence[DecisionTimes],
    thermal_voltage: float = ROOM_TEMPERATURE,
    biased: bool = False,
) -> ResolutionFit:
    """Fit law (*) to a circuit, by least squares on the logarithms of separations and decision times.

    Starting values come from the data. The first round compares the differences that law and circuit need for the
    same time and separation, which are finite whatever the parameters; the second the decision times themselves.
    A ceiling that no separation comes near stays just above the largest one (its standard error tells). Ceiling and
    delays are those at the first transfer's current, and follow the others (`Resolution.at`); circuits that are not
    biased anew for each current (`biased` false) have them in common.

    Args:
        transfers: separations at rest; points with no positive separation are left out.
        times: decision times; points that are never decided are compared after the fit, not fitted.
        thermal_voltage: U_T, V, held.
        biased: whether currents differ because the circuit is biased for them.

    Returns:
        the law, standard errors of its parameters, and the residuals.

    Raises:
        InputError: fewer than three separations or two finite decision times.
    """
    data = _Data(transfers, times, thermal_voltage, biased)
    resolution, errors = data.fit()
    separation = tuple(_error(resolution.at(t.current).separation(t.difference), t.separation) for t in transfers)
    law = [resolution.at(t.current).decision_time(t.difference, t.current, t.required, t.n, t.k) for t in times]
    seconds = tuple(_error(a, t.seconds) for a, t in zip(law, times, strict=True))
    disagreements = sum(int((np.isinf(a) != np.isinf(t.seconds)).sum()) for a, t in zip(law, times, strict=True))
    return ResolutionFit(resolution, errors, separation, seconds, disagreements)


@dataclass(frozen=True)
class _Group:
    """The points of one current, A: separations at rest, and columns of finite decision times."""

    current: float
    difference: Numbers
    separation: Numbers
    times: tuple[Numbers, ...]  # difference, seconds, required, n / (2 k - 1)


class _Data:
    """The points of a fit, and the residuals of a law in them."""

    def __init__(
        self, transfers: Sequence[Transfer], times: Sequence[DecisionTimes], thermal_voltage: float, biased: bool
    ) -> None:
        self._thermal_voltage = thermal_voltage
        currents = dict.fromkeys([*(t.current for t in transfers), *(t.current for t in times)])
        self._groups = [_group(current, transfers, times) for current in currents]
        self._difference, self._separation = (
            np.concatenate([getattr(group, name) for group in self._groups] or [np.empty(0)])
            for name in ("difference", "separation")
        )
        columns = [np.concatenate([g.times[j] for g in self._groups] or [np.empty(0)]) for j in range(4)]
        current = np.concatenate([np.full(len(g.times[0]), g.current) for g in self._groups] or [np.empty(0)])
        if len(self._difference) < 3 or len(current) < 2:
            raise InputError(
                f"fit_resolution: got {len(self._difference)} separations and {len(current)} finite decision times; "
                "allowed: at least 3 and 2"
            )
        difference, seconds, required, crowd = columns
        self._own = next(iter(currents)) if biased else None
        seconds_here = seconds * (current / self._own if self._own else 1.0)  # as at the law's own current
        self._fixed_unit = float(seconds_here.min())  # of the delays, which cannot be longer
        self._cell_unit = float((seconds_here / crowd).min())
        self._capacitance = float(np.median(seconds * current * difference / required))
        self._gain = float((self._separation / self._difference).max())
        self._sizes = len(set(crowd)) > 1  # otherwise a delay per cell cannot be told from a fixed one
        self._currents = biased and len(currents) > 1  # otherwise nothing shows the slope factor

    def fit(self) -> tuple[Resolution, dict[str, float]]:
        from scipy.optimize import least_squares

        lower = np.array([-5.0, -9.0, -9.0, 0.0, 0.0, 1.0 if self._currents else SLOPE_FACTOR])
        upper = np.array(
            [5.0, 5.0, 9.0, 1.0, 1.0 if self._sizes else 1e-12, 2.0 if self._currents else lower[5] + 1e-12]
        )
        best = None
        for share in self._shares():
            start = np.array([0.0, 0.0, _logit(share), 0.01, 0.01 * upper[4], (lower[5] + upper[5]) / 2])
            for errors in (self._needed, self._elapsed):
                solution = least_squares(self._of(errors), start, bounds=(lower, upper), x_scale="jac")
                start = solution.x
            if best is None or solution.cost < best.cost:
                best = solution
        assert best is not None
        return self._law(best.x), self._standard_errors(best.x)

    def _shares(self) -> tuple[float, ...]:
        """V_w / A to start from: as the largest separation suggests, and without saturation."""
        seen = float(self._separation.max()) / self._gain
        return (min(max(1.05 * seen, 0.02), 0.9), 0.5, 0.95)

    def _law(self, x: Numbers) -> Resolution:
        """Return the law of ln(C), ln(A), logit(V_w / A), the delays, all relative to what the data suggest, and n."""
        gain, share = self._gain * math.exp(x[1]), 1 / (1 + math.exp(-x[2]))
        return Resolution(
            node_capacitance=self._capacitance * math.exp(x[0]),
            early_voltage=gain * (1 - share),
            ceiling=gain * share,
            thermal_voltage=self._thermal_voltage,
            fixed_delay=_clear(x[3]) * self._fixed_unit,
            cell_delay=_clear(x[4]) * self._cell_unit,
            unit_current=self._own,
            slope_factor=float(x[5]),
        )

    def _of(self, errors: _Errors) -> Callable[[Numbers], Numbers]:
        def residuals(x: Numbers) -> Numbers:
            hold = _HOLD * (x[2] - _logit(self._shares()[0]))
            return np.append(self._residuals(self._law(x), errors), hold)

        return residuals

    def _residuals(self, law: Resolution, errors: _Errors) -> Numbers:
        parts = []
        for group in self._groups:
            here = law.biased(group.current)
            parts += [np.log(here.separation(group.difference) / group.separation), errors(here, group)]
        return np.concatenate(parts)

    def _needed(self, law: Resolution, group: _Group) -> Numbers:
        """ln of the difference that the law needs for the circuit's time, over the circuit's."""
        difference, seconds, required, crowd = group.times
        left = np.maximum(seconds - law.fixed_delay - crowd * law.cell_delay, 0.01 * seconds)
        ages = np.minimum(left * group.current / (law.node_capacitance * law.gain), LARGEST_EXPONENT)
        needed: Numbers = self._rest(law, required) + required / law.gain / np.expm1(ages)
        return np.log(needed / difference)

    def _elapsed(self, law: Resolution, group: _Group) -> Numbers:
        """ln of the law's decision time over the circuit's; where the law never decides, of a long time."""
        difference, seconds, required, crowd = group.times
        excess = np.maximum(difference - self._rest(law, required), 0.01 * difference)
        slewing = law.node_capacitance * law.gain / group.current * np.log1p(required / law.gain / excess)
        elapsed: Numbers = slewing + law.fixed_delay + crowd * law.cell_delay
        return np.log(elapsed / seconds)

    def _rest(self, law: Resolution, required: Numbers) -> Numbers:
        assert law.ceiling is not None
        return np.asarray(law._at_rest(np, np.minimum(required, 0.999 * law.ceiling)))

    def _standard_errors(self, x: Numbers) -> dict[str, float]:
        """Return the square roots of the diagonal of s^2 (J' J)^-1, J by differences in the parameters themselves."""
        law = self._law(x)
        names = ["node_capacitance", "early_voltage", "ceiling", "fixed_delay"]
        names += ["cell_delay"] * self._sizes + ["slope_factor"] * self._currents
        scales = {name: getattr(law, name) for name in names}
        scales |= {"fixed_delay": self._fixed_unit, "cell_delay": self._cell_unit}
        base, h = self._residuals(law, self._elapsed), 1e-5
        moved = [replace(law, **{name: getattr(law, name) + h * scales[name]}) for name in names]
        jacobian = (np.array([self._residuals(other, self._elapsed) for other in moved]) - base).T / h
        _, singular, rotation = np.linalg.svd(jacobian, full_matrices=False)
        known = singular > 1e-6 * singular[0]
        variance = float(base @ base) / max(len(base) - len(names), 1)
        spread = np.sqrt(variance * ((rotation[known] / singular[known, None]) ** 2).sum(0))
        spread[(np.abs(rotation[~known]) > 0.1).any(0)] = math.inf
        return {name: float(scales[name] * s) for name, s in zip(names, spread, strict=True)}


def _group(current: float, transfers: Sequence[Transfer], times: Sequence[DecisionTimes]) -> _Group:
    """Return the points of one current that can be fitted: separated, and decided in finite time."""
    rest = [(t.difference, t.separation) for t in transfers if t.current == current]
    timed = [
        np.broadcast_arrays(t.difference, t.seconds, t.required, t.n / (2 * t.k - 1))
        for t in times
        if t.current == current
    ]
    difference, separation = _joined(rest, 2)
    apart = (separation > 0) & (difference > 0)
    columns = _joined(timed, 4)
    decided = np.isfinite(columns[1]) & (columns[1] > 0)
    return _Group(current, difference[apart], separation[apart], tuple(column[decided] for column in columns))


def _clear(share: float) -> float:
    """Return a delay's share, or 0 where the fit rests on its bound."""
    return float(share) if share > 1e-6 else 0.0


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _joined(rows: Sequence[Sequence[Numbers]], columns: int) -> tuple[Numbers, ...]:
    return tuple(np.concatenate([row[j] for row in rows] or [np.empty(0)]) for j in range(columns))


def _error(law: Numbers, circuit: Numbers) -> Numbers:
    """Return law / circuit - 1, nan where either is infinite or the circuit's is not positive."""
    both = np.isfinite(law) & np.isfinite(circuit) & (circuit > 0)
    ratio: Numbers = np.where(both, law, math.nan) / np.where(both, circuit, 1.0)
    return ratio - 1


def _largest(residuals: tuple[Numbers, ...]) -> float:
    together = np.concatenate([np.zeros(0), *residuals])
    return float(np.abs(together[np.isfinite(together)]).max(initial=0.0))

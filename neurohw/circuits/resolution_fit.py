"""The resolution law fitted to a circuit of any origin (Brian2, scipy or ngspice), with its residuals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.circuits.resolution import LARGEST_EXPONENT, ROOM_TEMPERATURE, Resolution
from neurohw.errors import InputError

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

    @property
    def rms(self) -> tuple[float, float]:
        """The root mean square of the relative errors of separation and of decision time; 0 without points."""
        return _root_mean_square(self.separation), _root_mean_square(self.seconds)


def fit_resolution(
    transfers: Sequence[Transfer], times: Sequence[DecisionTimes], thermal_voltage: float = ROOM_TEMPERATURE
) -> ResolutionFit:
    """Fit law (*) to a circuit, by least squares on the logarithms of separations and decision times.

    Starting values come from the data. The first round compares the differences that law and circuit need for the
    same time and separation, which are finite whatever the parameters; the second the decision times themselves.
    A ceiling that no separation comes near stays just above the largest one (its standard error tells).

    Args:
        transfers: separations at rest; points with no positive separation are left out.
        times: decision times; points that are never decided are compared after the fit, not fitted.
        thermal_voltage: U_T, V, held.

    Returns:
        the law, standard errors of its parameters, and the residuals.

    Raises:
        InputError: fewer than three separations or two finite decision times.
    """
    data = _Data(transfers, times, thermal_voltage)
    resolution, errors = data.fit()
    separation = tuple(_error(resolution.separation(t.difference), t.separation) for t in transfers)
    law = [resolution.decision_time(t.difference, t.current, t.required, t.n, t.k) for t in times]
    seconds = tuple(_error(a, t.seconds) for a, t in zip(law, times, strict=True))
    disagreements = sum(int((np.isinf(a) != np.isinf(t.seconds)).sum()) for a, t in zip(law, times, strict=True))
    return ResolutionFit(resolution, errors, separation, seconds, disagreements)


class _Data:
    """The points of a fit, and the residuals of a law in them."""

    def __init__(self, transfers: Sequence[Transfer], times: Sequence[DecisionTimes], thermal_voltage: float) -> None:
        self._thermal_voltage = thermal_voltage
        difference, separation = _joined([(t.difference, t.separation) for t in transfers])
        apart = (separation > 0) & (difference > 0)
        self._difference, self._separation = difference[apart], separation[apart]
        columns = [
            np.broadcast_arrays(t.difference, t.seconds, t.current, t.required, t.n / (2 * t.k - 1)) for t in times
        ]
        self._times: tuple[Numbers, ...] = tuple(
            np.concatenate([c[j] for c in columns]) if columns else np.empty(0) for j in range(5)
        )
        decided = np.isfinite(self._times[1]) & (self._times[1] > 0)
        self._times = tuple(column[decided] for column in self._times)
        if apart.sum() < 3 or decided.sum() < 2:
            raise InputError(
                f"fit_resolution: got {apart.sum()} separations and {decided.sum()} finite decision times; "
                "allowed: at least 3 and 2"
            )
        self._fixed_unit = float(self._times[1].min())  # of the delays, which cannot be longer
        self._cell_unit = float((self._times[1] / self._times[4]).min())

    def fit(self) -> tuple[Resolution, dict[str, float]]:
        from scipy.optimize import least_squares

        several = len(set(self._times[4])) > 1  # otherwise a delay per cell cannot be told from a fixed one
        lower, upper = np.array([-5.0, -9.0, -9.0, 0.0, 0.0]), np.array([5.0, 5.0, 9.0, 1.0, 1.0 if several else 1e-12])
        best = None
        for share in self._shares():
            start = np.array([0.0, 0.0, _logit(share), 0.01, 0.01 * upper[4]])
            for errors in (self._needed, self._elapsed):
                found = least_squares(self._of(errors), start, bounds=(lower, upper), x_scale="jac")
                start = found.x
            if best is None or found.cost < best.cost:
                best = found
        assert best is not None
        return self._law(best.x), self._standard_errors(best.x, several)

    def _shares(self) -> tuple[float, ...]:
        """V_w / A to start from: as the largest separation suggests, and without saturation."""
        seen = float(self._separation.max()) / self._gain()
        return (min(max(1.05 * seen, 0.02), 0.9), 0.5, 0.95)

    def _gain(self) -> float:
        return float((self._separation / self._difference).max())

    def _capacitance(self) -> float:
        difference, seconds, current, required, _ = self._times
        return float(np.median(seconds * current * difference / required))

    def _law(self, x: Numbers) -> Resolution:
        """Return the law of ln(C), ln(A), logit(V_w / A) and the delays, all relative to what the data suggest."""
        gain, share = self._gain() * math.exp(x[1]), 1 / (1 + math.exp(-x[2]))
        return Resolution(
            node_capacitance=self._capacitance() * math.exp(x[0]),
            early_voltage=gain * (1 - share),
            ceiling=gain * share,
            thermal_voltage=self._thermal_voltage,
            fixed_delay=float(x[3]) * self._fixed_unit,
            cell_delay=float(x[4]) * self._cell_unit,
        )

    def _of(self, errors: Callable[[Resolution], Numbers]) -> Callable[[Numbers], Numbers]:
        def residuals(x: Numbers) -> Numbers:
            law = self._law(x)
            hold = _HOLD * (x[2] - _logit(self._shares()[0]))
            return np.append(self._residuals(law, errors), hold)

        return residuals

    def _needed(self, law: Resolution) -> Numbers:
        """ln of the difference that the law needs for the circuit's time, over the circuit's."""
        difference, seconds, current, required, crowd = self._times
        left = np.maximum(seconds - law.fixed_delay - crowd * law.cell_delay, 0.01 * seconds)
        ages = np.minimum(left * current / (law.node_capacitance * law.gain), LARGEST_EXPONENT)
        needed: Numbers = self._rest(law, required) + required / law.gain / np.expm1(ages)
        return np.log(needed / difference)

    def _elapsed(self, law: Resolution) -> Numbers:
        """ln of the law's decision time over the circuit's; where the law never decides, of a long time."""
        difference, seconds, current, required, crowd = self._times
        excess = np.maximum(difference - self._rest(law, required), 0.01 * difference)
        slewing = law.node_capacitance * law.gain / current * np.log1p(required / law.gain / excess)
        elapsed: Numbers = slewing + law.fixed_delay + crowd * law.cell_delay
        return np.log(elapsed / seconds)

    def _rest(self, law: Resolution, required: Numbers) -> Numbers:
        assert law.ceiling is not None
        return np.asarray(law._at_rest(np, np.minimum(required, 0.999 * law.ceiling)))

    def _standard_errors(self, x: Numbers, several: bool) -> dict[str, float]:
        """Return the square roots of the diagonal of s^2 (J' J)^-1, J by differences in the parameters themselves."""
        law = self._law(x)
        names = ["node_capacitance", "early_voltage", "ceiling", "fixed_delay"] + ["cell_delay"] * several
        scales = {name: getattr(law, name) for name in names[:3]}
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

    def _residuals(self, law: Resolution, errors: Callable[[Resolution], Numbers]) -> Numbers:
        return np.concatenate([np.log(law.separation(self._difference) / self._separation), errors(law)])


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _joined(pairs: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    if not pairs:
        return np.empty(0), np.empty(0)
    first, second = zip(*pairs, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _error(law: Numbers, circuit: Numbers) -> Numbers:
    """Return law / circuit - 1, nan where either is infinite or the circuit's is not positive."""
    both = np.isfinite(law) & np.isfinite(circuit) & (circuit > 0)
    ratio: Numbers = np.where(both, law, math.nan) / np.where(both, circuit, 1.0)
    return ratio - 1


def _finite(residuals: tuple[Numbers, ...]) -> Numbers:
    together = np.concatenate([np.zeros(0), *residuals])
    finite: Numbers = together[np.isfinite(together)]
    return finite


def _largest(residuals: tuple[Numbers, ...]) -> float:
    return float(np.abs(_finite(residuals)).max(initial=0.0))


def _root_mean_square(residuals: tuple[Numbers, ...]) -> float:
    values = _finite(residuals)
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0

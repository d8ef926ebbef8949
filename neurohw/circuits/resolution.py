"""What differences a kWTA circuit can tell apart, and how soon: one law for circuits of any origin, and its fit.

The circuit is a current-mode kWTA (Lazzaro et al. 1989): every competitor's input current I meets the sink of its own
node (capacitance C), and all sinks share one gate, the common node, which settles until the k-th winner's node rests
at V_w. The k-th winner and the runner-up, whose input is smaller by the relative difference d, then drift apart to a
separation S = V_w - V_l. With the sink's current proportional to (1 - exp(-V/U_T)) (1 + V/V_A) the runner-up obeys

    C dV_l/dt = I (1 - d) - I g(V_l) / g(V_w),     g(V) = (1 - exp(-V/U_T)) (1 + V/V_A)

and at rest, exactly,

    1 - d = (1 - S/A) (1 - f(S)),     f(S) = (exp(S/U_T) - 1) / (exp(V_w/U_T) - 1),     A = V_A + V_w

A is the gain (S = A d for small d), f the floor: the runner-up's node cannot go below ground. While f is negligible
the differential equation is linear, and S(t) = A d (1 - exp(-t I / (C A))). Both are one law,

    d = d_rest(S) + (S/A) / (exp(t I / (C A)) - 1)                                                       (*)

what S needs at rest and what it needs to come in time; without gain error the second term is the slewing
d = C S / (t I). Every method solves (*) for one of its quantities, so that they agree with each other exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.errors import InputError

Values = TypeVar("Values", float, Numbers, Tensor)

ROOM_TEMPERATURE = 0.02585  # U_T = k T / q at 300 K, V
_NEWTON_STEPS = 12  # the law is convex in S and the start is above the root: 8 steps reach double precision
_HOLD = 0.01  # weight of the ceiling's first guess in a fit, against logarithms: decides only what data leave open
_LARGEST_EXPONENT = 80.0  # exp() of it still fits single precision; what it stands for is settled by then


@dataclass(frozen=True)
class Resolution:
    """How far a circuit separates two inputs, and when (law (*) of this module).

    Args:
        node_capacitance: C of a competitor's node, F.
        early_voltage: V_A of its sink, V; None for infinite gain.
        ceiling: V_w, at which the k-th winner's node rests, V; separation saturates here. None for no saturation
            (the gain A is then V_A itself).
        thermal_voltage: U_T, V.
        fixed_delay: time before the nodes begin to part, s.
        cell_delay: the same for each competitor, s, for one winner. The common node's capacitance grows with n, and
            what empties it is (k - 1/2) I_lim, so that n competitors with k winners take n / (2 k - 1) times this.

    Raises:
        InputError: a value that is not positive, or a negative delay.
    """

    node_capacitance: float
    early_voltage: float | None
    ceiling: float | None
    thermal_voltage: float = ROOM_TEMPERATURE
    fixed_delay: float = 0.0
    cell_delay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("node_capacitance", "early_voltage", "ceiling", "thermal_voltage"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"resolution.{name}: got {value}; allowed: more than 0, finite")
        for name in ("fixed_delay", "cell_delay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"resolution.{name}: got {value} s; allowed: 0 s or more")

    @property
    def gain(self) -> float:
        """A = V_A + V_w, separation per relative difference where that is small, V (inf without V_A)."""
        if self.early_voltage is None:
            return math.inf
        return self.early_voltage + (self.ceiling or 0.0)

    def delay(self, n: int, k: int = 1) -> float:
        """Return the time before n competitors for k places begin to part, s."""
        return self.fixed_delay + n / (2 * k - 1) * self.cell_delay

    def separation(
        self,
        difference: Values,
        current: Values | float | None = None,
        seconds: float | None = None,
        n: int = 1,
        k: int = 1,
    ) -> Values:
        """Return S: the k-th winner's node above the runner-up's, by Newton's method on (*).

        Args:
            difference: (I_k - I_(k+1)) / I_k, relative.
            current: I_k, A; not needed at rest.
            seconds: since the inputs came, s; None at rest.
            n, k: competitors and winners.

        Returns:
            V, of the kind and shape of the arguments; inf at rest if nothing bounds it.

        Raises:
            InputError: a time without a current.
        """
        if seconds is not None and current is None:
            raise InputError(
                "resolution.separation: got seconds without a current; allowed: both, or neither (at rest)"
            )
        xp, (d, i) = _together(difference, 1.0 if current is None else current)
        if seconds is not None and seconds <= self.delay(n, k):
            return _returned(difference, 0 * d * i, current)
        slope = self._slewing(xp, i, seconds, self.delay(n, k))
        return _returned(difference, self._solve(xp, d + 0 * i, slope), current)

    def decision_time(self, difference: Values, current: Values | float, required: float, n: int, k: int = 1) -> Values:
        """Return when the separation reaches `required`: t = delay + (C A / I) ln(1 + (S/A) / (d - d_rest(S))).

        Args:
            difference, current, n, k: as in `separation`.
            required: S, V.

        Returns:
            s, inf where the separation at rest is smaller than `required`.
        """
        xp, (d, i, s) = _together(difference, current, required)
        excess = d - self._at_rest(xp, s)
        enough = xp.where(excess > 0, excess, 1.0)
        if self.early_voltage is None:
            seconds = self.node_capacitance * s / (i * enough)
        else:
            seconds = self.node_capacitance * self.gain / i * xp.log1p(s / self.gain / enough)
        seconds = xp.where(excess > 0, seconds + self.delay(n, k), math.inf)
        return _returned(difference, seconds, current)

    def resolvable(self, current: Values, seconds: float | None, required: float, n: int, k: int = 1) -> Values:
        """Return the least relative difference that reaches the separation `required` in time: (*) itself.

        Args:
            current: I_k, A.
            seconds: time allowed, s; None: as long as it takes.
            required: S, V.
            n, k: competitors and winners.

        Returns:
            1, of the shape of `current`; more than 1 or inf where no difference is enough.
        """
        xp, (i, s) = _together(current, required)
        return _returned(current, self._at_rest(xp, s) + s * self._slewing(xp, i, seconds, self.delay(n, k)))

    def slope(self, current: Tensor, seconds: float | None, n: int, k: int = 1) -> Tensor:
        """Return dS/dd at d = 0, V: the gain A, or in t seconds A (1 - exp(-t I / (C A))); 0 before the delay is over.

        Args:
            current: I_k, A.
            seconds, n, k: as in `resolvable`.
        """
        return 1 / (1 / self.gain + self._slewing(torch, current, seconds, self.delay(n, k)))

    def _floor(self, xp: Any, s: Any) -> Any:
        """f(S), written so that nothing overflows."""
        if self.ceiling is None:
            return 0 * s
        rest = math.exp(-self.ceiling / self.thermal_voltage)
        return (xp.exp((s - self.ceiling) / self.thermal_voltage) - rest) / (1 - rest)

    def _at_rest(self, xp: Any, s: Any) -> Any:
        """d_rest(S): the difference that separates by S at rest; inf from the ceiling on."""
        beyond = s >= (math.inf if self.ceiling is None else self.ceiling)
        s = xp.where(beyond, 0.0, s)
        needed = s / self.gain + (1 - s / self.gain) * self._floor(xp, s)
        return xp.where(beyond, math.inf, needed)

    def _slewing(self, xp: Any, current: Any, seconds: float | None, delay: float) -> Any:
        """1 / (A (exp(t I / (C A)) - 1)): the difference that a volt needs on top, to come in time."""
        if seconds is None:
            return 0 * current
        left = seconds - delay
        if left <= 0:
            return 0 * current + math.inf
        if self.early_voltage is None:
            return self.node_capacitance / (left * current)
        ages = left * current / (self.node_capacitance * self.gain)
        return 1 / (self.gain * xp.expm1(xp.minimum(ages, 0 * ages + _LARGEST_EXPONENT)))

    def _solve(self, xp: Any, d: Any, slope: Any) -> Any:
        """S of d_rest(S) + slope S = d, from above."""
        steepness = 1 / self.gain + slope
        linear = xp.where(steepness > 0, d / xp.where(steepness > 0, steepness, 1.0), math.inf)
        if self.ceiling is None:
            return linear
        u, a = self.thermal_voltage, self.gain
        rest = math.exp(-self.ceiling / u)
        most = d / (1 - self.ceiling / a) * (1 - rest) + rest  # of exp((S - V_w) / U_T), were there no other term
        floored = self.ceiling + u * xp.log(xp.where(most > 1e-30, most, 1e-30))
        s = xp.minimum(linear, floored)
        s = xp.where(s > 0, xp.minimum(s, 0 * s + self.ceiling), 0.0)
        for _ in range(_NEWTON_STEPS):
            f = self._floor(xp, s)
            rise = (f + rest / (1 - rest)) / u
            error = s * steepness + (1 - s / a) * f - d
            s = s - xp.where(s > 0, error / (steepness + (1 - s / a) * rise - f / a), 0.0)
        return xp.where(s > 0, s, 0.0)


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
        ages = np.minimum(left * current / (law.node_capacitance * law.gain), _LARGEST_EXPONENT)
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


def _together(*values: Any) -> tuple[Any, list[Any]]:
    """Return the library (torch or numpy) that computes with these values, and the values in it."""
    for value in values:
        if isinstance(value, Tensor):
            return torch, [torch.as_tensor(v, dtype=value.dtype, device=value.device) for v in values]
    return np, [np.asarray(v, dtype=np.float64) for v in values]


def _returned(like: Values, result: Any, other: Any = None) -> Values:
    """Return a float if that is what came."""
    plain = all(argument is None or isinstance(argument, int | float) for argument in (like, other))
    return cast(Values, float(result) if plain else result)


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

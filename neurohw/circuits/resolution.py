"""What differences a kWTA circuit can tell apart, and how soon: one law for circuits of any origin.

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

V_w and the delays belong to the current for which a circuit is biased (`Resolution.at`). In subthreshold, with slope
factor n, the sink needs V_c = n U_T ln(I / I_0), and the follower above it V_w = n (V_c + U_T ln(I_lim / I_0)); with I
and I_lim both r times as large V_w rises by n (n + 1) U_T ln r, and every node charges r times as fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from neurohw.circuits.characteristics import Numbers
from neurohw.errors import InputError

Values = TypeVar("Values", float, Numbers, Tensor)

ROOM_TEMPERATURE = 0.02585  # U_T = k T / q at 300 K, V
SLOPE_FACTOR = 1.3  # n of a transistor in subthreshold, where nothing is known of it
_NEWTON_STEPS = 12  # the law is convex in S and the start is above the root: 8 steps reach double precision
FURTHEST = 20.0  # ratio of currents over which the law was compared with ngspice
LARGEST_EXPONENT = 80.0  # exp() of it still fits single precision; what it stands for is settled by then


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
        unit_current: for which the circuit is biased where ceiling and delays were taken, A; None: not told.
        slope_factor: n of its transistors in subthreshold.

    Raises:
        InputError: a value that is not positive, or a negative delay.
    """

    node_capacitance: float
    early_voltage: float | None
    ceiling: float | None
    thermal_voltage: float = ROOM_TEMPERATURE
    fixed_delay: float = 0.0
    cell_delay: float = 0.0
    unit_current: float | None = None
    slope_factor: float = SLOPE_FACTOR

    def __post_init__(self) -> None:
        for name in ("node_capacitance", "early_voltage", "ceiling", "thermal_voltage", "unit_current"):
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

    def at(self, unit_current: float) -> Resolution:
        """Return the law of the same circuit, biased for another current.

        V_w' = V_w + n (n + 1) U_T ln r, delays' = delays / r, with r the ratio of the currents; a law that does not
        say for which current it holds is returned as it is.

        Args:
            unit_current: A, from 1 / 20 to 20 times the law's own.

        Raises:
            InputError: a current so far from the law's own that nothing says whether it still holds.
        """
        if self.unit_current is None:
            return self
        low, high = self.unit_current / FURTHEST, self.unit_current * FURTHEST
        if not low <= unit_current <= high:
            wanted = f"--set unit_current={unit_current:g} --set limiter_current={2 * unit_current:g}"
            raise InputError(
                f"unit_current: got {unit_current:g} A for a circuit characterised at {self.unit_current:g} A; "
                f"allowed: {low:g} to {high:g} A, or a circuit characterised there: `neurohw circuit characterise "
                f"{wanted} --out FILE`"
            )
        return self.biased(unit_current)

    def biased(self, unit_current: float) -> Resolution:
        """Return `at`, however far the current is."""
        if self.unit_current is None:
            return self
        ratio = unit_current / self.unit_current
        ceiling = self.ceiling
        if ceiling is not None:
            rise = self.slope_factor * (self.slope_factor + 1) * self.thermal_voltage * math.log(ratio)
            ceiling = max(ceiling + rise, self.thermal_voltage)
        delays = {"fixed_delay": self.fixed_delay / ratio, "cell_delay": self.cell_delay / ratio}
        return replace(self, ceiling=ceiling, unit_current=unit_current, **delays)

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
        slope: Tensor = 1 / (1 / self.gain + self._slewing(torch, current, seconds, self.delay(n, k)))
        return slope

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
        return 1 / (self.gain * xp.expm1(xp.minimum(ages, 0 * ages + LARGEST_EXPONENT)))

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

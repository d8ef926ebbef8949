"""The target circuit as hardware: kWTA with homeostasis whose errors are given in physical units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.circuits.homeostasis import ThresholdCells
from neurohw.circuits.parameters import TargetParameters
from neurohw.circuits.resolution import Resolution
from neurohw.circuits.target import (
    Decision,
    DecisionEvents,
    Homeostasis,
    TargetCircuit,
    label_blocks,
    winners,
)
from neurohw.errors import InputError

_LEAST_CURRENT = 1e-15  # A: what leaks into a node without input
_BISECTIONS = 24  # to 1e-7 of the largest input
_CANDIDATES = 16  # largest inputs beside the winners that are looked at first
_FAR = 12.0  # standard deviations: noise of two inputs makes up for as much once in 1e17
_IDEAL = TargetParameters()


@dataclass(frozen=True)
class DecisionCost:
    """What one decision of the circuit takes, comparators behind it and the bias of homeostasis apart.

    Args:
        power: while it decides, W.
        seconds: delay of a decision, s.
        joules: power times delay, plus charging the nodes: P t + N C V^2, J.
        joules_per_update: of all thresholds once: N C V |dV|, with dV = gamma T, the mean step, J.
    """

    power: float
    seconds: float
    joules: float
    joules_per_update: float


@dataclass(frozen=True)
class _Chosen:
    """Who won: [B, n] flags; how many; samples tied, and unresolved."""

    won: Tensor
    count: int
    tied: int
    unresolved: int


class AnalogTarget(TargetCircuit):
    """kWTA and homeostasis with errors of real circuits; with none it is `IdealTarget`, bit for bit.

    I_i = (I_common + I_unit (y_i - H_i)) (1 + g_i) + o_i + noise; the k largest win, as far as the circuit resolves
    them in time (`neurohw.circuits.resolution`); H is kept in cells (`neurohw.circuits.homeostasis`).

    Args:
        n_out, k, gamma, activity_target, average, eta, average_of, smoothing, n_classes: see `IdealTarget`.
        ties: of inputs that are exactly equal, "random" or "lowest", where the circuit resolves any difference; else
            they are closer than it resolves (`decision.unresolved`).
        parameters: errors, times and voltages.
        chip: draws what is fixed per chip; the same state gives the same chip.
        generator: draws noise, dither and random ties.
        dtype, device: of the thresholds.

    Raises:
        InputError: k, or the k that a wrong bias makes of it, outside 1..n_out.
    """

    def __init__(
        self,
        n_out: int,
        k: int,
        gamma: float,
        activity_target: float | None = None,
        *,
        parameters: TargetParameters = _IDEAL,
        chip: torch.Generator | None = None,
        average: str = "batch",
        eta: float = 0.1,
        average_of: str = "target",
        smoothing: float = 0.0,
        ties: str = "random",
        n_classes: int = 10,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 1 <= k <= n_out:
            raise InputError(f"target.k: got {k}; allowed: 1 to {n_out}, the number of outputs")
        self.n_out, self.k = n_out, k
        self.parameters = parameters
        self.average_of, self.smoothing, self.ties, self.n_classes = average_of, smoothing, ties, n_classes
        self._generator = generator
        self._zeros = torch.zeros(n_out, dtype=dtype, device=device)
        chip = chip or torch.Generator(device).manual_seed(0)
        self._draw_inputs(chip)
        self.chip_k = self._winners_of_the_bias(chip)
        self._level_error = parameters.levels.mismatch * torch.randn(n_out, generator=chip, device=device, dtype=dtype)
        target = k / n_out if activity_target is None else activity_target
        self._thresholds = ThresholdCells(
            parameters.homeostasis,
            gamma,
            target,
            parameters.temperature,
            n_out,
            chip,
            generator,
            average,
            eta,
            dtype,
        )
        cell = parameters.decision
        self.resolution = Resolution(
            cell.node_capacitance,
            cell.early_voltage,
            cell.ceiling,
            parameters.thermal_voltage,
            cell.fixed_delay,
            cell.cell_delay,
            cell.reference_current,
            parameters.inputs.slope_factor,
        ).at(parameters.inputs.unit_current)
        self._at_rest = self.resolution.resolvable(1.0, None, cell.separation, n_out, k)  # the same at all currents

    def initial(self) -> Homeostasis:
        """Return H = 0 and A = 0."""
        return Homeostasis(threshold=self._zeros, activity=self._zeros)

    def __call__(
        self,
        competition: Tensor,
        homeostasis: Homeostasis,
        *,
        active: Tensor | None = None,
        labels: Tensor | None = None,
        seconds: float = 0.0,
    ) -> Decision:
        """Decide winners on the currents, set the target's levels, mask; then update H. Labels only let H leak."""
        batch = competition.shape[0]
        homeostasis = self._thresholds.rest(homeostasis, seconds)
        if labels is not None:  # the multiplexer passes the label instead of the circuit's own decision
            blocks = label_blocks(labels, self.n_out, self.n_classes)
            target = self._masked(self._levels(self._flags(blocks), self.n_out // self.n_classes), active)
            return Decision(target, homeostasis, DecisionEvents(batch, 0))
        field = self._inputs(competition, self._thresholds.read(homeostasis))
        chosen = self._choose(field)
        if self.parameters.decision.output == "current":
            target = self._masked(self._soft_levels(field), active)
        else:
            target = self._masked(self._levels(chosen.won, self.k), active)
        decided = target if self.average_of == "target" else chosen.won.to(target.dtype)
        events = DecisionEvents(batch, 1, chosen.count, chosen.tied, chosen.unresolved)
        return Decision(target, self._thresholds.next(homeostasis, decided, chosen.won, seconds), events)

    def cost(self) -> DecisionCost:
        """Return power, delay and energy of one decision, with every input at half its unit.

        The delay is the time given; where none is, what twice the least difference of two whole inputs needs.
        """
        p, inputs, cell = self.parameters.power, self.parameters.inputs, self.parameters.decision
        mean = inputs.common_current + inputs.unit_current / 2
        power = p.supply * (self.n_out * (mean + p.cell_current) + self.chip_k * p.winner_current)
        seconds = self._slowest(inputs.common_current + inputs.unit_current) if cell.seconds is None else cell.seconds
        joules = power * seconds + self.n_out * cell.node_capacitance * p.supply**2
        store = self.parameters.homeostasis
        step = self._thresholds.gamma * self._thresholds.activity_target * store.unit_voltage
        return DecisionCost(power, seconds, joules, self.n_out * store.capacitance * p.supply * step)

    def _slowest(self, current: float) -> float:
        separation = self.parameters.decision.separation
        if not separation:
            return 0.0
        least = float(self.resolution.resolvable(current, None, separation, self.n_out, self.k))
        return float(self.resolution.decision_time(2 * least, current, separation, self.n_out, self.k))

    def resolvable(self, current: Tensor) -> Tensor:
        """Return the least relative input difference that the circuit tells apart, at currents in A."""
        cell = self.parameters.decision
        return self.resolution.resolvable(current, cell.seconds, cell.separation, self.n_out, self.k)

    def _slope(self, current: Tensor) -> Tensor:
        return self.resolution.slope(current, self.parameters.decision.seconds, self.n_out, self.k)

    def _draw_inputs(self, chip: torch.Generator) -> None:
        """Draw the input mirrors' gains and offsets, and fold them: field = y gain + (common - H) gain + offset."""
        inputs, like = self.parameters.inputs, self._zeros
        gain, offset = torch.randn(2, self.n_out, generator=chip, device=like.device, dtype=like.dtype)
        self._gain = 1 + self.parameters.gain_mismatch * gain
        self._common = inputs.common_current / inputs.unit_current
        self._offset = (inputs.offset / inputs.unit_current) * offset
        self._mirrors_err = bool(self.parameters.gain_mismatch or inputs.offset)
        self._noise = self.parameters.decision.comparator_noise / inputs.unit_current

    def _winners_of_the_bias(self, chip: torch.Generator) -> int:
        """The bias (k - 1/2) I_lim sets how many win: those that get more than a quarter of I_lim."""
        error = float(torch.randn((), generator=chip, device=chip.device))
        cell = self.parameters.decision
        meant = self.k + cell.winner_error
        if not 1 <= meant <= self.n_out:
            raise InputError(f"target.parameters.decision.winner_error: got {cell.winner_error}, which makes {meant} "
                             f"winners; allowed: {1 - self.k} to {self.n_out - self.k}")  # fmt: skip
        bias = (meant - 0.5) * (1 + cell.bias_mismatch * error)
        return min(max(math.ceil(bias - 0.25), 1), self.n_out)

    def _inputs(self, competition: Tensor, threshold: Tensor) -> Tensor:
        """Return the input currents in units of I_unit, less I_common: [B, n]."""
        if self._mirrors_err:
            fixed = (self._common - threshold) * self._gain + (self._offset - self._common)
            field = torch.addcmul(fixed, competition, self._gain)
        else:
            field = competition - threshold
        if self._noise:
            field = self._noisy(field)
        return field.clamp_(min=-self._common) if self.parameters.inputs.rectified else field

    def _noisy(self, field: Tensor) -> Tensor:
        """Add noise to whatever could still win: what is 12 sigma below the first loser stays as it is."""
        if self.parameters.decision.output == "current" or self.chip_k == self.n_out:
            return field.add_(torch.empty_like(field).normal_(generator=self._generator), alpha=self._noise)
        last = torch.topk(field, self.chip_k + 1).values[:, -1:]
        flat = (field >= last - _FAR * self._noise).flatten().nonzero().squeeze(1)
        drawn = torch.randn(len(flat), generator=self._generator, device=field.device, dtype=field.dtype)
        field.view(-1).index_add_(0, flat, drawn, alpha=self._noise)
        return field

    def _choose(self, field: Tensor) -> _Chosen:
        """Let the k largest win, and those that are too close be decided as the circuit does."""
        cell, k = self.parameters.decision, self.chip_k
        if not cell.separation or k == self.n_out:
            indices, tied = winners(field, k, self.ties, self._generator)
            return _Chosen(self._flags(indices), indices.numel(), tied, 0)
        values, indices = torch.topk(field, min(k + _CANDIDATES, self.n_out))
        last, next_one = values[:, k - 1], values[:, k]
        boundary = (last + next_one) / 2
        current = ((last + self._common) * self.parameters.inputs.unit_current).clamp_(min=_LEAST_CURRENT)
        least = self._at_rest + cell.separation * (1 / self._slope(current) - 1 / self.resolution.gain)  # `resolvable`
        half = least * current / (2 * self.parameters.inputs.unit_current)
        close = last - next_one <= 2 * half
        selected = self._decide(values, boundary, half)
        won = self._nobody(field).scatter_(1, indices, selected)
        beyond = close & (values[:, -1] >= boundary - half)  # more are close than were looked at
        if values.shape[1] < self.n_out and bool(beyond.any()):
            won[beyond] = self._decide(field[beyond], boundary[beyond], half[beyond])
        exact = cell.unresolved == "noise"
        count = len(field) * k if exact else int(won.sum())
        return _Chosen(won, count, int((last == next_one).sum()), int(close.sum()))

    def _decide(self, values: Tensor, boundary: Tensor, half: Tensor) -> Tensor:
        """Return who of `values` [B, m] wins, where those within `half` of the boundary cannot be told apart."""
        low, high = (boundary - half).unsqueeze(1), (boundary + half).unsqueeze(1)
        if self.parameters.decision.unresolved == "too-few":
            return values > high
        if self.parameters.decision.unresolved == "too-many":
            return values >= low
        rank = torch.rand(values.shape, generator=self._generator, device=values.device, dtype=values.dtype)
        score = torch.where(values > high, 2.0, torch.where(values >= low, rank, -1.0))
        chosen = torch.topk(score, self.chip_k).indices
        return self._nobody(score).scatter_(1, chosen, True)

    def _flags(self, indices: Tensor) -> Tensor:
        rows = torch.zeros(len(indices), self.n_out, dtype=torch.bool, device=indices.device)
        return rows.scatter_(1, indices, True)

    @staticmethod
    def _nobody(like: Tensor) -> Tensor:
        return torch.zeros(like.shape, dtype=torch.bool, device=like.device)

    def _levels(self, won: Tensor, k: int) -> Tensor:
        """d (1 - alpha) + (k / n_out) alpha (Eq. 13) with the errors of both levels: [B, n]."""
        low, high = self._both_levels(k)
        target = torch.full(won.shape, low, dtype=self._zeros.dtype, device=won.device).masked_fill_(won, high)
        return target.add_(self._level_error) if self.parameters.levels.mismatch else target

    def _soft_levels(self, field: Tensor) -> Tensor:
        """Return levels in each output's share of I_lim: 1 / (1 + exp(-(I_i - I_c) / I_c A / (n U_T))).

        I_c, which the common line settles to, makes the shares of a sample add up to k - 1/2; A is the gain that the
        circuit reaches in its time. Found by bisection, as the sum falls with I_c.
        """
        parameters = self.parameters
        least = _LEAST_CURRENT / parameters.inputs.unit_current
        inputs = (field + self._common).clamp_(min=0.0)
        low, high = inputs.new_full((len(inputs), 1), least), inputs.amax(1, keepdim=True).clamp_(min=least) * 2
        shares = inputs
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            shares = self._shares(inputs, middle)
            above = shares.sum(1, keepdim=True) > self.chip_k - 0.5
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        low_level, high_level = self._both_levels(self.k)
        return shares * (high_level - low_level) + low_level + self._level_error

    def _shares(self, inputs: Tensor, common: Tensor) -> Tensor:
        """Return the outputs' shares of I_lim where the common line balances inputs of `common`, [B, n]."""
        parameters = self.parameters
        gain = self._slope(common * parameters.inputs.unit_current)
        steepness = gain / (parameters.inputs.slope_factor * parameters.thermal_voltage)
        return torch.sigmoid((inputs - common) * (steepness / common))

    def _both_levels(self, k: int) -> tuple[float, float]:
        """Return the loser's and the winner's level, errors included, mismatch not."""
        low = self.smoothing * k / self.n_out
        return low + self.parameters.levels.low_error, 1 - self.smoothing + low + self.parameters.levels.high_error

    @staticmethod
    def _masked(target: Tensor, active: Tensor | None) -> Tensor:
        return target if active is None else target.mul_(active)

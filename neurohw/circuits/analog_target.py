"""The target circuit as hardware: kWTA with homeostasis whose errors are given in physical units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.homeostasis import ThresholdCells
from neurohw.circuits.resolution import Resolution
from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.circuits.winners import winners
from neurohw.draws import fill_normal, normal, uniform
from neurohw.errors import InputError
from neurohw.places import flat_nonzero
from neurohw.seeding import Streams

_LEAST_CURRENT = 1e-15  # A: what leaks into a node without input
_STEPS = 24  # to the balance at most; mostly 4
_SETTLED = 3e-5  # of an output's exponent: less than that to the balance is none
_ROUNDING = 1e-6  # relative, of a sum of shares
_NONE = -40.0  # exponent of no share: squares of smaller ones are so small that processors slow down
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


class AnalogTarget(KWTATarget):
    """kWTA and homeostasis with errors of real circuits; with none it is `IdealTarget`, bit for bit.

    I_i = (I_common + I_unit (y_i - H_i)) (1 + g_i) + o_i + noise; the k largest win, as far as the circuit resolves
    them in time (`neurohw.circuits.resolution`); H is kept in cells (`neurohw.circuits.homeostasis`).

    Args:
        rule: what is asked for.
        parameters: errors, times and voltages.
        ties: of inputs that are exactly equal, "random" or "lowest", where the circuit resolves any difference; else
            they are closer than it resolves (`decision.unresolved`).
        chip: draws what is fixed per chip; the same state gives the same chip.
        generator: draws noise, dither and random ties.
        dtype, device: of the thresholds.

    Raises:
        InputError: the k that a wrong bias makes of the rule's is outside 1..n_out.
    """

    def __init__(
        self,
        rule: TargetRule,
        parameters: TargetParameters = _IDEAL,
        ties: str = "random",
        chip: torch.Generator | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(rule, generator, dtype, device)
        self.parameters, self.ties = parameters, ties
        n_out = rule.n_out
        chip = chip or torch.Generator(device).manual_seed(0)
        self._scratch = self._zeros.new_empty(0)
        self._draw_inputs(chip)
        self.chip_k = self._winners_of_the_bias(chip)
        self._level_error = parameters.levels.mismatch * torch.randn(n_out, generator=chip, device=device, dtype=dtype)
        self._thresholds = ThresholdCells(parameters.homeostasis, rule, parameters.temperature, chip, generator, dtype)
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
        self._at_rest = self.resolution.resolvable(1.0, None, cell.separation, n_out)  # the same at all currents

    @classmethod
    def built(cls, rule: TargetRule, parameters: TargetParameters, ties: str, streams: Streams) -> AnalogTarget:
        """Return a run's circuit, on a chip of its own."""
        chip, noise = streams.fresh("target.chip"), streams.generator("ties")
        return cls(rule, parameters, ties, chip, noise, device=streams.device)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        """Decide winners on the currents; where outputs are currents, the target is graded."""
        field = self._inputs(competition, self._thresholds.read(homeostasis))
        chosen = self._winners(field)
        return chosen._replace(levels=self._soft_levels(field, chosen.won)) if self._graded else chosen

    def _next(self, homeostasis: Homeostasis, decided: Tensor, won: Tensor, seconds: float) -> Homeostasis:
        """Return the thresholds after a batch of decisions, as their cells keep them."""
        if won.dtype == torch.bool:
            raised = won.any(0)
        else:
            raised = torch.zeros(self.n_out, dtype=torch.bool, device=won.device).index_fill_(0, won.flatten(), True)
        return self._thresholds.next(homeostasis, decided, raised, seconds)

    @property
    def _graded(self) -> bool:
        return self.parameters.decision.output == "current"

    def rested(self, homeostasis: Homeostasis, seconds: float) -> Homeostasis:
        """Return the thresholds after `seconds`: they leak."""
        return self._thresholds.rest(homeostasis, seconds)

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
        step = self.rule.gamma * self.rule.frequency * store.unit_voltage
        return DecisionCost(power, seconds, joules, self.n_out * store.capacitance * p.supply * step)

    def _slowest(self, current: float) -> float:
        separation = self.parameters.decision.separation
        if not separation:
            return 0.0
        least = float(self.resolution.resolvable(current, None, separation, self.n_out))
        return float(self.resolution.decision_time(2 * least, current, separation, self.n_out, self.chip_k))

    def resolvable(self, current: Tensor) -> Tensor:
        """Return the least relative input difference that the circuit tells apart, at currents in A."""
        cell = self.parameters.decision
        return self.resolution.resolvable(current, cell.seconds, cell.separation, self.n_out, self.chip_k)

    def _slope(self, current: Tensor) -> Tensor:
        return self.resolution.slope(current, self.parameters.decision.seconds, self.n_out, self.chip_k)

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
        meant = self.rule.k + cell.winner_error
        if not 1 <= meant <= self.n_out:
            raise InputError(f"target.parameters.decision.winner_error: got {cell.winner_error}, which makes {meant} "
                             f"winners; allowed: {1 - self.rule.k} to {self.n_out - self.rule.k}")  # fmt: skip
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

    @property
    def _noise_source(self) -> torch.Generator:
        assert self._generator is not None, "a circuit with noise or dither draws"
        return self._generator

    def _noisy(self, field: Tensor) -> Tensor:
        """Add noise to whatever could still win: what is 12 sigma below the first loser stays as it is."""
        if self._graded or self.chip_k == self.n_out:
            return field.add_(fill_normal(self._scratch_like(field), self._noise_source), alpha=self._noise)
        last = torch.topk(field, self.chip_k + 1).values[:, -1:]
        flat = flat_nonzero(field >= last - _FAR * self._noise)
        drawn = normal((len(flat),), self._noise_source, field.dtype)
        field.view(-1).index_add_(0, flat, drawn, alpha=self._noise)
        return field

    def _scratch_like(self, field: Tensor) -> Tensor:
        """Return a tensor of this shape that is overwritten by whoever asks next: new pages cost as much as drawing.

        Its strides are the field's, in whose order noise is drawn: what was decided before must not matter.
        """
        last = self._scratch
        if (last.shape, last.stride(), last.dtype) != (field.shape, field.stride(), field.dtype):
            self._scratch = torch.empty_like(field)
        return self._scratch

    def _winners(self, field: Tensor) -> Chosen:
        """Let the k largest win, and those that are too close be decided as the circuit does."""
        cell, k = self.parameters.decision, self.chip_k
        if not cell.separation or k == self.n_out:
            indices, tied = winners(field, k, self.ties, self._generator)
            return Chosen(indices, DecisionEvents(len(field), 1, indices.numel(), tied))
        values, indices = torch.topk(field, min(k + _CANDIDATES, self.n_out))
        last, next_one = values[:, k - 1], values[:, k]
        boundary = (last + next_one) / 2
        current = ((last + self._common) * self.parameters.inputs.unit_current).clamp_(min=_LEAST_CURRENT)
        least = self._at_rest + cell.separation * (1 / self._slope(current) - 1 / self.resolution.gain)  # `resolvable`
        half = least * current / (2 * self.parameters.inputs.unit_current)
        close = last - next_one <= 2 * half
        selected = self._decide(values, boundary, half)
        won = self._won(field, indices, selected)
        beyond = close & (values[:, -1] >= boundary - half)  # more are close than were looked at
        if values.shape[1] < self.n_out and bool(beyond.any()):
            won[beyond] = self._decide(field[beyond], boundary[beyond], half[beyond])
        exact = cell.unresolved == "noise"
        count = len(field) * k if exact else int(won.sum())
        events = DecisionEvents(len(field), 1, count, int((last == next_one).sum()), int(close.sum()))
        return Chosen(won, events)

    def _decide(self, values: Tensor, boundary: Tensor, half: Tensor) -> Tensor:
        """Return who of `values` [B, m] wins, where those within `half` of the boundary cannot be told apart."""
        low, high = (boundary - half).unsqueeze(1), (boundary + half).unsqueeze(1)
        if self.parameters.decision.unresolved == "too-few":
            return values > high
        if self.parameters.decision.unresolved == "too-many":
            return values >= low
        rank = uniform(values.shape, self._noise_source, values.dtype)
        score = torch.where(values > high, 2.0, torch.where(values >= low, rank, -1.0))
        return self._won(score, torch.topk(score, self.chip_k).indices, True)

    @staticmethod
    def _won(like: Tensor, indices: Tensor, selected: Tensor | bool) -> Tensor:
        """Return flags of the shape of `like`: at `indices`, those that are selected."""
        return torch.zeros(like.shape, dtype=torch.bool, device=like.device).scatter_(1, indices, selected)

    def _levels(self, won: Tensor, k: int) -> Tensor:
        """d (1 - alpha) + (k / n_out) alpha (Eq. 13) with the errors of both levels: [B, n]."""
        target = super()._levels(won, k)
        return target.add_(self._level_error) if self.parameters.levels.mismatch else target

    def _soft_levels(self, field: Tensor, won: Tensor) -> Tensor:
        """Return levels in each output's share of I_lim: 1 / (1 + exp(-(I_i - I_c) / I_c A / (n U_T))).

        I_c, which the common line settles to, makes the shares of a sample add up to k - 1/2; A is the gain that the
        circuit reaches in its time.
        """
        shares = self._balanced(field.add_(self._common).clamp_(min=0.0), won)
        low, high = self._both_levels(self.rule.k)
        return torch.mul(shares, high - low, out=field).add_(self._level_error + low)

    def _balanced(self, inputs: Tensor, won: Tensor) -> Tensor:
        """Return the shares of I_lim at balance, of inputs [B, n] and the indices [B, k] of the winners, in scratch.

        Newton's method on ln(sum of shares), which falls with I_c, from the weakest winner's input, at which the sum is
        k - 1/2 where all others are far. The exponent of an output at balance moves by at most 2 in a step; steps that
        leave what is known to hold the solution go to its middle.
        """
        least = _LEAST_CURRENT / self.parameters.inputs.unit_current
        low, high = inputs.new_full((len(inputs), 1), least), inputs.amax(1, keepdim=True).clamp_(min=least).mul_(2)
        common = inputs.gather(1, won).amin(1, keepdim=True).clamp_(min=least)
        wanted, shares = self.chip_k - 0.5, self._scratch_like(inputs)
        for _ in range(_STEPS):
            steepness = self._steepness(common)
            torch.mul(inputs, steepness / common, out=shares).sub_(steepness).clamp_(min=_NONE).sigmoid_()
            total = shares.sum(1, keepdim=True)
            excess = (total / wanted).log_()
            spread = total - torch.linalg.vector_norm(shares, dim=1, keepdim=True).square_()  # -d total / d(exponent)
            moved = excess * total / spread.clamp_(min=_ROUNDING)
            if not bool(((moved.abs() > _SETTLED) & (excess.abs() > _ROUNDING)).any()):
                break
            low, high = torch.where(excess > 0, common, low), torch.where(excess > 0, high, common)
            common = common * (1 + moved.clamp_(-2.0, 2.0) / steepness)
            common = torch.where((common >= low) & (common <= high), common, (low + high) / 2)
        return shares

    def _steepness(self, common: Tensor) -> Tensor:
        """Return A / (n U_T), the exponent's slope on an input's relative distance from the balance `common`."""
        parameters = self.parameters
        gain = self._slope(common * parameters.inputs.unit_current)
        return gain / (parameters.inputs.slope_factor * parameters.thermal_voltage)

    def _both_levels(self, k: int) -> tuple[float, float]:
        """Return the loser's and the winner's level, errors included, mismatch not."""
        low, high = self.rule.levels(k)
        return low + self.parameters.levels.low_error, high + self.parameters.levels.high_error

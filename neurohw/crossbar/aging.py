"""The cells of one crossbar as time passes: the law since the last write, decay, diffusion, relaxation, 1/f noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.crossbar.flicker import Flicker
from neurohw.devices.retention import Retention
from neurohw.devices.retention_laws import ExponentialDecay
from neurohw.draws import normal


class Aging:
    """What the cells remember of their writes, and what they are worth by now.

    Args:
        retention: the population.
        shape: (n_post, n_pre).
        zero: the weight that drift leads to; drift and 1/f noise act on w - zero.
        bounds: w_min and w_max, for what depends on the state.
        generator: draws the cells' own numbers now, diffusion and relaxation later.
    """

    def __init__(
        self,
        retention: Retention,
        shape: tuple[int, int],
        zero: float,
        bounds: tuple[float, float],
        generator: torch.Generator,
    ) -> None:
        self.retention = retention
        self._zero, self._bounds = zero, bounds
        self._generator = generator
        device = generator.device
        self.now = torch.zeros((), dtype=torch.float64)

        def gauss() -> Tensor:
            return normal(shape, generator)

        self.law = retention.law
        self._state: StateDict = {}
        if self.law is not None:
            self._state["xi"] = gauss()
            self._state["frozen"] = torch.zeros(shape, dtype=torch.bool, device=device)
            self._state["written"] = torch.zeros(shape, dtype=torch.float64, device=device)
        if ExponentialDecay.applies(retention):
            lifetime = ExponentialDecay(retention).spread(gauss()).mul_(retention.lifetime)
            self._state["decay"] = lifetime.reciprocal_()  # per second
        if retention.diffusion:
            self._state["diffusion"] = (retention.diffusion * (1 + retention.diffusion_dtod * gauss())).abs_()
            if self.law is not None:
                self._state["walk"] = torch.zeros(shape, device=device)  # since the write, which the law leaves alone
        if retention.relaxation:
            self._state["pending"] = torch.zeros(shape, device=device)
        self.flicker = Flicker(shape, retention.read_time, generator) if retention.read_noise_1f else None

    @property
    def changes_weights(self) -> bool:
        """Whether time alone has moved any weight by now: drift begins t0 after a write."""
        return self._begun or bool(self._state.keys() & {"decay", "diffusion", "pending"})

    @property
    def _begun(self) -> bool:
        return self.law is not None and self.now.item() > self.law.begins

    def touched(self, index: Tensor | None = None) -> None:
        """Note that cells (flat indices; None: all) have just been written."""
        if "written" in self._state:
            written = self._state["written"].view(-1)
            if index is None:
                written.fill_(self.now.item())
            else:
                written[index] = self.now.item()
        if self.flicker is not None:
            self.flicker.write(index)
        if "walk" in self._state:
            self._forget_walk(index)
        if "pending" in self._state:
            pending = self._state["pending"].view(-1)
            number = pending.numel() if index is None else len(index)
            drawn = normal((number,), self._generator) * self.retention.relaxation
            if index is None:
                pending.copy_(drawn)
            else:
                pending[index] = drawn

    def freeze(self, index: Tensor) -> None:
        """Let cells (flat indices) age by their law no more: they are stuck."""
        if "frozen" in self._state:
            self._state["frozen"].view(-1)[index] = True
        if "walk" in self._state:
            self._forget_walk(index)

    def _forget_walk(self, index: Tensor | None) -> None:
        walk = self._state["walk"].view(-1)
        if index is None:
            walk.zero_()
        else:
            walk[index] = 0.0

    def elapse(self, kept: Tensor, seconds: float, low: Tensor, high: Tensor) -> None:
        """Let time pass: relaxation, simple decay and diffusion change `kept` in place; the law needs the clock.

        Decay and diffusion in one step are an Ornstein-Uhlenbeck process, whatever the step: of the walk's variance
        sigma^2 t, sigma^2 (1 - exp(-2 t / tau)) tau / 2 is left. At a bound walks end where mirrors send them, which is
        exact without a decay, and nearly so with one. Relaxation is taken to be faster than the decay. Beside a law
        that counts from the write the walk is kept by itself: what it does late has not drifted since early.

        Args:
            kept: the weights as written.
            seconds: that pass.
            low, high: bounds of the cells, at which a walk turns back.
        """
        retention = self.retention
        self.now += seconds
        if self.flicker is not None:
            self.flicker.elapse(seconds)
        if retention.relaxation:
            part = self._state["pending"] * -math.expm1(-seconds / retention.relaxation_time)
            kept.add_(part)
            self._state["pending"].sub_(part)
        decay = self._state.get("decay")
        if decay is not None:
            kept.sub_(retention.rest).mul_(torch.exp(decay * -seconds)).add_(retention.rest)
        kept.clamp_(low, high)
        if retention.diffusion:
            step = normal(kept.shape, self._generator)
            if decay is None:
                step.mul_(math.sqrt(seconds))
            else:
                step.mul_(torch.expm1(decay * (-2 * seconds)).div_(decay * -2).sqrt_())
            step.mul_(self._state["diffusion"])
            if "walk" in self._state:
                self._walk_on(kept, step, low, high)
            else:
                _turned_back(kept.add_(step), low, high)

    def _walk_on(self, kept: Tensor, step: Tensor, low: Tensor, high: Tensor) -> None:
        """Take a step from where the law has led each cell, within its bounds, or where the law leads those."""
        settled, walk = kept, self._state["walk"]
        if self._begun:
            left = self._left(kept, None)
            settled = self._led(kept, left)
            low, high = torch.minimum(low, self._led(low, left)), torch.maximum(high, self._led(high, left))
        _turned_back(step.add_(walk).add_(settled), low, high)
        torch.sub(step, settled, out=walk)

    def drifted(self, kept: Tensor, index: Tensor | None = None) -> Tensor:
        """Return the weights as they are read now: w' + (w - w') left(t) + walk, t since each cell's last write."""
        begun = self._begun
        drifted = self._led(kept, self._left(kept, index)) if begun else kept
        if "walk" in self._state:
            drifted = drifted + self._of("walk", index)
        return torch.where(self._of("frozen", index), kept, drifted) if begun else drifted

    def _left(self, kept: Tensor, index: Tensor | None) -> Tensor:
        """Return what the law has left of each cell since its last write."""
        assert self.law is not None
        low, high = self._bounds
        rates = self.law.rates((kept - low).div_(high - low), self._share(kept), self._of("xi", index))
        return self.law.left(self._age(index), rates)

    def _led(self, weights: Tensor, left: Tensor) -> Tensor:
        """Return where the law leads weights of which so much is left."""
        end = self.retention.rest if self.law is not None and self.law.to_rest else self._zero
        return (weights - end).mul_(left).add_(end)

    def _of(self, name: str, index: Tensor | None) -> Tensor:
        return self._state[name] if index is None else self._state[name].view(-1)[index]

    def passed_reads(self, times: int) -> bool:
        """Let the time of so many reads pass, which only 1/f noise notices; return whether that changed the cells."""
        return self.flicker is not None and self.flicker.elapse(times * self.retention.read_time)

    def flickering(self, kept: Tensor, weights: Tensor) -> Tensor:
        """Return weights with their 1/f noise of now: zero + (w - zero) (1 + Q n), never below no conductance.

        Args:
            kept: the weights as written, which Q may depend on; weights: as they are by now.
        """
        if self.flicker is None:
            return weights
        factor = self.flicker.noise().mul_(self.retention.flicker(self._share(kept))).add_(1).clamp_(min=0)
        return factor.mul_(weights - self._zero).add_(self._zero)

    def _share(self, kept: Tensor) -> Tensor:
        """Return G / g_max."""
        return (kept - self._zero).abs_().div_(self._bounds[1] - self._zero)

    def _age(self, index: Tensor | None) -> Tensor:
        return (self.now.item() - self._of("written", index)).float()  # the difference in double precision

    def state_dict(self) -> StateDict:
        """Return the clock, the cells' own constants and their 1/f noise."""
        flicker = {} if self.flicker is None else self.flicker.state_dict()
        own = {name: tensor.clone() for name, tensor in self._state.items()}
        return {"now": self.now.clone(), **own, **{f"flicker.{name}": tensor for name, tensor in flicker.items()}}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        self.now = state["now"].clone().cpu()
        self._state = {name: state[name].to(tensor.device, copy=True) for name, tensor in self._state.items()}
        if self.flicker is not None:
            prefix = "flicker."
            self.flicker.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


def _turned_back(weights: Tensor, low: Tensor, high: Tensor) -> None:
    """Fold weights in place into their bounds, as mirrors would: where walks end that are reflected there."""
    span = high - low
    period = (2 * span).clamp_(min=1e-12)  # of cells that are stuck as well
    weights.sub_(low).remainder_(period)
    torch.minimum(weights, period - weights, out=weights)
    weights.add_(low).clamp_(low, high)

"""Equilibrium Propagation on crossbars: the network relaxes freely, is nudged, and writes the contrast of both.

E = 1/2 sum s^2 - sum rho(s) W rho(s') - sum b rho(s);  ds/dt = -dE/ds - beta dC/ds  (Scellier & Bengio 2017),
discretised as the published code of Liu et al. 2024 does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurohw.circuits.neuron import NEURONS, Neuron, neuron
from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.networks.base import ConfiguredNetwork, Contrast, State, masked
from neurohw.networks.capture import Capture
from neurohw.networks.layer import Layer
from neurohw.networks.operations import Relaxation
from neurohw.networks.relax import ForceNudge, Nudge, SoftmaxNudge, held_relaxation, relax, softmax_error
from neurohw.networks.rules import Settings
from neurohw.seeding import Source, Sources, drawn


@dataclass(frozen=True)
class Dynamics:
    """How the network relaxes and how its contrast is written.

    Args:
        dt: Euler step.
        free_steps, nudged_steps: T and K.
        beta: nudging strength.
        beta_sign: "random" per batch (code) or "positive" (paper); one-sided estimates only.
        estimate: "one-sided" (nudged against free) or "symmetric" (+beta against -beta, both from the free state).
        contrast: "two-phase" (two Hebbian outer products) or "difference" (their difference, formed digitally).
        pulse_order: which of the two phases is written first, "free-first" or "nudged-first".
        hold_input: read the clamped input once and hold the result, instead of at every step.
    """

    dt: float = 0.2
    free_steps: int = 40
    nudged_steps: int = 10
    beta: float = 0.2
    beta_sign: str = "random"
    estimate: str = "one-sided"
    contrast: str = "two-phase"
    pulse_order: str = "free-first"
    hold_input: bool = True


@dataclass(frozen=True)
class EPState(State):
    """A free equilibrium: `x` is the masked input, `states` s_l input-most first, `held` the held input drive."""

    x: Tensor
    states: tuple[Tensor, ...]
    held: Tensor | None

    @property
    def hidden(self) -> tuple[Tensor, ...]:
        """States below the output: all of them where a softmax reads them out."""
        return self.states[:-1] if self.output is self.states[-1] else self.states


class EPNetwork(ConfiguredNetwork):
    """Symmetric recurrent network trained by Equilibrium Propagation.

    With loss "mse" every layer is dynamical and the output is nudged towards the target. With "cross-entropy" the last
    layer is a softmax read-out y = softmax(W rho(h) + b), which is no dynamical state; the last hidden layer is nudged
    by beta W^T (d - y) (Liu et al. 2024, published code).

    Args:
        layers: synapses, input to output.
        neuron: circuit of every dynamical unit.
        loss: "mse" or "cross-entropy".
        dynamics: see Dynamics.
        dropout, generator, clock: see Network; masks are plain 0/1, in both phases, never rescaled; that of a softmax
            read-out multiplies its logits.
        signs: draws the random sign of beta, that of each chip from its own.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        neuron: Neuron = NEURONS["hardsigm"],
        loss: str = "mse",
        dynamics: Dynamics = Dynamics(),
        dropout: Sequence[float] = (),
        generator: Source | None = None,
        clock: Clock | None = None,
        signs: Source | None = None,
    ) -> None:
        super().__init__(layers, dropout, generator, clock)
        self.neuron = neuron
        self.loss = loss
        self.dynamics = dynamics
        self.signs = signs or torch.Generator()
        self.dynamical = self.layers if loss == "mse" else self.layers[:-1]
        self.readout = None if loss == "mse" else self.layers[-1]
        self._nudged_phases = 2 if dynamics.estimate == "symmetric" else 1
        self._captured = Capture()
        # one dynamical layer of hardsigm units under a constant drive relaxes in closed form, if steps do not overshoot
        constant_drive = self.layers[0].array.exact or dynamics.hold_input
        overshoots = dynamics.dt * (1 + dynamics.beta) > 1 or dynamics.beta >= 1  # beta < 0 at -1: no rest
        self._closed_form = len(self.dynamical) == 1 and neuron.name == "hardsigm" and constant_drive and not overshoots

    @classmethod
    def built(cls, layers: Sequence[Layer], settings: Settings, streams: Sources, clock: Clock) -> EPNetwork:
        """Return the network of given layers."""
        return cls(
            layers,
            neuron(settings["network.neurons"][0]),
            loss=settings["training.loss"],
            dynamics=Dynamics(**settings["ep"]),
            dropout=settings["training.dropout"],
            generator=streams.generator("dropout"),
            clock=clock,
            signs=streams.generator("beta"),
        )

    def operations(self) -> Relaxation:
        """Return the work of the free and of the nudged phases."""
        dyn = self.dynamics
        return Relaxation(
            sizes=self.sizes,
            free_steps=dyn.free_steps,
            nudged_steps=self._nudged_phases * dyn.nudged_steps,
            nudged_phases=self._nudged_phases,
            formed=self._formed,
            readout=self.readout is not None,
            slopes=self.neuron.bounds is None,
            held=dyn.hold_input,
        )

    @property
    def _formed(self) -> int:
        """Sums and differences of two states in a sample's contrast: b1 - b0; between dynamical layers b1 + b0 too."""
        neurons = self.sizes[1 : len(self.dynamical) + 1]
        if self.dynamics.contrast == "difference":
            return sum(neurons) * min(2, len(neurons))
        return neurons[0] if self.dynamical[0].array.exact_writes else 0

    def respond(self, x: Tensor, train: bool = False) -> EPState:
        """Run the free phase: T steps from zero states, the input clamped."""
        masks = self.masks(x.shape[-2], train)
        x = masked(x, masks[0])
        steps = self.dynamics.free_steps
        with self.clock.during("free" if train else self.clock.phase):
            held = self._hold(x, train)
            if self._closed_form and held is not None:
                states = [held_relaxation(None, held, steps, self.dynamics.dt, mask=masks[1])]
            else:
                start = [x.new_zeros(*x.shape[:-1], layer.n_post) for layer in self.dynamical]
                states = self._relax(start, x, held, masks, steps)
            output = states[-1]
            if self.readout is not None:
                output = masked(self.readout.read(self.neuron.rho(states[-1])), masks[-1])
        competition = output
        if self.readout is not None:
            output = torch.softmax(output, dim=-1)
        return EPState(output, competition, masks, x, tuple(states), held)

    def output_drive(self, x: Tensor) -> Tensor:
        """Return W_L rho(s_L-1) + b_L, [B, n_L], what drives the output from below at the free equilibrium."""
        hidden = self.respond(x).hidden if len(self.layers) > 1 else ()
        return self.layers[-1].read(self.neuron.rho(hidden[-1]) if hidden else x)

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Run the nudged phase(s) and return the contrast of the two equilibria per layer."""
        assert isinstance(state, EPState)
        dyn = self.dynamics
        ends: tuple[list[Tensor], ...]
        with self.clock.during("nudged"):
            if dyn.estimate == "symmetric":
                plus, minus = self._nudged(state, target, dyn.beta), self._nudged(state, target, -dyn.beta)
                contrast = self._differences(state, plus, minus, 2 * dyn.beta)
                ends = (plus, minus)
            else:
                sign = self._sign()
                nudged = self._nudged(state, target, dyn.beta * sign)
                contrast = self._differences(state, nudged, list(state.states), dyn.beta, sign)
                ends = (nudged,)
            if self.readout is not None:
                contrast.append((self.readout, self._readout_products(ends, target, state.active)))
        return contrast

    def _hold(self, x: Tensor, train: bool) -> Tensor | None:
        """Read the clamped input once where hardware holds it, or where re-reading it would change nothing."""
        first, dyn = self.layers[0], self.dynamics
        if dyn.hold_input:
            return first.read(x)
        times = dyn.free_steps + (self._nudged_phases * dyn.nudged_steps if train else 0)
        return first.read(x, times=times) if first.array.exact else None

    def _relax(
        self,
        states: list[Tensor],
        x: Tensor,
        held: Tensor | None,
        masks: tuple[Tensor | None, ...],
        steps: int,
        beta: float | Tensor = 0.0,
        target: Tensor | None = None,
    ) -> list[Tensor]:
        """Return the states after so many steps, nudged if there is a target; a GPU replays them as one graph."""
        given = {f"state {i}": s for i, s in enumerate(states)} | {"x": x}
        given |= {f"mask {i}": mask for i, mask in enumerate(masks[1:]) if mask is not None}
        given |= {} if held is None else {"held": held}
        given |= {} if target is None else {"target": target, "beta": _tensor(beta, x)}

        def steps_taken(given: Mapping[str, Tensor]) -> list[Tensor]:
            states = [given[f"state {i}"] for i in range(len(self.dynamical))]
            masks = [given.get(f"mask {i}") for i in range(len(self.dynamical))]
            nudge = self._nudge(given) if "target" in given else None
            x, held, dt = given["x"], given.get("held"), self.dynamics.dt
            return relax(states, x, held, self.dynamical, masks, self.neuron, steps, dt, nudge)

        return self._captured(steps_taken, given, [layer.array for layer in self.layers], key=steps)

    def _nudge(self, given: Mapping[str, Tensor]) -> Nudge:
        beta, target = given["beta"], given["target"]
        if self.readout is None:
            return ForceNudge(beta, target)
        return SoftmaxNudge(beta, target, self.readout, given.get(f"mask {len(self.dynamical)}"))

    def _nudged(self, state: EPState, target: Tensor, beta: float | Tensor) -> list[Tensor]:
        """K steps from the free state with the output (or, through the read-out, the last hidden layer) nudged."""
        dyn = self.dynamics
        if self.readout is None and self._closed_form and state.held is not None:
            free, mask = state.states[0], state.masks[1]
            return [held_relaxation(free, state.held, dyn.nudged_steps, dyn.dt, mask, beta, target)]
        return self._relax(list(state.states), state.x, state.held, state.masks, dyn.nudged_steps, beta, target)

    def _sign(self) -> int | Tensor:
        """Return the sign of beta; of several chips each one's, [S, 1, 1]."""
        if self.dynamics.beta_sign == "positive":
            return 1
        heads = drawn(lambda own: torch.randint(2, (1, 1), generator=own, device=own.device), self.signs)
        if heads.dim() == 2:
            return 1 if int(heads) else -1
        return 2 * heads.double() - 1

    def _differences(
        self, state: EPState, plus: list[Tensor], minus: list[Tensor], span: float, sign: int | Tensor = 1
    ) -> Contrast:
        """(rho(post) rho(pre)^T at `plus` - at `minus`) / (sign span B), per dynamical layer."""
        scale = 1 / (span * state.x.shape[-2])
        high, low = self.neuron.rates(plus), self.neuron.rates(minus)
        contrast = []
        for i, layer in enumerate(self.dynamical):
            terms = self._terms(layer, state.x, high, low, i)
            if isinstance(sign, Tensor):  # each chip's own, which no common scale holds
                terms = tuple(replace(term, post=term.post * sign.to(term.post.dtype)) for term in terms)
            contrast.append((layer, OuterProducts(terms, scale if isinstance(sign, Tensor) else scale * sign)))
        return contrast

    def _terms(self, layer: Layer, x: Tensor, high: list[Tensor], low: list[Tensor], i: int) -> tuple[Product, ...]:
        b1, b0 = high[i], low[i]
        single = self.dynamics.contrast == "difference" or layer.array.exact_writes
        if i == 0 and single:  # the clamped input is the same in both phases: (b1 - b0) x
            return (Product(b1 - b0, x),)
        a1, a0 = (x, x) if i == 0 else (high[i - 1], low[i - 1])
        if self.dynamics.contrast == "difference":
            # a1 b1 - a0 b0 = 1/2 [(b1 - b0)(a1 + a0) + (b1 + b0)(a1 - a0)]
            return (Product(b1 - b0, (a1 + a0) / 2), Product((b1 + b0) / 2, a1 - a0, line=0.0))  # the line: 1 - 1
        nudged, free = Product(b1, a1, +1), Product(b0, a0, -1)
        return (free, nudged) if self.dynamics.pulse_order == "free-first" else (nudged, free)

    def _readout_products(self, ends: tuple[list[Tensor], ...], target: Tensor, mask: Tensor | None) -> OuterProducts:
        """(1/B) (d - y) rho(h)^T at the end of the nudged phase; not divided by beta (published code)."""
        assert self.readout is not None
        terms = []
        for states in ends:
            hidden = self.neuron.rho(states[-1])
            terms.append(Product(softmax_error(self.readout.read(hidden), target, mask), hidden))
        return OuterProducts(tuple(terms), 1 / (len(ends) * target.shape[-2]))


def _tensor(beta: float | Tensor, like: Tensor) -> Tensor:
    return beta.to(like.dtype) if isinstance(beta, Tensor) else like.new_full((), beta)

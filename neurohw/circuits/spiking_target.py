"""The target circuit as spiking neurons: the first k outputs to spike win (see `neurohw.circuits.spiking_neurons`)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neurohw.circuits.spiking_neurons import Response, SpikingNeurons, SpikingParameters
from neurohw.circuits.target import Decision, Homeostasis, IdealTarget, SpikingEvents, TargetCircuit
from neurohw.errors import InputError


class SpikingTarget(TargetCircuit):
    """First k to spike win; thresholds, smoothing, mask and labels as in the ideal target (Eqs. 2, 10 to 13).

    If fewer than k neurons spike within the presentation, those that do are the winners, and the target has fewer ones
    (`events.winners` tells). Spikes after the k-th are too late to win. Of those in the same time step the
    address-event arbiter takes the higher potential above the threshold first, and at equal potentials any (the lowest
    index where there is no generator).

    Args:
        n_out, k, gamma, activity_target, average, eta, average_of, smoothing, n_classes: see IdealTarget.
        generator: source of input spikes and ties, on the CPU; its state is all that a decision depends on besides its
            arguments. Only coding "current" does without.
        parameters: what the circuit is made of.

    Raises:
        InputError: k outside 1..n_out, or no generator on the CPU where spikes are drawn.
    """

    def __init__(
        self,
        n_out: int,
        k: int,
        gamma: float,
        activity_target: float | None = None,
        *,
        average: str = "batch",
        eta: float = 0.1,
        average_of: str = "target",
        smoothing: float = 0.0,
        n_classes: int = 10,
        generator: torch.Generator | None = None,
        parameters: SpikingParameters | None = None,
    ) -> None:
        self._rule = IdealTarget(n_out, k, gamma, activity_target, average=average, eta=eta, average_of=average_of,
                                 smoothing=smoothing, n_classes=n_classes)  # fmt: skip
        self.n_out, self.k = n_out, k
        self.parameters = parameters or SpikingParameters()
        if generator is None and self.parameters.coding != "current":
            raise InputError(f"spiking.coding: got {self.parameters.coding!r} without a generator to draw "
                             "spikes from; allowed: give one, or 'current'")  # fmt: skip
        if generator is not None and generator.device.type != "cpu":
            raise InputError(f"target.circuit: got 'spiking' on {generator.device}; allowed: on the CPU")
        self._generator = generator
        self._neurons: dict[int, SpikingNeurons] = {}  # by batch size: a run has two, full batches and the last

    def initial(self) -> Homeostasis:
        """Return H = 0 and A = 0."""
        return self._rule.initial()

    def __call__(
        self,
        competition: Tensor,
        homeostasis: Homeostasis,
        *,
        active: Tensor | None = None,
        labels: Tensor | None = None,
        seconds: float = 0.0,
    ) -> Decision:
        """Let the neurons of every sample race, from rest; then update H as the ideal target does."""
        if labels is not None:
            return self._rule(competition, homeostasis, active=active, labels=labels, seconds=seconds)
        response = self._race(competition, homeostasis.threshold)
        hot, events = self._first(response)
        target = hot.mul(1 - self._rule.smoothing).add_(self._rule.smoothing * self.k / self.n_out)  # Eq. 13
        if active is not None:
            target.mul_(active)
        decided = target if self._rule.average_of == "target" else hot
        return Decision(target, self._rule.next_homeostasis(homeostasis, decided), events)

    def _race(self, competition: Tensor, threshold: Tensor) -> Response:
        p = self.parameters
        span = p.highest - p.lowest
        y = competition.detach().cpu().double().numpy()
        drive = (np.clip(y, p.lowest, p.highest) - p.lowest) / span
        rest = (threshold - threshold.mean()).detach().cpu().double().numpy() / span
        if len(y) not in self._neurons:
            self._neurons[len(y)] = SpikingNeurons(len(y), self.n_out, self.k, p)
        return self._neurons[len(y)].present(drive, rest, self._generator)

    def _first(self, response: Response) -> tuple[Tensor, SpikingEvents]:
        """Return the first k to spike as [B, n_out] of 0 and 1, and what happened."""
        latency, excess = response.latency, response.excess
        chance = np.broadcast_to(np.arange(self.n_out, dtype=np.float64), latency.shape)
        if self._generator is not None:
            chance = torch.rand(latency.shape, generator=self._generator, dtype=torch.float64).numpy()
        order = np.lexsort((chance, -excess, latency), axis=-1)
        times, heights = (np.take_along_axis(values, order, axis=1) for values in (latency, excess))
        hot = np.zeros(latency.shape, dtype=np.float32)
        np.put_along_axis(hot, order[:, : self.k], np.isfinite(times[:, : self.k]).astype(np.float32), axis=1)
        last, after = times[:, self.k - 1], slice(self.k, self.k + 1)
        same_step = np.isfinite(last) & (times[:, after] == last[:, None]).any(1)
        tied = same_step & (heights[:, after] == heights[:, self.k - 1 : self.k]).any(1)
        return torch.from_numpy(hot), SpikingEvents(
            decisions=len(hot),
            homeostasis_updates=1,
            winners=int(hot.sum()),
            tied=int(tied.sum()),
            unresolved=int((same_step | np.isinf(last)).sum()),
            input_spikes=response.input_spikes,
            output_spikes=response.output_spikes,
            seconds=float(np.minimum(last, self.parameters.presentation).sum()),
        )

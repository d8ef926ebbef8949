"""The target circuit as spiking neurons: the first k outputs to spike win (see `neurohw.circuits.spiking_neurons`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.circuits.spiking_neurons import Response, SpikingNeurons
from neurohw.circuits.spiking_parameters import SpikingParameters
from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.errors import InputError
from neurohw.seeding import Streams


@dataclass(frozen=True)
class SpikingEvents(DecisionEvents):
    """Events of a decision by spiking neurons; unresolved: fewer than k winners, or more that spiked in the same step.

    Args:
        input_spikes: of all inputs until their sample is decided (0 for coding "current").
        output_spikes: of the output neurons, likewise.
        seconds: simulated time until the decision, summed over samples.
    """

    input_spikes: int = 0
    output_spikes: int = 0
    seconds: float = 0.0


class SpikingTarget(KWTATarget):
    """First k to spike win; thresholds, smoothing, mask and labels as in the ideal target (Eqs. 2, 10 to 13).

    If fewer than k neurons spike within the presentation, those that do are the winners, and the target has fewer ones
    (`events.winners` tells). Spikes after the k-th are too late to win. Of those in the same time step the
    address-event arbiter takes the higher potential above the threshold first, and at equal potentials any (the lowest
    index where there is no generator).

    Args:
        rule: what is asked for.
        generator: source of input spikes and ties, on the CPU; its state is all that a decision depends on besides its
            arguments. Only coding "current" does without.
        parameters: what the circuit is made of.

    Raises:
        InputError: no generator on the CPU where spikes are drawn.
    """

    charges = ("spikes", "synaptic_events", "decision_seconds", "neuron_seconds")

    def __init__(
        self, rule: TargetRule, generator: torch.Generator | None = None, parameters: SpikingParameters | None = None
    ) -> None:
        super().__init__(rule, generator)
        self.parameters = parameters or SpikingParameters()
        if generator is None and self.parameters.coding != "current":
            raise InputError(f"spiking.coding: got {self.parameters.coding!r} without a generator to draw "
                             "spikes from; allowed: give one, or 'current'")  # fmt: skip
        if generator is not None and generator.device.type != "cpu":
            raise InputError(f"target.circuit: got 'spiking' on {generator.device}; allowed: on the CPU")
        self._neurons: dict[int, SpikingNeurons] = {}  # by batch size: a run has two, full batches and the last

    @classmethod
    def built(cls, rule: TargetRule, parameters: SpikingParameters, ties: str, streams: Streams) -> SpikingTarget:
        """Return a run's circuit; the arbiter decides ties."""
        return cls(rule, streams.generator("spikes"), parameters)

    def counted(self, events: DecisionEvents) -> dict[str, float]:
        """Return spikes and how long they took; an inhibitory neuron spikes once a sample, and reaches every output."""
        assert isinstance(events, SpikingEvents)
        samples, outputs = events.decisions, events.output_spikes
        return {
            "spikes": outputs + samples,
            "synaptic_events": events.input_spikes + outputs + samples * self.n_out,
            "decision_seconds": events.seconds,
            "neuron_seconds": events.seconds * (self.n_out + 1),
        }

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        """Let the neurons of every sample race, from rest."""
        return self._first(self._race(competition, homeostasis.threshold))

    def _race(self, competition: Tensor, threshold: Tensor) -> Response:
        p = self.parameters
        span = p.highest - p.lowest
        y = competition.detach().cpu().double().numpy()
        drive = (np.clip(y, p.lowest, p.highest) - p.lowest) / span
        rest = (threshold - threshold.mean()).detach().cpu().double().numpy() / span
        if len(y) not in self._neurons:
            self._neurons[len(y)] = SpikingNeurons(len(y), self.n_out, self.rule.k, p)
        return self._neurons[len(y)].present(drive, rest, self._generator)

    def _first(self, response: Response) -> Chosen:
        """Return the first k to spike, and what happened."""
        k = self.rule.k
        latency, excess = response.latency, response.excess
        chance = np.broadcast_to(np.arange(self.n_out, dtype=np.float64), latency.shape)
        if self._generator is not None:
            chance = torch.rand(latency.shape, generator=self._generator, dtype=torch.float64).numpy()
        order = np.lexsort((chance, -excess, latency), axis=-1)
        times, heights = (np.take_along_axis(values, order, axis=1) for values in (latency, excess))
        won = np.zeros(latency.shape, dtype=bool)
        np.put_along_axis(won, order[:, :k], np.isfinite(times[:, :k]), axis=1)
        last, after = times[:, k - 1], slice(k, k + 1)
        same_step = np.isfinite(last) & (times[:, after] == last[:, None]).any(1)
        tied = same_step & (heights[:, after] == heights[:, k - 1 : k]).any(1)
        events = SpikingEvents(
            decisions=len(won),
            homeostasis_updates=1,
            winners=int(won.sum()),
            tied=int(tied.sum()),
            unresolved=int((same_step | np.isinf(last)).sum()),
            input_spikes=response.input_spikes,
            output_spikes=response.output_spikes,
            seconds=float(np.minimum(last, self.parameters.presentation).sum()),
        )
        return Chosen(torch.from_numpy(won), events)

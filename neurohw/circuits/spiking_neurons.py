"""Leaky integrate-and-fire neurons that race, in Brian2: the first k of each sample to spike win.

The neurons get a bias current b and the spikes that code the outputs; the threshold is adaptive. In units of the drive
of an output at its highest, with u the output y and h the homeostatic threshold H less its mean over the neurons, both
over the range of the outputs, and with membranes and thresholds starting at V = 0 and theta = theta_0,

    tau dV/dt     = b - V + (tau / R) sum_s delta(t - t_s),   t_s: input spikes at the mean rate R u
    tau dtheta/dt = theta_0 + h - theta

so that on average V - theta = (1 - exp(-t / tau)) (b + u - h) - theta_0. The threshold is charged with the membrane's
own time constant; that makes the order of the first spikes the order of y - H (Liu et al. 2024, Eqs. 1 and 9), exactly
and whenever they come:

    t = -tau ln(1 - theta_0 / (b + u - h))                                                                (*)

(A threshold that stands at theta_0 + h from the start would order by (b + u) / (theta_0 + h) while t << tau.) The mean
of H is left to the bias, which follows it: in the ideal target only differences of H decide, and their mean may drift
without end where the activity asked for differs from the k / n that k winners give.

What remains is the noise of counting: as R u t spikes come by time t, u is known to sqrt(u / (R t)), and no better than
with the memory of the membrane, t ~ 2 tau. So agreement with the ideal target grows with rate times simulated time.
"""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.circuits.brian import brian2_and_code
from neurohw.circuits.spiking_parameters import SpikingParameters

Numbers = NDArray[np.float64]
_OUTPUTS = """
dv/dt = (bias - v) / tau : 1 (unless refractory)
dtheta/dt = (rest - theta) / tau : 1
rest : 1
latency : 1
excess : 1
spikes : 1
"""
_SPIKED = """
latency = clip(latency, 0, (t + dt) / second)
excess += (v - theta) * int(spikes == 0)
spikes += 1
v = 0
"""


@dataclass(frozen=True)
class Response:
    """What the neurons do in one presentation.

    Args:
        latency: of the first spike, s, [B, n]; inf where there is none.
        excess: V - theta at that spike, [B, n]: which came first within the time step.
        input_spikes: of samples that are not yet decided; 0 for coding "current".
        output_spikes: likewise, those of the step in which the inhibition comes included.
    """

    latency: Numbers
    excess: Numbers
    input_spikes: int
    output_spikes: int


class SpikingNeurons:
    """Output neurons of a batch of samples, and for each sample an inhibitory interneuron, simulated at once in Brian2.

    Each neuron's first spike charges its sample's interneuron by one; at k it fires, and one time step later throws
    back the membranes of all neurons of the sample that have not spiked.

    Args:
        batch, n, k: samples, neurons of each, winners.
        parameters: what they are made of.
    """

    def __init__(self, batch: int, n: int, k: int, parameters: SpikingParameters) -> None:
        self._shape = (batch, n)
        self._parameters = parameters
        with _quiet():
            self._build(batch, n, k)

    def present(self, drive: Numbers, rest: Numbers, generator: torch.Generator | None) -> Response:
        """Present outputs from rest until every sample is decided, or the time is over.

        Args:
            drive: u, [B, n], in 0..1.
            rest: h, [n] or [B, n].
            generator: source of the input spikes.
        """
        with _quiet():
            self._network.restore()
        expected = torch.from_numpy(drive.reshape(-1)) * (self._parameters.full_rate * self._parameters.dt)
        self._arrivals = _spike_trains(self._parameters.coding, expected, generator)
        self._step = self._input_spikes = self._output_spikes = 0
        self._decided = np.zeros(self._shape[0], dtype=bool)
        values = self._values
        values["theta"][:] = self._parameters.firing_threshold
        values["rest"][:] = self._parameters.firing_threshold + np.broadcast_to(rest, self._shape).reshape(-1)
        values["latency"][:] = np.inf
        with _quiet(), _garbage_left():
            self._network.run(self._duration, namespace={})
        if self._step < self._parameters.steps and not values["fired"].all():
            raise KeyboardInterrupt  # Brian2's own handler of Ctrl-C, if installed, cuts a run short and says nothing
        latency, excess = (values[name].reshape(self._shape).copy() for name in ("latency", "excess"))
        inputs = 0 if self._parameters.coding == "current" else self._input_spikes
        undecided = int(values["spikes"].reshape(self._shape)[~self._decided].sum())
        return Response(latency, excess, inputs, self._output_spikes + undecided)

    def _build(self, batch: int, n: int, k: int) -> None:
        brian2, code = brian2_and_code()
        p = self._parameters
        names = {
            "bias": p.bias,
            "tau": p.membrane_time * brian2.second,
            "k": k,
            "kick": p.inhibition * p.firing_threshold,
        }
        common = {"clock": brian2.Clock(p.dt * brian2.second), "codeobj_class": code, "namespace": names}
        # exponential Euler is exact here, as each equation is linear in its own variable; Brian2's "exact" lets SymPy
        # look for the exponential of a matrix, which takes it seconds
        outputs = brian2.NeuronGroup(batch * n, _OUTPUTS, threshold="v > theta", reset=_SPIKED,
                                     refractory=p.refractory * brian2.second, method="exponential_euler",
                                     **common)  # fmt: skip
        inhibitors = brian2.NeuronGroup(batch, "charge : 1\nfired : 1", threshold="charge >= k and fired == 0",
                                        reset="fired = 1", **common)  # fmt: skip
        counting = brian2.Synapses(outputs, inhibitors, on_pre="charge_post += int(spikes_pre == 0)", **common)
        silencing = brian2.Synapses(inhibitors, outputs, on_pre="v_post -= kick * int(spikes_post == 0)", **common)
        neurons, samples = np.arange(batch * n), np.repeat(np.arange(batch), n)
        counting.connect(i=neurons, j=samples)
        silencing.connect(i=samples, j=neurons)
        receive = brian2.NetworkOperation(self._receive, clock=common["clock"], when="start")
        finish = brian2.NetworkOperation(self._finish, clock=common["clock"], when="end")
        self._network = brian2.Network(outputs, inhibitors, counting, silencing, receive, finish)
        self._network.store()
        self._duration = p.steps * p.dt * brian2.second
        self._values: dict[str, NDArray[Any]] = {
            name: group.variables[name].get_value()
            for group, wanted in (
                (outputs, ("v", "theta", "rest", "latency", "excess", "spikes", "not_refractory")),
                (inhibitors, ("fired",)),
            )
            for name in wanted
        }
        # what a spike must add before a step's decay so that a rate R u drives V towards u exactly: 1 / (R tau) for
        # short steps
        self._weight = math.expm1(p.dt / p.membrane_time) / (p.full_rate * p.dt)

    def _receive(self) -> None:
        """Add the input spikes of this time step to the membranes."""
        arrived = self._arrivals(self._step).numpy()
        self._values["v"] += self._weight * arrived * self._values["not_refractory"]
        self._input_spikes += int(arrived.reshape(self._shape).sum(1) @ (1 - self._values["fired"]))
        self._step += 1

    def _finish(self) -> None:
        """Count the spikes of samples that are decided now, whose circuit rests from now on; end with the last one."""
        fired = self._values["fired"] > 0
        now = fired & ~self._decided
        if now.any():
            self._output_spikes += int(self._values["spikes"].reshape(self._shape)[now].sum())
            self._decided = fired
        if fired.all():
            self._network.stop()


def _spike_trains(coding: str, expected: Tensor, generator: torch.Generator | None) -> Callable[[int], Tensor]:
    """Return a function that gives the spikes of each neuron in time step i, asked for one step after the other."""
    if coding == "poisson":
        return lambda _: torch.poisson(expected, generator=generator)
    if coding == "regular":
        phase = torch.rand(expected.shape, generator=generator, dtype=expected.dtype)
        return lambda i: torch.floor(expected * (i + 1) + phase) - torch.floor(expected * i + phase)
    return lambda _: expected


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Brian2 2.9 calls by a name that current pyparsing deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Spare Brian2, which collects garbage before every run, what is there already: two thirds of a decision's time."""
    if gc.get_freeze_count():  # somebody else's doing; leave it
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

"""The STDP clustering network in Brian2, with units: the reference that the compiled steps are held against."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurohw.circuits.brian import brian2_and_code
from neurohw.deepstdp.stdp_parameters import STDPParameters

Numbers = NDArray[np.float64]
_SCHEDULE = ["start", "groups", "inputs", "drive", "lead", "thresholds", "resets", "depression", "potentiation",
             "inhibition", "end"]  # fmt: skip
_NEURONS = """
dv/dt = (v_rest - v) / tau_v : volt
depsilon/dt = -epsilon / tau_epsilon : volt
dtrace/dt = -trace / tau_trace : 1
rests : integer
leads : boolean
scale : 1
"""
_INPUTS = "dtrace/dt = -trace / tau_trace : 1"


@dataclass(frozen=True)
class Trajectory:
    """What the network did, after each of T steps.

    Args:
        spikes: of the neurons, [T, k].
        potentials, thresholds: V and epsilon, mV, [T, k].
        traces_post, traces_pre: [T, k], [T, n].
        weights: after the last step, [k, n].
    """

    spikes: NDArray[np.bool_]
    potentials: Numbers
    thresholds: Numbers
    traces_post: Numbers
    traces_pre: Numbers
    weights: Numbers


class BrianNetwork:
    """The network of `stdp_steps`, each equation as Brian2 reads it; slow, and not for use.

    Args:
        weights: initial ones, [k, n]; only `rest` normalises them and brings the network to rest.
        parameters: what it is made of; a step is 1 ms.
        timesteps: T of a presentation.
    """

    def __init__(self, weights: Numbers, parameters: STDPParameters, timesteps: int) -> None:
        self._parameters, self._timesteps = parameters, timesteps
        self._step = 0
        with _quiet():
            self._build(weights)

    def present(self, spikes: NDArray[np.uint8]) -> Trajectory:
        """Present input spikes, [T, n], from the state in which the network is."""
        self._given, self._step = spikes.astype(bool), 0
        self._fired = np.zeros((self._timesteps, self._neurons.N), bool)
        self._kept: list[tuple[Numbers, ...]] = []
        with _quiet():
            self._network.run(self._timesteps * self._brian2.ms, namespace={})
        v, epsilon, post, pre = (np.stack(kept) for kept in zip(*self._kept, strict=True))
        return Trajectory(self._fired, v * 1e3, epsilon * 1e3, post, pre, self.weights)

    @property
    def weights(self) -> Numbers:
        """Return the weights, [k, n]."""
        return np.asarray(self._plastic.w[:]).reshape(-1, self._neurons.N).T.copy()

    def rest(self) -> None:
        """Bring the network to rest, and normalise its weights, as between two samples."""
        self._neurons.v = self._parameters.v_rest * self._brian2.mV
        self._neurons.rests, self._neurons.trace, self._inputs.trace = 0, 0, 0
        if mean := self._parameters.weight_mean:
            means = self.weights.mean(1, keepdims=True)
            scale = mean / np.where(means > 0, means, mean)
            if self._parameters.normalisation == "gain":
                self._neurons.scale = scale[:, 0]
            else:
                self._plastic.w[:] = (self.weights * scale).T.ravel()

    def _build(self, weights: Numbers) -> None:
        self._brian2, code = brian2_and_code()
        common = {"codeobj_class": code, "namespace": self._namespace(), "clock": self._brian2.Clock(self._brian2.ms)}
        k, n = weights.shape
        self._make_groups(k, n, common)
        self._make_synapses(weights, common)
        step = [self._brian2.NetworkOperation(function, clock=common["clock"], when=when)
                for function, when in ((self._feed, "start"), (self._lead, "lead"), (self._keep, "end"))]  # fmt: skip
        self._network = self._brian2.Network(self._neurons, self._inputs, self._plastic, self._lateral, *step)
        self._network.schedule = _SCHEDULE

    def _namespace(self) -> dict[str, Any]:
        p, ms, mv = self._parameters, self._brian2.ms, self._brian2.mV
        return {
            "v_rest": p.v_rest * mv,
            "v_reset": p.v_reset * mv,
            "v_threshold": p.v_threshold * mv,
            "tau_v": p.v_decay * ms,
            "tau_epsilon": p.threshold_decay * ms,
            "tau_trace": p.trace_decay * ms,
            "alpha": p.threshold_step * mv,
            "peak": p.trace_peak,
            "steps": p.refractory,
            "gain": p.gain * mv,
            "inhibition": p.inhibition * mv,
            "eta_pre": p.eta_pre,
            "eta_post": p.eta_post,
            "w_max": p.weight_max,
        }

    def _make_groups(self, k: int, n: int, common: dict[str, Any]) -> None:
        brian2 = self._brian2
        self._neurons = brian2.NeuronGroup(
            k, _NEURONS, method="exponential_euler", threshold="v > v_threshold + epsilon and rests == 0 and leads",
            reset="v = v_reset\nrests = steps\nepsilon += alpha\ntrace = peak", **common,
        )  # fmt: skip
        self._neurons.run_regularly("rests = int(clip(rests - 1, 0, steps))", when="groups", order=1)
        self._neurons.v, self._neurons.scale = self._parameters.v_rest * brian2.mV, 1.0
        self._inputs = brian2.NeuronGroup(
            n, _INPUTS + "\nspiking : boolean", method="exponential_euler", threshold="spiking", reset="trace = peak",
            **common,
        )  # fmt: skip
        self._inputs.thresholder["spike"].when = "inputs"
        self._inputs.resetter["spike"].when = "inputs"
        self._inputs.resetter["spike"].order = 1

    def _make_synapses(self, weights: Numbers, common: dict[str, Any]) -> None:
        k, n = weights.shape
        self._plastic = self._brian2.Synapses(
            self._inputs, self._neurons, "w : 1",
            on_pre={"drive": "v_post += gain * scale_post * w * int(rests_post == 0)",
                    "depression": "w = clip(w - eta_pre * trace_post, 0, inf)"},
            on_post={"potentiation": "w = clip(w + eta_post * trace_pre, -inf, w_max)"}, **common,
        )  # fmt: skip
        for pathway in ("drive", "depression", "potentiation"):
            getattr(self._plastic, pathway).when = pathway
        self._plastic.connect(i=np.repeat(np.arange(n), k), j=np.tile(np.arange(k), n))
        self._plastic.w[:] = weights.T.ravel()
        self._lateral = self._brian2.Synapses(self._neurons, self._neurons, on_pre=self._lateral_effect(), **common)
        self._lateral.pre.when = "inhibition"
        self._lateral.connect(condition="i != j")

    def _lateral_effect(self) -> str:
        winner = self._parameters.competition == "winner"
        return ("v_post = v_reset\nrests_post = steps\n" if winner else "") + "v_post -= inhibition"

    def _feed(self) -> None:
        """Say which inputs spike in this step."""
        self._inputs.spiking = self._given[self._step]

    def _lead(self) -> None:
        """Say which neurons may spike: all, or the one furthest above its threshold."""
        leads = np.ones(self._neurons.N, bool)
        if self._parameters.competition == "winner":
            above = np.asarray(self._neurons.v[:]) - np.asarray(self._neurons.epsilon[:])
            above[np.asarray(self._neurons.rests[:]) > 0] = -np.inf
            leads = np.arange(len(above)) == above.argmax()
        self._neurons.leads = leads

    def _keep(self) -> None:
        self._fired[self._step, np.asarray(self._neurons.spikes)] = True
        names = ((self._neurons, "v"), (self._neurons, "epsilon"), (self._neurons, "trace"), (self._inputs, "trace"))
        self._kept.append(tuple(group.variables[name].get_value().copy() for group, name in names))
        self._step += 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Brian2 2.9 calls by a name that current pyparsing deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield

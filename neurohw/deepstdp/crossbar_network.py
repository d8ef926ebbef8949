"""The STDP clustering network whose synapses are a crossbar: the equations of `stdp_steps`, on an array's weights.

The array holds a_ij = w_ij + zero, so that the devices' whole range stands for 0..weight_max (see `weight_window`).
In each step

    V <- V + gain g (sum_i s_i a_ij - zero sum_i s_i)      one read of a binary vector; the last sum is the same for all
    a <- a - eta_pre tau_post (x) s                        pulses at input spikes (Eq. 7)
    a <- a + eta_post s_post (x) tau_pre                   pulses at output spikes (Eq. 8)

and everything else is digital. With `updates` = "sample" pulses are given after it, those at input spikes first. The
bounds of weights are those of the devices. `weight_mean` is not for free on a crossbar: after a sample the rows of the
neurons that were written are read, and what scales them is written, pulse by pulse, as an increment; or, with
`normalisation` = "gain", it is a digital factor g of each neuron's drive. Increments that nobody verifies may not bring
down the weights of pairs that saturate (PCM's), whose neurons then win more and more.

Hardware reads every vector once, in its step. Here all steps of a sample are read at once, and those after a write
again, some at a time: noise is fresh for every vector, so this is the same distribution. The first read stands for all
in the account; the others count as none (`times` = 0).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product, SynapseArray
from neurohw.deepstdp import stdp_steps
from neurohw.deepstdp.stdp_network import Response, constants, frozen, resting_state
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.stdp_steps import Constants, Counts, Numbers
from neurohw.errors import InputError
from neurohw.isolation import aside

_ROUNDING = 1e-9  # of a given range
_AHEAD = 16  # steps that are read again at once after a write: a neuron that fires rests for some of them


def weight_window(
    weight_max: float, bounds: tuple[float, float] = (-1.0, 1.0), weight_range: float | None = None
) -> tuple[float, float]:
    """Return what lets an array's range stand for weights of 0..weight_max: its `weight_range`, and its `zero`.

    Args:
        weight_max: upper bound of weights.
        bounds: of the array's weights, over the `weight_range`.
        weight_range: one that is given; the array's upper bound then stands for weight_max.

    Raises:
        InputError: its range is too small for them.
    """
    low, high = bounds
    least = weight_max / (high - low)
    if weight_range is None:
        return least, least * low
    if weight_range < least * (1 - _ROUNDING):
        raise InputError(f"hardware.weight_range: got {weight_range:g}; allowed: at least {least:.4g}, for weights of "
                         f"0 to stdp.weight_max, {weight_max:g}")  # fmt: skip
    return weight_range, weight_range * high - weight_max


@dataclass(frozen=True)
class _Change:
    """What a step wants written.

    Args:
        step: which one, of the sample's.
        trace_post: of the neurons, [k], by which the weights of its input spikes fall; None: none does.
        fired, trace_pre: 1 of neurons that spike, [k], and traces of the inputs, [n], by which theirs rise.
    """

    step: int
    trace_post: Numbers | None = None
    fired: Numbers | None = None
    trace_pre: Numbers | None = None


class CrossbarNetwork:
    """Leaky integrate-and-fire neurons on Poisson inputs, learning by STDP on a crossbar.

    Args:
        array: the synapses, [k, n], with initial weights w + zero; two inputs per feature.
        parameters: what the network is made of; those of weights hold as far as the devices follow.
        zero: what the array holds for w = 0.
        clock: reads of learning are in phase "forward", writes in phase "update", all others in the clock's own.
        sample_seconds: that pass over the array with every sample that the network learns from.

    Raises:
        InputError: a neuron would fire by itself.
    """

    def __init__(
        self,
        array: SynapseArray,
        parameters: STDPParameters,
        *,
        zero: float = 0.0,
        clock: Clock | None = None,
        sample_seconds: float = 0.0,
    ) -> None:
        parameters.check()
        self.array, self.parameters, self.constants = array, parameters, constants(parameters)
        self.zero, self.sample_seconds = zero, sample_seconds
        self.clock = clock or Clock()
        k, n = array.shape
        _run_driven()  # compiles all of it
        self.state = resting_state(np.zeros((n, 0)), k, self.constants)
        self._spiking = np.empty(k, np.int64)

    @property
    def weights(self) -> Tensor:
        """Return the weights now, [k, n]: for diagnosis and tests."""
        return self.array.snapshot() - self.zero

    @property
    def thresholds(self) -> Tensor:
        """Return a view of what spikes have added to the thresholds, epsilon, mV, [k]."""
        return torch.from_numpy(self.state.threshold)

    def present(self, spikes: Tensor, *, learn: bool = True) -> Response:
        """Present samples one after the other; see `ClusteringNetwork`."""
        response = Response.silent(len(spikes), self.array.shape[0])
        for i, sample in enumerate(spikes.contiguous()):
            if self.constants.rests:
                stdp_steps.rest(self.state, self.constants)
            tally = response.counts[i], response.closest[i], response.events[i]
            if learn:
                with self.clock.during("forward"):
                    self._run(sample, self.constants, tally)
                self._after_sample(response.counts[i])
            else:
                self._run(sample, frozen(self.constants), tally)
        return response

    def restart(self, weights: Tensor) -> None:
        """Begin anew with other weights, w of [k, n], which are programmed and verified; thresholds are forgotten."""
        with self.clock.during("update"):
            self.array.program((weights + self.zero).to(self.array.device, self.array.dtype))
        self.state.threshold[:], self.state.scale[:] = 0.0, 1.0
        stdp_steps.rest(self.state, self.constants)

    def _run(self, spikes: Tensor, c: Constants, tally: tuple[Any, Any, Any]) -> None:
        """Run the steps of a sample, [T, n], which are read at once and, after each write, again."""
        vectors = spikes.to(self.array.device, self.array.dtype)
        each, done = spikes.numpy(), 0
        drives = self._drives(vectors)
        changes: list[_Change] = []
        while done < len(each):
            ahead = each[done : done + len(drives)]
            steps, n_spiking, depressions = _run_driven()(ahead, drives, self.state, c, *tally, self._spiking)
            done, drives = done + steps, drives[steps:]
            if n_spiking or depressions:
                changes.append(self._change(done - 1, n_spiking, depressions))
                if not c.deferred:
                    self._write(vectors, changes)
                    changes, drives = [], drives[:0]
            if not len(drives) and done < len(each):
                drives = self._drives(vectors[done : done + _AHEAD], times=0)
        self._write(vectors, changes)

    def _change(self, step: int, n_spiking: int, depressions: int) -> _Change:
        """Return what a step that was run wants written."""
        trace_post = self.state.trace_post.copy() if depressions else None
        if not (n_spiking and self.constants.eta_post):
            return _Change(step, trace_post)
        fired = np.zeros(self.array.shape[0])
        fired[self._spiking[:n_spiking]] = 1.0
        return _Change(step, trace_post, fired, self.state.trace_pre.copy())

    def _drives(self, vectors: Tensor, times: int = 1) -> Any:
        """Return sum_i s_i w_ij of input spikes, [T, n], by a read each: [T, k]."""
        drive = self.array.read(vectors, times) - self.zero * vectors.sum(1, keepdim=True)
        return drive.to("cpu", torch.float64).numpy()

    def _write(self, vectors: Tensor, changes: list[_Change]) -> None:
        """Write depression at input spikes, [T, n], then potentiation of the neurons that spike, step after step."""
        falls = [(change.trace_post, change.step) for change in changes if change.trace_post is not None]
        rises = [(change.fired, change.trace_pre) for change in changes if change.fired is not None]
        with self.clock.during("update"):
            if falls:
                posts, steps = zip(*falls, strict=True)
                self._update(Product(self._tensor(posts), vectors[list(steps)], sign=-1), self.constants.eta_pre)
            if rises:
                posts, pres = zip(*rises, strict=True)
                self._update(Product(self._tensor(posts), self._tensor(pres)), self.constants.eta_post)

    def _update(self, product: Product, rate: float) -> None:
        self.array.update(OuterProducts((product,), scale=1.0), rate)

    def _after_sample(self, counts: Counts) -> None:
        """Normalise what may have been written, and let the sample's time pass; counts: of spikes, [k]."""
        written = ((counts > 0) | (self.state.trace_post > 0)).nonzero()[0]
        if self.constants.weight_mean and len(written):
            with self.clock.during("update"):
                self._normalise(written)
        if self.sample_seconds:
            self.array.elapse(self.sample_seconds)

    def _normalise(self, neurons: Counts) -> None:
        """Scale the weights of some neurons, or their drive, to the mean that their rows show when they are read."""
        rows = torch.from_numpy(neurons).to(self.array.device)
        weights = self.array.read_rows(rows) - self.zero
        means = weights.mean(1, keepdim=True)
        factors = torch.where(means > 0, self.constants.weight_mean / means, 1.0)
        if self.constants.normalises_gain:
            self.state.scale[neurons] = factors[:, 0].to("cpu", torch.float64).numpy()
        else:
            change = torch.zeros(self.array.shape, dtype=self.array.dtype, device=self.array.device)
            self.array.increment(change.index_copy_(0, rows, weights.mul_(factors - 1)))

    def _tensor(self, rows: Sequence[Numbers]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(self.array.device, self.array.dtype)

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of everything that changes, the array's state included."""
        own = {name: torch.from_numpy(values.copy()) for name, values in self.state._asdict().items()}
        return own | {f"array.{name}": tensor for name, tensor in self.array.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        for name, values in self.state._asdict().items():
            values[...] = state[name].numpy()
        prefix = "array."
        self.array.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


@functools.cache
def _run_driven() -> Callable[..., tuple[int, int, int]]:
    """Return the compiled `run_driven`; numba reads settings of the folder where one stands whenever it compiles."""
    c = constants(STDPParameters())
    one, none = np.zeros(1, np.int64), np.zeros(1)
    with aside():
        state = resting_state(np.zeros((1, 0)), 1, c)
        stdp_steps.run_driven(np.zeros((1, 1), np.uint8), none[None], state, c, one, none, np.zeros(5, np.int64), one)
    return stdp_steps.run_driven

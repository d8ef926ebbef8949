"""The steps of the STDP clustering network (Algorithm 2 of Lu & Sengupta 2024, corrected), compiled by numba.

In each step, for every neuron, in this order:

    epsilon <- e^(-1/epsilon_decay) epsilon;  tau <- e^(-1/tau_decay) tau;  V <- V_rest + e^(-1/V_decay) (V - V_rest);
    l <- max(l - 1, 0);  tau_pre <- tau_0 of inputs that spike                                        (Eq. 4)
    V <- V + gain g sum_i s_i w_i                        where l = 0                                 (Eq. 5)
    spike if V > V_thr + epsilon and l = 0: V <- V_reset, l <- L, epsilon <- epsilon + alpha, tau_post <- tau_0 (Eq. 6)
    w_i <- max(w_i - eta_pre tau_post, 0)                of inputs that spike                        (Eq. 7)
    w   <- min(w + eta_post tau_pre, w_max)              of neurons that spike                       (Eq. 8)
    V <- V - |w_inh|                                     of all others, for each spike

g is 1, or what normalises a neuron's weights. Where changes of weights are deferred, spikes meet those from before the
sample throughout.

Everything here runs uncompiled as well, and all of it is in this file, at which alone numba looks (see `compiled`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurohw.compiled import compiled

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Spikes = NDArray[np.uint8]

INPUT_SPIKES, INTEGRATIONS, DEPRESSIONS, POTENTIATIONS, INHIBITIONS = range(5)


class Constants(NamedTuple):
    """What a step needs to know; decays are factors, potentials mV."""

    v_rest: float
    v_reset: float
    v_threshold: float
    leak: float
    trace_decay: float
    trace_peak: float
    threshold_decay: float
    threshold_step: float
    refractory: int
    eta_pre: float
    eta_post: float
    inhibition: float
    gain: float
    weight_max: float
    weight_mean: float
    winner: bool
    rests: bool
    deferred: bool
    normalises_gain: bool


class State(NamedTuple):
    """All that changes: [k] per neuron, [n] per input, weights [n, k] (one input's in a row), `drive` is scratch.

    `scale` is each neuron's g, a factor on its drive, [k].
    `seen` are the weights that spikes meet: the same memory, or those before the sample where changes are deferred.
    """

    potential: Numbers
    threshold: Numbers
    refractory: Counts
    trace_post: Numbers
    trace_pre: Numbers
    scale: Numbers
    weights: Numbers
    seen: Numbers
    drive: Numbers


@compiled
def find_active(spikes: Spikes, active: Counts) -> int:
    """Write which inputs spike, of [n], into `active`, [n + 1], and return how many; its last is scratch."""
    n = 0
    for i in range(spikes.size):
        active[n] = i
        n += spikes[i]
    return n


@compiled
def decay(state: State, c: Constants) -> None:
    """Let potentials, thresholds, traces and refractory counters go one step on (Eq. 4)."""
    for j in range(state.potential.size):
        state.threshold[j] *= c.threshold_decay
        state.trace_post[j] *= c.trace_decay
        state.potential[j] = c.v_rest + c.leak * (state.potential[j] - c.v_rest)
        state.refractory[j] = max(state.refractory[j] - 1, 0)
    for i in range(state.trace_pre.size):
        state.trace_pre[i] *= c.trace_decay


@compiled
def receive(state: State, c: Constants, active: Counts, closest: Numbers, events: Counts) -> None:
    """Add up what the active inputs give, and integrate it (Eq. 5)."""
    state.drive[:] = 0.0
    for i in active:
        for j in range(state.drive.size):
            state.drive[j] += state.seen[i, j]
    integrate(state, c, active, closest, events)


@compiled
def integrate(state: State, c: Constants, active: Counts, closest: Numbers, events: Counts) -> None:
    """Set the traces of active inputs, and add the drive to potentials of neurons that are not at rest (Eq. 5)."""
    for i in active:
        state.trace_pre[i] = c.trace_peak
    for j in range(state.drive.size):
        if state.refractory[j] == 0:
            state.potential[j] += c.gain * state.scale[j] * state.drive[j]
            closest[j] = max(closest[j], state.potential[j] - c.v_threshold - state.threshold[j])
            events[INTEGRATIONS] += active.size


@compiled
def fire(state: State, c: Constants, spiking: Counts) -> int:
    """Write the neurons that spike into `spiking`, reset them, and return how many there are (Eq. 6)."""
    n, above = 0, 0.0
    for j in range(state.potential.size):
        excess = state.potential[j] - (c.v_threshold + state.threshold[j])
        if state.refractory[j] == 0 and excess > 0:
            if not c.winner:
                spiking[n] = j
                n += 1
            elif excess > above:
                spiking[0], n, above = j, 1, excess
    if n > 0 and c.winner:
        state.potential[:] = c.v_reset
        state.refractory[:] = c.refractory
    for j in spiking[:n]:
        state.potential[j] = c.v_reset
        state.refractory[j] = c.refractory
        state.threshold[j] += c.threshold_step
        state.trace_post[j] = c.trace_peak
    return n


@compiled
def note_learning(state: State, c: Constants, active: Counts, spiking: Counts, events: Counts) -> int:
    """Count the changes of weights in a step, and return how many of them are depressions."""
    depressions = 0
    if c.eta_pre > 0:
        depressions = int(np.count_nonzero(state.trace_post)) * active.size
    events[DEPRESSIONS] += depressions
    if c.eta_post > 0:
        events[POTENTIATIONS] += spiking.size * np.count_nonzero(state.trace_pre)
    return depressions


@compiled
def learn(state: State, c: Constants, active: Counts, spiking: Counts, events: Counts) -> None:
    """Depress the weights of inputs that spike, then potentiate those of neurons that spike (Eqs. 7 and 8)."""
    if note_learning(state, c, active, spiking, events) > 0:
        for i in active:
            for j in range(state.trace_post.size):
                state.weights[i, j] = max(state.weights[i, j] - c.eta_pre * state.trace_post[j], 0.0)
    if c.eta_post == 0:
        return
    for j in spiking:
        for i in range(state.trace_pre.size):
            state.weights[i, j] = min(state.weights[i, j] + c.eta_post * state.trace_pre[i], c.weight_max)


@compiled
def inhibit(state: State, c: Constants, spiking: Counts, events: Counts) -> None:
    """Lower all neurons by |w_inh| for each spike of another."""
    for j in range(state.potential.size):
        state.potential[j] -= c.inhibition * spiking.size
    for j in spiking:
        state.potential[j] += c.inhibition
    events[INHIBITIONS] += spiking.size * (state.potential.size - 1)


@compiled
def run_steps(spikes: Spikes, state: State, c: Constants, counts: Counts, closest: Numbers, events: Counts) -> None:
    """Run the steps of one presentation.

    Args:
        spikes: of the inputs, [T, n].
        state: changed in place.
        c: the constants.
        counts: of spikes, [k], added to.
        closest: how near each potential came to its threshold (V - V_thr - epsilon, mV), [k], raised.
        events: by the indices above, [5], added to.
    """
    active = np.empty(spikes.shape[1] + 1, np.int64)
    spiking = np.empty(counts.size, np.int64)
    for t in range(spikes.shape[0]):
        n_active = find_active(spikes[t], active)
        events[INPUT_SPIKES] += n_active
        decay(state, c)
        receive(state, c, active[:n_active], closest, events)
        n_spiking = fire(state, c, spiking)
        learn(state, c, active[:n_active], spiking[:n_spiking], events)
        if n_spiking > 0:
            inhibit(state, c, spiking[:n_spiking], events)
        for j in spiking[:n_spiking]:
            counts[j] += 1


@compiled
def run_driven(
    spikes: Spikes,
    drives: Numbers,
    state: State,
    c: Constants,
    counts: Counts,
    closest: Numbers,
    events: Counts,
    spiking: Counts,
) -> tuple[int, int, int]:
    """Run steps whose drives are known, as far as the first after which weights change, which is left to others.

    Args:
        spikes: of the inputs, [T, n].
        drives: sum_i s_i w_i, [T, k].
        state: changed in place, but for its weights, which are not looked at.
        c, counts, closest, events: as of `run_steps`.
        spiking: where the neurons that spike in the last step are written, [k].

    Returns:
        How many steps were run; how many neurons spike, and how many weights are depressed, in the last of them.
    """
    active = np.empty(spikes.shape[1] + 1, np.int64)
    for t in range(spikes.shape[0]):
        n_active = find_active(spikes[t], active)
        events[INPUT_SPIKES] += n_active
        decay(state, c)
        state.drive[:] = drives[t]
        integrate(state, c, active[:n_active], closest, events)
        n_spiking = fire(state, c, spiking)
        depressions = note_learning(state, c, active[:n_active], spiking[:n_spiking], events)
        if n_spiking > 0:
            inhibit(state, c, spiking[:n_spiking], events)
        for j in spiking[:n_spiking]:
            counts[j] += 1
        if depressions > 0 or (n_spiking > 0 and c.eta_post > 0):
            return t + 1, n_spiking, depressions
    return spikes.shape[0], 0, 0


@compiled
def rest(state: State, c: Constants) -> None:
    """Bring the network to rest, as before a sample; thresholds and weights stay."""
    state.potential[:] = c.v_rest
    state.refractory[:] = 0
    state.trace_post[:] = 0.0
    state.trace_pre[:] = 0.0


@compiled
def normalise(state: State, c: Constants) -> None:
    """Scale each neuron's weights, or its drive, to mean weights of `weight_mean`; 0: none, nor those without any."""
    if c.weight_mean == 0:
        return
    total = c.weight_mean * state.weights.shape[0]
    state.drive[:] = 0.0
    for i in range(state.weights.shape[0]):
        for j in range(state.drive.size):
            state.drive[j] += state.weights[i, j]
    for j in range(state.drive.size):
        state.drive[j] = total / state.drive[j] if state.drive[j] > 0 else 1.0
    if c.normalises_gain:
        state.scale[:] = state.drive
        return
    for i in range(state.weights.shape[0]):
        for j in range(state.drive.size):
            state.weights[i, j] *= state.drive[j]


@compiled
def present(spikes: Spikes, state: State, c: Constants, counts: Counts, closest: Numbers, events: Counts) -> None:
    """Present samples one after the other: as `run_steps`, with an axis [B, ...] but for state and constants."""
    for b in range(spikes.shape[0]):
        if c.rests:
            rest(state, c)
        run_steps(spikes[b], state, c, counts[b], closest[b], events[b])
        normalise(state, c)
        if c.deferred:
            state.seen[:] = state.weights

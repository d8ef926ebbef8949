"""How far does the spiking target agree with the ideal one, given simulated time and spike rate?

A layer of 100 outputs learns the bundled digits without labels, with the ideal target. Then both circuits decide the
same batch: outputs as training presents them (most are silent or dropped out, the largest stand 0.01 to 0.04 apart at
the k-th place), and the thresholds H that training has left.
"""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from neurohw.circuits.neuron import neuron
from neurohw.circuits.spiking_parameters import SpikingParameters
from neurohw.circuits.spiking_target import SpikingEvents, SpikingTarget
from neurohw.circuits.target import Homeostasis, IdealTarget, TargetRule
from neurohw.config.network import xavier_bound
from neurohw.crossbar.ideal import IdealArray
from neurohw.data import load_dataset
from neurohw.networks.bp import BPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.build import uniform
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Phase, Samples, plain_plan
from neurohw.training.rules import PulsedSGD
from neurohw.training.schedules import Schedule

LONGEST = SpikingParameters(presentation=1.0, full_rate=1e5, membrane_time=1.0, dt=5e-3)
GOAL = 0.95  # overlap at the longest simulated time
_TIMES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_RATES = (1e3, 1e4, 1e5, 1e6)
_RATE_SECONDS = 0.1  # the presentation while the rate varies
_N_OUT, _GAMMA, _DROPOUT, _EPOCHS, _STEPS = 100, 0.4, 0.2, 3, 200


@dataclass(frozen=True)
class Contest:
    """What both circuits decide: outputs, [B, n_out], and thresholds, after training with k winners."""

    k: int
    competition: Tensor
    homeostasis: Homeostasis


def spiking(
    times: tuple[float, ...] = _TIMES,
    rates: tuple[float, ...] = _RATES,
    winners: tuple[int, ...] = (1, 5),
    samples: int = 64,
    seeds: int = 5,
) -> list[dict[str, Any]]:
    """Return the overlap |winners of both circuits| / k, over spike rate at 0.1 s, then over simulated time.

    Args:
        times: presentations, s, at 100 kHz with Poisson input spikes; every other one with regular ones too.
        rates: input spikes per second of an output of 1, Hz, Poisson.
        winners: k.
        samples: in the batch decided.
        seeds: each has a network, a batch and spikes of its own.

    Returns:
        Rows: what varies; coding; k; seconds and rate; mean overlap and its standard deviation over seeds; mean number
        of winners, and input spikes of all outputs, per decision; the goal. The last are the longest Poisson ones.
    """
    short = _lasting(LONGEST, _RATE_SECONDS)
    points = [("rate", replace(short, full_rate=rate)) for rate in sorted(rates)]
    lasting = [_lasting(LONGEST, seconds) for seconds in sorted(times)]
    points += [("time", replace(parameters, coding="regular")) for parameters in lasting[::2]]
    points += [("time", parameters) for parameters in lasting]
    return [_row(varied, parameters, k, samples, seeds) for varied, parameters in points for k in winners]


def _lasting(parameters: SpikingParameters, seconds: float) -> SpikingParameters:
    return replace(parameters, presentation=seconds, dt=seconds / _STEPS)


def _row(varied: str, parameters: SpikingParameters, k: int, samples: int, seeds: int) -> dict[str, Any]:
    overlaps, won, spikes = zip(*(_compare(parameters, k, samples, seed) for seed in range(seeds)), strict=True)
    return {
        "varied": varied,
        "coding": parameters.coding,
        "k": k,
        "seconds": parameters.presentation,
        "full_rate": parameters.full_rate,
        "overlap": statistics.fmean(overlaps),
        "overlap_std": statistics.stdev(overlaps) if seeds > 1 else 0.0,
        "winners": statistics.fmean(won),
        "input_spikes": statistics.fmean(spikes),
        "goal_at_longest": GOAL,
    }


def _compare(parameters: SpikingParameters, k: int, samples: int, seed: int) -> tuple[float, float, float]:
    """Return the overlap, and winners and input spikes of a decision."""
    contest = _contest(k, samples, seed)
    spikes = Streams(seed).fresh("spikes")
    ours = SpikingTarget(TargetRule(_N_OUT, k, _GAMMA), spikes, parameters)
    decision = ours(contest.competition, contest.homeostasis)
    assert isinstance(decision.events, SpikingEvents)
    ideal = IdealTarget(TargetRule(_N_OUT, k, _GAMMA))(contest.competition, contest.homeostasis)
    overlap = float((decision.target * ideal.target).sum()) / (k * samples)
    return overlap, float(decision.target.sum()) / samples, decision.events.input_spikes / samples


@functools.lru_cache(maxsize=16)
def _contest(k: int, samples: int, seed: int) -> Contest:
    """Train one layer with the ideal target, and return what it presents to the circuit next."""
    streams = Streams(seed)
    images = load_dataset("digits").train_images
    n_in = images.shape[1]
    layer = Layer(IdealArray(uniform(_N_OUT, n_in, xavier_bound(_N_OUT, n_in, 1.0), streams.generator("weights"))))
    network = BPNetwork([layer], [neuron("hardsigm")], dropout=(_DROPOUT, _DROPOUT),
                        generator=streams.generator("dropout"))  # fmt: skip
    circuit = IdealTarget(TargetRule(_N_OUT, k, _GAMMA, k / _N_OUT * (1 - _DROPOUT)))
    phase = Phase("unsupervised", Samples(images, None), 16, PulsedSGD([layer], [1.0]), Schedule())
    homeostasis = circuit.initial()
    for epoch in plain_plan(phase, _EPOCHS):
        for _, decision in train_epoch(network, circuit, homeostasis, epoch, _as_input, streams.generator("order")):
            homeostasis = decision.homeostasis
    chosen = torch.randperm(len(images), generator=streams.generator("batch"))[:samples]
    return Contest(k, network.respond(_as_input(images[chosen]), train=True).competition, homeostasis)


def _as_input(images: Tensor) -> Tensor:
    return images.float() / 16

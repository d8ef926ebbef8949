"""Numbers of the STDP clustering network: Table 1 of Lu & Sengupta 2024, and what the paper leaves open."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from neurohw.errors import InputError

Finite = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(strict=True, gt=0)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]


class STDPParameters(BaseModel):
    """What the network is made of; potentials in mV, times in steps (of 1 ms in Brian2), weights without unit.

    Table 1 is kept where it can be, with these resolutions. Decays are exp(-1 / tau), printed exp(+1 / tau).
    V_decay = 20 and tau_decay = 100 stay as printed, although BindsNET has them the other way round: exchange them by
    value. eta_pre and eta_post are *exchanged*: as printed (1e-3, 1e-6) weights only fall, to zero within a few hundred
    samples, and the network falls silent. Where Eq. 4 and Algorithm 2 disagree the latter holds: a neuron at rest after
    a spike goes on leaking and only does not integrate.

    What the paper does not give: `rate_scale`, `gain` (together the drive, which decides how often neurons fire),
    `initial_weight`, `weight_max`, `weight_mean` (BindsNET's normalisation, to 78.4 over 784 inputs), whether the
    network comes to rest between samples (BindsNET's does), passes, and how neurons compete. With Table 1's w_inh of
    -1 mV alone ("inhibition") every neuron whose potential crosses its threshold fires: all learn the same from the
    first samples, until the thresholds have risen above every potential. 0.0019 spikes per neuron and step are 76 per
    sample, close to the 80 that a *single* one of 100 neurons can fire with 5 of 400 steps per spike: "winner" is that
    network.

    The defaults of `rate_scale` and `gain` are calibrated: 5,000 rows of norm 1 with d = 256 (whitened MNIST, or normal
    numbers) give 0.0019 spikes per neuron and step on average over the pass, where p_input is 0.05.

    Best at clustering is another choice: v_decay = 100 and trace_decay = 20, as in BindsNET, gain = 300 and labels =
    "frozen". On 10,000 training images of MNIST (PCA to 256, whitened, norm 1) the NMI with the classes is then
    0.420 +- 0.004 (3 seeds; k-means with k = 100: 0.438 +- 0.001), at 0.0014 spikes per neuron and step. The defaults
    give 0.356 by a "frozen" pass, and 0.226 by the learning pass itself, in which what a neuron stands for still moves.

    What a crossbar would spare costs clustering: on 1,297 digits (61 whitened components of norm 1, 3 seeds, eta_pre 0,
    eta_post 2e-3, weight_max 0.4, of the gain 4, else as in the best above) the NMI is 0.526 +- 0.009, with `updates`
    after the "sample" 0.488 +- 0.015, with `normalisation` of the "gain" 0.438 +- 0.017, and without (`weight_mean` 0)
    0.03: then nothing lets weights fall.

    Args:
        timesteps: T of a sample (Algorithm 2 says 100; the paper's energy confirms Table 1's 400).
        v_rest, v_reset, v_threshold: mV.
        v_decay: time constant of the potential, steps.
        refractory: L, steps; a neuron fires again L steps after a spike at the earliest.
        trace_peak: tau_0, what a spike sets a trace to.
        trace_decay: tau_decay, steps.
        threshold_step: alpha, mV by which a spike raises its neuron's threshold.
        threshold_decay: epsilon_decay, steps.
        eta_pre, eta_post: depression at an input spike, potentiation at an output spike (Eqs. 7, 8); see above.
        inhibition: |w_inh|, mV by which each spike lowers all other neurons.
        competition: "inhibition", nothing else; or "winner": of the neurons that cross their thresholds in a step only
            the one furthest above it fires, and all are reset and rest with it.
        rate_scale: spikes per step of an input whose feature is 1, at most one a step: p = min(1, rate_scale |x|).
        gain: mV that a spike adds to a neuron at weight 1.
        initial_weight: weights start uniform in 0..this, unless `weight_mean` scales them.
        weight_max: upper bound of weights that rise; the lower is 0.
        weight_mean: to which each neuron's weights are scaled at the start and after every sample; 0: not at all. What
            scales weights up does not look at weight_max (nor does BindsNET's); devices have their own bounds.
        normalisation: what is scaled: the "weights", as in BindsNET, so that those fall that are not potentiated; or
            the "gain" of each neuron, after weights that start normalised: a crossbar need not be written for it.
        updates: when weights change: in the "step" that says so (Algorithm 2), or all after the "sample", as a crossbar
            would rather be written that is not read in between.
        rest_between_samples: potentials, traces and refractory counters start every sample anew.
        passes: over the samples, in which the network learns.
        labels: of the last "learning" pass, the only one that the paper counts; or of a "frozen" pass after it, in
            which weights and thresholds stay.
        silent_samples: what is the label of a sample without a spike: "closest", the neuron whose potential came
            closest to its threshold; or "none", -1.
        silent_neurons: "empty", they are clusters without members; or "refuse", one that never fires is an error.
        engine: what computes it, to the same spikes from the same input spikes: "compiled", on one core of the CPU; or
            "torch", step by step wherever the run is, its input spikes drawn there; "auto" is compiled. On a CPU torch
            takes 100 times as long for a sample that is learnt from, and 11 times as long for one that is only labelled
            (512 inputs, 100 neurons). It has never run on a GPU, where a step that learns starts some 45 kernels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    timesteps: Count = 400
    v_rest: Finite = -65.0
    v_reset: Finite = -60.0
    v_threshold: Finite = -52.0
    v_decay: Positive = 20.0
    refractory: Count = 5
    trace_peak: Positive = 1.0
    trace_decay: Positive = 100.0
    threshold_step: NonNegative = 0.45
    threshold_decay: Positive = 1e7
    eta_pre: NonNegative = 1e-6
    eta_post: NonNegative = 1e-3
    inhibition: NonNegative = 1.0
    competition: Literal["winner", "inhibition"] = "winner"
    rate_scale: Positive = 1.0
    gain: Positive = 900.0
    initial_weight: Positive = 0.3
    weight_max: Positive = 1.0
    weight_mean: NonNegative = 0.1
    # younger than the first records: who does without them keeps the hash
    normalisation: Annotated[Literal["weights", "gain"], Field(exclude_if=lambda how: how == "weights")] = "weights"
    updates: Annotated[Literal["step", "sample"], Field(exclude_if=lambda when: when == "step")] = "step"
    rest_between_samples: bool = True
    passes: Count = 1
    labels: Literal["learning", "frozen"] = "learning"
    silent_samples: Literal["closest", "none"] = "closest"
    silent_neurons: Literal["empty", "refuse"] = "empty"
    engine: Annotated[Literal["auto", "compiled", "torch"], Field(exclude_if=lambda which: which == "auto")] = "auto"

    def decay(self, time_constant: float) -> float:
        """Return exp(-1 / time_constant), what is left after a step."""
        return math.exp(-1 / time_constant)

    def check(self) -> None:
        """Raise an InputError where a neuron at rest, or after a spike, would fire by itself, or weights do not fit."""
        for name in ("v_rest", "v_reset"):
            if getattr(self, name) > self.v_threshold:
                raise InputError(
                    f"stdp.{name}: got {getattr(self, name):g}; allowed: at most v_threshold, {self.v_threshold:g} mV"
                )
        name = "weight_mean" if self.weight_mean else "initial_weight"
        if getattr(self, name) > self.weight_max:
            raise InputError(f"stdp.{name}: got {getattr(self, name):g}; allowed: at most weight_max, "
                             f"{self.weight_max:g}")  # fmt: skip

"""The STDP clustering network as its equations read, a few torch operations per equation and step: the baseline."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurohw.deepstdp.stdp_parameters import STDPParameters


class PlainSTDP:
    """The network of `neurohw.deepstdp.stdp_steps` in torch, step by step.

    Args:
        weights: initial ones, [k, n].
        parameters: what it is made of.
    """

    def __init__(self, weights: Tensor, parameters: STDPParameters) -> None:
        self.weights, self.parameters = weights.clone(), parameters
        k, n = weights.shape
        self.threshold = weights.new_zeros(k)
        self.potential, self.refractory = weights.new_full((k,), parameters.v_rest), weights.new_zeros(k)
        self.trace_post, self.trace_pre = weights.new_zeros(k), weights.new_zeros(n)

    def present(self, spikes: Tensor) -> Tensor:
        """Return the output spikes of a sample, [k], and learn.

        Args:
            spikes: of the inputs, 0 and 1, [T, n].
        """
        p = self.parameters
        counts = torch.zeros_like(self.threshold)
        self.potential.fill_(p.v_rest)
        for array in (self.refractory, self.trace_post, self.trace_pre):
            array.zero_()
        for row in spikes.to(self.weights.dtype):
            counts += self._step(row)
        if p.weight_mean:
            self.weights *= p.weight_mean / self.weights.mean(1, keepdim=True).clamp(min=1e-300)
        return counts

    def _step(self, inputs: Tensor) -> Tensor:
        p = self.parameters
        self.threshold *= math.exp(-1 / p.threshold_decay)
        self.trace_pre *= math.exp(-1 / p.trace_decay)
        self.trace_post *= math.exp(-1 / p.trace_decay)
        self.trace_pre[inputs > 0] = p.trace_peak
        self.potential = p.v_rest + math.exp(-1 / p.v_decay) * (self.potential - p.v_rest)
        self.refractory = (self.refractory - 1).clamp(min=0)
        awake = self.refractory == 0
        self.potential = torch.where(awake, self.potential + p.gain * (self.weights @ inputs), self.potential)
        fired = self._fire(awake & (self.potential > p.v_threshold + self.threshold))
        self.weights = (self.weights - p.eta_pre * torch.outer(self.trace_post, inputs)).clamp(min=0)
        risen = (self.weights + p.eta_post * self.trace_pre).clamp(max=p.weight_max)
        self.weights = torch.where(fired[:, None], risen, self.weights)
        self.potential = self.potential - p.inhibition * (fired.sum() - fired.to(self.potential.dtype))
        return fired.to(inputs.dtype)

    def _fire(self, above: Tensor) -> Tensor:
        p = self.parameters
        reset = above
        if p.competition == "winner" and bool(above.any()):
            excess = torch.where(above, self.potential - self.threshold, -math.inf)
            above, reset = torch.zeros_like(above), torch.ones_like(above)
            above[excess.argmax()] = True
        self.potential = torch.where(reset, p.v_reset, self.potential)
        self.refractory = torch.where(reset, p.refractory, self.refractory)
        self.threshold = self.threshold + p.threshold_step * above.to(self.threshold.dtype)
        self.trace_post = torch.where(above, p.trace_peak, self.trace_post)
        return above

"""Conversion of a trained rate network to a spiking one by threshold balancing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neurohw.deepstdp.convnets import ConvNet, Dropout
from neurohw.deepstdp.spiking_network import Coding, SpikingNetwork, SpikingStage
from neurohw.errors import InputError

_BATCH = 64
_WEIGHTED = (nn.Conv2d, nn.Linear)


def convert(
    network: ConvNet,
    images: Tensor,
    readout: nn.Linear | None = None,
    percentile: float = 100.0,
    coding: Coding = "current",
    initial: float = 0.0,
) -> SpikingNetwork:
    """Return a spiking network whose rates are the activations of a rate network.

    Threshold balancing (Sengupta et al. 2019; Lu & Sengupta 2020): weights stay as they are, a stage of largest
    activation a_i over the images gets the threshold a_i / a_(i-1), and its bias is divided by a_(i-1), so that a rate
    of 1 stands for a_i. Batch norm is folded into convolutions, dropout is left out, average pooling passes currents or
    spikes on. Where a dense layer follows another without a ReLU between (a readout on signed features), each unit in
    between is two neurons, of x and of -x, whose outgoing weights are w and -w, as relu(x) - relu(-x) = x.

    Args:
        network: trained; it stays as it is.
        images: of training, [N, channels, height, width], a few hundred: activations of a layer are held all at once.
        readout: a layer on the features, as a linear probe; None: what stands after them, and the head.
        percentile: of all activations of a stage that is taken for its largest, in (0, 100]; below 100, larger ones are
            clipped, and smaller ones need fewer steps.
        coding, initial: of images, and of potentials at their start (`SpikingNetwork`).

    Raises:
        InputError: a layer that spikes cannot stand for (max pooling), one without an activation, another percentile.
    """
    if not 0 < percentile <= 100:
        raise InputError(f"percentile: got {percentile:g}; allowed: above 0, at most 100")
    layers = [*network.body, readout] if readout else [*network.body, *network.after, network.head]
    stages = _stages(_signed_pairs(fold_batch_norm(layers)))
    largest_input = float(images.abs().max()) if coding == "poisson" else 1.0
    return SpikingNetwork(_balanced(stages, images, percentile, largest_input), coding, largest_input, initial)


def fold_batch_norm(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Return copies of layers in evaluation mode, dropout left out and batch norm in the convolution before it.

    Raises:
        InputError: batch norm after something else than a convolution.
    """
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, Dropout | nn.Dropout):
            continue
        if not isinstance(layer, nn.BatchNorm2d):
            folded.append(deepcopy(layer).eval())
        elif folded and isinstance(folded[-1], nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], deepcopy(layer).eval())
        else:
            raise InputError(
                "conversion: batch norm that follows no convolution; allowed: convolution, then batch norm"
            )
    return folded


def _signed_pairs(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Put neurons of both signs between dense layers that follow each other."""
    paired: list[nn.Module] = []
    for layer in layers:
        if paired and isinstance(layer, nn.Linear) and isinstance(before := paired[-1], nn.Linear):
            bias = None if before.bias is None else torch.cat([before.bias, -before.bias])
            paired[-1:] = [_linear(torch.cat([before.weight, -before.weight]), bias), nn.ReLU()]
            layer = _linear(torch.cat([layer.weight, -layer.weight], dim=1), layer.bias)
        paired.append(layer)
    return paired


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer: nn.Linear = skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.detach()
    if bias is not None:
        layer.bias.data = bias.detach().clone()
    return layer


def _stages(layers: Iterable[nn.Module]) -> list[nn.Sequential]:
    """Return what stands before each ReLU, and after the last."""
    stages: list[list[nn.Module]] = [[]]
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            stages.append([])
        elif isinstance(layer, (*_WEIGHTED, nn.AvgPool2d, nn.Flatten)):
            stages[-1].append(layer)
        else:
            raise InputError(f"conversion: got a {type(layer).__name__}, which has no counterpart in spikes; allowed: "
                             "convolutions, batch norm, average pooling, ReLU, dropout, dense layers")  # fmt: skip
    for stage in stages:
        weighted = sum(isinstance(layer, _WEIGHTED) for layer in stage)
        if weighted != 1:
            raise InputError(f"conversion: got {weighted} layers with weights between neurons; allowed: 1")
    return [nn.Sequential(*stage) for stage in stages]


@torch.no_grad()
def _balanced(
    stages: Sequence[nn.Sequential], images: Tensor, percentile: float, largest_input: float
) -> tuple[SpikingStage, ...]:
    """Return stages with their thresholds; the biases of what is given are scaled."""
    values, before, balanced = images, largest_input, []
    for i, stage in enumerate(stages):
        threshold = None
        if i + 1 < len(stages):
            values = torch.cat([stage(chunk).relu() for chunk in values.split(_BATCH)])
            largest = _percentile(values, percentile)
            if largest <= 0:
                raise InputError(f"conversion: stage {i} has no activation at percentile {percentile:g} of the images; "
                                 "allowed: a higher percentile, a trained network")  # fmt: skip
            threshold = largest / before
        _divide_bias(stage, before)
        balanced.append(SpikingStage(stage, threshold))
        before = before if threshold is None else largest
    return tuple(balanced)


def _percentile(values: Tensor, percentile: float) -> float:
    """Return the smallest value that is not below this share of all."""
    rank = max(1, ceil(percentile / 100 * values.numel()))
    return float(values.flatten().kthvalue(min(rank, values.numel())).values)


def _divide_bias(stage: nn.Sequential, unit: float) -> None:
    for layer in stage:
        if isinstance(layer, _WEIGHTED) and layer.bias is not None:
            layer.bias.div_(unit)

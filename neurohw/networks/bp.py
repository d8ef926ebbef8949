"""Backpropagation on crossbars: errors travel back through the same cells, by transposed reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.circuits.neuron import MapCompetition, neuron
from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.networks.base import ConfiguredNetwork, Contrast, MakeArray, State, masked
from neurohw.networks.conv import pooling_of, wiring_of
from neurohw.networks.layer import Layer
from neurohw.networks.operations import FeedForward
from neurohw.networks.rules import MAP_NEURONS, Settings
from neurohw.networks.shapes import StageShape
from neurohw.networks.stage import Activation, Passed, Pooling, Stage
from neurohw.seeding import Source, Sources


@dataclass(frozen=True)
class BPState(State):
    """A forward pass: what each stage needs for the backward one."""

    passed: tuple[Passed, ...]

    @property
    def hidden(self) -> tuple[Tensor, ...]:
        """Outputs of the hidden layers, scaled where some were dropped."""
        return tuple(passed.pre for passed in self.passed[1:])


class BPNetwork(ConfiguredNetwork):
    """Feed-forward network trained by backpropagation.

    a_l = W_l x_l + b_l;  x_{l+1} = dropout(rho_l(a_l));  y = mask * rho_L(a_L).
    Input and hidden dropout is inverted (scaled by 1/(1 - p)), the output's is a plain mask on what the loss sees, as
    in the published code: under a cross-entropy an output that is dropped counts as exp(0) in the softmax, be it over
    outputs or over logits (which are the outputs of an identity neuron), and gets no error.

    Args:
        layers: synapses, input to output.
        neurons: activation circuit of each layer's output, hidden first.
        loss: "mse" or "cross-entropy" (softmax of the outputs, or of the output drives).
        loss_reduction: of the mean squared error over outputs, "mean" (code) or "sum" (paper, Eq. 3).
        cross_entropy_on: "outputs" (the code's softmax over sigmoid outputs) or "logits" (over the drives).
        dropout, generator, clock, pools: see Network.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        neurons: Sequence[Activation],
        loss: str = "mse",
        loss_reduction: str = "mean",
        cross_entropy_on: str = "outputs",
        dropout: Sequence[float] = (),
        generator: Source | None = None,
        clock: Clock | None = None,
        pools: Sequence[Pooling | None] = (),
    ) -> None:
        super().__init__(layers, dropout, generator, clock, pools)
        self.stages = tuple(map(Stage, self.layers, neurons, self.dropout, self.pools))
        self.loss = loss
        self.loss_reduction = loss_reduction
        self.cross_entropy_on = cross_entropy_on

    @classmethod
    def layers_for(cls, settings: Settings, make: MakeArray) -> list[Layer]:
        """Return layers of fresh arrays: convolutions, which are read position after position, then dense ones."""
        return [Layer(make(stage.n_post, stage.n_pre), settings.bias, wiring_of(stage, first=i == 0))
                for i, stage in enumerate(settings.stages)]  # fmt: skip

    @classmethod
    def built(
        cls,
        layers: Sequence[Layer],
        settings: Settings,
        streams: Sources,
        clock: Clock,
    ) -> BPNetwork:
        """Return the network of given layers."""
        names, stages = settings["network.neurons"], settings.stages
        return cls(
            layers,
            [_activation(name, stage) for name, stage in zip(names, stages, strict=True)],
            loss=settings["training.loss"],
            loss_reduction=settings["training.loss_reduction"],
            cross_entropy_on=settings["training.cross_entropy_on"],
            dropout=settings["training.dropout"],
            generator=streams.generator("dropout"),
            clock=clock,
            pools=[pooling_of(stage) for stage in stages],
        )

    def operations(self) -> FeedForward:
        """Return the work of the forward and of the backward pass."""
        neurons = (self.layers[0].n_pre, *(layer.n_post for layer in self.layers))
        pools = [pool for pool in self.pools if pool is not None]
        competing = sum(stage.neuron.adds * stage.layer.n_post for stage in self.stages)
        adds = competing + sum(pool.adds for pool in pools)
        back = competing + sum(pool.adds_back for pool in pools) + sum(layer.wiring.adds for layer in self.layers[1:])
        softmax = self.loss == "cross-entropy"
        return FeedForward(neurons, softmax, adds, back, softmax and self.cross_entropy_on == "logits")

    def respond(self, x: Tensor, train: bool = False) -> BPState:
        """Run the forward pass."""
        masks = self.masks(x.shape[-2], train)
        with self.clock.during("forward" if train else self.clock.phase):
            return self._forward(x, masks)

    def output_drive(self, x: Tensor) -> Tensor:
        """Return W_L x_L + b_L, [B, n_L], the drive of the output's neurons, of x [B, n_in]; nothing is dropped."""
        return self.respond(x).passed[-1].drive

    def _forward(self, signal: Tensor, masks: tuple[Tensor | None, ...]) -> BPState:
        passed = []
        for stage, mask in zip(self.stages, masks, strict=False):
            signal, left = stage.forward(signal, mask)
            passed.append(left)
        output = masked(signal, masks[-1])
        return BPState(output, output, masks, tuple(passed))

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return minus the loss's gradient as outer products error_l (x) pre_l, errors read back through the cells.

        delta_L = rho_L'(a_L) * (-dC/dy);  delta_l = rho_l'(a_l) * mask_l * W_{l+1}^T delta_{l+1}.
        """
        assert isinstance(state, BPState)
        error, scale = self._output_error(state, target)
        products: Contrast = []
        with self.clock.during("backward"):
            for i in reversed(range(len(self.stages))):
                stage, passed = self.stages[i], state.passed[i]
                products.append((stage.layer, OuterProducts((Product(error, passed.pre),), scale)))
                if i > 0:
                    error = self.stages[i - 1].driven(state.passed[i - 1], stage.back(passed, error))
        return products[::-1]

    def _output_error(self, state: BPState, target: Tensor) -> tuple[Tensor, float]:
        # the error in units of the output, which is what a crossbar's converters see; its scale stays digital
        batch, n_out = target.shape[-2:]
        back = self.stages[-1].neuron.back
        drive = state.passed[-1].drive
        if self.loss == "mse":
            error = back(drive, target - state.output)  # masked outputs: y = d = 0
            return error, 2 / batch if self.loss_reduction == "sum" else 2 / (batch * n_out)
        total = target.sum(-1, keepdim=True)  # 1 for a one-hot target; fewer where winners were masked
        if self.cross_entropy_on == "logits":
            return masked(target - total * torch.softmax(masked(drive, state.active), dim=-1), state.active), 1 / batch
        error = target - total * torch.softmax(state.output, dim=-1)
        return masked(back(drive, error), state.active), 1 / batch


def _activation(name: str, stage: StageShape) -> Activation:
    return MapCompetition(stage.n_post) if name in MAP_NEURONS else neuron(name)

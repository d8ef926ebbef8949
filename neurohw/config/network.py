"""Which network learns, and how Equilibrium Propagation relaxes and writes."""

from __future__ import annotations

import operator
from math import sqrt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from neurohw.config.section import Count, NonNegative, Positive, Probability, Section, dotted
from neurohw.networks.rules import LEARNING_RULES
from neurohw.networks.shapes import Convolution, StageShape, stage_shapes

_Rows = Annotated[int, Field(strict=True, ge=0)]


class ConvSection(Section):
    """A convolution and the pooling of its neurons, a stage of the network.

    Args:
        channels: kernels, and maps that come out.
        kernel: rows and columns of each.
        stride: rows and columns from one position to the next.
        padding: rows and columns of zeros around the image.
        pool: what is made of the neurons in a window: nothing, their mean (what is padded counts as 0), or the largest.
        pool_size: rows and columns of a window.
        pool_stride: rows and columns from one window to the next; none: pool_size.
        pool_padding: rows and columns around a map.
        prune: share of the kernels' cells that are absent from the start, drawn at random.
    """

    channels: Count
    kernel: Count
    stride: Count = 1
    padding: _Rows = 0
    pool: Literal["none", "average", "max"] = "none"
    pool_size: Count = 2
    pool_stride: Count | None = None
    pool_padding: _Rows = 0
    prune: Probability = 0.0


class NetworkSection(Section):
    """Which network: learning rule, neurons per layer (the input first), activation circuits, biases.

    The parameters of a rule's own are left out of the configuration where there are none.

    Args:
        rule: Backpropagation, Equilibrium Propagation, Hebbian learning (hard winner-take-all, SoftHebb, Krotov and
            Hopfield's), or a learning rule of your own.
        parameters: what such a rule has of its own.
        layers: neurons per layer, the inputs first; those of convolutions apart, which stand behind the inputs.
        conv: convolutions, from the inputs on.
        image: channels, height and width of the inputs, for convolutions; none: square, of one channel or three.
        neurons: activation of each layer but the inputs, hidden ones first; EP has one for all.
        bias: is added digitally, or a line of the crossbar that is always on.
        init: initial weights are of both signs, or positive, and biases 0; or both are uniform in +-1 / sqrt(n_pre), as
            torch has it.
        init_gain: gain g of the former, uniform in +-g sqrt(6 / (n_pre + n_post)), or from 0 to that.
        weights: folder of a finished run of this network on ideal arrays: what it has learnt is written to the arrays,
            and nothing is trained; none: the network learns by itself.
    """

    rule: Literal[tuple(LEARNING_RULES)] = "bp"  # type: ignore[valid-type]
    parameters: Annotated[dict[str, StrictBool | int | float | str], BeforeValidator(dotted),
                          Field(exclude_if=operator.not_)] = {}  # fmt: skip
    layers: Annotated[tuple[Count, ...], Field(min_length=2)] = (64, 100)
    # younger than the first records, as are all keys that are left out where they are not set: these keep their hashes
    conv: Annotated[tuple[ConvSection, ...], Field(exclude_if=operator.not_)] = ()
    image: Annotated[tuple[Count, Count, Count] | None, Field(exclude_if=operator.not_)] = None
    neurons: tuple[Literal["identity", "relu", "hardsigm", "sigmoid", "tanh", "wta"], ...] = ("hardsigm",)
    bias: Literal["digital", "line"] = "digital"
    init: Annotated[Literal["symmetric", "positive", "torch"], Field(exclude_if=lambda it: it == "symmetric")] = (
        "symmetric"
    )
    init_gain: NonNegative = 0.5
    weights: Annotated[str | None, Field(exclude_if=operator.not_)] = None

    @property
    def depth(self) -> int:
        """Layers of synapses."""
        return len(self.conv) + len(self.layers) - 1

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """What `conv` says, as networks take it."""
        return tuple(Convolution(**section.model_dump()) for section in self.conv)

    @property
    def stages(self) -> tuple[StageShape, ...]:
        """The stages' shapes, input to output.

        Raises:
            InputError: they do not fit each other.
        """
        return stage_shapes(self.layers, self.convolutions, self.image)

    def initial_bound(self, n_post: int, n_pre: int) -> float:
        """Return the largest initial weight of an array, a bias line apart."""
        return n_pre**-0.5 if self.init == "torch" else xavier_bound(n_post, n_pre, self.init_gain)

    @property
    def largest_weight(self) -> float:
        """The largest initial weight of all."""
        return max(self.initial_bound(stage.n_post, stage.n_pre) for stage in self.stages)


class EPSection(Section):
    """Equilibrium Propagation: relaxation, nudging, and how the contrast is written.

    Args:
        dt: step of the relaxation, of its time constant.
        free_steps: steps of the free phase (T of the published code).
        nudged_steps: steps of the nudged phase (Kmax of the published code).
        beta: strength of the nudging.
        beta_sign: sign of the nudging, of each batch at random, or always positive.
        estimate: of the gradient: from the free and a nudged phase, or from two phases nudged in opposite directions.
        contrast: it is written as two outer products, of either phase, or as their difference.
        pulse_order: which of the two products is written first.
        hold_input: the inputs' product is read once and held, or read in every step.
    """

    dt: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.2
    free_steps: Count = 40
    nudged_steps: Count = 10
    beta: Positive = 0.2
    beta_sign: Literal["random", "positive"] = "random"
    estimate: Literal["one-sided", "symmetric"] = "one-sided"
    contrast: Literal["two-phase", "difference"] = "two-phase"
    pulse_order: Literal["free-first", "nudged-first"] = "free-first"
    hold_input: StrictBool = True


def xavier_bound(n_post: int, n_pre: int, gain: float) -> float:
    """Return the largest initial weight, b = gain sqrt(6 / (n_pre + n_post)) (Glorot & Bengio 2010)."""
    return gain * sqrt(6 / (n_pre + n_post))

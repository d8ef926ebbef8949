"""Hebbian networks: competing neurons whose layers learn one after the other, each from its own inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.networks.base import ConfiguredNetwork, Contrast, MakeArray, State
from neurohw.networks.layer import Layer
from neurohw.networks.operations import Operation, Operations
from neurohw.networks.rules import Settings
from neurohw.seeding import Sources


@dataclass(frozen=True)
class Answer:
    """What neurons make of their drives, as the next layer and read-outs see it.

    "softmax": e^(y_j / temperature) / sum_k e^(y_k / temperature); "power": (max(y_j, 0) / max_k y_k)^power, the
    rectified power unit of Krotov & Hopfield 2019 over its largest output, which read-outs can take.

    Args:
        kind: which of them.
        temperature, power: see above.
    """

    kind: str
    temperature: float
    power: float

    def __call__(self, drive: Tensor) -> Tensor:
        """Return the outputs, [B, n], of drives [B, n]."""
        if self.kind == "softmax":
            return (drive / self.temperature).softmax(-1)
        rectified = drive.clamp(min=0)
        largest = rectified.amax(-1, keepdim=True)
        return rectified.div_(torch.where(largest > 0, largest, 1.0)).pow_(self.power)


@dataclass(frozen=True)
class HebbianState(State):
    """Drives of the layer that learns.

    Args:
        pre: its inputs, [B, n_pre].
        drive: on which its neurons compete, and with which their weights decay, [B, n].
    """

    pre: Tensor
    drive: Tensor


class HebbianNetwork(ConfiguredNetwork):
    """Feed-forward layers without biases, of which one learns by competition; layers below it have learnt before.

    dw_ij = eta r_j (R^p x_i - u_j w_ij),  u_j = sum_i sign(w_ij) |w_ij|^(p-1) x_i, averaged over a batch, where r are
    what the target circuit makes of u: winners (hard WTA), a softmax (SoftHebb, Liu et al. 2024, Eq. 6), or the winner
    and, with the opposite sign, the k-th (Krotov & Hopfield 2019, Eq. 7 of Liu et al.). With p = 2, u are the drives
    y = W x, and R = 1 is Oja's rule: weights of an output come to the norm R (of order p). Without decay it is Hebb's
    (Liu et al., Eq. 5), whose weights grow without bound.

    Where p is not 2 no crossbar forms u: all rows are read once a batch, and u is computed digitally.

    Args:
        layers: synapses, input to output.
        decay: whether weights decay with u; without, they grow without bound (Eq. 5).
        radius: R, the norm to which an output's weights come.
        order: p of that norm; crossbars form u where it is 2.
        answer: what neurons make of their drives, for the next layer and read-outs: "softmax", or "power" (see Answer).
        temperature: of such a softmax.
        power: exponent n of such a power.
        clock: see Network.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        decay: bool = True,
        radius: float = 1.0,
        order: float = 2.0,
        answer: str = "softmax",
        temperature: float = 0.2,
        power: float = 4.5,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(layers, clock=clock)
        self.answer = Answer(answer, temperature, power)
        self.decay, self.radius, self.order = decay, radius, order
        self._learns = len(self.layers) - 1

    @classmethod
    def layers_for(cls, settings: Settings, make: MakeArray) -> list[Layer]:
        """Return layers of fresh arrays, without biases."""
        return [Layer(make(n_post, n_pre), "none") for n_pre, n_post in pairwise(settings.sizes)]

    @classmethod
    def built(cls, layers: Sequence[Layer], settings: Settings, streams: Sources, clock: Clock) -> HebbianNetwork:
        """Return the network of given layers."""
        given: dict[str, Any] = dict(settings.parameters)
        return cls(layers, **given, clock=clock)

    def teach(self, layer: int | None) -> None:
        """Say which layer learns; None: the last."""
        self._learns = len(self.layers) - 1 if layer is None else layer

    def operations(self) -> HebbianWork:
        """Return the work of answering, and of learning in the layer that learns."""
        return HebbianWork(self.sizes, self._learns, self.decay, self.order != 2)

    def respond(self, x: Tensor, train: bool = False) -> State:
        """Run the forward pass; to learn, up to the layer that learns, whose neurons compete on their drives."""
        with self.clock.during("forward" if train else self.clock.phase):
            if not train:
                output = self._through(x, len(self.layers))
                return State(output, output, (None,))
            pre, layer = self._through(x, self._learns), self.layers[self._learns]
            drive = layer.read(pre) if self.order == 2 else self._generalised(layer, pre)
        return HebbianState(drive, drive, (None,), pre, drive)

    def _through(self, signal: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            signal = self.answer(layer.read(signal))
        return signal

    def _generalised(self, layer: Layer, pre: Tensor) -> Tensor:
        """Return u = sum_i sign(w_i) |w_i|^(p-1) x_i, [B, n_post], of rows that are read: they are no product of W."""
        with self.clock.during("update"):
            rows = layer.array.read_rows(torch.arange(layer.n_post, device=pre.device))
        return pre @ (rows.sign() * rows.abs() ** (self.order - 1)).t()

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return what is to be written into the layer that learns: r (x) R^p x, and the decay r u."""
        assert isinstance(state, HebbianState)
        grows = Product(target * self.radius**self.order, state.pre)
        decay = target * state.drive if self.decay else None
        return [(self.layers[self._learns], OuterProducts((grows,), 1 / len(target), decay))]


@dataclass(frozen=True)
class HebbianWork(Operations):
    """What Hebbian layers do around their arrays: answers, and the decays r u of neurons that learn.

    An answer takes an activation and two products a neuron (its power or exponential; over the sum or the largest).

    Args:
        sizes: neurons per layer, the input first.
        learns: the layer that learns, to which a training image passes.
        decay: weights decay.
        generalised: u is computed digitally.
    """

    sizes: tuple[int, ...]
    learns: int
    decay: bool = True
    generalised: bool = False
    phase = "forward"

    def of_answers(self, phase: str, images: float) -> Iterator[Operation]:
        """Yield the answers of all layers, in training those below the one that learns; and u where it is digital."""
        learning = phase == self.phase
        neurons = sum(self.sizes[1 : self.learns + 1] if learning else self.sizes[1:])
        yield "clock", phase, "images", images
        yield "digital", phase, "activations", images * neurons
        yield "digital", phase, "macs", images * 2 * neurons
        if learning and self.generalised:
            yield "digital", phase, "macs", images * self.sizes[self.learns] * self.sizes[self.learns + 1]

    def of_contrasts(self, images: float) -> Iterator[Operation]:
        """Yield a product r u for each neuron that learns."""
        if self.decay:
            yield "digital", "update", "macs", images * self.sizes[self.learns + 1]

    def facts(self) -> dict[str, Any]:
        """Return that nothing relaxes."""
        return {"free_steps": 0, "nudged_steps": 0, "nudged_phases": 0}

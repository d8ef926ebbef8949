"""What networks of all learning rules have in common: layers, masks, and the two questions learning asks them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray
from neurohw.errors import InputError
from neurohw.networks.dropout import keep_mask
from neurohw.networks.layer import Layer
from neurohw.networks.operations import Operations
from neurohw.networks.rules import Settings
from neurohw.networks.stage import Pooling
from neurohw.seeding import Source, Streams, derived_seed

Contrast = list[tuple[Layer, OuterProducts]]
MakeArray = Callable[[int, int], SynapseArray]


@dataclass(frozen=True)
class State:
    """A network's answer to a batch.

    Args:
        output: y, [B, n_out], as read-outs and association see it.
        competition: [B, n_out], what the target circuit chooses winners on.
        masks: 0/1 dropout masks [B, n_l], the input's first and the output's last; None where nothing is dropped.
    """

    output: Tensor
    competition: Tensor
    masks: tuple[Tensor | None, ...]

    @property
    def active(self) -> Tensor | None:
        """The output's mask."""
        return self.masks[-1]

    @property
    def hidden(self) -> tuple[Tensor, ...]:
        """Outputs [B, n_l] of the layers between input and output, input-most first, where the network keeps them."""
        return ()


class Network(abc.ABC):
    """Layers of synapses between layers of neurons, input first.

    Several chips of one kind are one network where their arrays and sources are stacked: what is [B, n] for one is
    [S, B, n] for S of them, and nothing passes from one to another.

    Args:
        layers: synapses, input to output.
        dropout: probability per neuron layer, the input included: len(layers) + 1 values; empty for none.
        generator: draws the dropout masks, those of each chip from its own.
        clock: told which phase the chip is in.
        pools: what pools the outputs of each layer's neurons, or None; empty for none.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        dropout: Sequence[float] = (),
        generator: Source | None = None,
        clock: Clock | None = None,
        pools: Sequence[Pooling | None] = (),
    ) -> None:
        self.layers = list(layers)
        self.pools = tuple(pools) or (None,) * len(layers)
        _check_chain(self.layers, self.pools, dropout)
        self.dropout = tuple(dropout) or (0.0,) * (len(layers) + 1)
        self.generator = generator or torch.Generator(layers[0].array.device)
        self.clock = clock or Clock()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Outputs per layer of neurons, the input first."""
        return (self.layers[0].n_pre, *map(_outputs, self.layers, self.pools))

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the states."""
        return self.layers[0].array.dtype

    @abc.abstractmethod
    def respond(self, x: Tensor, train: bool = False) -> State:
        """Return the answer to x [B, n_in] in [0, 1]: the forward pass (BP) or the free phase (EP)."""

    @abc.abstractmethod
    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return what should be written where, as outer products, to bring the output nearer to `target` [B, n_out]."""

    @abc.abstractmethod
    def operations(self) -> Operations:
        """Return what the network does around its arrays, which the energy account prices."""

    def teach(self, layer: int | None) -> None:  # noqa: B027 (in most networks all layers learn)
        """Say which layer learns from now on, of a network whose layers learn one after the other; None: all."""

    def elapse(self, seconds: float) -> None:
        """Let time pass for every array and for the clock."""
        self.clock.advance(seconds)
        for layer in self.layers:
            layer.array.elapse(seconds)

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Let what happens within leave no trace in any array; see `SynapseArray.aside`."""
        with ExitStack() as arrays:
            for i, layer in enumerate(self.layers):
                arrays.enter_context(layer.array.aside(derived_seed(seed, f"W{i + 1}")))
            yield

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Let the outputs of every array be rescaled for drift within; see `SynapseArray.compensating`."""
        with ExitStack() as arrays:
            for layer in self.layers:
                arrays.enter_context(layer.array.compensating(how))
            yield

    def masks(self, batch: int, train: bool) -> tuple[Tensor | None, ...]:
        """Draw this batch's dropout masks, one 0/1 entry per sample and neuron."""
        return tuple(
            keep_mask(batch, n, p, self.generator, self.dtype) if train and p > 0 else None
            for n, p in zip(self.sizes, self.dropout, strict=True)
        )

    def state_dict(self) -> StateDict:
        """Return every layer's state."""
        return {f"{i}.{k}": v for i, layer in enumerate(self.layers) for k, v in layer.state_dict().items()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        for i, layer in enumerate(self.layers):
            prefix = f"{i}."
            layer.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


class ConfiguredNetwork(Network):
    """A network that an experiment names by its learning rule (`neurohw.networks.rules`)."""

    @classmethod
    def layers_for(cls, settings: Settings, make: MakeArray) -> list[Layer]:
        """Return layers of fresh arrays; here each neuron with all of the next layer.

        Args:
            settings: of the network.
            make: makes the array of the next layer from the numbers of its outputs and inputs, a bias line apart.

        Raises:
            InputError: the settings do not fit the inputs.
        """
        return [Layer(make(n_post, n_pre), settings.bias) for n_pre, n_post in pairwise(settings.sizes)]

    @classmethod
    @abc.abstractmethod
    def built(cls, layers: Sequence[Layer], settings: Settings, streams: Streams, clock: Clock) -> Network:
        """Return the network of given layers; streams: generators by name."""


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return x where the mask is 1, 0 elsewhere; no mask changes nothing."""
    return x if mask is None else x * mask


def _outputs(layer: Layer, pool: Pooling | None) -> int:
    return layer.n_post if pool is None else pool.n_out


def _check_chain(layers: Sequence[Layer], pools: Sequence[Pooling | None], dropout: Sequence[float]) -> None:
    if not layers:
        raise InputError("network.layers: a network needs at least an input and an output layer")
    for i, (n_out, above) in enumerate(zip(map(_outputs, layers, pools), layers[1:], strict=False)):
        if n_out != above.n_pre:
            raise InputError(f"network.layers: layer {i} has {n_out} outputs, layer {i + 1} {above.n_pre} inputs")
    if dropout and len(dropout) != len(layers) + 1:
        raise InputError(
            f"training.dropout: got {len(dropout)} values for {len(layers) + 1} neuron layers (the input counts)"
        )

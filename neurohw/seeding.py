"""One seed, named generators: every random draw of a run comes from a stream that is passed explicitly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from neurohw.errors import InputError
from neurohw.values import LARGEST_SEED

Source = (
    torch.Generator | tuple[torch.Generator, ...]
)  # of draws: a chip's, or those of several chips that are one batch


def derived_seed(seed: int, name: str) -> int:
    """Return the 63-bit seed of stream `name` under the run's `seed` (SHA-256, so streams are independent)."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def drawn(draw: Callable[[torch.Generator], Tensor], source: Source) -> Tensor:
    """Return draw(generator), [...]; of several chips what each draws from its own, one behind the other, [S, ...]."""
    return draw(source) if isinstance(source, torch.Generator) else torch.stack([draw(own) for own in source])


class Sources(Protocol):
    """Generators by name: `Streams` of one chip, or `StackedStreams` of several."""

    device: torch.device

    def generator(self, name: str) -> Source:
        """Return the source of stream `name`."""


class Streams:
    """Named random generators of one run.

    Asking twice for a name returns the same generator, so a stream advances as one sequence wherever it is used.

    Args:
        seed: the run's seed, 0 to 2^63 - 1.
        device: where the draws are made; replay is promised per device type.

    Raises:
        InputError: the seed is none.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
            raise InputError(f"seed: got {seed!r}; allowed: an integer from 0 to {LARGEST_SEED}")
        self.seed = seed
        self.device = torch.device(device)
        self._generators: dict[str, torch.Generator] = {}

    def generator(self, name: str) -> torch.Generator:
        """Return the generator of stream `name`, made from the run's seed on first use."""
        if name not in self._generators:
            self._generators[name] = self.fresh(name)
        return self._generators[name]

    def fresh(self, name: str) -> torch.Generator:
        """Return a generator at the start of stream `name`, without touching the stream itself."""
        return torch.Generator(self.device).manual_seed(derived_seed(self.seed, name))

    def integer(self, name: str) -> int:
        """Return a fixed 31-bit seed for a library that takes an integer (aihwkit's construction seed)."""
        return derived_seed(self.seed, name) & 0x7FFFFFFF

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the state of every stream used so far."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Restore the streams of `state_dict`, so that the next draw is the one that would have come."""
        for name, generator_state in state.items():
            self.generator(name).set_state(generator_state)


class StackedStreams:
    """The streams of several chips: each draws what it would draw alone.

    Args:
        chips: the streams of each.
    """

    def __init__(self, chips: Sequence[Streams]) -> None:
        self.chips, self.device = tuple(chips), chips[0].device

    def generator(self, name: str) -> tuple[torch.Generator, ...]:
        """Return the generators of stream `name`, chip by chip."""
        return tuple(streams.generator(name) for streams in self.chips)

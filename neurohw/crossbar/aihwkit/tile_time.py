"""What time does to an aihwkit tile: drift, decay, diffusion."""

from __future__ import annotations

from typing import Any

import torch

_DECAY_STEPS = 100  # a long wait decays in at most so many steps


class PassingTime:
    """Turns seconds into what aihwkit applies: drift by the second, decay and diffusion by the mini-batch.

    Args:
        built: aihwkit's device or compound: which processes act.
        device: the single device: its lifetime in batches, its drift.
        batch_seconds: the time that one mini-batch stands for; 0: decay and diffusion never act.
    """

    def __init__(self, built: Any, device: Any, batch_seconds: float) -> None:
        self._diffuses = bool(built.requires_diffusion())
        self._decays = bool(built.requires_decay())
        self._drifts = getattr(getattr(device, "drift", None), "nu", 0.0) > 0
        self._lifetime = float(getattr(device, "lifetime", 0.0))
        self._batch_seconds = batch_seconds
        self.seconds = torch.zeros(2, dtype=torch.float64)  # since the start, since the last whole batch

    def elapse(self, tile: Any, seconds: float) -> None:
        """Let `seconds` pass over the C++ tile; what is short of a batch is kept for the next call."""
        if seconds == 0.0:
            return
        self.seconds += seconds
        if self._drifts:
            tile.drift_weights(0.0)  # it notes only now what has been written, and counts the age from here
            tile.drift_weights(seconds)
        if (self._diffuses or self._decays) and self._batch_seconds > 0:
            batches = int(self.seconds[1].item() / self._batch_seconds + 1e-9)
            self.seconds[1] -= batches * self._batch_seconds
            self._pass_batches(tile, batches)

    def _pass_batches(self, tile: Any, batches: int) -> None:
        """Diffuse and decay once a batch; a long wait without diffusion decays in fewer, larger steps."""
        steps = batches if self._diffuses else min(batches, _DECAY_STEPS)
        for _ in range(steps):
            if self._diffuses:
                tile.diffuse_weights()
            if self._decays:
                tile.decay_weights(self._decay_scale(batches / steps))

    def _decay_scale(self, batches: float) -> float:
        """Return aihwkit's alpha with 1 - alpha / lifetime = (1 - 1 / lifetime)^batches."""
        if batches == 1.0 or self._lifetime <= 1.0:
            return 1.0
        alpha: float = self._lifetime * (1.0 - (1.0 - 1.0 / self._lifetime) ** batches)
        return alpha

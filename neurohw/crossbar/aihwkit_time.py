"""What time does to an aihwkit tile: drift, decay, diffusion."""

from __future__ import annotations

from typing import Any

import torch

_DECAY_STEPS = 1000  # a long wait decays in at most so many steps


class PassingTime:
    """What time does to a tile: which processes act, and the seconds so far and since the last decay or diffusion."""

    def __init__(self, built: Any, device: Any, batch_seconds: float) -> None:
        self._diffuses = bool(built.requires_diffusion())
        self._decays = bool(built.requires_decay())
        self._drifts = getattr(getattr(device, "drift", None), "nu", 0.0) > 0
        self._batch_seconds = batch_seconds
        self.seconds = torch.zeros(2, dtype=torch.float64)

    def elapse(self, tile: Any, seconds: float) -> None:
        if seconds == 0.0:
            return
        self.seconds += seconds
        if self._drifts:
            tile.drift_weights(seconds)
        if (self._diffuses or self._decays) and self._batch_seconds > 0:
            batches = int(self.seconds[1].item() / self._batch_seconds + 1e-9)
            self.seconds[1] -= batches * self._batch_seconds
            self._pass_batches(tile, batches)

    def _pass_batches(self, tile: Any, batches: int) -> None:
        """Diffuse and decay once a batch; a long wait without diffusion decays in larger steps of equal size."""
        steps = batches if self._diffuses else min(batches, _DECAY_STEPS)
        for _ in range(steps):
            if self._diffuses:
                tile.diffuse_weights()
            if self._decays:
                tile.decay_weights(batches / steps)

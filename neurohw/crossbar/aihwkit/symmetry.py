"""The symmetry point of every device, for the fixed reference of a reference cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.api import aihwkit_api
from neurohw.crossbar.aihwkit.rpu_config import update_parameters
from neurohw.crossbar.aihwkit.tile_state import hidden_parameters, new_tile, set_hidden_parameters
from neurohw.crossbar.periphery import PulseScheme
from neurohw.errors import InputError

_HALVINGS = 20  # of the weight range: to a millionth
_NO_FLAGS = (False, False, False, False)


def set_reference_to_symmetry_point(tile: Any, device: Any) -> Tensor:
    """Store each updated device's symmetry point in the fixed device beside it.

    The zero-shifting of Kim et al. 2019 (arXiv 1907.10228) with its outcome taken as noise-free: there as many up as
    down pulses lead to the weight at which both steps are equal, and subtracting it makes this the weight 0.

    Args:
        tile: C++ tile of a ReferenceUnitCell.
        device: aihwkit's dataclass of the device, with its overrides; changed here.

    Returns:
        [n_post, n_pre], what is subtracted now (the symmetry point, clipped to the fixed device's own bounds).

    Raises:
        InputError: no device has such a point, as where both steps are equal, or unlike, at every weight.
    """
    hidden = hidden_parameters(tile)
    probe = _Probe(device, hidden)
    hidden["hidden_weights_1"] = probe.symmetry_points()
    set_hidden_parameters(tile, hidden)
    return hidden_parameters(tile)["hidden_weights_1"].clone()


class _Probe:
    """The same devices without noise, alone on a tile: any weight can be set and pulsed once."""

    def __init__(self, device: Any, hidden: dict[str, Tensor]) -> None:
        for name in ("dw_min_std", "write_noise_std"):
            if hasattr(device, name):
                setattr(device, name, 0.0)
        config = aihwkit_api().configs.SingleRPUConfig(device=device, update=update_parameters(PulseScheme(length=1)))
        self._n_post, self._n_pre = hidden["max_bound_0"].shape
        self._tile, self._cells = new_tile(config, (self._n_post, self._n_pre))
        own = {name: hidden[f"{name}_0"] for name in self._tile.get_hidden_parameter_names()}
        set_hidden_parameters(self._tile, own)
        step = torch.maximum(own["dwmin_up"], own["dwmin_down"])
        self._low, self._high = own["min_bound"] + 2 * step, own["max_bound"] - 2 * step
        granularity = self._tile.dump_extra()["rpu.rpu_device.weight_granularity"][0]
        self._tile.set_learning_rate(1.01 * granularity)  # a certain pulse in a train of one

    def symmetry_points(self) -> Tensor:
        """Return the weights where the up and the down step cancel, by bisection; 0 where there is none."""
        low, high = self._low.clone(), self._high.clone()
        exists = (low < high) & (self._lean(low) > 0) & (self._lean(high) < 0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            rises = self._lean(middle) > 0
            low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
        if not bool(exists.any()):
            raise InputError(
                "remedy 'reference-cell': the device has no symmetry point to refer to: its up and down steps are "
                "equal, or unlike, at every weight; allowed: devices whose steps change with the weight"
            )
        return torch.where(exists, (low + high) / 2, torch.zeros_like(low))

    def _lean(self, weights: Tensor) -> Tensor:
        """Return the up step plus the (negative) down step at these weights."""
        return self._step(weights, 1) + self._step(weights, -1)

    def _step(self, weights: Tensor, direction: int) -> Tensor:
        self._tile.set_weights(weights)
        before: Tensor = self._tile.get_weights()
        self._tile.update(torch.ones(1, self._n_pre), -direction * torch.ones(1, self._n_post), *_NO_FLAGS)
        after: Tensor = self._tile.get_weights()
        return after - before

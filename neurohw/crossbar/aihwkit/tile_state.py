"""An aihwkit tile as tensors, and back: weights, hidden parameters, counters, digital accumulators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.api import aihwkit_api
from neurohw.crossbar.base import StateDict
from neurohw.errors import InputError, NeurohwError

_EXTRA = "extra."
_ACCUMULATOR = "hidden_weights_chi"
_NO_FLAGS = (False, False, False, False)


def new_tile(config: Any, shape: tuple[int, int]) -> tuple[Any, Tensor]:
    """Return a C++ tile and the memory of its weights, [n_post, n_pre], which its holder keeps as long as the tile.

    A snapshot is then a plain copy. Without, the weights lie in memory of aihwkit's wrapper, which is given away with
    it: tiles of aihwkit 1.2.0 then read whatever is written there next.

    Raises:
        InputError: aihwkit refuses the device, with its own message.
    """
    try:
        tile = config.tile_class(*shape, config, bias=False).tile
    except (aihwkit_api().error, RuntimeError) as error:
        raise InputError(f"aihwkit refuses {type(config.device).__name__}: {' '.join(str(error).split())}") from error
    cells = torch.zeros(shape)
    tile.set_shared_weights(cells)
    return tile, cells


def hidden_parameters(tile: Any) -> dict[str, Tensor]:
    """Return the hidden parameters of a C++ tile by name, each [n_post, n_pre]."""
    return dict(zip(tile.get_hidden_parameter_names(), tile.get_hidden_parameters(), strict=True))


def set_hidden_parameters(tile: Any, hidden: dict[str, Tensor]) -> None:
    """Write all hidden parameters of a C++ tile (it clips the weights to the new bounds)."""
    if hidden:
        tile.set_hidden_parameters(torch.stack([hidden[name] for name in tile.get_hidden_parameter_names()]))


def dump_tile(tile: Any, cells: Tensor) -> StateDict:
    """Return everything that a tile remembers.

    Args:
        tile: aihwkit's C++ tile.
        cells: [n_post, n_pre], the memory that the tile shares with us.
    """
    state = {"weights": cells.clone(), "hidden": tile.get_hidden_parameters().clone()}
    for name, values in tile.dump_extra().items():
        state[_EXTRA + name] = torch.tensor(values, dtype=torch.float64)
    return state


def restore_tile(tile: Any, cells: Tensor, state: StateDict) -> None:
    """Put a dumped state back.

    Weights, device parameters, counters and accumulators come back exactly, with two exceptions of devices with write
    noise, for which aihwkit has no setter: in a compound, the noise of each hidden device is drawn anew; and the
    persistent weight behind a visible one is clipped to the cell's bounds, which a device with a built-in reference
    (reram_sb, reram_array_om, reram_array_hfo2) may have left by that reference. Visible weights are exact all the
    same.

    Args:
        tile: aihwkit's C++ tile of the same configuration.
        cells: [n_post, n_pre], the memory that the tile shares with us.
        state: from `dump_tile`.

    Raises:
        NeurohwError: the state belongs to another shape or configuration.
    """
    names = tile.get_hidden_parameter_names()
    weights, stacked = state["weights"], state["hidden"]
    if weights.shape != cells.shape or len(stacked) != len(names):
        raise NeurohwError(
            f"the saved array is {tuple(weights.shape)} with {len(stacked)} hidden parameters, "
            f"but this one is {tuple(cells.shape)} with {len(names)}: another size, device or remedy"
        )
    hidden = dict(zip(names, stacked, strict=True))
    _restore_devices(tile, hidden, weights)
    if _ACCUMULATOR in hidden:
        _restore_accumulator(tile, hidden[_ACCUMULATOR])
    extra = {k.removeprefix(_EXTRA): v.tolist() for k, v in state.items() if k.startswith(_EXTRA)}
    tile.load_extra(extra, False)
    cells.copy_(weights)


def _restore_devices(tile: Any, hidden: dict[str, Tensor], weights: Tensor) -> None:
    """Set bounds and steps, then weights within them: setting weights resets the devices of a compound, so they last.

    aihwkit copies `hidden_weights_k` over `persistent_weights_k`, so the persistent ones are handed over as hidden;
    a decay by the factor 1 then draws the write noise that separates the two.
    """
    noisy = [name.removeprefix("persistent_weights_") for name in hidden if name.startswith("persistent_weights_")]
    handed = {**hidden, **{f"hidden_weights_{k}": hidden[f"persistent_weights_{k}"] for k in noisy}}
    set_hidden_parameters(tile, handed)
    tile.set_weights(hidden.get("persistent_weights", weights))
    if "hidden_weights_0" in hidden:
        set_hidden_parameters(tile, handed)
    if noisy:
        tile.decay_weights(0.0)


def _restore_accumulator(tile: Any, chi: Tensor) -> None:
    """Fill the digital accumulator of mixed precision, which aihwkit saves but does not restore.

    Right after the weights are set the first call of `update` only accumulates: chi += 1 * d x'.
    """
    tile.set_learning_rate(1.0)
    tile.update(torch.eye(chi.shape[1]), chi.t().contiguous(), *_NO_FLAGS)

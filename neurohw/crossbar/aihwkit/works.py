"""Whether aihwkit works here: a real read and update on a tiny tile."""

from __future__ import annotations

import functools
from importlib.metadata import version

import torch

from neurohw.crossbar.aihwkit.api import aihwkit_api
from neurohw.crossbar.aihwkit.rpu_config import build_rpu_config
from neurohw.crossbar.aihwkit.tile_state import new_tile
from neurohw.crossbar.aihwkit.versions import REMEDY_COMMAND
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import PLAIN
from neurohw.errors import EnvironmentMismatch

_NO_FLAGS = (False, False, False, False)


@functools.cache
def check_aihwkit() -> str:
    """Read from and write to a tiny tile, once per process; return one line that says what works.

    Raises:
        EnvironmentMismatch: aihwkit is missing, does not fit torch (see `versions`), or computes wrongly.
    """
    aihwkit_api()
    found = f"aihwkit {version('aihwkit')} on torch {torch.__version__}"
    try:
        right = _trial_is_right()
    except (RuntimeError, ValueError, TypeError) as error:
        raise EnvironmentMismatch(
            f"{found}: a trial read fails ({error}). Install them anew: {REMEDY_COMMAND}"
        ) from error
    if not right:
        raise EnvironmentMismatch(f"{found}: a trial read and update are wrong. Install them anew: {REMEDY_COMMAND}")
    return f"{found}: read and update work"


def _trial_is_right() -> bool:
    perfect = ReadPath.perfect()
    config = build_rpu_config("ideal", PLAIN, perfect, perfect, PulseScheme(), 1, {}, {})
    tile, _cells = new_tile(config, (2, 3))
    weights = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    tile.set_weights(weights)
    tile.set_learning_rate(0.5)
    pre, post = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[2.0, 1.0]])
    tile.update(pre, post, *_NO_FLAGS)
    wanted = pre @ (weights - 0.5 * post.t() @ pre).t()
    return bool(torch.allclose(tile.forward(pre, *_NO_FLAGS, False), wanted))

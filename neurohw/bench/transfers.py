"""Do the transfer remedies, and one-sided pairs, learn as aihwkit's do? Linear regressions to drawn matrices.

Every row of the array is a regression of its own: y = W* x, x uniform in +-1, W* uniform in +-0.3; the error y - W x of
each sample is written at once. Reads are perfect, so that only the remedy and its devices learn.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import ReadPath

_BATCH, _EVERY = 16, 20
_CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # remedy, device, our parameters, aihwkit's fields
    "tiki-taka": ("reram_es", {}, {}),
    "tiki-taka-v2": ("reram_es", {}, {}),
    "chopped-tiki-taka": ("reram_es", {}, {}),
    "agad": ("reram_es", {}, {}),
    "one-sided": ("pcm", {"refresh_every": 10**6}, {"refresh_every": 0}),
}


def transfers(seeds: int = 5, batches: int = 160) -> list[dict[str, Any]]:
    """Compare learning curves of both engines.

    One-sided pairs are compared without refresh: aihwkit writes it open-loop, with one train, and we verify it.

    Args:
        seeds: of the matrix, the samples and the devices.
        batches: of 16 samples.

    Returns:
        A row per remedy: the root mean square error of the weights in the second half of the curve, mean and standard
        deviation over seeds, of ours and of aihwkit's; by how many standard errors they differ.
    """
    rows = []
    for remedy, (device, ours, theirs) in _CASES.items():
        settings: dict[str, Any] = {"analog": {"remedy_parameters": ours}, "aihwkit": {"remedy_overrides": theirs}}
        errors_over_time = {
            backend: torch.stack([
                regression(backend, remedy, device, seed, batches=batches, **options).square().mean(0).sqrt()
                for seed in range(seeds)
            ])
            for backend, options in settings.items()
        }  # fmt: skip
        late = {backend: curves[:, curves.shape[1] // 2 :].mean(1) for backend, curves in errors_over_time.items()}
        row: dict[str, Any] = {"remedy": remedy, "device": device, "seeds": seeds, "batches": batches}
        for backend, errors in late.items():
            row |= {f"{backend}_rms": float(errors.mean()), f"{backend}_std": float(errors.std())}
        standard_error = torch.stack([errors.var() for errors in late.values()]).sum().div(seeds).sqrt()
        row["standard_errors"] = float((late["analog"].mean() - late["aihwkit"].mean()) / standard_error)
        rows.append({**row, "goal": "-3 to 3"})
    return rows


def regression(
    backend: str,
    remedy: str,
    device: str,
    seed: int,
    batches: int,
    batch: int = _BATCH,
    shape: tuple[int, int] = (20, 8),
    every: int = _EVERY,
    rate: float = 0.5,
    **options: Any,
) -> Tensor:
    """Return the errors of the weights after every so many batches.

    Args:
        backend, remedy, device: of the array; options: more of `build_array`.
        seed: of everything that is drawn but aihwkit's noise.
        batches, batch: how many, and samples of each.
        shape: (regressions, inputs).
        every: batches between two looks.
        rate: learning rate of a whole batch.

    Returns:
        [n_post n_pre, looks].
    """
    draws = torch.Generator().manual_seed(seed)
    target = torch.empty(shape).uniform_(-0.3, 0.3, generator=draws)
    options |= {"read_path": ReadPath.perfect(), "construction_seed": seed + 1}
    array = build_array(backend, torch.zeros(shape), device=device, remedy=remedy, **options)
    looks = []
    for turn in range(1, batches + 1):
        x = torch.empty(batch, shape[1]).uniform_(-1, 1, generator=draws)
        array.update(OuterProducts((Product(x @ target.t() - array.read(x), x),), 1.0), rate / batch)
        if turn % every == 0:
            looks.append((array.snapshot() - target).flatten())
    return torch.stack(looks, 1)

"""Gradient ascent among images of one norm: what drives a unit most (Erhan et al. 2009)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize


def ascend(drive: Callable[[Tensor], Tensor], x: Tensor, steps: int, step: float) -> Tensor:
    """Return images that drive their units more: x <- rho u(x + step rho u(dh/dx)), u(v) = v / |v|, rho = |x|.

    An image whose unit has no gradient stays as it is.

    Args:
        drive: h of each image, [n, ...] -> [n]; that of one image depends on no other.
        x: images, [n, ...]; each keeps its norm rho.
        steps: how many.
        step: in units of rho.
    """
    rho = x.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
    with torch.enable_grad():
        for _ in range(steps):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(drive(x).sum(), x)
            x = rho * _unit(x.detach() + step * rho * _unit(gradient))
    return x.detach()


def of_norm(images: Tensor, rho: float) -> Tensor:
    """Return each image [n, ...] scaled to |x| = rho."""
    return rho * _unit(images)


def _unit(images: Tensor) -> Tensor:
    return normalize(images.flatten(1)).view_as(images)

"""Small networks of tests, with something to fold."""

from __future__ import annotations

import torch
from torch import nn

from neurohw.deepstdp.convnets import ConvNet, Dropout, small, with_head


def small_network(generator: torch.Generator, dropout: float = 0.5) -> ConvNet:
    """Return a network of two convolutions for images of 3 x 16 x 16, whose batch norm has statistics."""
    network = with_head(small(3, 16, (4, 6), 1, 12, generator), 12, 5, Dropout(dropout, generator), generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network

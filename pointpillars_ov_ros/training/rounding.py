# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training with the errors that INT8 will make, so that the network learns answers that survive them.

Convolutions see their inputs and weights as `pointpillars_ov quantize` will round them (symmetric, weights by output
channel, activations by tensor); gradients pass the rounding as if it were not there. What is saved stays float.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from pointpillars_ov_ros.training.network import PointPillars

_MEMORY = 0.98
"""How much of an activation's range is kept from step to step."""
_WEIGHT_LEVELS, _ACTIVATION_LEVELS = 127, 255

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d


@contextmanager
def rounding(network: PointPillars) -> Iterator[None]:
    """Round what the convolutions of `network` (not the layer on points, which stays float) take, for a while."""
    found = [module for module in network.modules() if isinstance(module, Convolution)]
    try:
        for convolution in found:
            # Found before the method of the class, and no part of what is saved.
            convolution.forward = _Rounded(convolution)
        yield
    finally:
        for convolution in found:
            del convolution.forward


class _Rounded:
    """Stands for the `forward` of a convolution."""

    def __init__(self, convolution: Convolution) -> None:
        self._convolution = convolution
        self._largest: Tensor | None = None
        """Of the input, averaged over the batches so far: what calibration takes over clouds."""

    def __call__(self, data: Tensor) -> Tensor:
        """Convolve (B, C, rows, columns), none of them below 0."""
        convolution = self._convolution
        largest = data.detach().amax().float()
        if self._largest is not None:
            largest = torch.lerp(largest, self._largest, _MEMORY)
        self._largest = largest
        rounded, weight = round_activation(data, largest), round_weight(convolution)
        if isinstance(convolution, nn.ConvTranspose2d):
            return functional.conv_transpose2d(rounded, weight, convolution.bias, convolution.stride)
        return functional.conv2d(rounded, weight, convolution.bias, convolution.stride, convolution.padding)


def round_activation(data: Tensor, largest: Tensor) -> Tensor:
    """Give `data` on 256 levels from 0 to `largest`; what is beyond becomes `largest`, and has no gradient."""
    scale = largest.clamp_min(1e-6) / _ACTIVATION_LEVELS
    zero = torch.zeros((), dtype=torch.int32, device=data.device)
    return torch.fake_quantize_per_tensor_affine(data.float(), scale, zero, 0, _ACTIVATION_LEVELS)


def round_weight(convolution: Convolution) -> Tensor:
    """Give the weights of a convolution on 255 levels, symmetric about 0, for each of its outputs."""
    weight, axis = convolution.weight, int(isinstance(convolution, nn.ConvTranspose2d))
    others = [dim for dim in range(weight.dim()) if dim != axis]
    scale = weight.detach().abs().amax(others).clamp_min(1e-12) / _WEIGHT_LEVELS
    zeros = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zeros, axis, -_WEIGHT_LEVELS, _WEIGHT_LEVELS)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointPillars in PyTorch, with its weights under OpenPCDet's names."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.conversion.network_graph import BATCH_NORM_EPSILON

_MOMENTUM = 0.03
"""Momentum of batch norms. OpenPCDet's 0.01 would leave short runs with their initial statistics."""
_PRIOR = 0.01
"""Initial score of every anchor; with a higher one the background would dominate the loss (RetinaNet, 4.1)."""


class Cloud(NamedTuple):
    """Input of the network: B crops, with their P pillars and K points concatenated."""

    decorated: Tensor
    """(K, 9) float32, decorated points."""
    owners: Tensor
    """(K,) int64, pillar of each point."""
    cells: Tensor
    """(P,) int64, (crop * rows + row) * columns + column."""
    is_full: Tensor
    """(P,) bool, whether there is no empty slot."""
    shape: tuple[int, int, int]
    """B, rows, columns of the canvases."""


class Outputs(NamedTuple):
    """Output of the network, as the exported networks return it."""

    boxes: Tensor
    """(B, rows, columns, anchors * 7)."""
    scores: Tensor
    """(B, rows, columns, anchors * classes), logits."""
    directions: Tensor
    """(B, rows, columns, anchors * 2), logits."""


class PointPillars(nn.Module):
    """The network of the paper."""

    def __init__(self, sizes: Architecture) -> None:
        """Initialize the weights from torch's random generator."""
        super().__init__()
        self.vfe = PillarEncoder(sizes.point_features, sizes.channels)
        self.backbone_2d = Backbone(sizes)
        self.dense_head = Head(sum(sizes.upsample_filters), sizes.anchors, sizes.classes)
        # Any: the types of torch lack this argument.
        whole: Any = self
        whole.to(memory_format=torch.channels_last)

    def forward(self, cloud: Cloud) -> Outputs:
        """Return the outputs for every anchor."""
        # float32 even where convolutions are not: bf16 would move a point at 70 m by up to a quarter of a metre.
        with torch.autocast(cloud.decorated.device.type, enabled=False):
            features = self.vfe(cloud)
        outputs: Outputs = self.dense_head(self.backbone_2d(scatter(features, cloud)))
        return outputs


class PointLayer(nn.Module):
    """Linear layer, batch norm and ReLU on points."""

    def __init__(self, point_features: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(point_features, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels, eps=BATCH_NORM_EPSILON, momentum=_MOMENTUM)

    def forward(self, points: Tensor) -> Tensor:
        """Return the features (K, C) of decorated points (K, 9)."""
        return torch.relu(self.norm(self.linear(points)))


class PillarEncoder(nn.Module):
    """Pillar feature encoder: a layer on points, and the maximum over a pillar."""

    def __init__(self, point_features: int, channels: int) -> None:
        super().__init__()
        # A list of one, to get OpenPCDet's name.
        self.pfn_layers = nn.ModuleList([PointLayer(point_features, channels)])

    def forward(self, cloud: Cloud) -> Tensor:
        """Return the features of pillars, (P, C).

        Slots without a point hold zeros and count like points; one row of zeros stands for all of them.
        """
        empty = cloud.decorated.new_zeros(1, cloud.decorated.shape[1])
        hidden = self.pfn_layers[0](torch.cat([cloud.decorated, empty]))
        floor = torch.where(cloud.is_full[:, None], torch.zeros_like(hidden[-1:]), hidden[-1:])
        index = cloud.owners[:, None].expand(-1, hidden.shape[1])
        return floor.scatter_reduce(0, index, hidden[:-1], "amax", include_self=True)


def scatter(features: Tensor, cloud: Cloud) -> Tensor:
    """Return the canvases (B, C, rows, columns) of pillar features (P, C), channels last in memory."""
    count, rows, columns = cloud.shape
    canvas = features.new_zeros(count * rows * columns, features.shape[1])
    canvas = canvas.index_copy(0, cloud.cells, features)
    return canvas.view(count, rows, columns, -1).permute(0, 3, 1, 2)


class Backbone(nn.Module):
    """Blocks of convolutions, each upsampled to the size of the output."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        inputs = (sizes.channels, *sizes.filters)
        self.blocks = nn.ModuleList(
            make_block(inputs[b], filters, count, stride)
            for b, (filters, count, stride) in enumerate(
                zip(sizes.filters, sizes.convolutions, sizes.strides, strict=True)
            )
        )
        self.deblocks = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(sizes.filters[b], filters, stride, stride, bias=False), make_norm(filters), nn.ReLU()
            )
            for b, (filters, stride) in enumerate(zip(sizes.upsample_filters, sizes.upsample_strides, strict=True))
        )

    def forward(self, data: Tensor) -> Tensor:
        """Return features (B, sum of upsample_filters, rows, columns)."""
        upsampled = []
        for block, deblock in zip(self.blocks, self.deblocks, strict=True):
            data = block(data)
            upsampled.append(deblock(data))
        return torch.cat(upsampled, dim=1)


def make_block(inputs: int, filters: int, count: int, stride: int) -> nn.Sequential:
    """Return `count` convolutions, the first with the stride. As in OpenPCDet, index 0 is a padding layer."""
    layers: list[nn.Module] = [nn.ZeroPad2d(1)]
    for k in range(count):
        convolution = nn.Conv2d(filters if k else inputs, filters, 3, 1 if k else stride, 1 if k else 0, bias=False)
        layers += [convolution, make_norm(filters), nn.ReLU()]
    return nn.Sequential(*layers)


def make_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=_MOMENTUM)


class Head(nn.Module):
    """Residuals, scores and directions of every anchor."""

    def __init__(self, inputs: int, anchors: int, classes: int) -> None:
        super().__init__()
        self.conv_box = nn.Conv2d(inputs, anchors * 7, 1)
        self.conv_cls = nn.Conv2d(inputs, anchors * classes, 1)
        self.conv_dir_cls = nn.Conv2d(inputs, anchors * 2, 1)
        nn.init.normal_(self.conv_box.weight, std=0.001)
        prior = torch.full((anchors * classes,), -math.log((1.0 - _PRIOR) / _PRIOR))
        self.conv_cls.bias = nn.Parameter(prior)

    def forward(self, data: Tensor) -> Outputs:
        """Return the outputs in float32, whatever the type of the input."""
        heads = (self.conv_box, self.conv_cls, self.conv_dir_cls)
        return Outputs(*(head(data).permute(0, 2, 3, 1).float() for head in heads))


def as_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Move an array to a device."""
    return torch.from_numpy(array).to(device, non_blocking=True)

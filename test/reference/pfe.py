# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow twin of the host encoder: every slot of every pillar, decorated, multiplied, pooled, in float64."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.pfe import PfeWeights
from pointpillars_ov_ros.core.pillars import Pillars


def encode(pillars: Pillars, grid: GridConfig, weights: PfeWeights) -> np.ndarray:
    """Return the features, (pillars, C)."""
    return np.array([encode_pillar(p, pillars, grid, weights) for p in range(pillars.size)])


def encode_pillar(pillar: int, pillars: Pillars, grid: GridConfig, weights: PfeWeights) -> np.ndarray:
    """Decorate the points of one pillar, pad with zeros, and pool."""
    own = pillars.points[pillars.starts[pillar] : pillars.starts[pillar + 1]].astype(np.float64)
    mean = own[:, :3].mean(axis=0)
    center = np.array(grid.pillar_center_offset) + np.array(grid.pillar_size) * pillars.coords[pillar]
    decorated = np.zeros((grid.max_points_per_pillar, 9))
    decorated[: len(own)] = np.hstack([own, own[:, :3] - mean, own[:, :2] - center])
    bias = np.tile(weights.bias if weights.empty_bias is None else weights.empty_bias, (len(decorated), 1))
    bias[: len(own)] = weights.bias
    activated = np.maximum(decorated @ weights.linear.astype(np.float64) + bias, 0.0)
    if weights.convolution is None:
        return activated.max(axis=0)
    convolution = weights.convolution
    pooled = convolution.bias.astype(np.float64)
    for tap, matrix in enumerate(convolution.taps):
        pooled = pooled + activated[tap * convolution.dilation] @ matrix
    return pooled

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pillar feature encoder computed point by point on the host: the network's numbers, a small part of its work.

A PFE is linear -> batch norm -> ReLU on nine values of each point, then a pooling over the N point slots of a
pillar (PointPillars, section 2.1). Its linear part A f splits into four columns that multiply the point (x, y, z,
intensity) and a bias of the pillar, made of its mean and its centre. Slots without a point hold zeros, which give
ReLU(bias) whatever the pillar: they are never computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.grid_config import GridConfig
from pointpillars_ov_ros.core.pillars import Pillars


@dataclass(frozen=True)
class SlotConvolution:
    """A pooling that is a convolution over the point slots instead of a maximum (SmallMunich)."""

    taps: FloatArray
    """(T, C in, C out): tap t multiplies point slot t * dilation."""
    bias: FloatArray
    """(C out,)."""
    dilation: int


@dataclass(frozen=True)
class PfeWeights:
    """Weights with the batch norm folded in."""

    linear: FloatArray
    """(9, C): of x, y, z, intensity, x y z from the mean of the pillar, x y from its centre."""
    bias: FloatArray
    """(C,)."""
    convolution: SlotConvolution | None
    """None: pooling by maximum."""


class HostEncoder:
    """Encodes the pillars of one frame in flight."""

    def __init__(self, grid: GridConfig, weights: PfeWeights) -> None:
        """Allocate for `grid`."""
        channels = len(weights.bias)
        self._grid = grid
        self._weights = weights
        self._offset = np.array(grid.pillar_center_offset, np.float32)
        self._pillar_size = np.array(grid.pillar_size, np.float32)
        self._of_point = fold_point_columns(weights.linear)
        self._biases = np.zeros((grid.max_pillars, channels), np.float32)
        self._features = np.zeros((grid.max_pillars, channels), np.float32)
        self._tails = sum_up_empty_slots(weights)

    def encode(self, points: FloatArray, pillars: Pillars) -> FloatArray:
        """Encode `points` (N, 4), grouped as in `pillars`.

        Gives features (1, C, max_pillars), valid until the next call.
        """
        size = pillars.size
        add_pillar_biases(
            points, pillars.pillar_of_point, pillars.counts, pillars.coords, size,
            self._offset, self._pillar_size, self._weights.linear, self._weights.bias, self._biases,
        )  # fmt: skip
        convolution = self._weights.convolution
        if convolution is not None:
            pool_convolution(
                points, pillars.pillar_of_point, pillars.slot_of_point, pillars.counts, size, convolution.dilation,
                self._of_point, self._biases, convolution.taps, self._tails, self._features,
            )  # fmt: skip
        else:
            pool_maximum(
                points, pillars.pillar_of_point, pillars.counts, size, self._grid.max_points_per_pillar,
                self._of_point, self._weights.bias, self._biases, self._features,
            )  # fmt: skip
        return self._features.T[None]


def sum_up_empty_slots(weights: PfeWeights) -> FloatArray:
    """Give (T + 1, C out): row t is what the bias and the taps from t on give, if those are over empty slots."""
    if weights.convolution is None:
        return np.zeros((0, 0), np.float32)
    taps, bias = weights.convolution.taps, weights.convolution.bias
    empty = np.maximum(weights.bias, 0.0).astype(np.float64) @ taps.astype(np.float64)
    tails = np.zeros((len(taps) + 1, len(bias)))
    tails[:-1] = np.cumsum(empty[::-1], axis=0)[::-1]
    return (tails + bias).astype(np.float32)


def fold_point_columns(linear: FloatArray) -> FloatArray:
    """Give (4, C): what multiplies x, y, z and intensity of a point once mean and centre are in the pillar's bias."""
    return np.stack(
        [linear[0] + linear[4] + linear[7], linear[1] + linear[5] + linear[8], linear[2] + linear[6], linear[3]]
    )


@njit(nogil=True, cache=True)
def add_pillar_biases(
    points: FloatArray,
    pillar_of_point: IntArray,
    counts: IntArray,
    coords: IntArray,
    size: int,
    offset: FloatArray,
    pillar_size: FloatArray,
    linear: FloatArray,
    bias: FloatArray,
    out: FloatArray,
) -> None:
    """Write bias - linear (mean, centre) of each pillar into `out` (P, C)."""
    means = np.zeros((size, 3), np.float32)
    for i in range(points.shape[0]):
        pillar = pillar_of_point[i]
        if pillar >= 0:
            means[pillar, 0] += points[i, 0]
            means[pillar, 1] += points[i, 1]
            means[pillar, 2] += points[i, 2]
    for pillar in range(size):
        share = np.float32(1.0) / np.float32(counts[pillar])
        mean_x, mean_y, mean_z = means[pillar, 0] * share, means[pillar, 1] * share, means[pillar, 2] * share
        center_x = offset[0] + pillar_size[0] * np.float32(coords[pillar, 0])
        center_y = offset[1] + pillar_size[1] * np.float32(coords[pillar, 1])
        for c in range(bias.shape[0]):
            moved = linear[4, c] * mean_x + linear[5, c] * mean_y + linear[6, c] * mean_z
            out[pillar, c] = bias[c] - moved - linear[7, c] * center_x - linear[8, c] * center_y


@njit(nogil=True, cache=True)
def pool_maximum(
    points: FloatArray,
    pillar_of_point: IntArray,
    counts: IntArray,
    size: int,
    max_points: int,
    of_point: FloatArray,
    bias: FloatArray,
    biases: FloatArray,
    out: FloatArray,
) -> None:
    """Write max(ReLU(A p + b)) over the slots of each pillar into `out` (P, C); the ReLU is taken after the maximum."""
    out[:size] = -np.inf
    for i in range(points.shape[0]):
        pillar = pillar_of_point[i]
        if pillar >= 0:
            x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
            for c in range(bias.shape[0]):
                value = of_point[0, c] * x + of_point[1, c] * y + of_point[2, c] * z + of_point[3, c] * intensity
                out[pillar, c] = max(out[pillar, c], value)
    for pillar in range(size):
        has_empty_slot = counts[pillar] < max_points
        for c in range(bias.shape[0]):
            value = max(out[pillar, c] + biases[pillar, c], np.float32(0.0))
            out[pillar, c] = max(value, bias[c]) if has_empty_slot else value


# Contracting a product and a sum into one instruction is all that fast mathematics may do here.
@njit(nogil=True, cache=True, fastmath={"contract"})
def pool_convolution(
    points: FloatArray,
    pillar_of_point: IntArray,
    slot_of_point: IntArray,
    counts: IntArray,
    size: int,
    dilation: int,
    of_point: FloatArray,
    biases: FloatArray,
    taps: FloatArray,
    tails: FloatArray,
    out: FloatArray,
) -> None:
    """Write the convolution over the slots of each pillar into `out` (P, C out), computing only slots with a point."""
    channels = of_point.shape[1]
    hidden = np.zeros(channels, np.float32)
    active = np.zeros(channels, np.int32)
    for pillar in range(size):
        out[pillar] = tails[(counts[pillar] + dilation - 1) // dilation]
    for i in range(points.shape[0]):
        pillar, slot = pillar_of_point[i], slot_of_point[i]
        if pillar < 0 or slot % dilation:
            continue
        x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
        for c in range(channels):
            value = of_point[0, c] * x + of_point[1, c] * y + of_point[2, c] * z + of_point[3, c] * intensity
            hidden[c] = max(value + biases[pillar, c], np.float32(0.0))
        # After the ReLU about half of the channels are 0, and need no row of the matrix.
        count = 0
        for c in range(channels):
            active[count] = c
            count += hidden[c] > 0.0
        add_product(hidden, active, count, taps[slot // dilation], out[pillar])


@njit(nogil=True, cache=True, fastmath={"contract"}, inline="always")
def add_product(hidden: FloatArray, active: IntArray, count: int, matrix: FloatArray, out: FloatArray) -> None:
    """Add the rows of `matrix` that belong to the first `count` active channels, each times its value, to `out`.

    Four at a time: `out` is then loaded and stored a quarter as often, which is what limits this loop.
    """
    for first in range(0, count - 3, 4):
        a, b, c, d = active[first], active[first + 1], active[first + 2], active[first + 3]
        of_a, of_b, of_c, of_d = hidden[a], hidden[b], hidden[c], hidden[d]
        row_a, row_b, row_c, row_d = matrix[a], matrix[b], matrix[c], matrix[d]
        for k in range(out.shape[0]):
            out[k] += (of_a * row_a[k] + of_b * row_b[k]) + (of_c * row_c[k] + of_d * row_d[k])
    for index in range(count - count % 4, count):
        value, row = hidden[active[index]], matrix[active[index]]
        for k in range(out.shape[0]):
            out[k] += value * row[k]

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
from itertools import pairwise

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
        self._pooling = None if weights.convolution is None else ConvolutionPooling(grid, weights)

    def encode(self, points: FloatArray, pillars: Pillars) -> FloatArray:
        """Encode `points` (N, 4), grouped as in `pillars`.

        Gives features (1, C, max_pillars), valid until the next call.
        """
        size = pillars.size
        add_pillar_biases(
            points, pillars.pillar_of_point, pillars.counts, pillars.coords, size,
            self._offset, self._pillar_size, self._weights.linear, self._weights.bias, self._biases,
        )  # fmt: skip
        if self._pooling is not None:
            self._pooling.pool(points, pillars, self._of_point, self._biases, self._features)
        else:
            pool_maximum(
                points, pillars.pillar_of_point, pillars.counts, size, self._grid.max_points_per_pillar,
                self._of_point, self._weights.bias, self._biases, self._features,
            )  # fmt: skip
        return self._features.T[None]


class ConvolutionPooling:
    """The convolution over point slots as matrix products over only the slots that hold a point.

    Pillars are ranked by how many taps reach a point of theirs, most first: the pillars of each tap are then the first
    so many, and its product one dense matrix product.
    """

    def __init__(self, grid: GridConfig, weights: PfeWeights) -> None:
        """Sum up what the taps over empty slots give."""
        assert weights.convolution is not None
        convolution = self._convolution = weights.convolution
        tap_count, channels, channels_out = convolution.taps.shape
        empty = np.maximum(weights.bias, 0.0).astype(np.float64) @ convolution.taps.astype(np.float64)
        # Row t: the taps from t on are over empty slots.
        suffix = np.zeros((tap_count + 1, channels_out))
        suffix[:-1] = np.cumsum(empty[::-1], axis=0)[::-1]
        self._tails = (suffix + convolution.bias).astype(np.float32)
        self._rank = np.zeros(grid.max_pillars, np.int32)
        self._starts = np.zeros(tap_count + 1, np.int32)
        self._rows = np.zeros((0, channels), np.float32)
        self._sum = np.zeros((grid.max_pillars, channels_out), np.float32)
        self._product = np.zeros((grid.max_pillars, channels_out), np.float32)

    def pool(
        self, points: FloatArray, pillars: Pillars, of_point: FloatArray, biases: FloatArray, out: FloatArray
    ) -> None:
        """Write the features of each pillar into `out` (max_pillars, C)."""
        taps, dilation, size = self._convolution.taps, self._convolution.dilation, pillars.size
        rank_pillars(pillars.counts, size, dilation, self._rank, self._starts)
        starts = self._starts.tolist()
        if starts[-1] > len(self._rows):
            self._rows = np.zeros((starts[-1], taps.shape[1]), np.float32)
        activate_slots(
            points, pillars.pillar_of_point, pillars.slot_of_point, dilation, of_point, biases,
            self._rank, self._starts, self._rows,
        )  # fmt: skip
        self._sum[:size] = 0.0
        for tap, (first, last) in enumerate(pairwise(starts)):
            if first == last:
                break
            product = self._product[: last - first]
            np.dot(self._rows[first:last], taps[tap], out=product)
            self._sum[: last - first] += product
        add_tails(self._sum, pillars.counts, size, dilation, self._rank, self._tails, out)


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


@njit(nogil=True, cache=True)
def rank_pillars(counts: IntArray, size: int, dilation: int, rank: IntArray, starts: IntArray) -> None:
    """Rank pillars by the taps that reach a point, most first; tap t has rows starts[t] to starts[t + 1]."""
    tap_count = starts.shape[0] - 1
    reaching = np.zeros(tap_count + 2, np.int32)
    for pillar in range(size):
        reaching[(counts[pillar] + dilation - 1) // dilation] += 1
    # From "exactly t taps" to "more than t taps": the rank at which pillars of exactly t taps begin.
    for taps in range(tap_count, -1, -1):
        reaching[taps] += reaching[taps + 1]
    starts[0] = 0
    for tap in range(tap_count):
        starts[tap + 1] = starts[tap] + reaching[tap + 1]
    for pillar in range(size):
        taps = (counts[pillar] + dilation - 1) // dilation
        rank[pillar] = reaching[taps + 1]
        reaching[taps + 1] += 1


@njit(nogil=True, cache=True)
def activate_slots(
    points: FloatArray,
    pillar_of_point: IntArray,
    slot_of_point: IntArray,
    dilation: int,
    of_point: FloatArray,
    biases: FloatArray,
    rank: IntArray,
    starts: IntArray,
    rows: FloatArray,
) -> None:
    """Write ReLU(A p + b) of each point that a tap reaches into the row of its tap and pillar."""
    for i in range(points.shape[0]):
        pillar = pillar_of_point[i]
        if pillar < 0 or slot_of_point[i] % dilation:
            continue
        row = starts[slot_of_point[i] // dilation] + rank[pillar]
        x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
        for c in range(of_point.shape[1]):
            value = of_point[0, c] * x + of_point[1, c] * y + of_point[2, c] * z + of_point[3, c] * intensity
            rows[row, c] = max(value + biases[pillar, c], np.float32(0.0))


@njit(nogil=True, cache=True)
def add_tails(
    ranked: FloatArray, counts: IntArray, size: int, dilation: int, rank: IntArray, tails: FloatArray, out: FloatArray
) -> None:
    """Add what the taps over empty slots and the bias give, and bring pillars back from their rank to their number."""
    for pillar in range(size):
        tail = tails[(counts[pillar] + dilation - 1) // dilation]
        row = ranked[rank[pillar]]
        for c in range(out.shape[1]):
            out[pillar, c] = row[c] + tail[c]

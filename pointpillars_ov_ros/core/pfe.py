# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillar feature encoder on the host: the network's result, computed only for the points that exist.

A PFE is linear -> batch norm -> ReLU on nine values of each point, then a pooling over the N point slots of a pillar
(PointPillars, section 2.1). Slots without a point hold zeros, whose result is the same for every pillar, so it is never
computed per slot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.tile import LANES, ROWS, add_product, rectify_product

_BLOCK = 256
"""Number of pillars encoded together: their features and one matrix of the convolution stay in the L2 cache."""


@dataclass(frozen=True)
class SlotConvolution:
    """Pooling by a convolution over the point slots instead of a maximum (SmallMunich)."""

    taps: FloatArray
    """(T, C in, C out): tap t multiplies point slot t * dilation."""
    bias: FloatArray
    """(C out,)."""
    dilation: int


@dataclass(frozen=True)
class PfeWeights:
    """Weights of the PFE with the batch norm folded in."""

    linear: FloatArray
    """(9, C), for x, y, z, intensity, offset x y z from the mean of the pillar, offset x y from its centre."""
    bias: FloatArray
    """(C,)."""
    convolution: SlotConvolution | None
    """None: maximum pooling."""
    empty_bias: FloatArray | None = None
    """(C,), bias of slots without a point if it differs (OpenPCDet's height); None: same as `bias`."""


class PillarPoints(NamedTuple):
    """The pillars to encode; see `Pillars`."""

    points: FloatArray
    starts: IntArray
    coords: IntArray
    size: int
    offset: FloatArray
    """(2,), centre of the first pillar (m)."""
    pillar_size: FloatArray
    """(2,), (m)."""


class MaximumPooling(NamedTuple):
    """Weights of maximum pooling, padded to whole lanes."""

    layer: FloatArray
    """(10, C), the linear layer and its bias."""
    tails: FloatArray
    """(2, C); see `sum_up_empty_slots`."""
    max_points: int


class ConvolutionPooling(NamedTuple):
    """Weights of convolution pooling, padded to whole lanes."""

    layer: FloatArray
    """(10, C), the linear layer and its bias."""
    tails: FloatArray
    """(T + 1, C out); see `sum_up_empty_slots`."""
    taps: FloatArray
    """(T, C, C out)."""
    dilation: int


class EncodingScratch(NamedTuple):
    """Scratch memory of the kernels: what they allocated themselves, Numba would compile the allocation of."""

    decorated: FloatArray
    """(ROWS, 10), inputs of the linear layer."""
    hidden: FloatArray
    """(ROWS, C), its outputs."""
    sums: FloatArray
    """(ROWS, C out)."""
    centers: FloatArray
    """(_BLOCK, 5); see `find_center`."""
    members: IntArray
    """(_BLOCK,), pillars of rows."""


class HostEncoder:
    """Encoder of one frame in flight that works on the host.

    All work is done in `prepare`; no device is waited for.
    """

    def __init__(self, grid: GridConfig, weights: PfeWeights) -> None:
        """Allocate for `grid`."""
        self._channels = len(weights.bias)
        self._offset = np.array(grid.pillar_center_offset, np.float32)
        self._pillar_size = np.array(grid.pillar_size, np.float32)
        layer = pad_channels(np.vstack([weights.linear, weights.bias]), axes=(1,))
        tails, convolution = pad_channels(sum_up_empty_slots(weights), axes=(1,)), weights.convolution
        self._pooling: MaximumPooling | ConvolutionPooling
        if convolution is None:
            self._pooling = MaximumPooling(layer, tails, grid.max_points_per_pillar)
        else:
            taps = pad_channels(convolution.taps, axes=(1, 2))
            self._pooling = ConvolutionPooling(layer, tails, taps, convolution.dilation)
        self._features = np.zeros((grid.max_pillars, layer.shape[1]), np.float32)
        self._scratch = EncodingScratch(
            decorated=np.zeros((ROWS, layer.shape[0]), np.float32),
            hidden=np.zeros((ROWS, layer.shape[1]), np.float32),
            sums=np.zeros((ROWS, layer.shape[1]), np.float32),
            centers=np.zeros((_BLOCK, 5), np.float32),
            members=np.zeros(_BLOCK, np.int32),
        )

    def prepare(self, pillars: Pillars) -> None:
        """Encode `pillars`."""
        self.encode(pillars)

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Call `done` at once: `prepare` has done all the work."""
        if done is not None:
            done()

    def is_finished(self) -> bool:
        """Whether nothing is running; always true."""
        return True

    def finish(self) -> FloatArray:
        """Return the features (1, C, max_pillars) of the last `prepare`, valid until the next one."""
        return self._features[:, : self._channels].T[None]

    def encode(self, pillars: Pillars) -> FloatArray:
        """Encode `pillars`; return the features (1, C, max_pillars), valid until the next call."""
        cloud = PillarPoints(
            pillars.points, pillars.starts, pillars.coords, pillars.size, self._offset, self._pillar_size
        )
        if isinstance(self._pooling, MaximumPooling):
            pool_maximum(cloud, self._pooling, self._scratch, self._features)
        else:
            pool_convolution(cloud, self._pooling, self._scratch, self._features)
        return self.finish()


def sum_up_empty_slots(weights: PfeWeights) -> FloatArray:
    """Return (T + 1, C out): row t is the contribution of the bias and of taps t and later over empty slots.

    With maximum pooling T = 1: row 0 is for a pillar with an empty slot, row 1 for a full one.
    """
    empty = np.maximum(weights.bias if weights.empty_bias is None else weights.empty_bias, np.float32(0.0))
    if weights.convolution is None:
        return np.stack([empty, np.zeros_like(empty)])
    taps, bias = weights.convolution.taps, weights.convolution.bias
    tails = np.zeros((len(taps) + 1, len(bias)))
    tails[:-1] = np.cumsum((empty.astype(np.float64) @ taps.astype(np.float64))[::-1], axis=0)[::-1]
    return (tails + bias).astype(np.float32)


def pad_channels(array: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Pad `axes` with zeros to a multiple of LANES, as `add_product` requires."""
    widths = [(0, -length % LANES if axis in axes else 0) for axis, length in enumerate(array.shape)]
    return np.ascontiguousarray(np.pad(array, widths), np.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def pool_maximum(pillars: PillarPoints, pooling: MaximumPooling, scratch: EncodingScratch, out: FloatArray) -> None:
    """Write the maximum over the slots of each pillar into `out` (P, C)."""
    points, starts, coords, size, offset, pillar_size = pillars
    layer, tails, max_points = pooling
    decorated, hidden, _, centers, owners = scratch
    filled = 0
    for pillar in range(size):
        first, last = starts[pillar], starts[pillar + 1]
        find_center(points, first, last, coords, pillar, offset, pillar_size, centers, 0)
        # ReLU returns nothing below 0, so a pillar without empty slots may start there.
        copy_row(tails, 0 if last - first < max_points else 1, out, pillar)
        for i in range(first, last):
            decorate(points, i, centers, 0, decorated, filled)
            owners[filled] = pillar
            filled += 1
            if filled == ROWS:
                rectify_product(decorated, layer, hidden)
                keep_maximum(hidden, owners, filled, out)
                filled = 0
    rectify_product(decorated, layer, hidden)
    keep_maximum(hidden, owners, filled, out)


@njit(nogil=True, cache=True, error_model="numpy")
def pool_convolution(
    pillars: PillarPoints, pooling: ConvolutionPooling, scratch: EncodingScratch, out: FloatArray
) -> None:
    """Write the convolution over the slots of each pillar into `out` (P, C), computing only slots with a point.

    A block of pillars goes through tap after tap, and pillars without a point at a tap drop out. Each matrix is thus
    used for many points at a time.
    """
    points, starts, coords, size, offset, pillar_size = pillars
    layer, tails, taps, dilation = pooling
    decorated, hidden, sums, centers, members = scratch
    for begin in range(0, size, _BLOCK):
        count = min(_BLOCK, size - begin)
        for k in range(count):
            pillar = begin + k
            first, last = starts[pillar], starts[pillar + 1]
            find_center(points, first, last, coords, pillar, offset, pillar_size, centers, k)
            copy_row(tails, (last - first + dilation - 1) // dilation, out, pillar)
            members[k] = pillar
        slot = 0
        while count > 0:
            staying = 0
            for begin_tile in range(0, count, ROWS):
                rows = min(ROWS, count - begin_tile)
                for row in range(rows):
                    pillar = members[begin_tile + row]
                    decorate(points, starts[pillar] + slot, centers, pillar - begin, decorated, row)
                rectify_product(decorated, layer, hidden)
                if slot == 0 and rows == ROWS:
                    # All pillars have a point here, so their features are contiguous.
                    add_product(hidden, taps[0], out, begin + begin_tile)
                else:
                    for row in range(rows):
                        copy_row(out, members[begin_tile + row], sums, row)
                    add_product(hidden, taps[slot // dilation], sums, 0)
                    for row in range(rows):
                        copy_row(sums, row, out, members[begin_tile + row])
                for row in range(rows):
                    pillar = members[begin_tile + row]
                    members[staying] = pillar
                    staying += starts[pillar] + slot + dilation < starts[pillar + 1]
            count = staying
            slot += dilation


# These take an array and a row number: a view of the row would cost more than the work.
@njit(nogil=True, cache=True, inline="always")
def find_center(
    points: FloatArray,
    first: int,
    last: int,
    coords: IntArray,
    pillar: int,
    offset: FloatArray,
    pillar_size: FloatArray,
    out: FloatArray,
    to: int,
) -> None:
    """Write the mean x y z of points first..last and the centre x y of their pillar into row `to` of `out` (K, 5)."""
    x, y, z = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(first, last):
        x += points[i, 0]
        y += points[i, 1]
        z += points[i, 2]
    share = np.float32(1.0) / np.float32(last - first)
    out[to, 0], out[to, 1], out[to, 2] = x * share, y * share, z * share
    out[to, 3] = offset[0] + pillar_size[0] * np.float32(coords[pillar, 0])
    out[to, 4] = offset[1] + pillar_size[1] * np.float32(coords[pillar, 1])


@njit(nogil=True, cache=True, inline="always")
def decorate(points: FloatArray, point: int, centers: FloatArray, center: int, out: FloatArray, to: int) -> None:
    """Write the input of the linear layer: the point, its offsets from mean and centre, and 1 for the bias."""
    x, y, z = points[point, 0], points[point, 1], points[point, 2]
    out[to, 0], out[to, 1], out[to, 2], out[to, 3] = x, y, z, points[point, 3]
    out[to, 4], out[to, 5], out[to, 6] = x - centers[center, 0], y - centers[center, 1], z - centers[center, 2]
    out[to, 7], out[to, 8], out[to, 9] = x - centers[center, 3], y - centers[center, 4], np.float32(1.0)


@njit(nogil=True, cache=True, inline="always")
def keep_maximum(hidden: FloatArray, owners: IntArray, rows: int, out: FloatArray) -> None:
    """Raise the features of each row's pillar to the row's values where those are greater."""
    for row in range(rows):
        pillar = owners[row]
        for c in range(hidden.shape[1]):
            out[pillar, c] = max(out[pillar, c], hidden[row, c])


@njit(nogil=True, cache=True, inline="always")
def copy_row(source: FloatArray, row: int, out: FloatArray, to: int) -> None:
    """Copy row `row` of `source` to row `to` of `out`, over the width of `out`."""
    for c in range(out.shape[1]):
        out[to, c] = source[row, c]

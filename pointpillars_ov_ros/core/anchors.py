# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anchors, and the mask that keeps those over enough occupied pillars (SECOND's anchor mask)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.model_config import AngleConvention, ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray, ShortArray, WordArray
from pointpillars_ov_ros.core.pillars import Pillars


def make_anchors(config: ModelConfig) -> FloatArray:
    """Return all anchors, (rows * columns * anchors_per_cell, 7) float32, in the order of the RPN's outputs.

    Columns: x, y, bottom z, length, width, height (m, lidar frame) and the angle in the network's own convention.
    """
    rows, columns = config.output_shape
    shapes = [(anchor.bottom_z, *anchor.size, angle) for anchor in config.anchors for angle in anchor.angles]
    anchors = np.empty((rows, columns, len(shapes), 7), np.float32)
    (offset_x, offset_y), (step_x, step_y) = config.anchor_grid.offset, config.anchor_grid.step
    anchors[..., 0] = (offset_x + step_x * np.arange(columns))[None, :, None]
    anchors[..., 1] = (offset_y + step_y * np.arange(rows))[:, None, None]
    anchors[..., 2:] = np.array(shapes)
    return anchors.reshape(-1, 7)


def make_footprints(config: ModelConfig, anchors: FloatArray) -> ShortArray:
    """Return the cells under each anchor, (A, 4) int16: first column, first row, last column, last row.

    `anchors` (A, 7) are those of `make_anchors`, the same shapes in every cell. They are treated as axis-aligned along
    the axis that their length is nearer to. As in SECOND, the first column and row are exclusive, the last ones
    inclusive.
    """
    shapes = anchors[: config.anchors_per_cell].astype(np.float64)
    angles = shapes[:, 6]
    if config.box_coder.angle is AngleConvention.ROTATION_Y:
        angles = -angles - math.pi / 2
    along_x = np.abs(np.cos(angles)) >= np.abs(np.sin(angles))
    length, width = shapes[:, 3], shapes[:, 4]
    cells_of_grid = len(anchors) // len(shapes)
    half_x = np.tile(np.where(along_x, length, width) / 2, cells_of_grid)
    half_y = np.tile(np.where(along_x, width, length) / 2, cells_of_grid)
    grid = config.grid
    cells = []
    for axis, sign in ((0, -1), (1, -1), (0, 1), (1, 1)):
        edge = anchors[:, axis] + sign * (half_x, half_y)[axis]
        origin = (grid.x_range[0], grid.y_range[0])[axis]
        cell = np.floor((edge - origin) / grid.pillar_size[axis])
        cells.append(np.clip(cell, 0, (grid.nx, grid.ny)[axis] - 1))
    return np.stack(cells, axis=1).astype(np.int16)


class Occupancy:
    """Occupied cells of one cloud as a bit mask, (ny, words) uint64.

    The mask takes 28 kB and stays in the L1 cache. An integral image of the canvas, as SECOND builds it, takes 0.9 MB
    and is written anew for every cloud to look up a few dozen anchors.
    """

    def __init__(self, ny: int, nx: int) -> None:
        """Allocate for a canvas of `ny` rows and `nx` columns."""
        self.bits = np.zeros((ny, -(-nx // 64)), np.uint64)

    def update(self, pillars: Pillars) -> None:
        """Mark the cells of the current cloud and clear all others."""
        mark_occupied(pillars.coords, pillars.size, self.bits)


@njit(nogil=True, cache=True)
def mark_occupied(coords: IntArray, size: int, bits: WordArray) -> None:
    """Set the bits of the first `size` cells (column, row) of `coords` and clear all others."""
    bits[:] = 0
    for pillar in range(size):
        column = coords[pillar, 0]
        bits[coords[pillar, 1], column >> 6] |= np.uint64(1) << np.uint64(column & 63)


@njit(nogil=True, cache=True)
def count_occupied(bits: WordArray, footprint: ShortArray) -> int:
    """Count the pillars under a footprint (see `make_footprints`)."""
    first, last = np.int64(footprint[0]) + 1, np.int64(footprint[2])
    total = 0
    for word in range(first >> 6, (last >> 6) + 1):
        mask = ~np.uint64(0)
        if word == first >> 6:
            mask &= ~np.uint64(0) << np.uint64(first & 63)
        if word == last >> 6:
            mask &= ~np.uint64(0) >> np.uint64(63 - (last & 63))
        for row in range(footprint[1] + 1, footprint[3] + 1):
            total += count_ones(bits[row, word] & mask)
    return total


@njit(nogil=True, cache=True, inline="always")
def count_ones(word: np.uint64) -> int:
    """Count the set bits: in pairs, in fours, in bytes; the multiplication adds up the bytes."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anchors, and the mask of those that stand over enough occupied pillars (SECOND's anchor mask)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray, ShortArray
from pointpillars_ov_ros.core.config import ModelConfig
from pointpillars_ov_ros.core.head_config import AngleConvention
from pointpillars_ov_ros.core.pillars import Pillars


def make_anchors(config: ModelConfig) -> FloatArray:
    """Give all anchors, (rows * columns * anchors_per_cell, 7) float32, in the order of the RPN's outputs.

    x, y, bottom z, length, width, height (m, lidar frame) and the angle in the network's own convention.
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
    """Give the cells under each anchor, (A, 4) int16: first column, first row, last column, last row.

    The anchor is taken as axis-aligned along whichever axis its length is nearer to. As in SECOND, the
    first column and row are exclusive, the last ones inclusive.
    """
    angles = anchors[:, 6].astype(np.float64)
    if config.box_coder.angle is AngleConvention.ROTATION_Y:
        angles = -angles - math.pi / 2
    along_x = np.abs(np.cos(angles)) >= np.abs(np.sin(angles))
    length, width = anchors[:, 3].astype(np.float64), anchors[:, 4].astype(np.float64)
    half_x = np.where(along_x, length, width) / 2
    half_y = np.where(along_x, width, length) / 2
    grid = config.grid
    cells = []
    for axis, sign in ((0, -1), (1, -1), (0, 1), (1, 1)):
        edge = anchors[:, axis] + sign * (half_x, half_y)[axis]
        origin = (grid.x_range[0], grid.y_range[0])[axis]
        cell = np.floor((edge - origin) / grid.pillar_size[axis])
        cells.append(np.clip(cell, 0, (grid.nx, grid.ny)[axis] - 1))
    return np.stack(cells, axis=1).astype(np.int16)


class Occupancy:
    """Integral image of the occupied cells of one cloud, (ny, nx) int32, for sums over rectangles."""

    def __init__(self, ny: int, nx: int) -> None:
        """Allocate for a canvas of `ny` rows and `nx` columns."""
        self.integral = np.zeros((ny, nx), np.int32)

    def update(self, pillars: Pillars) -> None:
        """Count the pillars of the present cloud."""
        integrate_occupancy(pillars.coords, pillars.size, self.integral)


@njit(nogil=True, cache=True)
def integrate_occupancy(coords: IntArray, size: int, integral: IntArray) -> None:
    """Make integral[r, c] the number of pillars in rows <= r and columns <= c."""
    integral[:] = 0
    for pillar in range(size):
        integral[coords[pillar, 1], coords[pillar, 0]] = 1
    for row in range(integral.shape[0]):
        total = 0
        for column in range(integral.shape[1]):
            total += integral[row, column]
            integral[row, column] = total + (integral[row - 1, column] if row > 0 else 0)


@njit(nogil=True, cache=True, inline="always")
def count_occupied(integral: IntArray, footprint: ShortArray) -> int:
    """Count the pillars under a footprint (see `make_footprints`)."""
    left, below, right, above = footprint[0], footprint[1], footprint[2], footprint[3]
    return int(integral[above, right] - integral[below, right] - integral[above, left] + integral[below, left])

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillars: range crop and grouping of points into the cells of a bird's-eye-view grid (PointPillars, section 2.1).

Pillars are numbered, and the points within one are kept, in the order in which points arrive: networks
whose PFE is more than a maximum over points depend on that order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.grid_config import GridConfig


class Pillars:
    """The pillars of one cloud, in buffers that the next cloud overwrites.

    `coords` (max_pillars, 2) int32: column (x) and row (y) of each pillar;
    `counts` (max_pillars,) int32: points kept in each pillar, 1..max_points_per_pillar;
    `pillar_of_point`, `slot_of_point` (>= N,) int32: where each point went, -1 where it was not kept.
    Only the first `size` pillars and the first N points are of the present cloud.
    """

    def __init__(self, grid: GridConfig) -> None:
        """Allocate for `grid`; the per-point buffers grow to the largest cloud seen."""
        self.grid = grid
        self.size = 0
        self.coords = np.zeros((grid.max_pillars, 2), np.int32)
        self.counts = np.zeros(grid.max_pillars, np.int32)
        self.pillar_of_point = np.empty(0, np.int32)
        self.slot_of_point = np.empty(0, np.int32)
        self._pillar_of_cell = np.full((grid.ny, grid.nx), -1, np.int32)
        self._origin = np.array([grid.x_range[0], grid.y_range[0]], np.float32)
        self._pillar_size = np.array(grid.pillar_size, np.float32)
        self._z_range = np.array(grid.z_range, np.float32)

    def group(self, points: FloatArray) -> None:
        """Group `points` (N, 4) float32 (x y z intensity; m, lidar frame); points with a
        coordinate that is not finite are dropped.

        Points out of range, beyond max_points_per_pillar of their pillar, or in a pillar beyond
        max_pillars are not kept.
        """
        if len(points) > len(self.pillar_of_point):
            self.pillar_of_point = np.empty(len(points), np.int32)
            self.slot_of_point = np.empty(len(points), np.int32)
        self.size = group_points(
            points,
            self._origin,
            self._pillar_size,
            self._z_range,
            self.grid.max_points_per_pillar,
            self.size,
            self._pillar_of_cell,
            self.coords,
            self.counts,
            self.pillar_of_point,
            self.slot_of_point,
        )


@njit(nogil=True, cache=True)
def group_points(
    points: FloatArray,
    origin: FloatArray,
    pillar_size: FloatArray,
    z_range: FloatArray,
    max_points: int,
    last_size: int,
    pillar_of_cell: IntArray,
    coords: IntArray,
    counts: IntArray,
    pillar_of_point: IntArray,
    slot_of_point: IntArray,
) -> int:
    """Fill coords, counts, pillar_of_point and slot_of_point; give the number of pillars.

    `pillar_of_cell` (ny, nx) int32 is scratch: -1 but for the `last_size` pillars still in `coords`.
    """
    ny, nx = pillar_of_cell.shape
    for pillar in range(last_size):
        pillar_of_cell[coords[pillar, 1], coords[pillar, 0]] = -1
    size = 0
    for i in range(points.shape[0]):
        pillar_of_point[i] = -1
        slot_of_point[i] = -1
        # In float32 throughout: cells must be those that training assigned. A NaN fails every comparison.
        column = np.floor((points[i, 0] - origin[0]) / pillar_size[0])
        row = np.floor((points[i, 1] - origin[1]) / pillar_size[1])
        z = points[i, 2]
        if not (0 <= column < nx and 0 <= row < ny and z_range[0] <= z < z_range[1]):
            continue
        pillar = pillar_of_cell[int(row), int(column)]
        if pillar < 0:
            if size == coords.shape[0]:
                continue
            pillar = size
            size += 1
            pillar_of_cell[int(row), int(column)] = pillar
            coords[pillar, 0] = int(column)
            coords[pillar, 1] = int(row)
            counts[pillar] = 0
        if counts[pillar] < max_points:
            pillar_of_point[i] = pillar
            slot_of_point[i] = counts[pillar]
            counts[pillar] += 1
    return size

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillars: range crop and grouping of points into the cells of a bird's-eye-view grid (PointPillars, section 2.1).

Pillars are numbered row by row of the canvas, so that a loop over them accesses the canvas in memory order. The points
within a pillar keep their order of arrival, since networks whose PFE is more than a maximum over points depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray


class PillarCells(NamedTuple):
    """Cells of the grid, in the form that the kernels take."""

    origin: FloatArray
    """(2,), least x and y (m)."""
    size: FloatArray
    """(2,), size of a cell along x and y (m)."""
    z_range: FloatArray
    """(2,), (m)."""
    nx: int
    ny: int
    max_points: int
    """Maximum number of points kept per pillar."""


class GroupingScratch(NamedTuple):
    """Scratch memory of `group_points`."""

    place_of_point: IntArray
    """(N, 2), a point's cell and row; later its pillar, in order of arrival, and its slot."""
    pillar_of_cell: IntArray
    """(ny * nx,), -1 before and after."""
    arrivals: IntArray
    """(max_pillars, 3), for each pillar in order of arrival: cell, number of points, and row, later its number."""
    row_starts: IntArray
    """(ny + 1,)."""


class GroupedPoints(NamedTuple):
    """The arrays of `Pillars`."""

    coords: IntArray
    starts: IntArray
    points: FloatArray


class Pillars:
    """Pillars of one cloud, in buffers that the next cloud overwrites.

    `coords` (max_pillars, 2) int32: column (x) and row (y) of each pillar, rows ascending;
    `points` (>= points kept, 4) float32: the points kept, pillar after pillar;
    `starts` (max_pillars + 1,) int32: the points of pillar p are `points[starts[p] : starts[p + 1]]`, 1 to
    max_points_per_pillar of them.
    Only the first `size` pillars are of the present cloud.
    """

    def __init__(self, grid: GridConfig) -> None:
        """Allocate for `grid`; arrays with one entry per point grow to the largest cloud seen."""
        self.grid = grid
        self.size = 0
        self.coords = np.zeros((grid.max_pillars, 2), np.int32)
        self.starts = np.zeros(grid.max_pillars + 1, np.int32)
        self.points = np.empty((0, 4), np.float32)
        self._cells = PillarCells(
            origin=np.array([grid.x_range[0], grid.y_range[0]], np.float32),
            size=np.array(grid.pillar_size, np.float32),
            z_range=np.array(grid.z_range, np.float32),
            nx=grid.nx,
            ny=grid.ny,
            max_points=grid.max_points_per_pillar,
        )
        self._scratch = GroupingScratch(
            place_of_point=np.empty((0, 2), np.int32),
            pillar_of_cell=np.full(grid.ny * grid.nx, -1, np.int32),
            arrivals=np.zeros((grid.max_pillars, 3), np.int32),
            row_starts=np.zeros(grid.ny + 1, np.int32),
        )

    def group(self, points: FloatArray) -> None:
        """Group `points` (N, 4) float32 (x y z intensity; m, lidar frame).

        Dropped are points with a coordinate that is not finite, points out of range, points beyond
        max_points_per_pillar of their pillar, and points of a pillar that arrives after max_pillars others.
        """
        if len(points) > len(self.points):
            self.points = np.empty((len(points), 4), np.float32)
            self._scratch = self._scratch._replace(place_of_point=np.empty((len(points), 2), np.int32))
        out = GroupedPoints(self.coords, self.starts, self.points)
        self.size = group_points(points, self._cells, self._scratch, out)


@njit(nogil=True, cache=True)
def group_points(points: FloatArray, cells: PillarCells, scratch: GroupingScratch, out: GroupedPoints) -> int:
    """Group the points into `out`; return the number of pillars."""
    place_of_point, pillar_of_cell, arrivals, row_starts = scratch
    coords, starts, kept = out
    find_cells(points, cells, place_of_point)
    size = assign_slots(points.shape[0], cells.max_points, place_of_point, pillar_of_cell, arrivals)
    number_by_row(arrivals, size, cells.nx, row_starts, coords, starts)
    for arrival in range(size):
        pillar_of_cell[arrivals[arrival, 0]] = -1
    for i in range(points.shape[0]):
        if place_of_point[i, 0] >= 0:
            index = starts[arrivals[place_of_point[i, 0], 2]] + place_of_point[i, 1]
            for k in range(4):
                kept[index, k] = points[i, k]
    return size


# Division without a test for zero, so that the loop is vectorized.
@njit(nogil=True, cache=True, error_model="numpy")
def find_cells(points: FloatArray, cells: PillarCells, place_of_point: IntArray) -> None:
    """Write the cell (row * nx + column, -1 if out of range) and the row of each point into place_of_point."""
    x_origin, y_origin, x_size, y_size = cells.origin[0], cells.origin[1], cells.size[0], cells.size[1]
    z_low, z_high = cells.z_range[0], cells.z_range[1]
    nx, ny = cells.nx, cells.ny
    columns, rows = np.float32(nx), np.float32(ny)
    for i in range(points.shape[0]):
        # float32 throughout: cells must be those assigned in training. A NaN fails every comparison.
        column = np.floor((points[i, 0] - x_origin) / x_size)
        row = np.floor((points[i, 1] - y_origin) / y_size)
        z = points[i, 2]
        in_x = (column >= np.float32(0.0)) & (column < columns)
        in_y = (row >= np.float32(0.0)) & (row < rows)
        in_range = in_x & in_y & (z >= z_low) & (z < z_high)
        place_of_point[i, 0] = np.int32(row) * np.int32(nx) + np.int32(column) if in_range else np.int32(-1)
        place_of_point[i, 1] = np.int32(row)


@njit(nogil=True, cache=True)
def assign_slots(
    count: int, max_points: int, place_of_point: IntArray, pillar_of_cell: IntArray, arrivals: IntArray
) -> int:
    """Replace each point's cell and row with its pillar (-1 if dropped) and slot; return the number of pillars.

    Writes cell, number of points and row of each pillar into `arrivals`.
    """
    size = 0
    for i in range(count):
        cell = place_of_point[i, 0]
        if cell < 0:
            continue
        pillar = pillar_of_cell[cell]
        if pillar < 0:
            if size == arrivals.shape[0]:
                place_of_point[i, 0] = -1
                continue
            pillar = size
            size += 1
            pillar_of_cell[cell] = pillar
            arrivals[pillar, 0] = cell
            arrivals[pillar, 1] = 0
            arrivals[pillar, 2] = place_of_point[i, 1]
        slot = arrivals[pillar, 1]
        if slot < max_points:
            place_of_point[i, 0] = pillar
            place_of_point[i, 1] = slot
            arrivals[pillar, 1] = slot + 1
        else:
            place_of_point[i, 0] = -1
    return size


@njit(nogil=True, cache=True)
def number_by_row(
    arrivals: IntArray, size: int, nx: int, row_starts: IntArray, coords: IntArray, starts: IntArray
) -> None:
    """Sort the pillars by row, in order of arrival within a row; write arrivals[:, 2], coords and starts."""
    row_starts[:] = 0
    for arrival in range(size):
        row_starts[arrivals[arrival, 2] + 1] += 1
    for row in range(1, row_starts.shape[0]):
        row_starts[row] += row_starts[row - 1]
    for arrival in range(size):
        row = arrivals[arrival, 2]
        pillar = row_starts[row]
        row_starts[row] += 1
        arrivals[arrival, 2] = pillar
        coords[pillar, 0] = arrivals[arrival, 0] - row * nx
        coords[pillar, 1] = row
        starts[pillar + 1] = arrivals[arrival, 1]
    starts[0] = 0
    for pillar in range(size):
        starts[pillar + 1] += starts[pillar]

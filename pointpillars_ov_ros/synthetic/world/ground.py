# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground along a road: height and reflectivity from tables, in world and lidar frame.

World frame: x along the road, y left, z up (m). A point (x, y) is looked up by x and by its offset to the left of the
centre line. Where a side street joins, the tables of its mouth replace those of the open road.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray

BUMPS = 64
"""Number of cells along an edge of the roughness tile, which repeats."""
_BUMP_SIZE = 0.35
"""Edge of a cell (m)."""
_MARK_HALF_WIDTH, _MARK_PERIOD, _MARK_SHARE = 0.07, 6.0, 0.5
"""Dashed lines: half their width (m), length of one dash and gap (m), and the ratio of the dash."""
_MARK_REFLECTIVITY = 0.55
_GRAIN = 0.25
"""Maximum relative deviation of the reflectivity from its table, where the roughness is greatest."""


class Grid(NamedTuple):
    """Positions of the rows of the tables (m)."""

    x_start: float
    x_step: float
    offset_start: float
    offset_step: float


class Ground(NamedTuple):
    """Tables of the ground, linear between their entries and constant beyond them."""

    by_x: DoubleArray
    """(X, 4), a row every `x_step`: y of the centre line (m), cosine of its heading, its height (m), side street.

    The last column is 1 in the mouth of a side street and 0 on the open road.
    """
    by_offset: DoubleArray
    """(D, 5), a row every `offset_step`: heights, reflectivities, and greatest height of bumps (m).

    Heights are above the centre line (m), reflectivities 0 to 1, each for the open road and for a mouth.
    """
    bumps: DoubleArray
    """(BUMPS, BUMPS), -1..1."""
    marks: DoubleArray
    """Offsets of dashed lines (m)."""
    grid: Grid


class View(NamedTuple):
    """Pose of the lidar frame in the world: a rotation about z, and a slope that shears z (pitch is a few deg)."""

    x: float
    y: float
    z: float
    cos: float
    sin: float
    pitch: float
    """Rise of the lidar frame's x axis (m per m)."""
    roll: float
    """Rise of its y axis (m per m)."""


inlined = njit(nogil=True, cache=True, error_model="numpy", inline="always")
"""Decorator for small kernels: a call with arrays counts references, which takes as long as what these compute."""


@inlined
def locate(size: int, start: float, step: float, value: float) -> tuple[int, float]:
    """Return the row of a table of `size` rows below `value`, and the ratio of the way to the next row."""
    place = (value - start) / step
    if not place > 0.0:
        return 0, 0.0
    row = int(place)
    return (row, place - row) if row < size - 1 else (size - 1, 0.0)


@inlined
def between(table: DoubleArray, row: int, share: float, column: int) -> float:
    """Return a column of `table` at `share` of the way from `row` to the next."""
    value: float = table[row, column]
    return value if share == 0.0 else value + share * (table[row + 1, column] - value)


@inlined
def bump(bumps: DoubleArray, x: float, y: float) -> float:
    """Return the roughness at (x, y) (m, world), -1..1."""
    column, row = x / _BUMP_SIZE, y / _BUMP_SIZE
    left, low = math.floor(column), math.floor(row)
    u, v = column - left, row - low
    i, j = int(left) & (BUMPS - 1), int(low) & (BUMPS - 1)
    k, m = (i + 1) & (BUMPS - 1), (j + 1) & (BUMPS - 1)
    near: float = bumps[i, j] * (1.0 - u) + bumps[k, j] * u
    far: float = bumps[i, m] * (1.0 - u) + bumps[k, m] * u
    return near * (1.0 - v) + far * v


# The kernels take the tables one by one, because unpacking an array from a tuple costs more than their work.


@inlined
def locate_offset(
    by_x: DoubleArray, by_offset: DoubleArray, grid: Grid, x: float, y: float
) -> tuple[float, float, float, int, float]:
    """Return offset (m), centre line height (m), side street, and table row and ratio of (x, y) (m, world).

    Row and ratio are the position in the tables by offset.
    """
    row, share = locate(by_x.shape[0], grid.x_start, grid.x_step, x)
    offset = (y - between(by_x, row, share, 0)) * between(by_x, row, share, 1)
    place, part = locate(by_offset.shape[0], grid.offset_start, grid.offset_step, offset)
    return offset, between(by_x, row, share, 2), between(by_x, row, share, 3), place, part


@inlined
def height_at(by_x: DoubleArray, by_offset: DoubleArray, bumps: DoubleArray, grid: Grid, x: float, y: float) -> float:
    """Return the height (m) at (x, y) (m), world frame."""
    _, height, mouth, row, share = locate_offset(by_x, by_offset, grid, x, y)
    height += (1.0 - mouth) * between(by_offset, row, share, 0)
    if mouth > 0.0:
        height += mouth * between(by_offset, row, share, 1)
    rough = between(by_offset, row, share, 4)
    return height + rough * bump(bumps, x, y) if rough > 0.0 else height


@inlined
def reflectivity_at(
    by_x: DoubleArray, by_offset: DoubleArray, bumps: DoubleArray, marks: DoubleArray, grid: Grid, x: float, y: float
) -> float:
    """Return the reflectivity at (x, y) (m, world), 0 to 1."""
    offset, _, mouth, row, share = locate_offset(by_x, by_offset, grid, x, y)
    if mouth <= 0.0 and (x / _MARK_PERIOD) % 1.0 < _MARK_SHARE:
        for k in range(marks.shape[0]):
            if abs(offset - marks[k]) < _MARK_HALF_WIDTH:
                return _MARK_REFLECTIVITY
    open_road, in_mouth = between(by_offset, row, share, 2), between(by_offset, row, share, 3)
    return (open_road + mouth * (in_mouth - open_road)) * (1.0 + _GRAIN * bump(bumps, 0.6 * x, 0.6 * y))


@njit(nogil=True, cache=True, error_model="numpy")
def heights_at(ground: Ground, x: DoubleArray, y: DoubleArray) -> DoubleArray:
    """Return the heights (m) at the places x, y (N,) (m), world frame."""
    by_x, by_offset, bumps, grid = ground.by_x, ground.by_offset, ground.bumps, ground.grid
    heights = np.empty(x.shape[0])
    for index in range(x.shape[0]):
        heights[index] = height_at(by_x, by_offset, bumps, grid, x[index], y[index])
    return heights


@inlined
def to_world_xy(view: View, x: float, y: float) -> tuple[float, float]:
    """Transform (x, y) (m) from the lidar frame to the world."""
    return view.x + view.cos * x - view.sin * y, view.y + view.sin * x + view.cos * y

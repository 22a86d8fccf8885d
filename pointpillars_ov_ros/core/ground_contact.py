# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bottoms of boxes, taken from the ground around each of them.

What a network says of an object's height above the sensor depends on how its sensor was mounted and on how flat its
streets were; the points around the object say it directly. The ground is a plane through the lowest points of the cells
around the footprint, found by iteratively reweighted least squares: points above it (walls, plants, other cars) and
far below it (echoes off puddles) lose their weight.

Everything is continuous in the boxes, so that two devices that differ by rounding differ no more afterwards.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray

_CELL = 0.5
"""Size of a cell, which contributes its lowest point (m), before rounding to whole pillars."""
_REACH, _REACH_GROWTH, _MAX_REACH, _NEAR = 1.0, 0.1, 5.0, 20.0
"""Ground is used up to `_REACH` (m) from the footprint, and by `_REACH_GROWTH` more per metre beyond `_NEAR` (m): far
away the rings of a LiDAR lie metres apart."""
_MAX_RADIUS = 15.0
"""Boxes whose surroundings are larger than this (m) are left alone; no road user is as large."""
_BAND, _SOFT = 0.8, 0.2
"""Points further than `_BAND` (m) above or below the network's bottom are not used; the last `_SOFT` count less."""
_FEWEST = 2.0
"""Ground is ignored if this many cells or fewer have some, and counts fully with one more."""
_START = 0.3
"""Quantile of the heights that the plane starts from."""
_THICKNESS = 0.08
"""Points that are this far above the plane (m) count a quarter; those as far below it more than half."""
_STIFFNESS = 5.0
"""Resistance of the plane to a slope, in cells 1 m away."""
_ROUNDS = 6
_FULL_SHIFT = 0.5
"""Boxes are moved by up to this much (m); if the ground is further away, by less, and by nothing at `_BAND`."""
_BINS = 32


class CoarseCells(NamedTuple):
    """Cells of several pillars each, with the lowest point in them."""

    pillars: int
    """Number of pillars along the side of a cell."""
    corner: FloatArray
    """(2,), least x and y of the first cell (m)."""
    size: FloatArray
    """(2,), size of a cell along x and y (m)."""
    lowest: FloatArray
    """(rows, columns), z of the lowest point (m), inf if there is none; a row has the same y."""
    places: FloatArray
    """(rows, columns, 2), its x and y (m)."""
    around: DoubleArray
    """(rows * columns, 4), scratch memory for the low points around a box."""
    histogram: DoubleArray
    """(bins,), scratch memory."""


def make_cells(grid: GridConfig) -> CoarseCells:
    """Return cells that cover `grid`."""
    per_cell = max(round(_CELL / max(grid.pillar_size)), 1)
    rows, columns = (-(-pillars // per_cell) for pillars in (grid.ny, grid.nx))
    return CoarseCells(
        pillars=per_cell,
        corner=np.array([grid.x_range[0], grid.y_range[0]], np.float32),
        size=np.array([per_cell * size for size in grid.pillar_size], np.float32),
        lowest=np.full((rows, columns), np.inf, np.float32),
        places=np.zeros((rows, columns, 2), np.float32),
        around=np.empty((rows * columns, 4)),
        histogram=np.empty(_BINS),
    )


@njit(nogil=True, cache=True)
def find_lowest(coords: IntArray, starts: IntArray, points: FloatArray, cells: CoarseCells) -> None:
    """Find the lowest point in each of `cells`.

    See `Pillars` for the others; `coords` (P, 2) has as many rows as there are pillars.
    """
    lowest, places = cells.lowest, cells.places
    lowest[:] = np.inf
    for p in range(coords.shape[0]):
        best = starts[p]
        for i in range(starts[p] + 1, starts[p + 1]):
            if points[i, 2] < points[best, 2]:
                best = i
        row, column = coords[p, 1] // cells.pillars, coords[p, 0] // cells.pillars
        if points[best, 2] < lowest[row, column]:
            lowest[row, column] = points[best, 2]
            places[row, column, 0], places[row, column, 1] = points[best, 0], points[best, 1]


@njit(nogil=True, cache=True)
def set_on_ground(boxes: FloatArray, cells: CoarseCells, clearance: float) -> None:
    """Move `boxes` (M, 7), see `Detections`, up or down in place.

    Their bottoms are `clearance` (m) above the ground around them afterwards.
    """
    around = cells.around
    for k in range(boxes.shape[0]):
        bottom = np.float64(boxes[k, 2]) - np.float64(boxes[k, 5]) / 2
        count = _gather(boxes[k], bottom, cells)
        weight = 0.0
        for i in range(count):
            weight += around[i, 3]
        if weight > _FEWEST:
            shift = _height_of_plane(cells, count, weight) + clearance
            trust = min(weight - _FEWEST, 1.0) * min(max((_BAND - abs(shift)) / (_BAND - _FULL_SHIFT), 0.0), 1.0)
            boxes[k, 2] += trust * shift


@njit(nogil=True, cache=True)
def _gather(box: FloatArray, bottom: float, cells: CoarseCells) -> int:
    """Write the low points around a box into `cells.around` and return their number.

    They are x and y along the box from its centre (m), height above `bottom` (m), and weight.
    """
    # In float64, since what follows enlarges rounding where it is unclear which points are the ground.
    centre_x, centre_y, yaw = np.float64(box[0]), np.float64(box[1]), np.float64(box[6])
    half_length, half_width = np.float64(box[3]) / 2, np.float64(box[4]) / 2
    reach = min(_REACH + _REACH_GROWTH * max(math.hypot(centre_x, centre_y) - _NEAR, 0.0), _MAX_REACH)
    radius = math.hypot(half_length + reach, half_width + reach)
    if not radius < _MAX_RADIUS:
        return 0
    lowest, places, around = cells.lowest, cells.places, cells.around
    rows, columns = lowest.shape
    cosine, sine = math.cos(yaw), math.sin(yaw)
    x, y = centre_x - cells.corner[0], centre_y - cells.corner[1]
    width, depth = cells.size[0], cells.size[1]
    count = 0
    for row in range(max(int((y - radius) / depth), 0), min(int((y + radius) / depth) + 1, rows)):
        for column in range(max(int((x - radius) / width), 0), min(int((x + radius) / width) + 1, columns)):
            height = lowest[row, column] - bottom
            if abs(height) < _BAND:
                ahead, left = places[row, column, 0] - centre_x, places[row, column, 1] - centre_y
                along, across = ahead * cosine + left * sine, left * cosine - ahead * sine
                outside = max(abs(along) - half_length, abs(across) - half_width)
                weight = min(max(outside / _SOFT, 0.0), 1.0) * min(max((reach - outside) / (2 * _SOFT), 0.0), 1.0)
                weight *= min((_BAND - abs(height)) / _SOFT, 1.0)
                if weight > 0:
                    around[count, 0], around[count, 1], around[count, 2] = along, across, height
                    around[count, 3] = weight
                    count += 1
    return count


@njit(nogil=True, cache=True)
def _height_of_plane(cells: CoarseCells, count: int, weight_sum: float) -> float:
    """Return the height (m) at the origin of the plane through most of the `count` low points, see `_gather`."""
    around = cells.around
    height, rise_along, rise_across = _low_quantile(cells, count, weight_sum), 0.0, 0.0
    for _ in range(_ROUNDS):
        # Normal equations of height + rise_along * u + rise_across * v, with a penalty on the slopes.
        n, u, v, z, uz, vz, uv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        uu = vv = _STIFFNESS
        for i in range(count):
            along, across, up = around[i, 0], around[i, 1], around[i, 2]
            above = (up - height - rise_along * along - rise_across * across) / _THICKNESS
            doubt = (1 + above * above) ** 2 if above > 0 else 1 + above * above / 4
            weight = around[i, 3] / doubt
            n += weight
            u += weight * along
            v += weight * across
            z += weight * up
            uu += weight * along * along
            vv += weight * across * across
            uv += weight * along * across
            uz += weight * along * up
            vz += weight * across * up
        # Without the height: two equations for the slopes. The penalty keeps their determinant positive.
        uu, vv, uv = uu - u * u / n, vv - v * v / n, uv - u * v / n
        uz, vz = uz - u * z / n, vz - v * z / n
        determinant = uu * vv - uv * uv
        rise_along = (uz * vv - vz * uv) / determinant
        rise_across = (vz * uu - uz * uv) / determinant
        height = (z - rise_along * u - rise_across * v) / n
    return height


@njit(nogil=True, cache=True)
def _low_quantile(cells: CoarseCells, count: int, weight_sum: float) -> float:
    """Return the quantile `_START` of the weighted heights, from a histogram."""
    around, histogram = cells.around, cells.histogram
    for k in range(_BINS):
        histogram[k] = 0.0
    width = 2 * _BAND / _BINS
    for i in range(count):
        # Shared between two bins, so that the result is continuous.
        place = (around[i, 2] + _BAND) / width - 0.5
        first = min(max(math.floor(place), 0), _BINS - 2)
        share = min(max(place - first, 0.0), 1.0)
        histogram[first] += around[i, 3] * (1 - share)
        histogram[first + 1] += around[i, 3] * share
    left, height = _START * weight_sum, _BAND
    for k in range(_BINS):
        if left <= histogram[k]:
            height = (k + left / max(histogram[k], 1e-9)) * width - _BAND
            break
        left -= histogram[k]
    return height

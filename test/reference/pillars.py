# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pillars as a dictionary of cells: first come, first kept; then row by row."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import GridConfig

Cell = tuple[int, int]


def cell_of(point: npt.NDArray[np.float32], grid: GridConfig) -> Cell | None:
    """Return column and row of a point, None if it is out of range; in float32, as in training."""
    x, y, z = np.float32(point[0]), np.float32(point[1]), np.float32(point[2])
    if not all(math.isfinite(value) for value in (x, y, z)):
        return None
    if z < np.float32(grid.z_range[0]) or z >= np.float32(grid.z_range[1]):
        return None
    with np.errstate(over="ignore"):
        column = np.floor((x - np.float32(grid.x_range[0])) / np.float32(grid.pillar_size[0]))
        row = np.floor((y - np.float32(grid.y_range[0])) / np.float32(grid.pillar_size[1]))
    if column < 0 or column >= grid.nx or row < 0 or row >= grid.ny:
        return None
    return int(column), int(row)


def group(points: npt.NDArray[np.float32], grid: GridConfig) -> dict[Cell, list[int]]:
    """Return the indices of the points kept in each cell, in order of arrival, as cells are within their row."""
    pillars: dict[Cell, list[int]] = {}
    for index, point in enumerate(points):
        cell = cell_of(point, grid)
        if cell is None:
            continue
        if cell not in pillars and len(pillars) == grid.max_pillars:
            continue
        kept = pillars.setdefault(cell, [])
        if len(kept) < grid.max_points_per_pillar:
            kept.append(index)
    return dict(sorted(pillars.items(), key=lambda item: item[0][1]))

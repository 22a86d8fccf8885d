# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow twin of core/ground_contact.py: by sorting the points and solving with NumPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import GridConfig
from test.builders import Points

Values = npt.NDArray[np.float64]


def set_on_ground(points: Points, boxes: Points, grid: GridConfig, clearance: float) -> Points:
    """Return `boxes` (M, 7) with their bottoms `clearance` (m) above the ground in `points` (N, 4)."""
    low = lowest_points(points, grid)
    moved = boxes.copy()
    for box in moved:
        around = surroundings(box.astype(float), low)
        weight = around[:, 3].sum()
        if weight > 2.0:
            shift = height_of_plane(around) + clearance
            box[2] += min(weight - 2.0, 1.0) * np.clip((0.8 - abs(shift)) / 0.3, 0.0, 1.0) * shift
    return moved


def lowest_points(points: Points, grid: GridConfig) -> Values:
    """Return the lowest point of each cell of about half a metre (cells, 3)."""
    lows: dict[tuple[int, int], Values] = {}
    per_cell = max(round(0.5 / max(grid.pillar_size)), 1)
    for point in points:
        pillar = np.floor((point[:2] - np.float32([grid.x_range[0], grid.y_range[0]])) / np.float32(grid.pillar_size))
        cell = (int(pillar[0]) // per_cell, int(pillar[1]) // per_cell)
        if cell not in lows or point[2] < lows[cell][2]:
            lows[cell] = point[:3].astype(float)
    return np.array(list(lows.values())).reshape(-1, 3)


def surroundings(box: Values, low: Values) -> Values:
    """Return position along the box, height above its bottom, and weight of the low points around it (cells, 4)."""
    x, y, z, length, width, height, yaw = box
    reach = min(1.0 + 0.1 * max(math.hypot(x, y) - 20.0, 0.0), 5.0)
    if math.hypot(length / 2 + reach, width / 2 + reach) >= 15.0:
        return np.zeros((0, 4))
    along = (low[:, 0] - x) * math.cos(yaw) + (low[:, 1] - y) * math.sin(yaw)
    across = (low[:, 1] - y) * math.cos(yaw) - (low[:, 0] - x) * math.sin(yaw)
    up = low[:, 2] - (z - height / 2)
    outside = np.maximum(np.abs(along) - length / 2, np.abs(across) - width / 2)
    weight = np.clip(outside / 0.2, 0, 1) * np.clip((reach - outside) / 0.4, 0, 1)
    weight = weight * np.clip((0.8 - np.abs(up)) / 0.2, 0, 1)
    return np.column_stack([along, across, up, weight])[weight > 0]


def height_of_plane(around: Values) -> float:
    """Return the height at the centre of the box of the plane through most of `around`."""
    terms = np.column_stack([np.ones(len(around)), around[:, :2]])
    plane = np.array([low_quantile(around[:, 2], around[:, 3]), 0.0, 0.0])
    for _ in range(6):
        above = (around[:, 2] - terms @ plane) / 0.08
        weight = around[:, 3] / np.where(above > 0, (1 + above**2) ** 2, 1 + above**2 / 4)
        weighted = terms * weight[:, None]
        plane = np.linalg.solve(weighted.T @ terms + np.diag([0.0, 5.0, 5.0]), weighted.T @ around[:, 2])
    return float(plane[0])


def low_quantile(heights: Values, weights: Values) -> float:
    """Return the height that 0.3 of the weight lies below, each height being smeared over two bins of 5 cm."""
    places = (heights + 0.8) / 0.05 - 0.5
    first = np.clip(np.floor(places).astype(int), 0, 30)
    share = np.clip(places - first, 0, 1)
    bins = np.bincount(first, weights * (1 - share), 32) + np.bincount(first + 1, weights * share, 32)
    return float(np.interp(0.3 * bins.sum(), np.concatenate([[0.0], np.cumsum(bins)]), np.linspace(-0.8, 0.8, 33)))

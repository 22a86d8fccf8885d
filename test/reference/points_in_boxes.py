# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which box a point lies in, by the box's own axes, one point and one box after the other; and an ego box alike."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.clouds.transform import Transform
from test.builders import Points


def find_boxes(points: Points, boxes: Points) -> list[int]:
    """Return the index of the first box that each point lies in, or -1."""
    return [next((k for k, box in enumerate(boxes) if is_inside(point, box)), -1) for point in points]


def is_inside(point: Points, box: Points) -> bool:
    """Return whether the point is between the faces of the box."""
    x, y, z, length, width, height, yaw = (float(value) for value in box)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    local = turn.T @ (point[:3].astype(np.float64) - (x, y, z))
    return bool((np.abs(local) <= np.array([length, width, height]) / 2).all())


def outside(points: Points, low: Points, high: Points, T_box_points: Transform) -> Points:
    """Return the points that are not between the corners `low` and `high`."""
    kept = []
    for point in points:
        moved = T_box_points.rotation @ point[:3].astype(np.float64) + T_box_points.translation
        if not ((moved >= low) & (moved <= high)).all():
            kept.append(point)
    return np.array(kept, np.float32).reshape(-1, 4)

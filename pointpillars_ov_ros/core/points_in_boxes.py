# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Assignment of the points of a cloud to boxes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray


def find_boxes(points: FloatArray, boxes: FloatArray) -> IntArray:
    """Return the index of the box (N,) that each of `points` (N, >= 3) lies in, or -1.

    `boxes` (M, 7) are centre, length, width, height (m) and yaw (rad), in the frame of the points; of several boxes the
    first one counts. The faces belong to a box.
    """
    box_of_point = np.empty(len(points), np.int32)
    assign_points(points, boxes, box_of_point)
    return box_of_point


@njit(nogil=True, cache=True)
def assign_points(points: FloatArray, boxes: FloatArray, out: IntArray) -> None:
    """Compute `find_boxes` into `out` (N,)."""
    count = boxes.shape[0]
    turns = np.empty((count, 2), np.float32)
    squared_radii = np.empty(count, np.float32)
    for k in range(count):
        turns[k, 0], turns[k, 1] = math.cos(boxes[k, 6]), math.sin(boxes[k, 6])
        # Slightly larger than the circle around the footprint; nearly all points are outside it.
        squared_radii[k] = 1.001 * (boxes[k, 3] * boxes[k, 3] + boxes[k, 4] * boxes[k, 4]) / 4
    for i in range(points.shape[0]):
        out[i] = -1
        for k in range(count):
            x, y, z = points[i, 0] - boxes[k, 0], points[i, 1] - boxes[k, 1], points[i, 2] - boxes[k, 2]
            if x * x + y * y > squared_radii[k]:
                continue
            along, across = x * turns[k, 0] + y * turns[k, 1], y * turns[k, 0] - x * turns[k, 1]
            if abs(along) <= boxes[k, 3] / 2 and abs(across) <= boxes[k, 4] / 2 and abs(z) <= boxes[k, 5] / 2:
                out[i] = k
                break

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points in boxes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]


@njit(nogil=True, cache=True)
def find_owners(points: FloatArray, boxes: FloatArray, margin: float) -> IntArray:
    """Return (N,) int32: the first of `boxes` (M, 7), each enlarged by `margin` (m), that contains a point.

    The value is -1 if there is none. Points (N, 4) and boxes are in one frame; borders belong to the box.
    """
    owners = np.full(points.shape[0], -1, np.int32)
    for k in range(boxes.shape[0]):
        x, y, z = boxes[k, 0], boxes[k, 1], boxes[k, 2]
        half_length, half_width = boxes[k, 3] / 2 + margin, boxes[k, 4] / 2 + margin
        half_height = boxes[k, 5] / 2 + margin
        reach = half_length + half_width
        cos, sin = math.cos(boxes[k, 6]), math.sin(boxes[k, 6])
        for i in range(points.shape[0]):
            dx, dy = points[i, 0] - x, points[i, 1] - y
            if owners[i] >= 0 or abs(dx) > reach or abs(dy) > reach or abs(points[i, 2] - z) > half_height:
                continue
            if abs(cos * dx + sin * dy) <= half_length and abs(cos * dy - sin * dx) <= half_width:
                owners[i] = k
    return owners


def count_points(points: FloatArray, boxes: FloatArray) -> IntArray:
    """Return the number of `points` (N, 4) in each of `boxes` (M, 7), (M,) int32."""
    owners = find_owners(points, boxes, 0.0)
    return np.bincount(owners + 1, minlength=len(boxes) + 1)[1:].astype(np.int32)


def wrap_angle(angle: FloatArray) -> FloatArray:
    """Wrap angles (rad) to [-pi, pi)."""
    wrapped: FloatArray = ((angle + math.pi) % (2 * math.pi) - math.pi).astype(np.float32)
    return wrapped

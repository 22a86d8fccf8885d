# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Broad phase: the columns of a sweep that can hit a primitive at all, and between which distances."""

from __future__ import annotations

import math

from numba import njit

from pointpillars_ov_ros.synthetic.primitives import Record

Window = tuple[int, int, float, float]
_AROUND = 2.0 * math.pi


@njit(nogil=True, cache=True, error_model="numpy")
def find_window(primitive: Record, slack: float, phase: float, step: float, columns: int) -> Window:
    """Bound a PRIMITIVE record in the lidar frame.

    Returns the first column, the number of columns (wrapping at the last one), and the least and the greatest
    horizontal distance (m) of its bounding box. The box is enlarged by `slack` (m) on every side.
    """
    half_x, half_y = primitive.half_x + slack, primitive.half_y + slack
    # The origin in the primitive's own frame.
    x = -(primitive.cos * primitive.x + primitive.sin * primitive.y)
    y = primitive.sin * primitive.x - primitive.cos * primitive.y
    near = math.hypot(max(abs(x) - half_x, 0.0), max(abs(y) - half_y, 0.0))
    far = math.hypot(abs(x) + half_x, abs(y) + half_y)
    if near <= 0.0:
        return 0, columns, 0.0, far
    middle = math.atan2(-y, -x)
    low, high = 0.0, 0.0
    for corner in range(4):
        corner_x = (half_x if corner < 2 else -half_x) - x
        corner_y = (half_y if corner % 2 == 0 else -half_y) - y
        angle = (math.atan2(corner_y, corner_x) - middle + math.pi) % _AROUND - math.pi
        low, high = min(low, angle), max(high, angle)
    azimuth = math.atan2(primitive.y, primitive.x)
    # One more column on each side for beams that fire before or after it.
    first = math.floor((azimuth + low - phase) / step)
    last = math.ceil((azimuth + high - phase) / step)
    return first % columns, min(last - first + 1, columns), near, far


@njit(nogil=True, cache=True, error_model="numpy")
def may_meet(primitive: Record, near: float, far: float, height: float, tangent: float) -> bool:
    """Whether a beam from `height` (m) rising by `tangent` passes between bottom and top at near … far (m)."""
    start, end = height + near * tangent, height + far * tangent
    low: float = primitive.z - primitive.half_z
    high: float = primitive.z + primitive.half_z
    return max(start, end) >= low and min(start, end) <= high

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlap of rotated rectangles in bird's-eye view, and non-maximum suppression based on it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IndexArray, IntArray


def nms_bev(
    boxes: FloatArray,
    labels: IntArray,
    iou_threshold: float,
    max_kept: int,
    per_class: bool,
) -> IndexArray:
    """Return the indices of the boxes that are kept, ascending, at most `max_kept`.

    `boxes` (M, 7) are sorted by score, best first. A box is dropped if its rotated BEV IoU with a kept one exceeds
    `iou_threshold`; with `per_class`, only boxes of the same label suppress each other.
    """
    kept = np.empty(min(len(boxes), max_kept), np.int64)
    size = suppress(boxes, labels, iou_threshold, per_class, kept)
    return kept[:size]


@njit(nogil=True, cache=True)
def suppress(boxes: FloatArray, labels: IntArray, iou_threshold: float, per_class: bool, kept: IndexArray) -> int:
    """Run greedy NMS, write the kept indices into `kept` and return their number."""
    size = 0
    for i in range(boxes.shape[0]):
        if size == kept.shape[0]:
            break
        drop = False
        for k in range(size):
            j = kept[k]
            if per_class and labels[i] != labels[j]:
                continue
            if iou_bev(boxes[i], boxes[j]) > iou_threshold:
                drop = True
                break
        if not drop:
            kept[size] = i
            size += 1
    return size


@njit(nogil=True, cache=True, error_model="numpy")
def iou_bev(a: FloatArray, b: FloatArray) -> float:
    """Return the rotated intersection over union of two boxes (7,) in bird's-eye view, 0 to 1."""
    dx, dy = np.float64(b[0]) - np.float64(a[0]), np.float64(b[1]) - np.float64(a[1])
    reach = (math.hypot(np.float64(a[3]), np.float64(a[4])) + math.hypot(np.float64(b[3]), np.float64(b[4]))) / 2
    if dx * dx + dy * dy >= reach * reach:
        return 0.0
    intersection = intersect_bev(dx, dy, a, b)
    union = np.float64(a[3]) * np.float64(a[4]) + np.float64(b[3]) * np.float64(b[4]) - intersection
    return intersection / union if union > 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def intersect_bev(dx: float, dy: float, a: FloatArray, b: FloatArray) -> float:
    """Return the area common to boxes a and b, where (dx, dy) is the centre of b relative to that of a.

    Sutherland-Hodgman clipping in the axes of a: there a is |x| <= length / 2, |y| <= width / 2, so each of the four
    clips is by one coordinate, and small differences do not drown in large coordinates.
    """
    polygon = np.empty((8, 2), np.float64)
    clipped = np.empty((8, 2), np.float64)
    cos_a, sin_a = math.cos(np.float64(a[6])), math.sin(np.float64(a[6]))
    center_x, center_y = cos_a * dx + sin_a * dy, cos_a * dy - sin_a * dx
    turn = np.float64(b[6]) - np.float64(a[6])
    cos_b, sin_b = math.cos(turn), math.sin(turn)
    for k in range(4):
        along = (0.5 if k in (0, 3) else -0.5) * np.float64(b[3])
        across = (0.5 if k < 2 else -0.5) * np.float64(b[4])
        polygon[k, 0] = center_x + cos_b * along - sin_b * across
        polygon[k, 1] = center_y + sin_b * along + cos_b * across
    # Not the literal 4, for which `clip_half_plane` would be compiled once more.
    corners = int(np.int64(4))
    for side in range(4):
        axis = side % 2
        sign = 1.0 if side < 2 else -1.0
        corners = clip_half_plane(polygon, corners, clipped, axis, sign, np.float64(a[3 + axis]) / 2)
        polygon, clipped = clipped, polygon
    area = 0.0
    for k in range(corners):
        following = (k + 1) % corners
        area += polygon[k, 0] * polygon[following, 1] - polygon[following, 0] * polygon[k, 1]
    return abs(area) / 2


@njit(nogil=True, cache=True, error_model="numpy")
def clip_half_plane(
    polygon: DoubleArray, corners: int, clipped: DoubleArray, axis: int, sign: float, limit: float
) -> int:
    """Clip a convex polygon to sign * coordinate[axis] <= limit; return the number of corners left."""
    size = 0
    for k in range(corners):
        following = (k + 1) % corners
        here = limit - sign * polygon[k, axis]
        there = limit - sign * polygon[following, axis]
        if here >= 0.0:
            clipped[size, 0], clipped[size, 1] = polygon[k, 0], polygon[k, 1]
            size += 1
        if (here > 0.0 and there < 0.0) or (here < 0.0 and there > 0.0):
            share = here / (here - there)
            # By coordinate: of whole rows, Numba would compile a second of shape checks.
            clipped[size, 0] = polygon[k, 0] + share * (polygon[following, 0] - polygon[k, 0])
            clipped[size, 1] = polygon[k, 1] + share * (polygon[following, 1] - polygon[k, 1])
            size += 1
    return size

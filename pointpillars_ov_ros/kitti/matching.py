# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching by the distance of centres, for a quick look at one frame (`evaluate` computes AP)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import BoolArray, FloatArray, IntArray
from pointpillars_ov_ros.kitti.labels import KittiObject

IGNORED_TYPES = ("Van", "Truck")


class Tally(NamedTuple):
    """Numbers of found, missed and false objects of one frame."""

    found: int
    missed: int
    false: int


def match_by_distance(
    detected: FloatArray,
    wanted: FloatArray,
    ignored: FloatArray,
    max_distance: float = 1.0,
) -> Tally:
    """Match boxes (M, 7), best score first, with `wanted` (K, 7): each to the nearest free one.

    A match needs centres within `max_distance` (m, horizontally). A detection left over is false, unless it is that
    near to one of `ignored` (L, 7).
    """
    found, false = find_by_distance(detected, wanted, ignored, max_distance)
    return Tally(found=int(found.sum()), missed=int((~found).sum()), false=false)


def find_by_distance(
    detected: FloatArray, wanted: FloatArray, ignored: FloatArray, max_distance: float = 1.0
) -> tuple[BoolArray, int]:
    """Match like `match_by_distance`; return which of `wanted` (K,) are found, and the number of false detections."""
    free = np.ones(len(wanted), bool)
    false = 0
    for box in detected:
        distances = np.where(free, np.hypot(*(wanted[:, :2] - box[:2]).T), np.inf)
        if free.any() and distances.min() <= max_distance:
            free[distances.argmin()] = False
        elif not (np.hypot(*(ignored[:, :2] - box[:2]).T) <= max_distance).any():
            false += 1
    return ~free, false


def count_points(points: FloatArray, boxes: FloatArray) -> IntArray:
    """Return the number of `points` (N, >= 3) in each of `boxes` (K, 7), which are in the same frame."""
    counts = np.zeros(len(boxes), np.int32)
    for i, (x, y, z, length, width, height, yaw) in enumerate(boxes.tolist()):
        reach = math.hypot(length, width) / 2
        near = points[(np.abs(points[:, 0] - x) <= reach) & (np.abs(points[:, 1] - y) <= reach), :3] - (x, y, z)
        along = near[:, 0] * math.cos(yaw) + near[:, 1] * math.sin(yaw)
        across = near[:, 1] * math.cos(yaw) - near[:, 0] * math.sin(yaw)
        inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2) & (np.abs(near[:, 2]) <= height / 2)
        counts[i] = np.count_nonzero(inside)
    return counts


def split_wanted(
    objects: list[KittiObject], boxes: FloatArray, wanted_type: str, grid: GridConfig
) -> tuple[FloatArray, FloatArray]:
    """Split `boxes` (K, 7) of `objects` into those of `wanted_type` within the grid's range, and those to ignore."""
    types = np.array([o.type for o in objects])
    inside = (
        (boxes[:, 0] >= grid.x_range[0])
        & (boxes[:, 0] < grid.x_range[1])
        & (boxes[:, 1] >= grid.y_range[0])
        & (boxes[:, 1] < grid.y_range[1])
    )
    wanted = (types == wanted_type) & inside
    return boxes[wanted], boxes[np.isin(types, IGNORED_TYPES) | ((types == wanted_type) & ~inside)]

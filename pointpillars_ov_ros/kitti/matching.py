# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching by the distance of centres, for a quick look at one frame (`evaluate` computes AP)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.model_config import GridConfig
from pointpillars_ov_ros.core.arrays import FloatArray
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
    free = np.ones(len(wanted), bool)
    false = 0
    for box in detected:
        distances = np.where(free, np.hypot(*(wanted[:, :2] - box[:2]).T), np.inf)
        if free.any() and distances.min() <= max_distance:
            free[distances.argmin()] = False
        elif not (np.hypot(*(ignored[:, :2] - box[:2]).T) <= max_distance).any():
            false += 1
    return Tally(found=int((~free).sum()), missed=int(free.sum()), false=false)


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

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotated overlap by polygons of shapely, and greedy non-maximum suppression."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

shapely = pytest.importorskip("shapely", reason="the slow twins need it: `make env`, or pip install shapely")

Boxes = npt.NDArray[np.float32]


def rectangle(box: npt.NDArray[np.float32]) -> shapely.Polygon:
    """Return a box (7,) as seen from above."""
    x, y, _, length, width, _, yaw = (float(value) for value in box)
    forward = (math.cos(yaw) * length / 2, math.sin(yaw) * length / 2)
    left = (-math.sin(yaw) * width / 2, math.cos(yaw) * width / 2)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return shapely.Polygon([(x + a * forward[0] + b * left[0], y + a * forward[1] + b * left[1]) for a, b in signs])


def iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return intersection over union of two boxes (7,)."""
    polygon_a, polygon_b = rectangle(a), rectangle(b)
    common = polygon_a.intersection(polygon_b).area
    union = polygon_a.area + polygon_b.area - common
    return common / union if union > 0 else 0.0


def nms(boxes: Boxes, labels: Sequence[int], iou_threshold: float, max_kept: int, per_class: bool) -> list[int]:
    """Return the indices kept of boxes (M, 7), best score first."""
    kept: list[int] = []
    for index in range(len(boxes)):
        rivals = [k for k in kept if not per_class or labels[k] == labels[index]]
        if all(iou(boxes[index], boxes[k]) <= iou_threshold for k in rivals):
            kept.append(index)
    return kept[:max_kept]

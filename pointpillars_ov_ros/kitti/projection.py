# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections in the lidar frame as KITTI results: camera coordinates, 2D boxes, observation angles."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration
from pointpillars_ov_ros.kitti.labels import KittiObject

_NEAR = 0.1
"""Depth (m) in front of which the edges of a box are cut off: what is beside or behind the camera has no pixel."""
_DECIMALS = 4
_CORNERS = np.array([(x, y, z) for x in (0.5, -0.5) for y in (0.0, -1.0) for z in (0.5, -0.5)])
"""Corners of a box of unit length, height and width about the centre of its bottom face; camera axes."""
_EDGES = np.array([(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)])


def to_results(
    detections: Detections,
    classes: tuple[str, ...],
    calibration: Calibration,
    image_size: tuple[int, int] = IMAGE_SIZE,
) -> list[KittiObject]:
    """Return the detections (lidar frame) that are visible in the image, in their order.

    The 2D box is that of the projected 3D box, clipped to the image, whose last pixel is width - 1. Numbers are rounded
    to four decimals, so that what is scored and what is written are the same.
    """
    boxes = detections.boxes.astype(np.float64)
    T_camera_lidar = calibration.T_camera_lidar
    bottoms = boxes[:, :3] - boxes[:, 5:6] * (0.0, 0.0, 0.5)
    locations = bottoms @ T_camera_lidar[:3, :3].T + T_camera_lidar[:3, 3]
    sizes = boxes[:, [5, 4, 3]]
    rotations = _wrap(-boxes[:, 6] - math.pi / 2)
    image_boxes = project_boxes(locations, sizes, rotations, calibration, image_size)
    alphas = _wrap(rotations - np.arctan2(locations[:, 0], locations[:, 2]))
    rows = np.hstack([alphas[:, None], image_boxes, sizes, locations, rotations[:, None]]).round(_DECIMALS)
    seen = (image_boxes[:, 2] > image_boxes[:, 0]) & (image_boxes[:, 3] > image_boxes[:, 1])
    return [
        KittiObject(
            type=classes[detections.labels[i]],
            truncated=-1.0,
            occluded=-1,
            alpha=row[0],
            bbox=(row[1], row[2], row[3], row[4]),
            height=row[5],
            width=row[6],
            length=row[7],
            location=(row[8], row[9], row[10]),
            rotation_y=row[11],
            score=round(float(detections.scores[i]), _DECIMALS + 2),
        )
        for i, row in enumerate(rows.tolist())
        if seen[i]
    ]


def project_boxes(
    locations: DoubleArray,
    sizes: DoubleArray,
    rotations: DoubleArray,
    calibration: Calibration,
    image_size: tuple[int, int],
) -> DoubleArray:
    """Return left, top, right, bottom (pixels) of 3D boxes, (M, 4), clipped to the image; empty if not visible.

    `locations` (M, 3): centre of the bottom face (m, camera); `sizes` (M, 3): height, width, length (m); `rotations`
    (M,): about the camera's y axis (rad).
    """
    x, y, z = np.moveaxis(_CORNERS * sizes[:, None, [2, 0, 1]], -1, 0)
    cos, sin = np.cos(rotations)[:, None], np.sin(rotations)[:, None]
    corners = np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1) + locations[:, None]
    pixels = corners @ calibration.projection[:, :3].T + calibration.projection[:, 3]
    ends = pixels[:, _EDGES]
    depths = ends[..., 2]
    # An edge that crosses the near plane has ends of different depths, so this never divides by 0.
    span = depths[..., 1] - depths[..., 0]
    share = (_NEAR - depths[..., 0]) / np.where(span == 0.0, 1.0, span)
    crossing = ends[:, :, 0] + share[..., None] * (ends[:, :, 1] - ends[:, :, 0])
    ends = np.where(depths[..., None] < _NEAR, crossing[:, :, None], ends)
    visible = np.broadcast_to((depths.max(axis=-1) >= _NEAR)[..., None], depths.shape)
    uv = ends[..., :2] / np.where(visible, ends[..., 2], 1.0)[..., None]
    last = np.array(image_size, np.float64) - 1.0
    low = np.where(visible[..., None], uv, np.inf).min(axis=(1, 2)).clip(0.0, last)
    high = np.where(visible[..., None], uv, -np.inf).max(axis=(1, 2)).clip(0.0, last)
    return np.hstack([low, high])


def _wrap(angles: DoubleArray) -> DoubleArray:
    """Wrap angles to [-pi, pi)."""
    return np.asarray((angles + math.pi) % (2.0 * math.pi) - math.pi)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera that KITTI labels refer to: it looks along +x of the lidar frame and has no distortion."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.core.detections import box_corners

IMAGE_SIZE = (1242, 375)
"""Width and height (pixels) of most KITTI images."""
FOCAL_LENGTH, CENTRE = 721.5, (609.6, 172.9)
"""Pixels."""
POSITION = (0.27, 0.0, -0.08)
"""Position of the camera in the lidar frame (m)."""
PROJECTION = np.array([[FOCAL_LENGTH, 0.0, CENTRE[0], 0.0], [0.0, FOCAL_LENGTH, CENTRE[1], 0.0], [0.0, 0.0, 1.0, 0.0]])
"""Camera coordinates (x right, y down, z forward) to pixels."""
T_CAMERA_LIDAR = np.array(
    [
        [0.0, -1.0, 0.0, POSITION[1]],
        [0.0, 0.0, -1.0, POSITION[2]],
        [1.0, 0.0, 0.0, -POSITION[0]],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
_NEAREST = 0.1
"""Distance to the image plane (m) below which boxes are cut off before projection."""
"""Corners of a box, numbered by three bits: front, left, top."""
_EDGES = np.array([(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit])


def project(boxes: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Project boxes (M, 7), lidar frame, into the image.

    Returns left, top, right, bottom (M, 4) (pixels) cut at the edges of the image, 0 for boxes behind the camera; and
    the ratio of each box's image that was cut off (M,), 1 behind the camera.
    """
    ends = (box_corners(boxes) - POSITION)[:, _EDGES]
    depths = ends[..., 0]
    span = depths[..., 1] - depths[..., 0]
    share = (_NEAREST - depths[..., 0]) / np.where(span == 0.0, 1.0, span)
    crossings = ends[:, :, 0] + share[..., None] * (ends[:, :, 1] - ends[:, :, 0])
    ahead = np.broadcast_to(np.greater_equal(depths.max(axis=2, keepdims=True), _NEAREST), depths.shape)
    ends = np.where(np.less(depths, _NEAREST)[..., None], crossings[:, :, None], ends)
    scale = FOCAL_LENGTH / np.where(ahead, ends[..., 0], 1.0)
    pixels = np.stack([CENTRE[0] - scale * ends[..., 1], CENTRE[1] - scale * ends[..., 2]], axis=-1)
    low = np.where(ahead[..., None], pixels, np.inf).min(axis=(1, 2))
    high = np.where(ahead[..., None], pixels, -np.inf).max(axis=(1, 2))
    last = np.array(IMAGE_SIZE) - 1.0
    cut = np.hstack([low.clip(0.0, last), high.clip(0.0, last)])
    seen = np.asarray(ahead.any(axis=(1, 2)))
    whole = np.prod(np.where(seen[:, None], high - low, 1.0), axis=1)
    truncation = 1.0 - (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1]) / whole
    return np.where(seen[:, None], cut, 0.0), np.where(seen, truncation, 1.0)


def alpha_of(boxes: DoubleArray) -> DoubleArray:
    """Return KITTI's observation angle (M,) (rad, in [-pi, pi)) of boxes (M, 7), lidar frame."""
    rotation_y = -boxes[:, 6] - math.pi / 2
    alpha = rotation_y + np.arctan2(boxes[:, 1] - POSITION[1], boxes[:, 0] - POSITION[0])
    return np.asarray((alpha + math.pi) % (2 * math.pi) - math.pi)

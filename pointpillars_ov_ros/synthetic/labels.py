# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ground truth of a frame, with everything KITTI records about an object: occlusion, truncation, difficulty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray
from pointpillars_ov_ros.synthetic.camera import project
from pointpillars_ov_ros.synthetic.lidar.raycast import Hits
from pointpillars_ov_ros.synthetic.world.scene import Scene

FULLY_VISIBLE, PARTLY_VISIBLE = 0.75, 0.5
"""Minimum visible ratios of an object that counts as visible, and as partly occluded."""
UNSEEN = 3
"""Occlusion level of an object that no ray reaches."""
IGNORED = -1
"""Difficulty of an object beyond all of KITTI's."""
LIMITS = ((40.0, 0, 0.15), (25.0, 1, 0.3), (25.0, 2, 0.5))
"""Limits of KITTI's easy, moderate and hard: minimum height (pixels), maximum occlusion, maximum truncation."""


class Labels(NamedTuple):
    """Labelled objects of a frame that the sensor would see if each were alone; lidar frame."""

    boxes: FloatArray
    """(M, 7), geometric centre x y z, length, width, height (m), yaw (rad, about +z, 0 = +x, in [-pi, pi))."""
    names: tuple[str, ...]
    """KITTI classes."""
    identities: IntArray
    """(M,), the same for an object in every frame."""
    velocities: FloatArray
    """(M, 2), velocity over ground, x y (m/s)."""
    points: IntArray
    """(M,), number of points."""
    visible: FloatArray
    """(M,), ratio of the rays that reach the object to those that would if it were alone."""
    occlusion: IntArray
    """(M,), 0 visible, 1 partly, 2 largely occluded, UNSEEN."""
    truncation: FloatArray
    """(M,), ratio of the object's image outside the camera's, 0 to 1; 1 behind the camera."""
    image_boxes: FloatArray
    """(M, 4), left, top, right, bottom (pixels), cut at the edges of the image; 0 behind the camera."""
    difficulty: IntArray
    """(M,), 0 easy, 1 moderate, 2 hard (the first of KITTI's that counts the object), or IGNORED."""


def make_labels(scene: Scene, hits: Hits, owners: IntArray) -> tuple[Labels, IntArray]:
    """Label the objects of `scene` that any ray of `hits` would meet.

    `owners` (N,) is the index in `scene` of each point's object, -1 for none. Returns the labels, and the identity of
    each point's object (N,), -1 for none.
    """
    count = len(scene.names)
    met = hits.primitive[hits.primitive >= 0]
    reached = np.bincount(scene.primitives["object"][met] + 1, minlength=count + 1)[1:]
    kept = hits.alone > 0
    visible = reached[kept] / hits.alone[kept]
    boxes = scene.boxes[kept]
    image_boxes, truncation = project(boxes)
    occlusion = occlusion_levels(visible)
    labels = Labels(
        boxes.astype(np.float32),
        tuple(name for name, keep in zip(scene.names, kept, strict=True) if keep),
        scene.identities[kept],
        scene.velocities[kept].astype(np.float32),
        np.bincount(owners + 1, minlength=count + 1)[1:][kept].astype(np.int32),
        visible.astype(np.float32),
        occlusion,
        truncation.astype(np.float32),
        image_boxes.astype(np.float32),
        grade(image_boxes, occlusion, truncation),
    )
    return labels, np.append(scene.identities, np.int32(-1))[owners]


def occlusion_levels(visible: DoubleArray) -> IntArray:
    """Return KITTI's occlusion levels (M,) of visible ratios (M,)."""
    levels = np.select([visible >= FULLY_VISIBLE, visible >= PARTLY_VISIBLE, visible > 0.0], [0, 1, 2], UNSEEN)
    return levels.astype(np.int32)


def grade(image_boxes: DoubleArray, occlusion: IntArray, truncation: DoubleArray) -> IntArray:
    """Return the difficulty (M,) of objects from their image boxes (M, 4), occlusion and truncation (M,)."""
    heights = image_boxes[:, 3] - image_boxes[:, 1]
    difficulty = np.full(len(heights), IGNORED, np.int32)
    for level, (height, occluded, truncated) in reversed(list(enumerate(LIMITS))):
        difficulty[(heights > height) & (occlusion <= occluded) & (truncation <= truncated)] = level
    return difficulty

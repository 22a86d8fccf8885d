# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ground truth of a frame, with what KITTI says of an object: occlusion, truncation, height in the image, difficulty."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IntArray
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE
from pointpillars_ov_ros.kitti.evaluation_rules import DIFFICULTIES
from pointpillars_ov_ros.synthetic.raycast import Hits
from pointpillars_ov_ros.synthetic.scene import Scene

FULLY_VISIBLE, PARTLY_VISIBLE = 0.75, 0.35
"""From these visible shares on an object counts as visible, and as partly occluded."""
UNSEEN = 3
"""Occlusion level of an object that no ray reaches."""
IGNORED = -1
"""Difficulty of an object that is in none of KITTI's."""
_FOCAL_LENGTH, _CENTRE = 721.5, (609.6, 172.9)
"""Of the camera (pixels)."""
_CAMERA_X, _CAMERA_Z = 0.27, -0.08
"""Where the camera is in the lidar frame (m); it looks along +x."""
_NEAREST = 0.3
"""What is nearer to the image plane than this (m) is cut off before it is projected."""
_EDGES = tuple((a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit)
"""Pairs of corners of a box, numbered by three bits."""


class Labels(NamedTuple):
    """The labelled objects of a frame which the sensor would see if each were alone; lidar frame."""

    boxes: FloatArray
    """(M, 7): geometric centre x y z, length, width, height (m), yaw (rad, about +z, 0 = +x, in [-pi, pi))."""
    names: tuple[str, ...]
    """KITTI classes."""
    identities: IntArray
    """(M,): the same for the same object in every frame."""
    velocities: FloatArray
    """(M, 2): over the ground, x y (m/s)."""
    points: IntArray
    """(M,): number of points."""
    visible: FloatArray
    """(M,): share of the rays that reach the object, of those that would if there were nothing else."""
    occlusion: IntArray
    """(M,): 0 visible, 1 partly, 2 largely occluded, UNSEEN."""
    truncation: FloatArray
    """(M,): share of the object's image outside of the camera's, 0..1; 1 behind the camera."""
    image_boxes: FloatArray
    """(M, 4): left, top, right, bottom (pixels), cut at the image's edges; 0 behind the camera."""
    difficulty: IntArray
    """(M,): 0 easy, 1 moderate, 2 hard (the first of KITTI's that counts the object), or IGNORED."""


def make_labels(scene: Scene, hits: Hits, owners: IntArray) -> tuple[Labels, IntArray]:
    """Label the objects of `scene` that any ray of `hits` would meet.

    `owners` (N,): index in `scene` of each point's object, -1 for none. Gives the labels, and the identity of each
    point's object (N,), -1 for none.
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
    """Give KITTI's level of occlusion, (M,), of visible shares (M,)."""
    levels = np.select([visible >= FULLY_VISIBLE, visible >= PARTLY_VISIBLE, visible > 0.0], [0, 1, 2], UNSEEN)
    return levels.astype(np.int32)


def grade(image_boxes: DoubleArray, occlusion: IntArray, truncation: DoubleArray) -> IntArray:
    """Give the difficulty (M,) of objects, from their boxes in the image (M, 4), occlusion and truncation (M,)."""
    heights = image_boxes[:, 3] - image_boxes[:, 1]
    difficulty = np.full(len(heights), IGNORED, np.int32)
    for level, limits in reversed(list(enumerate(DIFFICULTIES))):
        counts = (heights > limits.min_height) & (occlusion <= limits.max_occlusion)
        difficulty[counts & (truncation <= limits.max_truncation)] = level
    return difficulty


def project(boxes: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Project boxes (M, 7) into the image; give (M, 4) left, top, right, bottom (pixels), and truncation (M,)."""
    image_boxes, truncation = np.zeros((len(boxes), 4)), np.ones(len(boxes))
    for index, corners in enumerate(corners_of(boxes)):
        depth = corners[:, 0] - _CAMERA_X
        ahead = [corners[depth >= _NEAREST]]
        for a, b in _EDGES:
            if (depth[a] < _NEAREST) != (depth[b] < _NEAREST):
                share = (_NEAREST - depth[a]) / (depth[b] - depth[a])
                ahead.append((corners[a] + share * (corners[b] - corners[a]))[None])
        seen = np.concatenate(ahead)
        if len(seen) == 0:
            continue
        scale = _FOCAL_LENGTH / (seen[:, 0] - _CAMERA_X)
        u, v = _CENTRE[0] - scale * seen[:, 1], _CENTRE[1] - scale * (seen[:, 2] - _CAMERA_Z)
        left, right = np.clip([u.min(), u.max()], 0.0, IMAGE_SIZE[0] - 1.0)
        top, bottom = np.clip([v.min(), v.max()], 0.0, IMAGE_SIZE[1] - 1.0)
        whole = (u.max() - u.min()) * (v.max() - v.min())
        truncation[index] = 1.0 - (right - left) * (bottom - top) / whole
        image_boxes[index] = left, top, right, bottom
    return image_boxes, truncation


def corners_of(boxes: DoubleArray) -> DoubleArray:
    """Give the corners (M, 8, 3) (m) of boxes (M, 7); bits 0, 1, 2 of a corner's number: front, left, top."""
    signs = np.array([[1.0 if number >> bit & 1 else -1.0 for bit in range(3)] for number in range(8)])
    local = boxes[:, None, 3:6] / 2 * signs
    cos, sin = np.cos(boxes[:, 6])[:, None], np.sin(boxes[:, 6])[:, None]
    x = boxes[:, :1] + cos * local[..., 0] - sin * local[..., 1]
    y = boxes[:, 1:2] + sin * local[..., 0] + cos * local[..., 1]
    return np.stack([x, y, boxes[:, 2:3] + local[..., 2]], axis=2)


def alpha_of(boxes: DoubleArray) -> DoubleArray:
    """Give KITTI's observation angle (M,) (rad, in [-pi, pi)) of boxes (M, 7), as its camera sees them."""
    rotation_y = -boxes[:, 6] - math.pi / 2
    alpha = rotation_y + np.arctan2(boxes[:, 1], boxes[:, 0] - _CAMERA_X)
    return (alpha + math.pi) % (2 * math.pi) - math.pi

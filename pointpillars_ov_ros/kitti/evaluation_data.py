# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of many frames as flat arrays, the form in which AP is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray, IndexArray, IntArray
from pointpillars_ov_ros.kitti.evaluation_rules import NO_ALPHA, NO_POSITION, kind_codes
from pointpillars_ov_ros.kitti.labels import KittiObject


class ObjectArrays(NamedTuple):
    """Ground truth or detections of F frames: N objects in the order of the frames and of their files."""

    starts: IndexArray
    """(F + 1,); frame f has the objects starts[f] to starts[f + 1]."""
    kinds: IntArray
    """(N,), values of `kind_code`."""
    image_boxes: DoubleArray
    """(N, 4), left, top, right, bottom (pixels)."""
    boxes: DoubleArray
    """(N, 7), centre (two horizontal coordinates, bottom face downwards), length, width, height (m), angle (rad).

    The angle is measured from the first horizontal axis towards the second. Ground truth and detections use the same
    frame.
    """
    alphas: DoubleArray
    """(N,), observation angle (rad)."""
    truncations: DoubleArray
    """(N,), 0 to 1."""
    occlusions: DoubleArray
    """(N,), 0 to 3."""
    scores: DoubleArray
    """(N,); meaningless for ground truth."""

    @property
    def has_orientation(self) -> bool:
        """Whether every object has an observation angle."""
        return not bool((self.alphas == NO_ALPHA).any())

    @property
    def has_box(self) -> np.ndarray:
        """For each object whether it has a 3D box, (N,) bool."""
        return np.asarray((self.boxes[:, :2] != NO_POSITION).all(axis=1))


def pack_objects(frames: Sequence[Sequence[KittiObject]]) -> ObjectArrays:
    """Pack objects of label or result files; the boxes are in the rectified camera frame, in the order x, z, y."""
    objects = [o for frame in frames for o in frame]
    rows = np.array(
        [
            (*o.bbox, *o.location, o.length, o.width, o.height, o.rotation_y, o.alpha, o.truncated, o.occluded)
            for o in objects
        ],
        np.float64,
    ).reshape(-1, 14)
    boxes = rows[:, [4, 6, 5, 7, 8, 9, 10]]
    # A DontCare region has sizes of -1 and lies far away: the development kit sees a square metre there.
    boxes[:, 3:5] = np.abs(boxes[:, 3:5])
    boxes[:, 6] *= -1.0
    return ObjectArrays(
        starts=_starts([len(frame) for frame in frames]),
        kinds=kind_codes([o.type for o in objects]),
        image_boxes=np.ascontiguousarray(rows[:, :4]),
        boxes=boxes,
        alphas=rows[:, 11].copy(),
        truncations=rows[:, 12].copy(),
        occlusions=rows[:, 13].copy(),
        scores=np.array([0.0 if o.score is None else o.score for o in objects], np.float64),
    )


def pack_lidar_boxes(
    frames: Sequence[FloatArray], names: Sequence[Sequence[str]], scores: Sequence[FloatArray]
) -> ObjectArrays:
    """Pack boxes (M, 7) in the lidar frame (geometric centre, l, w, h, yaw), kinds and scores (M,) of each frame.

    These frames have no image, so only BEV and 3D can be computed, with ANY_DIFFICULTY.
    """
    stacked = np.concatenate([np.zeros((0, 7)), *frames])
    boxes = stacked.copy()
    boxes[:, 2] = stacked[:, 5] / 2 - stacked[:, 2]
    count = len(boxes)
    return ObjectArrays(
        starts=_starts([len(frame) for frame in frames]),
        kinds=kind_codes([name for frame in names for name in frame]),
        image_boxes=np.zeros((count, 4)),
        boxes=boxes,
        alphas=np.full(count, NO_ALPHA),
        truncations=np.zeros(count),
        occlusions=np.zeros(count),
        scores=np.concatenate([np.zeros(0), *scores]),
    )


def _starts(counts: Sequence[int]) -> IndexArray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)

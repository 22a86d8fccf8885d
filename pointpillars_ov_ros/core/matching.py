# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching of two sets of detections of the same cloud, produced in two ways."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections, box_corners

MAX_DISTANCE = 1.0
"""Maximum horizontal distance between the centres of matched detections (m)."""


class Matching(NamedTuple):
    """Pairs of indices into the detections before and after, and the indices without a partner."""

    pairs: tuple[tuple[int, int], ...]
    lost: tuple[int, ...]
    """Detections without a partner after; in order of score, like `new`."""
    new: tuple[int, ...]
    """Detections without a partner before."""


def match(before: Detections, after: Detections) -> Matching:
    """Match each detection of `after`, best first, to the nearest free one of its class within MAX_DISTANCE."""
    free = np.ones(len(before), bool)
    pairs, new = [], []
    for index, (box, label) in enumerate(zip(after.boxes, after.labels, strict=True)):
        apart = np.hypot(*(before.boxes[:, :2] - box[:2]).T)
        apart = np.where(free & (before.labels == label) & (apart <= MAX_DISTANCE), apart, np.inf)
        if np.isfinite(apart).any():
            nearest = int(apart.argmin())
            free[nearest] = False
            pairs.append((nearest, index))
        else:
            new.append(index)
    return Matching(tuple(pairs), tuple(int(index) for index in np.flatnonzero(free)), tuple(new))


def corner_shift(before: FloatArray, after: FloatArray) -> float:
    """Return the largest distance (m) that a corner moved between two boxes (7,); see `Detections`.

    Position, size and axis all count. Which end is the front does not: it is a separate output of the network, and
    arbitrary for objects that look the same from both ends.
    """
    turn = np.array([0, 0, 0, 0, 0, 0, np.pi], np.float32)
    here, there, turned = box_corners(np.stack([before, after, after + turn]))
    return float(min(np.linalg.norm(here - other, axis=1).max() for other in (there, turned)))

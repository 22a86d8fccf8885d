# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detections of one cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray

_SIGNS = np.array([[2.0 * (k >> bit & 1) - 1.0 for bit in range(3)] for k in range(8)])
"""Signs of the corners of a box along its own axes, (8, 3)."""


@dataclass(frozen=True)
class Detections:
    """Boxes in the lidar frame (x forward, y left, z up), best score first."""

    boxes: FloatArray
    """(M, 7): geometric centre x y z, length, width, height (m), yaw (rad, about +z, 0 = +x, in [-pi, pi])."""
    scores: FloatArray
    """(M,), from 0 to 1."""
    labels: IntArray
    """(M,), indices into `ModelConfig.classes`."""
    classes: tuple[str, ...] = ()
    """`ModelConfig.classes`, if the producer has set them."""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class name of each detection, (M,); needs `classes`."""
        return tuple(self.classes[label] for label in self.labels)

    @classmethod
    def empty(cls) -> Detections:
        """Return an empty set of detections."""
        return cls(np.zeros((0, 7), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))

    def above(self, score: float) -> Detections:
        """Return the detections with at least this score."""
        return self.where(self.scores >= score)

    def of(self, classes: BoolArray) -> Detections:
        """Return the detections of the classes for which `classes` (number of classes,) is true."""
        return self.where(classes[self.labels])

    def where(self, keep: BoolArray) -> Detections:
        """Return the detections for which `keep` (M,) is true."""
        return Detections(self.boxes[keep], self.scores[keep], self.labels[keep], self.classes)


def box_corners(boxes: FloatArray | DoubleArray) -> DoubleArray:
    """Return the corners (M, 8, 3) (m) of boxes (M, 7).

    Bits 0, 1 and 2 of a corner's index stand for front, left and top.
    """
    local = boxes[:, None, 3:6] / 2 * _SIGNS
    cos, sin = np.cos(boxes[:, 6])[:, None], np.sin(boxes[:, 6])[:, None]
    x = boxes[:, :1] + cos * local[..., 0] - sin * local[..., 1]
    y = boxes[:, 1:2] + sin * local[..., 0] + cos * local[..., 1]
    return np.stack([x, y, boxes[:, 2:3] + local[..., 2]], axis=2)


def choose_classes(names: str, known: Sequence[str]) -> BoolArray:
    """Return for each of `known` whether it is among the comma-separated `names`; all are if `names` is empty."""
    wanted = _split(names)
    return np.array([not wanted or name in wanted for name in known], np.bool_)


def check_classes(names: str, known: Sequence[str]) -> None:
    """Raise ConfigError if one of the comma-separated `names` is not in `known`."""
    for name in _split(names):
        require(name in known, "classes", name, f"one of {', '.join(known)}")


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]

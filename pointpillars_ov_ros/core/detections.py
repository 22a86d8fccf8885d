# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What comes out of the pipeline for one cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Detections:
    """Boxes in the lidar frame (x forward, y left, z up), best score first."""

    boxes: FloatArray
    """(M, 7): geometric centre x y z, length, width, height (m), yaw (rad, about +z, 0 = +x, in [-pi, pi])."""
    scores: FloatArray
    """(M,), 0..1."""
    labels: IntArray
    """(M,), indices into `ModelConfig.classes`."""

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls) -> Detections:
        """No detection at all."""
        return cls(np.zeros((0, 7), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))

    def above(self, score: float) -> Detections:
        """Keep those with at least this score."""
        keep = self.scores >= score
        return Detections(self.boxes[keep], self.scores[keep], self.labels[keep])

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clean points: those with finite coordinates, intensity scaled to 0..1."""

from __future__ import annotations

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray


def clean_points(points: FloatArray, intensity_scale: float) -> tuple[FloatArray, float]:
    """Move the points with finite x y z to the front of `points` (N, 4), in place and in order.

    Intensity is multiplied by `intensity_scale`; one that is not finite becomes 0. Gives the view of the
    points kept, (M, 4), and the greatest intensity among them (0 where there is none).
    """
    kept, brightest = compact_finite(points, np.float32(intensity_scale))
    return points[:kept], float(brightest)


@njit(nogil=True, cache=True)
def compact_finite(points: FloatArray, scale: np.float32) -> tuple[int, np.float32]:
    """Do the work of `clean_points`; give the number of points kept and the greatest intensity."""
    kept = 0
    brightest = np.float32(0.0)
    for i in range(points.shape[0]):
        x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3] * scale
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
            continue
        if not np.isfinite(intensity):
            intensity = np.float32(0.0)
        brightest = max(brightest, intensity)
        points[kept, 0] = x
        points[kept, 1] = y
        points[kept, 2] = z
        points[kept, 3] = intensity
        kept += 1
    return kept, brightest

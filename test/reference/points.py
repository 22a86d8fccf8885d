# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clean points, one after the other."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def clean(points: npt.NDArray[np.float32], scale: float) -> tuple[npt.NDArray[np.float32], float]:
    """Return the points with an echo, intensity scaled, and the greatest intensity."""
    rows = []
    for x, y, z, intensity in points.astype(np.float64):
        if math.isfinite(x) and math.isfinite(y) and math.isfinite(z) and any((x, y, z)):
            scaled = intensity * float(np.float32(scale))
            finite = math.isfinite(scaled) and abs(scaled) <= np.finfo(np.float32).max
            rows.append((x, y, z, scaled if finite else 0.0))
    brightest = max([0.0, *(row[3] for row in rows)])
    return np.array(rows, np.float32).reshape(-1, 4), brightest

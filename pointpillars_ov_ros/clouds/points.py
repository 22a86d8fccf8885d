# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Removal of invalid points, scaling of intensities to 0..1, and reusable memory for clouds."""

from __future__ import annotations

from collections import deque

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray

_STEP = 8192
"""Step in which buffers grow (points), so that clouds of similar size share them."""
_MOST_SPARE = 8
"""A buffer is reused for a cloud only if it is at most this many times as large."""


class PointBuffers:
    """Memory for clouds, reused once nobody holds the cloud, or a view of it, any more.

    Clouds are created on one thread and released on another, when they are prepared or dropped. There are as many
    buffers as clouds were ever held at a time.
    """

    def __init__(self) -> None:
        """Start without buffers."""
        self._free: deque[FloatArray] = deque()

    def borrow(self, count: int) -> FloatArray:
        """Return an uninitialized array (count, 4) float32."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty((0, 4), np.float32)
        # A buffer left by a giant cloud is freed instead of kept for the lifetime of the process.
        if not count <= len(buffer) <= max(_MOST_SPARE * count, _STEP):
            buffer = np.empty((-(-count // _STEP) * _STEP, 4), np.float32)
        return np.asarray(_Loan(buffer, self._free))[:count]


class _Loan:
    """Keeps a lent buffer alive for its views, and returns it to the pool with the last of them."""

    def __init__(self, buffer: FloatArray, free: deque[FloatArray]) -> None:
        self.__array_interface__ = buffer.__array_interface__
        self._buffer, self._free = buffer, free

    def __del__(self) -> None:
        self._free.append(self._buffer)


def clean_points(points: FloatArray, intensity_scale: float) -> tuple[FloatArray, float]:
    """Move the points with finite x y z to the front of `points` (N, 4), in place and in order.

    Points at 0 0 0 are dropped too: Ouster's and Livox' drivers write beams without an echo that way. The intensity is
    multiplied by `intensity_scale`; one that is not finite becomes 0. Returns the view of the points kept, (M, 4), and
    the greatest intensity among them (0 if there are none).
    """
    kept, brightest = compact_finite(points, np.float32(intensity_scale))
    return points[:kept], float(brightest)


@njit(nogil=True, cache=True)
def compact_finite(points: FloatArray, scale: np.float32) -> tuple[int, np.float32]:
    """Implement `clean_points`; return the number of points kept and the greatest intensity."""
    kept = 0
    brightest = np.float32(0.0)
    for i in range(points.shape[0]):
        x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3] * scale
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
            continue
        if x == 0.0 and y == 0.0 and z == 0.0:
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

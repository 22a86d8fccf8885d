# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clean points, those of an echo and with the intensity scaled to 0..1, and memory to keep clouds in."""

from __future__ import annotations

from collections import deque

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import FloatArray

_STEP = 8192
"""Points by which buffers grow, so that clouds of nearly the same size fit into the same ones."""
_MOST_SPARE = 8
"""How many times the points of a cloud a buffer may have that it is kept in."""


class PointBuffers:
    """Memory for clouds, which is used again as soon as nobody holds the cloud, or a part of it, any more.

    Clouds are made on one thread and let go on another, when they are prepared or dropped; there are as many
    buffers as clouds were ever held at a time.
    """

    def __init__(self) -> None:
        """Begin without buffers."""
        self._free: deque[FloatArray] = deque()

    def borrow(self, count: int) -> FloatArray:
        """Give an array (count, 4) float32 of any content."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty((0, 4), np.float32)
        # One that a giant cloud left is let go, and not kept for as long as the process lives.
        if not count <= len(buffer) <= max(_MOST_SPARE * count, _STEP):
            buffer = np.empty((-(-count // _STEP) * _STEP, 4), np.float32)
        return np.asarray(_Loan(buffer, self._free))[:count]


class _Loan:
    """What every view of a lent buffer keeps alive; with the last of them it gives the buffer back."""

    def __init__(self, buffer: FloatArray, free: deque[FloatArray]) -> None:
        self.__array_interface__ = buffer.__array_interface__
        self._buffer, self._free = buffer, free

    def __del__(self) -> None:
        self._free.append(self._buffer)


def clean_points(points: FloatArray, intensity_scale: float) -> tuple[FloatArray, float]:
    """Move the points with finite x y z to the front of `points` (N, 4), in place and in order.

    Points at 0 0 0 are left out, too: so do Ouster's and Livox' drivers write a beam without an echo.
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

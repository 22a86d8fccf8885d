# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Past clouds added to each new one, so that a sparse LiDAR sees what stands as densely as one with more beams.

What moves is seen in several places then. How old a point is decides whether it is kept, and which ones a full pillar
keeps, since the newest come first; it is no input of the network, for none that can be read has such an input.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pointpillars_ov_ros.clouds.points import PointBuffers
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.arrays import FloatArray


class _Sweep(NamedTuple):
    points: FloatArray
    """(N, 4), in the frame that the cloud was taken in."""
    T_odom_cloud: Transform
    stamp_ns: int


class Sweeps:
    """The last clouds, and where they were taken; used from one thread."""

    def __init__(self, count: int, max_age_s: float, buffers: PointBuffers) -> None:
        """Join up to `count` clouds, the newest included, none older than it by more than `max_age_s`."""
        self._max_age_ns = round(max_age_s * 1e9)
        self._buffers = buffers
        self._past: deque[_Sweep] = deque(maxlen=count - 1)

    def join(self, points: FloatArray, T_odom_cloud: Transform, stamp_ns: int) -> FloatArray:
        """Give `points` (N, 4) and the past ones, all in the frame of `points` at `stamp_ns`, in memory of their own.

        `points` are kept for the clouds to come and must not be changed any more.
        """
        # Also where the clock went back. Of two sensors on one topic, one may come a little late.
        while self._past and abs(stamp_ns - self._past[-1].stamp_ns) > self._max_age_ns:
            self._past.pop()
        total = len(points) + sum(len(sweep.points) for sweep in self._past)
        joined = self._buffers.borrow(total)
        joined[: len(points)] = points
        end, T_cloud_odom = len(points), T_odom_cloud.inverse
        for sweep in self._past:
            begin, end = end, end + len(sweep.points)
            joined[begin:end] = sweep.points
            T_cloud_odom.after(sweep.T_odom_cloud).move(joined[begin:end])
        self._past.appendleft(_Sweep(points, T_odom_cloud, stamp_ns))
        return joined

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accumulation of past clouds, so that a sparse LiDAR sees static objects as densely as one with more beams.

Moving objects then appear in several places. The age of a point decides whether it is kept, and which points a full
pillar keeps, since the newest come first. It is not an input of the network: no supported network has such an input.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pointpillars_ov_ros.clouds.points import PointBuffers
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.arrays import FloatArray


class _Sweep(NamedTuple):
    points: FloatArray
    """(N, 4), in the frame in which the cloud was taken."""
    T_odom_cloud: Transform
    stamp_ns: int


class Sweeps:
    """The last clouds and the poses at which they were taken; used from one thread."""

    def __init__(self, count: int, max_age_s: float, buffers: PointBuffers) -> None:
        """Prepare to join up to `count` clouds, including the newest, up to `max_age_s` older than it."""
        self._max_age_ns = round(max_age_s * 1e9)
        self._buffers = buffers
        self._past: deque[_Sweep] = deque(maxlen=count - 1)

    def join(self, points: FloatArray, T_odom_cloud: Transform, stamp_ns: int) -> FloatArray:
        """Return `points` (N, 4) and the past ones, all in the frame of `points` at `stamp_ns`, in new memory.

        `points` are kept for the clouds to come and must not be changed any more.
        """
        # This also covers a clock that went back. With two sensors on one topic, a cloud may arrive a little late.
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

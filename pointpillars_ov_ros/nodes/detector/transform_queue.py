# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds wait, in their order, until TF says where they were taken; the executor does not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing
from pointpillars_ov_ros.config.errors import shown
from pointpillars_ov_ros.inference.pipeline.frames import StageTimes
from pointpillars_ov_ros.nodes.detector.tf_listener import TransformListener
from pointpillars_ov_ros.ros.conversions import stamp_to_ns

_LOOKS_PER_TIMEOUT = 4
_SHORTEST_LOOK_S = 0.01


class Waiting(NamedTuple):
    """A cloud, and until when it waits (monotonic ns)."""

    message: PointCloud2
    times: StageTimes
    until_ns: int


class Place(NamedTuple):
    """Where a cloud was taken."""

    T_target_cloud: Transform
    T_odom_cloud: Transform | None
    trouble: str
    """Why there is no T_odom_cloud; empty where there is one, or none was asked for."""


class CloudPlacement:
    """Finds the transforms of each cloud at its stamp. Used from the executor's thread only."""

    def __init__(
        self,
        node: Node,
        target_frame: str,
        odom_frame: str,
        timeout_ms: int,
        on_placed: Callable[[Waiting, Place], None],
        on_missing: Callable[[Waiting, str], None],
    ) -> None:
        """Listen to TF; a cloud goes to `on_placed`, or after `timeout_ms` to `on_missing` with the reason.

        An empty `target_frame` is the cloud's own. Without the transform to `odom_frame`, which nobody asks for where
        that is empty, a cloud is waited for as long, and goes on.
        """
        self._node, self._target, self._odom = node, target_frame, odom_frame
        self._timeout_ns = timeout_ms * 1_000_000
        self._on_placed, self._on_missing = on_placed, on_missing
        self._waiting: deque[Waiting] = deque()
        self._listener = TransformListener(node, self._advance)
        period_s = max(_SHORTEST_LOOK_S, timeout_ms / 1000.0 / _LOOKS_PER_TIMEOUT)
        # Only while a cloud waits. On a clock that goes on where a bag is paused.
        self._timer = node.create_timer(period_s, self._advance, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()

    def destroy(self) -> None:
        """Stop to listen; clouds that still wait are gone."""
        self._waiting.clear()
        self._node.destroy_timer(self._timer)
        self._listener.destroy()

    def put(self, message: PointCloud2, times: StageTimes, only_newest: bool) -> int:
        """Take a cloud; with `only_newest` it displaces those that still wait. Gives how many that were."""
        displaced = len(self._waiting) if only_newest else 0
        if displaced:
            self._waiting.clear()
        self._waiting.append(Waiting(message, times, time.monotonic_ns() + self._timeout_ns))
        self._advance()
        return displaced

    def _advance(self) -> None:
        """Let go what need not wait any more, the oldest first."""
        while self._waiting:
            cloud = self._waiting[0]
            target, odom = self._find(cloud, self._target), self._find(cloud, self._odom)
            may_come = any(isinstance(found, Missing) and found.may_come for found in (target, odom))
            if may_come and time.monotonic_ns() < cloud.until_ns:
                break
            self._waiting.popleft()
            if isinstance(target, Missing):
                self._on_missing(cloud, target.reason)
            elif isinstance(odom, Missing):
                self._on_placed(cloud, Place(target, None, odom.reason))
            else:
                self._on_placed(cloud, Place(target, odom, ""))
        if not self._waiting:
            self._timer.cancel()
        elif self._timer.is_canceled():
            self._timer.reset()

    def _find(self, cloud: Waiting, target: str) -> Transform | Missing:
        """Give the transform to a frame, the cloud's own where there is no `target`."""
        header = cloud.message.header
        stamp_ns = stamp_to_ns(header)
        found = self._listener.buffer.find(target or header.frame_id, header.frame_id, stamp_ns)
        if isinstance(found, Missing):
            at = f"from {shown(header.frame_id)} to {shown(target)} at {stamp_ns / 1e9:.3f} s"
            return found._replace(reason=f"no transform {at}: {found.reason}")
        return found

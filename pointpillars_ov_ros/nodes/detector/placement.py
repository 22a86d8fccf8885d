# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Placement of clouds in the frame of the network: the sensor's pose, TF, and earlier sweeps.

Clouds wait, in order, until TF knows where they were taken; the executor does not wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import PointBuffers, drop_inside
from pointpillars_ov_ros.clouds.sweeps import Sweeps
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing
from pointpillars_ov_ros.config.errors import shown
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.pipeline.frames import StageTimes
from pointpillars_ov_ros.ros.conversions import stamp_to_ns
from pointpillars_ov_ros.ros.settings import Box, DetectorNodeConfig
from pointpillars_ov_ros.ros.transform_listener import TransformListener

_LOOKS_PER_TIMEOUT = 4
_SHORTEST_LOOK_S = 0.01
_THROTTLE_S = 5.0


class IncomingCloud(NamedTuple):
    """A cloud between its message and the pipeline."""

    header: Header
    points: FloatArray
    """(N, 4), x y z (m) in the frame of `header`, or of the network once placed; intensity 0..1."""
    times: StageTimes
    own: int | None = None
    """Number of points, the first ones, that do not belong to earlier clouds; None: all."""


class PendingTransform(NamedTuple):
    """A cloud that waits for its transform, and until when (monotonic ns)."""

    cloud: IncomingCloud
    until_ns: int


class Place(NamedTuple):
    """Transforms of a cloud."""

    T_target_cloud: Transform
    T_odom_cloud: Transform | None
    trouble: str
    """Why there is no T_odom_cloud; empty if there is one or none was requested."""


class CloudPlacement:
    """Transforms clouds to the network's frame, and adds earlier ones. Used from the executor's thread only."""

    def __init__(
        self,
        node: Node,
        config: DetectorNodeConfig,
        buffers: PointBuffers,
        on_placed: Callable[[IncomingCloud], None],
        on_missing: Callable[[IncomingCloud, str], None],
    ) -> None:
        """Listen to TF if `config` needs it; a cloud goes to `on_placed`, or to `on_missing` with the reason."""
        self._logger, self._target = node.get_logger(), config.target_frame
        self._on_placed = on_placed
        self._T_model_sensor = Transform.from_pose(*config.sensor_pose)
        self.ego_box = config.ego_box
        """Box whose points are dropped, in the frame of `target_frame`, or of the cloud. May change at any time."""
        self._sweeps = Sweeps(config.sweeps, config.sweep_age, buffers) if config.sweeps > 1 else None
        self._queue: TransformQueue | None = None
        if config.target_frame or self._sweeps is not None:
            odom = "" if self._sweeps is None else config.odom_frame
            self._queue = TransformQueue(node, config.target_frame, odom, config.tf_timeout_ms, self._move, on_missing)
        # Compiled now, instead of while the first cloud waits.
        self._T_model_sensor.move(np.zeros((1, 4), np.float32))

    @staticmethod
    def is_needed(config: DetectorNodeConfig) -> bool:
        """Whether clouds do not arrive in the network's frame."""
        is_at_origin = Transform.from_pose(*config.sensor_pose).is_identity
        return not is_at_origin or bool(config.target_frame) or config.sweeps > 1

    def place(self, cloud: IncomingCloud, only_newest: bool) -> int:
        """Place a cloud, now or later; with `only_newest` it replaces those that wait for TF. Return their number."""
        if self._queue is not None:
            return self._queue.add(cloud, only_newest)
        cloud = leave_out_ego(cloud, self.ego_box, Transform.identity())
        self._T_model_sensor.move(cloud.points)
        self._on_placed(cloud)
        return 0

    def destroy(self) -> None:
        """Stop listening to TF; clouds that wait for it go to `on_missing`."""
        if self._queue is not None:
            self._queue.destroy()

    def _move(self, cloud: IncomingCloud, place: Place) -> None:
        # Before accumulation: points of the vehicle itself move with it.
        cloud = leave_out_ego(cloud, self.ego_box, place.T_target_cloud)
        points, header = cloud.points, cloud.header
        if self._sweeps is not None:
            points = self._join(self._sweeps, cloud, place)
        self._T_model_sensor.after(place.T_target_cloud).move(points)
        if self._target:
            header = Header(stamp=header.stamp, frame_id=self._target)
        self._on_placed(IncomingCloud(header, points, cloud.times, len(cloud.points)))

    def _join(self, sweeps: Sweeps, cloud: IncomingCloud, place: Place) -> FloatArray:
        if place.T_odom_cloud is None:
            self._logger.warning(
                f"a cloud is not accumulated with others: {place.trouble}", throttle_duration_sec=_THROTTLE_S
            )
            return cloud.points
        return sweeps.join(cloud.points, place.T_odom_cloud, stamp_to_ns(cloud.header))


def leave_out_ego(cloud: IncomingCloud, box: Box, T_box_cloud: Transform) -> IncomingCloud:
    """Return the cloud without the points in `box`, changed in place; a box of zeros is none."""
    return cloud._replace(points=drop_inside(cloud.points, box, T_box_cloud))


class TransformQueue:
    """Finds the transforms of each cloud at its stamp. Used from the executor's thread only."""

    def __init__(
        self,
        node: Node,
        target_frame: str,
        odom_frame: str,
        timeout_ms: int,
        on_found: Callable[[IncomingCloud, Place], None],
        on_missing: Callable[[IncomingCloud, str], None],
    ) -> None:
        """Listen to TF; a cloud goes to `on_found`, or after `timeout_ms` to `on_missing` with the reason.

        An empty `target_frame` is the cloud's own. If only the transform to `odom_frame` is missing (empty: none is
        needed), the cloud waits as long, and goes on without it.
        """
        self._node, self._target, self._odom = node, target_frame, odom_frame
        self._timeout_ns = timeout_ms * 1_000_000
        self._on_found, self._on_missing = on_found, on_missing
        self._waiting: deque[PendingTransform] = deque()
        self._listener = TransformListener(node, self._advance)
        period_s = max(_SHORTEST_LOOK_S, timeout_ms / 1000.0 / _LOOKS_PER_TIMEOUT)
        # Runs only while a cloud waits. It uses a clock that continues when a bag is paused.
        self._timer = node.create_timer(period_s, self._advance, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()

    def destroy(self) -> None:
        """Stop listening; clouds that still wait go to `on_missing`, so that they are accounted for."""
        waiting, self._waiting = self._waiting, deque()
        for cloud, _ in waiting:
            self._on_missing(cloud, "the detector was deactivated while the cloud waited for its transform")
        self._node.destroy_timer(self._timer)
        self._listener.destroy()

    def add(self, cloud: IncomingCloud, only_newest: bool) -> int:
        """Add a cloud; with `only_newest` it replaces those that still wait. Return their number."""
        displaced = len(self._waiting) if only_newest else 0
        if displaced:
            self._waiting.clear()
        self._waiting.append(PendingTransform(cloud, time.monotonic_ns() + self._timeout_ns))
        self._advance()
        return displaced

    def _advance(self) -> None:
        """Release clouds that need not wait any more, the oldest first."""
        while self._waiting:
            cloud, until_ns = self._waiting[0]
            target, odom = self._find(cloud, self._target), self._find(cloud, self._odom)
            may_come = any(isinstance(found, Missing) and found.may_come for found in (target, odom))
            if may_come and time.monotonic_ns() < until_ns:
                break
            self._waiting.popleft()
            if isinstance(target, Missing):
                self._on_missing(cloud, target.reason)
            elif isinstance(odom, Missing):
                self._on_found(cloud, Place(target, None, odom.reason))
            else:
                self._on_found(cloud, Place(target, odom, ""))
        if not self._waiting:
            self._timer.cancel()
        elif self._timer.is_canceled():
            self._timer.reset()

    def _find(self, cloud: IncomingCloud, target: str) -> Transform | Missing:
        """Return the transform to a frame; the cloud's own if `target` is empty."""
        header = cloud.header
        stamp_ns = stamp_to_ns(header)
        found = self._listener.buffer.find(target or header.frame_id, header.frame_id, stamp_ns)
        if isinstance(found, Missing):
            at = f"from {shown(header.frame_id)} to {shown(target)} at {stamp_ns / 1e9:.3f} s"
            return found._replace(reason=f"no transform {at}: {found.reason}")
        return found

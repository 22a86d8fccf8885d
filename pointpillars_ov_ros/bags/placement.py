# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Placement of a bag's clouds in the frame of the network, as in the detector node: pose, TF of the bag, sweeps.

Time is the bag's: a cloud waits for its transforms until the bag is read up to a certain time after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import PointBuffers, drop_inside
from pointpillars_ov_ros.clouds.sweeps import Sweeps
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing, TransformBuffer
from pointpillars_ov_ros.config.errors import shown
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.ros.conversions import add_transforms, stamp_to_ns
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig

_PATIENCE_NS = 1_000_000_000
"""Maximum delay of the transforms after their cloud, in the bag."""

T = TypeVar("T")


class PlacedCloud(NamedTuple):
    """A cloud in the network's frame."""

    header: Header
    """Header of the detections in it."""
    points: FloatArray
    """(N, 4), in the network's frame."""


class _WaitingCloud(NamedTuple, Generic[T]):
    token: T
    received_ns: int
    header: Header
    points: FloatArray


class BagPlacement(Generic[T]):
    """Queue of clouds between their messages and the network, in order."""

    def __init__(self, config: DetectorNodeConfig) -> None:
        """Start before the first cloud."""
        self._config = config
        self._T_model_sensor = Transform.from_pose(*config.sensor_pose)
        self._sweeps = Sweeps(config.sweeps, config.sweep_age, PointBuffers()) if config.sweeps > 1 else None
        self._buffer = TransformBuffer()
        self._waiting: deque[_WaitingCloud[T]] = deque()
        self.alone, self.why_alone = 0, ""
        """Number of clouds that could not be accumulated with earlier ones, and the reason for the first."""

    @property
    def joins_clouds(self) -> bool:
        """Whether clouds are accumulated."""
        return self._sweeps is not None

    def add_transforms(self, message: Any, is_static: bool) -> None:
        """Add the transforms of a TFMessage."""
        add_transforms(self._buffer, message, is_static)

    def add(self, token: T, received_ns: int, header: Header, points: FloatArray) -> None:
        """Add a cloud, `points` (N, 4) in the frame of `header`; `token` is returned with it."""
        self._waiting.append(_WaitingCloud(token, received_ns, header, points))

    def advance(self, now_ns: int | None) -> Iterator[tuple[T, PlacedCloud | str]]:
        """Yield each cloud that can be placed by now, or the reason if it never can; with None, all that wait.

        `now_ns` is the time at which the last message was received.
        """
        while self._waiting:
            cloud = self._waiting[0]
            target = self._find(cloud, self._config.target_frame)
            odom = self._find(cloud, self._config.odom_frame) if self._sweeps is not None else Transform.identity()
            may_come = any(isinstance(found, Missing) and found.may_come for found in (target, odom))
            if may_come and now_ns is not None and now_ns <= cloud.received_ns + _PATIENCE_NS:
                return
            self._waiting.popleft()
            yield cloud.token, target.reason if isinstance(target, Missing) else self._place(cloud, target, odom)

    def _find(self, cloud: _WaitingCloud[T], target: str) -> Transform | Missing:
        """Return the transform to a frame, by default the cloud's own."""
        frame, stamp_ns = cloud.header.frame_id, stamp_to_ns(cloud.header)
        found = self._buffer.find(target, frame, stamp_ns) if target else Transform.identity()
        if isinstance(found, Missing):
            return found._replace(reason=f"no transform from {shown(frame)} to {shown(target)}: {found.reason}")
        return found

    def _place(self, cloud: _WaitingCloud[T], T_target_cloud: Transform, odom: Transform | Missing) -> PlacedCloud:
        header, config = cloud.header, self._config
        points = drop_inside(cloud.points, config.ego_box, T_target_cloud)
        if self._sweeps is not None:
            if isinstance(odom, Missing):
                self.alone, self.why_alone = self.alone + 1, self.why_alone or odom.reason
            else:
                points = self._sweeps.join(points, odom, stamp_to_ns(header))
        T_model_cloud = self._T_model_sensor.after(T_target_cloud)
        if not T_model_cloud.is_identity:
            T_model_cloud.move(points)
        if config.target_frame:
            header = Header(stamp=header.stamp, frame_id=config.target_frame)
        return PlacedCloud(header, points)

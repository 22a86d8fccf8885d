# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Player node: publishes KITTI frames as a LiDAR driver would, with ground truth if there are labels."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.config.errors import ConfigError, DatasetError, count_of
from pointpillars_ov_ros.kitti.frames import Frame, can_crop, find_frames
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.conversions import stamp_to_ns
from pointpillars_ov_ros.ros.kitti_messages import lidar_transform, to_cloud, to_ground_truth
from pointpillars_ov_ros.ros.parameters import declare_parameters, read_parameters
from pointpillars_ov_ros.ros.settings import PlayerConfig

_PATIENCE_S = 20.0
_THROTTLE_S = 5.0


class KittiPlayerNode(Node):
    """A timer at the sensor's rate publishes the next frame at each tick, unless it must be held back."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters. `options` are those of `rclpy.node.Node`."""
        super().__init__("kitti_player", **options)
        declare_parameters(self, PlayerConfig)
        self._sent = 0
        self._outstanding: deque[int] = deque()
        """Stamps (ns) of clouds that have not been reported, and neither have later ones."""
        self._progress_s = 0.0
        self._finished = False

    def start(self) -> None:
        """Find the frames, publish the transform, start to play; raises if there is nothing to play."""
        self._config = config = read_parameters(self, PlayerConfig)
        if not config.data_dir:
            raise ConfigError("data_dir: must be a KITTI folder, but is empty")
        self._frames = choose_frames(find_frames(Path(config.data_dir)), config.frames)
        if config.crop_to_image and not all(can_crop(frame) for frame in self._frames):
            raise ConfigError(f"crop_to_image: True, but {config.data_dir} lacks calibrations")
        self._clouds = self.create_publisher(PointCloud2, "points", qos.OUTPUT)
        self._truth = self.create_publisher(Detection3DArray, "ground_truth", qos.OUTPUT)
        self._transforms = self.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        base = Header(stamp=self.get_clock().now().to_msg(), frame_id=config.base_frame_id)
        self._transforms.publish(TFMessage(transforms=[lidar_transform(base, config.frame_id, config.sensor_height)]))
        self._reports = self.create_subscription(DiagnosticArray, "timing", self._on_report, qos.TIMING)
        self._timer = self.create_timer(1.0 / config.rate, self._tick)
        self.get_logger().info(f"{count_of(len(self._frames), 'frame')} of {config.data_dir} at {config.rate:g} Hz")

    def is_finished(self) -> bool:
        """Whether the last cloud has reached its subscribers."""
        return self._finished

    def stop(self) -> None:
        """Wait until reliable subscribers have the last cloud."""
        self._clouds.wait_for_all_acked(Duration(seconds=5))

    def _tick(self) -> None:
        config = self._config
        at_end = not config.loop and self._sent >= len(self._frames)
        if at_end or (config.max_frames and self._sent >= config.max_frames):
            self._finish()
            return
        if self._sent == 0 and self._clouds.get_subscription_count() < config.wait_for_subscribers:
            return
        if config.max_outstanding and len(self._outstanding) >= config.max_outstanding and not self._give_up():
            return
        self._play(self._frames[self._sent % len(self._frames)])
        self._sent += 1

    def _play(self, frame: Frame) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._config.frame_id)
        truth = to_ground_truth(frame, header)
        if truth is not None:
            self._truth.publish(truth)
        self._clouds.publish(to_cloud(frame, header, self._config.crop_to_image))
        if not self._outstanding:
            self._progress_s = time.monotonic()
        self._outstanding.append(stamp_to_ns(header))

    def _finish(self) -> None:
        if not self._finished:
            self._timer.cancel()
            self.get_logger().info(f"{count_of(self._sent, 'cloud')} played")
            self._finished = True

    def _on_report(self, message: DiagnosticArray) -> None:
        # Dropped or lost clouds are never reported, but later ones are.
        reported = stamp_to_ns(message.header)
        while self._outstanding and self._outstanding[0] <= reported:
            self._outstanding.popleft()
        self._progress_s = time.monotonic()

    def _give_up(self) -> bool:
        """Whether reports have been missing for too long; outstanding clouds are then forgotten."""
        if time.monotonic() - self._progress_s < _PATIENCE_S:
            return False
        self.get_logger().warning(
            f"no timing messages for {count_of(len(self._outstanding), 'cloud')} within {_PATIENCE_S:.0f} s: dropped "
            "or lost, or no detector is running; continuing",
            throttle_duration_sec=_THROTTLE_S,
        )
        self._outstanding.clear()
        return True


def choose_frames(frames: list[Frame], names: str) -> list[Frame]:
    """Return the frames called `names` (separated by commas), in that order; empty: all of them."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    by_name = {frame.name: frame for frame in frames}
    for name in wanted:
        if name not in by_name:
            raise DatasetError(f"{frames[0].cloud.parent} has no frame {name!r}")
    return [by_name[name] for name in wanted] or frames

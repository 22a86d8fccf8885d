# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intruder process that calls itself kitti_player, sends forbidden messages, listens, and records its success.

`python -m test.torture.intruder JOURNAL CLOUD.bin`

Lines are of kind `refused` (ROS does not let it publish or subscribe), `ready`, and every second `now`: how many
messages of others it received on each topic. Its clouds have stamps of 1970, and its detections are in the frame
`forged`.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.kitti.frames import read_points
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.torture.journal import Journal

FORGED = "forged"
PERIOD_S = 0.1
TOPICS = {
    "points": PointCloud2,
    "detections": Detection3DArray,
    "timing": DiagnosticArray,
    "/diagnostics": DiagnosticArray,
}
SENT = ("points", "detections")


class Intruder(Node):
    """Sends on two topics, and hears four."""

    def __init__(self, journal: Journal, cloud: Path) -> None:
        super().__init__("kitti_player")
        self._journal = journal
        self._sent, self._heard = 0, Counter(dict.fromkeys(TOPICS, 0))
        self._messages = {
            "points": create_cloud(Header(frame_id="velodyne"), copy.deepcopy(FIELDS), read_points(cloud)),
            "detections": Detection3DArray(header=Header(frame_id=FORGED)),
        }
        publishers = {name: self._try("publish", name, self.create_publisher, 10) for name in TOPICS}
        self._publishers = {name: made for name, made in publishers.items() if made is not None}
        for name in TOPICS:
            subscribe = partial(self.create_subscription, callback=partial(self._count, name))
            self._try("subscribe", name, subscribe, qos_profile_sensor_data)
        journal.write("ready")
        self._send_timer = self.create_timer(PERIOD_S, self._send)
        self._tell_timer = self.create_timer(1.0, self._tell)

    def _try(self, what: str, topic: str, create: Callable[..., Any], profile: Any) -> Any:
        try:
            return create(msg_type=TOPICS[topic], topic=topic, qos_profile=profile)
        except Exception as error:
            self._journal.write("refused", what=what, topic=topic, why=str(error).split("\n")[0])
            return None

    def _count(self, topic: str, message: Any) -> None:
        # It also hears itself, and what the detector makes of its own clouds.
        if message.header.stamp.sec > self._sent:
            self._heard[topic] += 1

    def _send(self) -> None:
        self._sent += 1
        for name in SENT:
            self._messages[name].header.stamp.sec = self._sent
            if name in self._publishers:
                self._publishers[name].publish(self._messages[name])

    def _tell(self) -> None:
        self._journal.write("now", heard=dict(self._heard))


def main() -> None:
    """Intrude until a signal comes."""
    rclpy.init()
    with Journal(Path(sys.argv[1])) as journal:
        executor = SingleThreadedExecutor()
        executor.add_node(Intruder(journal, Path(sys.argv[2])))
        with suppress(ExternalShutdownException):
            executor.spin()


if __name__ == "__main__":
    main()

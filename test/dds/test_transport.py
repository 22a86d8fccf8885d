# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""With the shipped profile, large best-effort clouds all arrive, at depth 1."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Int32

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.settings import InputReliability
from test.dds.peers import peer

pytestmark = pytest.mark.usefixtures("ros")

CLOUDS, POINTS, RATE_HZ = 100, 120_000, 50

SENDER = f"""
import numpy as np, rclpy
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header, Int32
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

rclpy.init()
node = Node("sender")
publisher = node.create_publisher(PointCloud2, "points", qos.keep_last(1, reliable=False))
cloud = create_cloud(Header(frame_id="velodyne"), FIELDS, np.zeros(({POINTS}, 4), np.float32))
next_one, sent = 0, set()

def answer(message):
    global next_one
    next_one = message.data + 1

def tick():
    # The other side may find this one later than this one it, so the first is sent until it is answered.
    if next_one not in sent or next_one == 0:
        sent.add(next_one)
        cloud.header.stamp.sec = next_one
        publisher.publish(cloud)

node.create_subscription(Int32, "answers", answer, qos.keep_last({CLOUDS}))
node.create_timer(1 / {RATE_HZ}, tick)
while next_one < {CLOUDS}:
    rclpy.spin_once(node)
"""


def test_a_hundred_clouds_arrive_best_effort_at_depth_one() -> None:
    """Each is sent once, as soon as the one before is there; a queue of one would lose those of a slow machine."""
    received: list[int] = []
    live = qos.cloud_input(DropPolicy.LIVE, InputReliability.AUTO, 0)
    assert live.depth == 1
    with peer() as listener:
        answers = listener.create_publisher(Int32, "answers", qos.keep_last(CLOUDS))

        def answer(message: PointCloud2) -> None:
            received.append(message.header.stamp.sec)
            answers.publish(Int32(data=message.header.stamp.sec))

        listener.create_subscription(PointCloud2, "points", answer, live)
        sender = subprocess.Popen([sys.executable, "-c", SENDER], env=os.environ)
        try:
            listener.wait_until(lambda: bool(received) and received[-1] == CLOUDS - 1, "the last cloud")
        finally:
            sender.kill()
            sender.wait()
    assert sorted(set(received)) == list(range(CLOUDS))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""With the shipped profile, large best-effort clouds arrive: one hundred of one hundred, at depth 1."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.settings import InputReliability
from test.dds.peers import peer

pytestmark = pytest.mark.usefixtures("ros")

CLOUDS, POINTS, RATE_HZ = 100, 120_000, 10

SENDER = f"""
import numpy as np, rclpy
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

rclpy.init()
node = Node("sender")
publisher = node.create_publisher(PointCloud2, "points", qos.keep_last(1, reliable=False))
cloud = create_cloud(Header(frame_id="velodyne"), FIELDS, np.zeros(({POINTS}, 4), np.float32))
sent = 0

def tick():
    global sent
    if sent or publisher.get_subscription_count():
        cloud.header.stamp.sec = sent
        publisher.publish(cloud)
        sent += 1

node.create_timer(1 / {RATE_HZ}, tick)
while sent < {CLOUDS}:
    rclpy.spin_once(node)
# Best effort keeps nothing for later: stay until the other side hangs up.
while publisher.get_subscription_count():
    rclpy.spin_once(node, timeout_sec=0.1)
"""


def test_a_hundred_clouds_at_ten_hertz_arrive_best_effort_at_depth_one() -> None:
    received: list[int] = []
    live = qos.cloud_input(DropPolicy.LIVE, InputReliability.AUTO, 0)
    assert live.depth == 1
    with peer() as listener:
        listener.create_subscription(PointCloud2, "points", lambda m: received.append(m.header.stamp.sec), live)
        sender = subprocess.Popen([sys.executable, "-c", SENDER], env=os.environ)
        try:
            listener.wait_until(lambda: bool(received) and received[-1] == CLOUDS - 1, "the last cloud")
        finally:
            sender.terminate()
            sender.wait()
    assert received == list(range(CLOUDS))

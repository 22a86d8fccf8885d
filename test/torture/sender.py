# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that publishes clouds on a schedule, whoever listens, and writes down what it sent and when.

    python -m test.torture.sender JOURNAL --clouds FILE.bin [FILE.bin …] --schedule 5:10,25:10,5:10

The schedule is of parts RATE (Hz):SECONDS. Stamps are time.time_ns() at sending. Lines of kind `sent`.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from itertools import count
from pathlib import Path
from typing import NamedTuple

import rclpy
from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.kitti.frames import read_points
from pointpillars_ov_ros.nodes.kitti_messages import FIELDS

from .journal import Journal


class Part(NamedTuple):
    """Clouds at one rate."""

    rate_hz: float
    duration_s: float


def parse_schedule(text: str) -> list[Part]:
    """Read `RATE:SECONDS,RATE:SECONDS`."""
    return [Part(*map(float, part.split(":"))) for part in text.split(",")]


def send(options: argparse.Namespace, journal: Journal) -> None:
    """Publish, at the times of the schedule or, where those are past, at once."""
    node = rclpy.create_node("sender")
    reliability = ReliabilityPolicy.RELIABLE if options.reliable else ReliabilityPolicy.BEST_EFFORT
    profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=options.depth, reliability=reliability)
    publisher = node.create_publisher(PointCloud2, "points", profile)
    header = Header(frame_id=options.frame_id)
    messages = [create_cloud(header, copy.deepcopy(FIELDS), read_points(path)) for path in options.clouds]
    while publisher.get_subscription_count() < options.listeners:
        time.sleep(0.05)
    # The other side may find this one a moment later.
    time.sleep(1.0)
    number, begin_s = count(), time.monotonic()
    for part in parse_schedule(options.schedule):
        journal.write("part", at_ns=time.time_ns(), rate_hz=part.rate_hz)
        for index in range(round(part.rate_hz * part.duration_s)):
            time.sleep(max(0.0, begin_s + index / part.rate_hz - time.monotonic()))
            message, now_ns = messages[next(number) % len(messages)], time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 1_000_000_000)
            publisher.publish(message)
            journal.write("sent", at_ns=now_ns, stamp=[message.header.stamp.sec, message.header.stamp.nanosec])
        begin_s += part.duration_s
    time.sleep(max(0.0, begin_s - time.monotonic()))
    journal.write("end", at_ns=time.time_ns())
    # What is on its way goes with the process.
    if options.reliable:
        publisher.wait_for_all_acked(Duration(seconds=60))
    time.sleep(1.0)


def main() -> int:
    """Send what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("journal", type=Path)
    parser.add_argument("--clouds", type=Path, nargs="+", required=True, help="files of x y z intensity, float32")
    parser.add_argument("--schedule", required=True)
    parser.add_argument("--frame-id", default="velodyne")
    parser.add_argument("--listeners", type=int, default=1, help="subscriptions to wait for")
    parser.add_argument("--reliable", action="store_true")
    parser.add_argument("--depth", type=int, default=5)
    options = parser.parse_args()
    rclpy.init()
    with Journal(options.journal) as journal:
        send(options, journal)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

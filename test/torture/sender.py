# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sender process: publishes clouds on a schedule, and records what it sent and when.

`python -m test.torture.sender JOURNAL --clouds FILE.bin [FILE.bin …] --schedule 5:10,25:10,5:10`

The schedule consists of parts RATE (Hz):SECONDS; at rate 0 nothing is sent. Stamps are time.time_ns() at sending,
shifted by the part's OFFSET (s), its third number. Lines are of kind `part`, `sent`, `end`. With --outstanding it slows
down to the detector's capacity, as `kitti_player` does with max_outstanding.
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
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.kitti.frames import read_points
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.torture.journal import Journal


class Reports:
    """Limits the number of clouds that are not reported on the timing topic."""

    def __init__(self, node: Node, outstanding: int) -> None:
        """Listen; 0: nothing is held back."""
        self._node, self._outstanding = node, outstanding
        self._reported = 0
        if outstanding:
            node.create_subscription(DiagnosticArray, "timing", self._count, qos.keep_last(1000))

    def wait(self, sent: int) -> None:
        """Wait until the next cloud may go."""
        while self._outstanding and sent - self._reported >= self._outstanding:
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _count(self, _message: DiagnosticArray) -> None:
        self._reported += 1


class Part(NamedTuple):
    """Clouds at one rate."""

    rate_hz: float
    duration_s: float
    offset_s: float = 0.0
    """Shift of its stamps relative to now."""


def parse_schedule(text: str) -> list[Part]:
    """Read `RATE:SECONDS,RATE:SECONDS:OFFSET`."""
    return [Part(*map(float, part.split(":"))) for part in text.split(",")]


def send(options: argparse.Namespace, journal: Journal) -> None:
    """Publish, at the times of the schedule or, where those are past, at once."""
    node = rclpy.create_node("sender")
    publisher = node.create_publisher(PointCloud2, "points", qos.keep_last(options.depth, reliable=options.reliable))
    reports = Reports(node, options.outstanding)
    clock = node.create_publisher(Clock, "/clock", 10) if options.clock else None
    header = Header(frame_id=options.frame_id)
    messages = [create_cloud(header, copy.deepcopy(FIELDS), read_points(path)) for path in options.clouds]
    while publisher.get_subscription_count() < options.listeners:
        time.sleep(0.05)
    # The other side may find this one a moment later.
    time.sleep(1.0)
    number, begin_s = count(), time.monotonic()
    for part in parse_schedule(options.schedule):
        journal.write("part", at_ns=time.time_ns(), rate_hz=part.rate_hz)
        offset_ns = round(part.offset_s * 1e9)
        for index in range(round(part.rate_hz * part.duration_s)):
            time.sleep(max(0.0, begin_s + index / part.rate_hz - time.monotonic()))
            sent = next(number)
            reports.wait(sent)
            message, now_ns = messages[sent % len(messages)], time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns + offset_ns, 1_000_000_000)
            if clock is not None:
                clock.publish(Clock(clock=message.header.stamp))
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
    parser.add_argument("--clock", action="store_true", help="let /clock stand at the stamp of the last cloud")
    parser.add_argument("--reliable", action="store_true")
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--outstanding", type=int, default=0, help="clouds sent and not yet reported; 0: no limit")
    options = parser.parse_args()
    rclpy.init()
    with Journal(options.journal) as journal:
        send(options, journal)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

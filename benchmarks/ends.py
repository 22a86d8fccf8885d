# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurement of the time that the detector takes to end after SIGTERM, with frames in flight, in each mode.

python -m benchmarks.ends [--times 10] [--nobody-listens]
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from pointpillars_ov_ros.ros.timing_message import FrameTiming, from_message
from pointpillars_ov_ros.synthetic.drive import Drive

DETECTOR = "pointpillars_detector"
RATE_HZ = 20.0
_FRAMES_BEFORE = 5
_ENDED = re.compile(r"ended: ([0-9.]+) s to finish, ([0-9.]+) s to hand over")
_PATIENCE_S = 120.0


class Sender(Node):
    """Publisher of clouds at `RATE_HZ`; it subscribes to the results unless told not to."""

    def __init__(self, clouds: Sequence[FloatArray], *, listens: bool) -> None:
        """Start to publish at once."""
        super().__init__("sender")
        self.answered = 0
        self.timing = FrameTiming()
        self._messages = [create_cloud(Header(frame_id="velodyne"), copy.deepcopy(FIELDS), cloud) for cloud in clouds]
        self._publisher = self.create_publisher(PointCloud2, "points", qos.keep_last(5, reliable=False))
        self._sent = 0
        self.create_timer(1.0 / RATE_HZ, self._send)
        # Without a subscriber to the detections, only the timing shows that there are frames.
        if listens:
            self.create_subscription(Detection3DArray, "detections", self._count, qos.keep_last(100))
        reliable = qos.keep_last(100, reliable=listens)
        self.create_subscription(DiagnosticArray, "timing", self._read, reliable)

    def _send(self) -> None:
        message = self._messages[self._sent % len(self._messages)]
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)
        self._sent += 1

    def _count(self, _message: Any) -> None:
        self.answered += 1

    def _read(self, message: DiagnosticArray) -> None:
        self.timing = from_message(message)


class End(NamedTuple):
    """One end of a detector."""

    took_s: float
    """Time from SIGTERM to the end of the process."""
    finish_s: float
    """Part for finishing the frames in flight, as the node reports."""
    hand_over_s: float
    """Part for waiting for subscribers."""
    finished: int
    """Number of frames finished after the signal."""
    missing: int
    """Number of detections published but not received."""
    cpu_s: float
    """CPU time of the process from SIGTERM to its end."""


def cpu_of(pid: int) -> float:
    """Return the CPU time (s) of a process so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_children() -> float:
    """Return the CPU time (s) of the processes that this one has started, of those that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def end_once(folder: Path, mode: Mode, clouds: Sequence[FloatArray], *, listens: bool) -> End:
    """End a detector that has frames in flight."""
    parameters = {"model_dir": str(shipped_model()), "cache_dir": str(folder / "cache"), "parity_check": False}
    sender, executor = Sender(clouds, listens=listens), SingleThreadedExecutor()
    executor.add_node(sender)
    try:
        with NodeProcesses(folder / "logs", os.environ) as processes:
            processes.start(DETECTOR, {**parameters, "mode": mode.value})
            deadline_s = time.monotonic() + _PATIENCE_S
            while sender.timing.completed < _FRAMES_BEFORE:
                processes.check()
                assert time.monotonic() < deadline_s, "no frames"
                executor.spin_once(timeout_sec=0.1)
            before = sender.timing.completed
            pid, children_s = processes.pid(DETECTOR), cpu_of_children()
            begin_s, cpu_s = time.monotonic(), cpu_of(pid)
            os.kill(pid, signal.SIGTERM)
            while (code := processes.code(DETECTOR)) is None:
                executor.spin_once(timeout_sec=0.005)
            took_s = time.monotonic() - begin_s
            assert code == 0, f"code {code}: {(folder / 'logs' / f'{DETECTOR}.log').read_text()[-500:]}"
            for _ in range(20):
                executor.spin_once(timeout_sec=0.01)
            missing = sender.timing.completed - sender.answered if listens else 0
            said = _ENDED.findall((folder / "logs" / f"{DETECTOR}.log").read_text())
            finish_s, hand_over_s = map(float, said[-1])
            used_s = cpu_of_children() - children_s - cpu_s
            return End(took_s, finish_s, hand_over_s, sender.timing.completed - before, missing, used_s)
    finally:
        executor.shutdown()
        sender.destroy_node()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="number of ends in each mode (default: %(default)s)")
    parser.add_argument("--nobody-listens", action="store_true", help="no reliable subscriber of anything")
    options = parser.parse_args()
    rclpy.init()
    clouds = [frame.points for frame in Drive("hdl_64e", 7, 4)]
    with tempfile.TemporaryDirectory() as folder:
        for mode in Mode:
            ends = [
                end_once(Path(folder), mode, clouds, listens=not options.nobody_listens) for _ in range(options.times)
            ]
            took_s, finish_s, hand_over_s, finished, missing, cpu_s = zip(*ends, strict=True)
            median = statistics.median
            print(
                f"{mode.value}: {median(took_s):.2f} s in the median, {max(took_s):.2f} at most, of which "
                f"{median(finish_s):.2f} to finish {np.mean(finished):.1f} frames in flight, and "
                f"{median(hand_over_s):.2f} (at most {max(hand_over_s):.2f}) for those who listen; "
                f"detections not heard: {sum(missing)}; CPU time {median(cpu_s):.2f} s",
                flush=True,
            )
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()

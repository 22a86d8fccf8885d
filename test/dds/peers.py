# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The other side of the topics in tests: listens, publishes, waits for conditions and never for time."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from pointpillars_ov_ros.ros.timing_message import FrameTiming, from_message

PATIENCE_S = 180.0
"""Maximum wait for a condition; only reached if something is broken."""


class Peer(Node):
    """Collects what the nodes publish, and publishes clouds."""

    def __init__(self, name: str = "peer") -> None:
        super().__init__(name)
        self.detections: list[Detection3DArray] = []
        self.truths: list[Detection3DArray] = []
        self.timings: list[FrameTiming] = []
        self.timing_of: dict[tuple[int, int], FrameTiming] = {}
        """Timings by the stamp of the cloud."""
        self.diagnostics: list[DiagnosticArray] = []
        deep = qos.keep_last(1000)
        self.create_subscription(Detection3DArray, "detections", self.detections.append, deep)
        self.create_subscription(Detection3DArray, "ground_truth", self.truths.append, deep)
        self.create_subscription(DiagnosticArray, "timing", self._on_timing, deep)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, deep)
        self.clouds = self.create_publisher(PointCloud2, "points", deep)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._stamp = 0

    def _on_timing(self, message: DiagnosticArray) -> None:
        self.timings.append(from_message(message))
        self.timing_of[stamp_of(message)] = self.timings[-1]

    def connect(self, points: npt.NDArray[np.float32], processes: NodeProcesses) -> FrameTiming:
        """Send clouds until all outputs of the detector for the last one arrive; return its timing.

        The publishers of a detector find their subscribers one by one, and earlier messages are not received.
        """
        patience_s = 1.0
        while True:
            self.clouds.publish(self.make_cloud(points))
            stamp, until = (1_700_000_000 + self._stamp, 123_456_789), time.monotonic() + patience_s
            self.wait_until(lambda: self._is_answered(stamp) or time.monotonic() > until, "an answer", processes)  # noqa: B023
            if self._is_answered(stamp):
                return self.timing_of[stamp]
            # In replay each one is answered, and a slow machine would never get to the last of one a second.
            patience_s *= 1.5

    def _is_answered(self, stamp: tuple[int, int]) -> bool:
        timing = self.timing_of.get(stamp)
        return timing is not None and (bool(timing.error) or any(stamp_of(array) == stamp for array in self.detections))

    def wait_until(self, condition: Callable[[], bool], what: str, processes: NodeProcesses | None = None) -> None:
        """Spin until `condition`; fails naming `what` was waited for, and at once when a node died."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.05)
            if processes is not None:
                processes.check()

    def make_cloud(self, points: npt.NDArray[np.float32]) -> PointCloud2:
        """Return a cloud with a unique stamp."""
        self._stamp += 1
        header = Header(frame_id="velodyne")
        header.stamp.sec, header.stamp.nanosec = 1_700_000_000 + self._stamp, 123_456_789
        return create_cloud(header, copy.deepcopy(FIELDS), points)


def stamp_of(message: Any) -> tuple[int, int]:
    """Return the stamp of a message, for comparisons."""
    return message.header.stamp.sec, message.header.stamp.nanosec


def call(sender: Peer, kind: type, name: str, request: object, node: str = "pointpillars_detector") -> Any:
    """Return the answer of a node's service, by default the detector's."""
    client = sender.create_client(kind, f"/{node}/{name}")
    sender.wait_until(client.service_is_ready, f"the service {name}")
    future = client.call_async(request)
    sender.wait_until(future.done, f"the answer of {name}")
    sender.destroy_client(client)
    return future.result()


def set_parameter(sender: Peer, name: str, value: object) -> tuple[bool, str]:
    """Set a parameter of the detector; return whether it was accepted, and the reason if not."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    result = call(sender, SetParameters, "set_parameters", request).results[0]
    return result.successful, result.reason


def change_state(sender: Peer, transition: int) -> bool:
    """Lead the detector through a transition; tell whether it went."""
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(sender, ChangeState, "change_state", request).success)


def rss_mb(pid: int) -> float:
    """Return the memory of a process (MB)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no VmRSS")


@contextmanager
def peer(name: str = "peer") -> Iterator[Peer]:
    """Yield a peer that is destroyed afterwards."""
    node = Peer(name)
    try:
        yield node
    finally:
        node.destroy_node()


@contextmanager
def nodes(logs: Path) -> Iterator[NodeProcesses]:
    """Yield a starter of nodes, which are ended afterwards."""
    with NodeProcesses(logs, os.environ) as processes:
        yield processes

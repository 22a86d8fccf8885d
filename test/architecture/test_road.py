# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md lists the files that a cloud passes: one cloud is traced, and passes those, in that order."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

import pointpillars_ov_ros
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.nodes.detector.node import DetectorNode
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

PACKAGE = Path(pointpillars_ov_ros.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"
PATIENCE_S = 120.0
MAX_FILES = 15
# The encoder is the one that `auto` takes on a CPU; it measures, and a busy machine may measure anything.
SETTINGS = {"autostart": False, "parity_check": False, "encoder": "host", "inference_timeout": 0.0}


def listed_files() -> list[str]:
    """Return the files of the table of docs/architecture.md, in its order."""
    return re.findall(r"^\| \d+ \| `([\w/]+\.py)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


class Tracer:
    """Notes each file of the package in which a function is called, in order of first use, on all threads.

    It begins with the first call on the thread that made it, which spins the node.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.is_on = False
        self._thread = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if not self.is_on or event != "call":
            return
        path = Path(frame.f_code.co_filename)
        if self.files and frame.f_code.co_name == "publish" and "rclpy" in path.parts:
            # The detections are on their way: they are published first.
            self.is_on = False
        elif path.is_relative_to(PACKAGE):
            name = path.relative_to(PACKAGE).as_posix()
            has_begun = bool(self.files) or threading.get_ident() == self._thread
            if has_begun and name not in self.files:
                self.files.append(name)


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    """Trace the threads that begin from now on, and this one."""
    tracer = Tracer()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    yield tracer
    sys.setprofile(None)
    threading.setprofile(None)


class Scene:
    """A detector with the bundled model and its defaults, a driver, and one who listens."""

    def __init__(self) -> None:
        overrides = [Parameter(name, value=value) for name, value in SETTINGS.items()]
        self.detector, self.peer = DetectorNode(parameter_overrides=overrides), Node("peer")
        self.received: list[Detection3DArray] = []
        self.publisher = self.peer.create_publisher(PointCloud2, "points", qos.keep_last(1))
        self.peer.create_subscription(Detection3DArray, "detections", self.received.append, qos.OUTPUT)
        self.executors = [SingleThreadedExecutor(), SingleThreadedExecutor()]
        for executor, node in zip(self.executors, (self.detector, self.peer), strict=True):
            executor.add_node(node)
        self.detector.trigger_configure()
        self.detector.trigger_activate()
        assert self.detector._detector is not None
        points = built_in_cloud(self.detector._detector.engine.config)
        self.cloud = create_cloud(Header(frame_id="lidar"), FIELDS, points)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            for executor in self.executors:
                executor.spin_once(timeout_sec=0.02)

    def detect(self) -> Detection3DArray:
        """Send the cloud, and wait for what is detected in it."""
        before = len(self.received)
        self.publisher.publish(self.cloud)
        self.spin_until(lambda: len(self.received) > before)
        return self.received[-1]

    def await_idle(self) -> None:
        """Wait until the host thread is through with all that follows a result."""
        assert self.detector._detector is not None and self.detector._detector._pipeline is not None
        pipeline, idle = self.detector._detector._pipeline, threading.Event()
        assert pipeline.drain(PATIENCE_S)
        pipeline._clock.call_soon(idle.set)
        assert idle.wait(PATIENCE_S)

    def close(self) -> None:
        self.detector.stop()
        for node in (self.detector, self.peer):
            node.destroy_node()


@pytest.fixture
def scene(ros: None, tracer: Tracer) -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_a_cloud_passes_the_files_that_the_page_lists_in_that_order(scene: Scene, tracer: Tracer) -> None:
    scene.spin_until(lambda: scene.publisher.get_subscription_count() > 0)
    scene.spin_until(lambda: scene.detector.count_subscribers("detections") > 0)
    # The first clouds pass more: their layout is recognised, and the ground is looked for.
    while scene.detector._watch._ground is not None:
        scene.detect()
    scene.await_idle()
    # It looks once a second who publishes, which is no part of the road.
    assert scene.detector._sources is not None
    scene.detector._sources.destroy()
    tracer.is_on = True
    assert len(scene.detect().detections) > 3
    assert not tracer.is_on
    print("\n".join(tracer.files))
    assert tracer.files == listed_files()


def test_the_road_is_short_and_every_file_is_there_once() -> None:
    files = listed_files()
    assert 0 < len(files) <= MAX_FILES
    assert len(set(files)) == len(files)
    assert all((PACKAGE / file).is_file() for file in files)

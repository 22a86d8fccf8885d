# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clouds of objects and background cost nothing while nobody listens: a detector in this process, counted."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from pointpillars_ov_ros.nodes.detector import outputs
from pointpillars_ov_ros.nodes.detector.node import DetectorNode
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

PATIENCE_S = 120.0


class Scene:
    """A detector, who sends clouds to it, and the calls that look for points in boxes."""

    def __init__(self, model: Path, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        settings = {"model_dir": str(model), "encoder": "openvino", "drop_policy": "replay", "parity_check": False}
        self.detector = DetectorNode(parameter_overrides=[Parameter(n, value=v) for n, v in settings.items()])
        self.detector.start()
        patch.setattr(outputs, "find_boxes", self._count)
        self.peer, self.received = Node("peer"), list[Detection3DArray]()
        self.peer.create_subscription(Detection3DArray, "detections", self.received.append, qos.OUTPUT)
        self.publisher = self.peer.create_publisher(PointCloud2, "points", qos.keep_last(10))
        self.executors = [SingleThreadedExecutor(), SingleThreadedExecutor()]
        for executor, node in zip(self.executors, (self.detector, self.peer), strict=True):
            executor.add_node(node)
        self.spin_until(lambda: self.publisher.get_subscription_count() > 0)
        self.spin_until(lambda: self.detector.count_subscribers("detections") > 0)

    def _count(self, *arguments: Any) -> Any:
        self.calls += 1
        return find_boxes(*arguments)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            for executor in self.executors:
                executor.spin_once(timeout_sec=0.01)

    def detect(self) -> None:
        """Send a cloud, and wait until the host thread is through with it."""
        before = len(self.received)
        self.publisher.publish(create_cloud(Header(frame_id="velodyne"), copy.deepcopy(FIELDS), toy_cloud(5)))
        self.spin_until(lambda: len(self.received) > before)
        self.detector.trigger_deactivate()
        self.detector.trigger_activate()
        self.spin_until(lambda: self.publisher.get_subscription_count() > 0)


@pytest.fixture
def scene(ros: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    scene = Scene(save_toy_bundle(tmp_path / "toy").folder, monkeypatch)
    yield scene
    scene.detector.stop()
    for node in (scene.detector, scene.peer):
        node.destroy_node()


def test_points_are_looked_for_in_boxes_only_while_somebody_listens(scene: Scene) -> None:
    scene.detect()
    assert scene.calls == 0
    clouds: list[PointCloud2] = []
    topic = "pointpillars_detector/background"
    subscription = scene.peer.create_subscription(PointCloud2, topic, clouds.append, qos.keep_last(10))
    scene.spin_until(lambda: scene.detector.count_subscribers(topic) > 0)
    scene.spin_until(lambda: scene.detector._outputs.parts[1].get_subscription_count() > 0)
    scene.detect()
    assert scene.calls == 1
    scene.spin_until(lambda: bool(clouds))
    scene.peer.destroy_subscription(subscription)
    scene.spin_until(lambda: scene.detector._outputs.parts[1].get_subscription_count() == 0)
    scene.detect()
    assert scene.calls == 1

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node levels clouds where it is told to, follows the ground from cloud to cloud, and begins anew after a jump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.clouds.ground import GroundPlane
from pointpillars_ov_ros.core.verdict import NOT_LEVELLED
from pointpillars_ov_ros.nodes.detector.node import DetectorNode
from test.bags.bags import cloud
from test.clouds.test_level import ground
from test.inference.toy_bundle import save_toy_bundle

Make = Callable[[str], DetectorNode]


@pytest.fixture
def make(ros: None, tmp_path: Path) -> Iterator[Make]:
    """Return what makes an active node with a choice of `level`."""
    folder = str(save_toy_bundle(tmp_path / "toy").folder)
    made: list[DetectorNode] = []

    def start(level: str) -> DetectorNode:
        values = {"model_dir": folder, "level": level, "parity_check": False}
        made.append(DetectorNode(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()]))
        made[-1].start()
        return made[-1]

    yield start
    for node in made:
        node.trigger_deactivate()
        node.trigger_cleanup()
        node.destroy_node()


def tilted(node: DetectorNode, rise: float, second: int) -> PointCloud2:
    """Return a cloud of a ground as high as the node's network wants it, that rises ahead."""
    assert node._detector is not None
    message = cloud(ground(GroundPlane(rise, 0.0, -node._detector.engine.config.sensor.height)), 0)
    message.header.stamp = Time(sec=second)
    return message


def status(node: DetectorNode) -> str:
    assert node._detector is not None and node._detector.engine.leveller is not None
    return node._detector.engine.leveller.status


def test_it_levels_follows_and_begins_anew(make: Make) -> None:
    node = make("estimate")
    assert status(node).startswith(NOT_LEVELLED)
    node._on_cloud(tilted(node, 0.05, 100))
    assert status(node).startswith("levelled by +2.9 deg along x")
    node._on_cloud(tilted(node, 0.0, 101))
    assert status(node).startswith("levelled by +2.3 deg along x")
    node._on_cloud(tilted(node, 0.0, 50))
    assert status(node).startswith(("levelled by +0.0 deg along x", "levelled by -0.0 deg along x"))


def test_it_does_not_unless_it_is_told_to(make: Make) -> None:
    node = make("off")
    assert node._detector is not None and node._detector.engine.leveller is None
    node._on_cloud(tilted(node, 0.05, 100))
    assert node._detector.engine.leveller is None

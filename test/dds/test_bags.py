# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag of KITTI frames played over DDS to the detector, and read by detect_bag: the same detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.bags.bags import contents
from test.dds.peers import nodes, peer, stamp_of
from test.reference.road import DirectRoad
from test.shared_data import KITTI, needs_shared_data

pytestmark = [needs_shared_data, pytest.mark.usefixtures("ros")]

FRAMES = 6


def play(bag: Path, bundle: ModelBundle, logs: Path) -> list[Detection3DArray]:
    """Publish the clouds of a bag, each after the answer to the one before; return the answers."""
    clouds = [deserialize_message(m.data, PointCloud2) for m in contents(bag) if m.topic == "/points"]
    with peer() as player, nodes(logs) as processes:
        processes.start(
            "pointpillars_detector",
            {"model_dir": str(bundle.folder), "drop_policy": "replay", "precision": "f32", "encoder": "host"},
        )
        player.connect(np.array([(10.0, 0.0, -1.0, 0.5)], np.float32), processes)
        for cloud in clouds:
            stamp = stamp_of(cloud)
            player.clouds.publish(cloud)
            player.wait_until(
                lambda stamp=stamp: any(stamp_of(array) == stamp for array in player.detections), "an answer", processes
            )
    stamps = [stamp_of(cloud) for cloud in clouds]
    return [array for array in player.detections if stamp_of(array) in stamps]


def test_played_over_dds_read_from_the_bag_and_called_directly(kitti_car: ModelBundle, tmp_path: Path) -> None:
    bag, out = tmp_path / "bag", tmp_path / "out"
    assert cli.main(["kitti_to_bag", *map(str, ("--data", KITTI, "--out", bag, "--crop", "--frames", FRAMES))]) == 0
    model = ("--model", kitti_car.folder, "--precision", "f32")
    assert cli.main(["detect_bag", *map(str, (bag, "--out", out, *model))]) == 0
    read = [deserialize_message(m.data, Detection3DArray) for m in contents(out) if m.topic == "/detections"]
    played = play(bag, kitti_car, tmp_path / "logs")
    assert [array.header for array in played] == [array.header for array in read]
    road, classes, found = DirectRoad(kitti_car, on_host=True, lean=True), kitti_car.config.classes, 0
    for frame, of_bag, of_dds in zip(find_frames(KITTI)[:FRAMES], read, played, strict=True):
        direct = road.detect(frame.read_points(crop=True))
        for array in (of_bag, of_dds):
            assert_same(from_detection_array(array, classes), direct)
        found += len(direct)
    assert found > 3, "a test of nothing"


def assert_same(given: Detections, wanted: Detections) -> None:
    """To 1 mm and 0.1 mrad."""
    np.testing.assert_array_equal(given.labels, wanted.labels)
    np.testing.assert_allclose(given.scores, wanted.scores, atol=1e-4)
    np.testing.assert_allclose(given.boxes[:, :6], wanted.boxes[:, :6], atol=1e-3)
    turned = given.boxes[:, 6] - wanted.boxes[:, 6]
    np.testing.assert_allclose((turned + np.pi) % (2 * np.pi) - np.pi, 0.0, atol=1e-4)

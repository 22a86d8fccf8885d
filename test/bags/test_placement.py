# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds of a bag in the frame that TF of the bag takes them to, and joined with earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.bags.detection_pass import DetectionPass
from pointpillars_ov_ros.bags.placement import BagPlacement, PlacedCloud
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.conversions import from_detection_array
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig
from test.bags.bags import START_NS, STEP_NS, cloud, contents
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

# Right angles and powers of two, so that points are moved without rounding and fall into the same pillars.
T_BASE_VELODYNE = Transform.from_pose(2.0, 1.0, 0.25, 0.0, 0.0, np.pi / 2)
T_MODEL_BASE = (0.5, 0.0, -0.5, 0.0, 0.0, 0.0)
STEP_X_M = 0.25
"""The vehicle drives so far between two clouds."""
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("model"))


def stamped(parent: str, child: str, stamp_ns: int, pose: Transform) -> TFMessage:
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    said = TransformStamped(child_frame_id=child, header=Header(frame_id=parent))
    said.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
    t, q = said.transform.translation, said.transform.rotation
    t.x, t.y, t.z = pose.translation.tolist()
    q.x, q.y, q.z, q.w = pose.quaternion
    return TFMessage(transforms=[said])


def moved(points: Any, transform: Transform) -> Any:
    points = points.copy()
    transform.move(points)
    return points


def at(number: float) -> Transform:
    """Return the pose of the vehicle in odom at the time of a cloud."""
    return Transform.from_pose(STEP_X_M * number, 0, 0, 0, 0, 0)


def write(folder: Path, clouds: list[Any], static_after: int = 0, storage: str = "mcap", odom: bool = False) -> Path:
    """Write clouds; static TF comes after so many of them, and odometry late by half of the time between two."""
    with BagWriter(folder, storage) as bag:
        for topic, kind in (("/points", "sensor_msgs/msg/PointCloud2"), ("/tf", "tf2_msgs/msg/TFMessage")):
            bag.add_topic(topic, kind, latched=False)
        bag.add_topic("/tf_static", "tf2_msgs/msg/TFMessage", latched=True)
        for number, message in enumerate(clouds):
            stamp_ns = START_NS + number * STEP_NS
            if number == static_after:
                static = stamped("base_link", "velodyne", 0, T_BASE_VELODYNE)
                bag.write("/tf_static", stamp_ns - 1, serialize_message(static))
            if odom and number == 0:
                bag.write(
                    "/tf", stamp_ns - 1, serialize_message(stamped("odom", "base_link", stamp_ns - STEP_NS, at(-1)))
                )
            bag.write("/points", stamp_ns, serialize_message(message))
            if odom:
                late = stamped("odom", "base_link", stamp_ns + STEP_NS // 4, at(number + 0.25))
                bag.write("/tf", stamp_ns + STEP_NS // 2, serialize_message(late))
    return folder


def detect(bundle: ModelBundle, source: Path, out: Path, *flags: object) -> list[tuple[str, Detections]]:
    """Return frame and detections of each message written."""
    given = ("detect_bag", source, "--out", out, "--model", bundle.folder, "--encoder", "openvino", *flags)
    assert cli.main([str(word) for word in given]) == 0
    arrays = [deserialize_message(m.data, Detection3DArray) for m in contents(out) if m.topic == "/detections"]
    return [(array.header.frame_id, from_detection_array(array, bundle.config.classes)) for array in arrays]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("copies", [True, False], ids=["whole bag", "only detections"])
def test_detections_are_in_the_target_frame_also_where_static_tf_came_late(
    bundle: ModelBundle, tmp_path: Path, storage: str, copies: bool
) -> None:
    points = [toy_cloud(number) for number in range(4)]
    T_velodyne_model = Transform.from_pose(*T_MODEL_BASE).after(T_BASE_VELODYNE).inverse
    plain = write(tmp_path / "plain", [cloud(each, k) for k, each in enumerate(points)])
    robot = [cloud(moved(each, T_velodyne_model), k) for k, each in enumerate(points)]
    source = write(tmp_path / "robot", robot, static_after=3, storage=storage)
    flags = ("--target-frame", "base_link", "--sensor-pose", *T_MODEL_BASE, *(() if copies else ("--only-detections",)))
    found = detect(bundle, source, tmp_path / "out", *flags)
    expected = detect(bundle, plain, tmp_path / "expected")
    assert len(found) == len(expected) == 4 and sum(len(each) for _, each in expected) > 0
    for (frame, one), (_, other) in zip(found, expected, strict=True):
        assert frame == "base_link"
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(one.boxes[:, :3], other.boxes[:, :3] - T_MODEL_BASE[:3], atol=1e-3)
        np.testing.assert_allclose(one.boxes[:, 3:], other.boxes[:, 3:], atol=1e-3)


def test_a_frame_that_tf_does_not_have_is_said_for_every_cloud(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture
) -> None:
    source = write(tmp_path / "bag", [cloud(toy_cloud(k), k) for k in range(3)])
    assert detect(bundle, source, tmp_path / "out", "--target-frame", "map") == []
    printed = capsys.readouterr().out
    assert "3 clouds, 0 with detections" in printed and "3 refused" in printed
    assert "refused: 3 x no transform from 'velodyne' to 'map': " in printed


def test_sweeps_of_a_vehicle_that_drives_are_joined_where_they_were_taken(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture
) -> None:
    """A world that stands is seen in three parts, one a cloud; joined, each cloud has all parts seen so far."""
    world = moved(toy_cloud(3), T_BASE_VELODYNE)
    parts = [world[number::3] for number in range(3)]

    def seen(part: Any, number: int) -> Any:
        # The stamp of a cloud is a little before it was received.
        return cloud(moved(part, at(number - 1_234_567 / STEP_NS).after(T_BASE_VELODYNE).inverse), number)

    source = write(tmp_path / "bag", [seen(part, k) for k, part in enumerate(parts)], odom=True)
    whole = write(tmp_path / "whole", [seen(np.concatenate(parts[k::-1]), k) for k in range(3)])
    found = detect(bundle, source, tmp_path / "out", "--sweeps", 3)
    assert "3 clouds, 3 with detections" in capsys.readouterr().out
    expected = detect(bundle, whole, tmp_path / "expected")
    for (frame, one), (_, other) in zip(found, expected, strict=True):
        assert frame == "velodyne" and len(one) == len(other) > 0
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-2)
    alone = detect(bundle, whole, tmp_path / "alone", "--sweeps", 2)
    assert len(alone) == 3
    assert (
        "not accumulated with earlier clouds: 3 clouds, the first one since no transform from 'velodyne' to 'odom'"
        in (capsys.readouterr().out)
    )


def test_sweeps_go_on_after_a_run_that_ended_in_between(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clouds that are detected already must be joined with those that are left: the same bytes come out."""
    source = write(tmp_path / "bag", [cloud(toy_cloud(k), k) for k in range(5)], odom=True)
    detect(bundle, source, tmp_path / "at_once", "--sweeps", 3)
    settle, settled = DetectionPass._settle, [0]

    def settle_three(self: DetectionPass, *arguments: Any) -> None:
        if settled[0] == 3:
            raise InferenceError("the power failed")
        settled[0] += 1
        settle(self, *arguments)

    given = ("detect_bag", source, "--out", tmp_path / "out", "--model", bundle.folder, "--encoder", "openvino")
    with monkeypatch.context() as patch:
        patch.setattr(DetectionPass, "_settle", settle_three)
        assert cli.main([str(word) for word in (*given, "--sweeps", 3)]) == 1
    assert not (tmp_path / "out").exists() and settled == [3]
    detect(bundle, source, tmp_path / "out", "--sweeps", 3)
    assert (tmp_path / "out" / "bag.mcap").read_bytes() == (tmp_path / "at_once" / "bag.mcap").read_bytes()


def test_a_cloud_waits_for_its_transform_no_longer_than_it_makes_sense() -> None:
    placement: BagPlacement[int] = BagPlacement(DetectorNodeConfig(target_frame="base_link"))
    header = Header(frame_id="velodyne", stamp=Time(sec=5))
    placement.add(7, 5_000_000_000, header, toy_cloud(0))
    assert list(placement.advance(5_900_000_000)) == []
    placement.add_transforms(stamped("base_link", "velodyne", 0, T_BASE_VELODYNE), is_static=True)
    ((token, placed),) = placement.advance(5_900_000_000)
    assert token == 7 and isinstance(placed, PlacedCloud) and placed.header.frame_id == "base_link"
    np.testing.assert_allclose(placed.points, moved(toy_cloud(0), T_BASE_VELODYNE), atol=1e-5)
    for until in (6_000_000_001, None):
        placement = BagPlacement(DetectorNodeConfig(target_frame="base_link"))
        placement.add(8, 5_000_000_000, header, toy_cloud(0))
        ((_, reason),) = placement.advance(until)
        assert isinstance(reason, str) and reason.startswith("no transform from 'velodyne' to 'base_link': ")


def test_a_box_around_the_vehicle_is_cut_out_of_each_cloud_before_they_are_joined() -> None:
    box = (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)
    placement: BagPlacement[int] = BagPlacement(DetectorNodeConfig(ego_box=box, sweeps=2, odom_frame="odom"))
    placement.add_transforms(stamped("odom", "velodyne", 0, Transform.identity()), is_static=True)
    points = np.array([(0.5, 0, 0, 1), (5, 0, 0, 1)], np.float32)
    placement.add(0, 0, Header(frame_id="velodyne", stamp=Time(sec=1)), points.copy())
    placement.add(1, 0, Header(frame_id="velodyne", stamp=Time(sec=1, nanosec=10**8)), points.copy())
    placed = [each for _, each in placement.advance(None)]
    assert [each.points[:, 0].tolist() for each in placed if isinstance(each, PlacedCloud)] == [[5.0], [5.0, 5.0]]

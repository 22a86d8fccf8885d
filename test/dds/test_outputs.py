# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector as a process: names, ranges and the own vehicle as parameters say, and the clouds of its objects."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray, LabelInfo
from visualization_msgs.msg import Marker, MarkerArray

from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.builders import Points, tiny_config
from test.dds.peers import Peer, nodes, peer, set_parameter, stamp_of
from test.dds.test_sensors import T_BASE_VELODYNE, T_MODEL_BASE, Road, moved, say, start
from test.launch.stand_ins import REPOSITORY

pytestmark = pytest.mark.usefixtures("ros")

CLOUD = 5
PATIENCE_S = 1.0
"""Before a cloud is sent again."""
CLASSES = tiny_config().classes


def toy(number: int = CLOUD) -> Points:
    from test.inference.toy_bundle import toy_cloud

    return toy_cloud(number)


class Heard:
    """Messages of the outputs that a peer does not hear by itself, by topic."""

    def __init__(self, sender: Peer) -> None:
        self._sender = sender
        self.messages: dict[str, list[object]] = {}

    def listen(self, kind: type, topic: str, latched: bool = False) -> None:
        self.messages[topic] = []
        profile = qos.LATCHED if latched else qos.keep_last(1000)
        self._sender.create_subscription(kind, topic, self.messages[topic].append, profile)

    def last(self, topic: str) -> object:
        return self.messages[topic][-1]

    def of_stamp(self, topic: str, stamp: tuple[int, int]) -> list[PointCloud2]:
        return [message for message in self.messages[topic] if stamp_of(message) == stamp]  # type: ignore[misc]


def names_of(array: Detection3DArray) -> list[str]:
    return [each.results[0].hypothesis.class_id for each in array.detections]


def detect_until(road: Road, holds: object, points: Points, what: str) -> Detection3DArray:
    """Detect again until what is changed has arrived: listeners are found one by one."""
    for _ in range(60):
        array = road.detect(points)
        if holds(array):  # type: ignore[operator]
            return array
    raise AssertionError(f"in vain for {what}")


def test_names_and_ranges_are_those_of_the_parameters_also_when_they_change(tmp_path: Path) -> None:
    names = [f"{CLASSES[0]}=vehicle", f"{CLASSES[1]}=vulnerable road user"]
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        heard = Heard(sender)
        heard.listen(LabelInfo, "label_info", latched=True)
        heard.listen(MarkerArray, "markers")
        road = start(sender, processes, tmp_path, class_names=names)
        array = detect_until(road, lambda _: heard.messages["markers"], toy(), "markers")
        published = [name.partition("=")[2] for name in names]
        assert set(names_of(array)) == set(published), "the toy finds both"
        sender.wait_until(lambda: bool(heard.messages["label_info"]), "label_info", processes)
        assert {each.class_name for each in heard.last("label_info").class_map} == set(published)  # type: ignore[attr-defined]
        edges = [m for m in heard.last("markers").markers if m.type == Marker.LINE_LIST and m.points]  # type: ignore[attr-defined]
        assert {marker.ns for marker in edges} <= set(published)

        before = from_detection_array(array, tuple(published))
        distances = np.hypot(before.boxes[:, 0], before.boxes[:, 1])
        nearest, farthest = np.quantile(distances, (0.3, 0.7)).tolist()
        assert set_parameter(sender, "class_names", f"{CLASSES[0]}={CLASSES[1]}") == (True, "")
        assert set_parameter(sender, "max_range", farthest) == (True, "")
        assert set_parameter(sender, "min_range", nearest) == (True, "")
        after = from_detection_array(road.detect(toy()), (CLASSES[1],))
        inside = (distances >= nearest) & (distances <= farthest)
        assert 0 < len(after) == inside.sum() < len(before)
        np.testing.assert_allclose(after.boxes, before.boxes[inside], atol=1e-4)
        sender.wait_until(lambda: len(heard.last("label_info").class_map) == 1, "one class", processes)  # type: ignore[attr-defined]

        for name, value, reason in (
            ("class_names", "Crocodile=vehicle", "class_names: 'Crocodile' is not one of the model's classes"),
            ("class_names", ["Car"], "class_names: 'Car' is not NAME=NEW_NAME"),
            ("class_names", 5, "class_names: expected str, got 5"),
            ("max_range", nearest / 2, "min_range: "),
            ("max_range", -1.0, ""),
            ("ego_box", [0.0, 0.0, 0.0, 1.0, 1.0, -1.0], "ego_box: "),
            ("ego_box", [0.0, 1.0], "ego_box: expected 6 values, got 2"),
            ("ego_box", [0.0, 0.0, 0.0, 1.0, 1.0, float("nan")], "ego_box: "),
            ("coordinate_scale", float("nan"), "Parameter coordinate_scale out of range"),
        ):
            is_accepted, why = set_parameter(sender, name, value)
            assert not is_accepted and why.startswith(reason) and "\n" not in why, (name, value, why)


def test_the_layout_of_foxglove_shows_what_the_detector_hears_and_publishes(tmp_path: Path) -> None:
    panels = json.loads((REPOSITORY / "config" / "foxglove_layout.json").read_text())["configById"]
    shown = set(panels["3D!clouds"]["topics"])
    plotted = {path["value"].partition(".")[0] for path in panels["Plot!latency"]["paths"]}
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        start(sender, processes, tmp_path)

        # By topic, not by node: DDS may tell of publishers long before it tells the name of their node.
        wanted = (shown - {"/points", "/velodyne_points"}) | plotted
        sender.wait_until(
            lambda: all(sender.count_publishers(topic) for topic in wanted), "all topics of the layout", processes
        )


def test_points_of_the_own_vehicle_are_left_out_and_millimetres_are_read(tmp_path: Path) -> None:
    points = toy()
    box = (0.25, -0.75, -3.5, 1.5, 0.75, 1.5)
    low, high = np.array(box[:3]), np.array(box[3:])
    is_own = ((points[:, :3] >= low) & (points[:, :3] <= high)).all(axis=1)
    assert 0 < is_own.sum() < len(points)
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        road = start(sender, processes, tmp_path)
        expected = from_detection_array(road.detect(points[~is_own]), CLASSES)
        whole = from_detection_array(road.detect(points), CLASSES)
        assert set_parameter(sender, "ego_box", list(box)) == (True, "")
        assert set_parameter(sender, "coordinate_scale", 0.001) == (True, "")
        found = from_detection_array(road.detect(points * np.array([1000, 1000, 1000, 1], np.float32)), CLASSES)
        assert sender.timings[-1].points == (~is_own).sum()
    assert len(whole) and len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)


@pytest.mark.parametrize("is_placed", [False, True], ids=["own frame", "target_frame"])
def test_points_of_objects_and_the_others_come_while_somebody_listens(tmp_path: Path, is_placed: bool) -> None:
    points, settings = toy(), {}
    if is_placed:
        points = moved(points, Transform.from_pose(*T_MODEL_BASE).after(T_BASE_VELODYNE).inverse)
        settings = {"sensor_pose": list(T_MODEL_BASE), "target_frame": "base_link", "tf_timeout_ms": 3000}
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        heard = Heard(sender)
        if is_placed:
            say(sender, "base_link", T_BASE_VELODYNE)
        road = start(sender, processes, tmp_path, **settings)
        assert len(road.detect(points).detections) > 0
        prefix = "pointpillars_detector/"
        for part in ("objects", "background"):
            heard.listen(PointCloud2, prefix + part)

        def have_come(stamp: tuple[int, int]) -> bool:
            return all(heard.of_stamp(prefix + part, stamp) for part in ("objects", "background"))

        def both_came(array: Detection3DArray) -> bool:
            # A listener that was not found yet never hears those of this cloud.
            stamp, until = stamp_of(array), time.monotonic() + PATIENCE_S
            sender.wait_until(lambda: have_come(stamp) or time.monotonic() > until, "a turn", processes)
            return have_come(stamp)

        array = detect_until(road, both_came, points, "both parts")
        (objects,), (background,) = (
            heard.of_stamp(prefix + part, stamp_of(array)) for part in ("objects", "background")
        )
    frame = "base_link" if is_placed else "velodyne"
    assert objects.header == background.header == array.header and array.header.frame_id == frame
    assert [field.name for field in objects.fields] == ["x", "y", "z", "intensity", "label", "score", "box"]
    found = from_detection_array(array, CLASSES)
    inside, outside = (read_cloud(message, "intensity", 1.0).points for message in (objects, background))
    seen = moved(points, T_BASE_VELODYNE) if is_placed else points
    assert len(inside) and len(inside) + len(outside) == len(seen)
    together = np.concatenate([inside, outside])
    np.testing.assert_allclose(together[np.argsort(together[:, 0])], seen[np.argsort(seen[:, 0])], atol=1e-4)
    # A little larger and smaller: rounding may take a point to the other side of a face.
    assert (find_boxes(inside, found.boxes + _wider(1e-3)) >= 0).all()
    assert (find_boxes(outside, found.boxes - _wider(1e-3)) < 0).all()


def _wider(by: float) -> Points:
    return np.array([0, 0, 0, by, by, by, 0], np.float32)

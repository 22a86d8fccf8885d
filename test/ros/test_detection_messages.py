# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections to vision_msgs and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import CloudError
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.ros.conversions import from_detection_array, to_detection_array, to_label_info

CLASSES = ("Car", "Pedestrian", "Cyclist")
HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id="velodyne")


def one(yaw: float = 0.5, label: int = 0, score: float = 0.75) -> Detections:
    box = np.array([(10.0, -2.0, -0.5, 4.0, 1.75, 1.5, yaw)], np.float32)
    return Detections(box, np.array([score], np.float32), np.array([label], np.int32))


def random_detections(seed: int, count: int) -> Detections:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform((-50, -40, -3, 0.1, 0.1, 0.1, -math.pi), (70, 40, 3, 12, 4, 4, math.pi), (count, 7))
    return Detections(
        boxes.astype(np.float32),
        rng.random(count).astype(np.float32),
        rng.integers(0, len(CLASSES), count).astype(np.int32),
    )


def over_the_wire(array: Detection3DArray) -> Detection3DArray:
    return deserialize_message(serialize_message(array), Detection3DArray)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_random_detections_come_back(count: int) -> None:
    sent = random_detections(count, count)
    got = from_detection_array(over_the_wire(to_detection_array(sent, CLASSES, HEADER)), CLASSES)
    np.testing.assert_array_equal(got.boxes[:, :6], sent.boxes[:, :6])
    np.testing.assert_allclose(got.boxes[:, 6], sent.boxes[:, 6], atol=1e-6)
    np.testing.assert_array_equal(got.scores, sent.scores)
    np.testing.assert_array_equal(got.labels, sent.labels)
    assert (got.boxes.dtype, got.scores.dtype, got.labels.dtype) == (np.float32, np.float32, np.int32)


def test_size_and_centre_are_where_vision_msgs_has_them() -> None:
    box = to_detection_array(one(), CLASSES, HEADER).detections[0].bbox
    assert (box.size.x, box.size.y, box.size.z) == (4.0, 1.75, 1.5)
    assert (box.center.position.x, box.center.position.y, box.center.position.z) == (10.0, -2.0, -0.5)


@pytest.mark.parametrize("yaw", [0.0, 0.3, -0.3, math.pi / 2, -math.pi / 2, 3.0, -3.0, math.pi, -math.pi])
def test_the_quaternion_turns_x_into_the_heading(yaw: float) -> None:
    q = to_detection_array(one(yaw), CLASSES, HEADER).detections[0].bbox.center.orientation
    assert (q.x, q.y) == (0, 0)
    assert q.z**2 + q.w**2 == pytest.approx(1.0)
    heading = (1 - 2 * (q.y**2 + q.z**2), 2 * (q.x * q.y + q.w * q.z))
    assert heading == pytest.approx((math.cos(yaw), math.sin(yaw)), abs=1e-6)


ROLLED = Transform.from_pose(1.0, 2.0, 3.0, 0.3, -0.2, 2.5)


def corners_of(box: Any, shape: tuple[float, float, float]) -> np.ndarray:
    """Return the corners of a box from its pose in the message."""
    p, q = box.center.position, box.center.orientation
    half = 0.5 * np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * shape
    return half @ Transform.from_quaternion((0, 0, 0), (q.x, q.y, q.z, q.w)).rotation.T + (p.x, p.y, p.z)


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5, math.pi])
def test_boxes_in_another_frame_have_their_corners_where_the_transform_takes_them(yaw: float) -> None:
    here, there = (
        over_the_wire(to_detection_array(one(yaw), CLASSES, HEADER, T)).detections[0] for T in (None, ROLLED)
    )
    size = (4.0, 1.75, 1.5)
    assert (there.bbox.size.x, there.bbox.size.y, there.bbox.size.z) == size
    corners = np.column_stack([corners_of(here.bbox, size), np.zeros(8)]).astype(np.float32)
    ROLLED.move(corners)
    np.testing.assert_allclose(corners_of(there.bbox, size), corners[:, :3], atol=1e-5)
    assert there.results[0].pose.pose == there.bbox.center


@pytest.mark.parametrize("sign", [1, -1], ids=["q", "-q"])
@pytest.mark.parametrize("yaw", [0.0, 1.0, -1.0, 3.1, -3.1, math.pi, -math.pi])
def test_yaw_comes_back_between_minus_pi_and_pi_from_either_quaternion(yaw: float, sign: int) -> None:
    array = to_detection_array(one(yaw), CLASSES, HEADER)
    q = array.detections[0].bbox.center.orientation
    q.z, q.w = sign * q.z, sign * q.w
    got = float(from_detection_array(array, CLASSES).boxes[0, 6])
    assert abs(math.remainder(got - yaw, 2 * math.pi)) < 1e-6
    assert np.float32(-math.pi) <= got <= np.float32(math.pi)


def test_the_header_is_that_of_the_cloud_everywhere() -> None:
    array = over_the_wire(to_detection_array(random_detections(1, 5), CLASSES, HEADER))
    assert array.header == HEADER
    assert [detection.header for detection in array.detections] == [HEADER] * 5


@pytest.mark.parametrize("label", range(3))
def test_class_id_is_the_name_and_the_score_is_that_of_the_network(label: int) -> None:
    (result,) = to_detection_array(one(label=label, score=0.625), CLASSES, HEADER).detections[0].results
    assert result.hypothesis.class_id == CLASSES[label]
    assert result.hypothesis.score == 0.625


def test_the_hypothesis_has_the_pose_of_the_box() -> None:
    detection = over_the_wire(to_detection_array(one(1.25), CLASSES, HEADER)).detections[0]
    assert detection.results[0].pose.pose == detection.bbox.center


def test_detections_keep_their_order() -> None:
    scores = np.array([0.9, 0.5, 0.7], np.float32)
    detections = Detections(np.zeros((3, 7), np.float32), scores, np.array([2, 0, 1], np.int32))
    array = to_detection_array(detections, CLASSES, HEADER)
    assert [d.results[0].hypothesis.class_id for d in array.detections] == ["Cyclist", "Car", "Pedestrian"]


def test_no_detection_is_an_empty_array_with_a_header() -> None:
    array = to_detection_array(Detections.empty(), CLASSES, HEADER)
    assert array.header == HEADER
    assert len(array.detections) == 0
    assert len(from_detection_array(array, CLASSES)) == 0


def test_an_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(CloudError, match=r"class_id: 'Cyclist' is not one of Car, Pedestrian"):
        from_detection_array(to_detection_array(one(label=2), CLASSES, HEADER), CLASSES[:2])


def test_a_detection_without_a_hypothesis_is_refused() -> None:
    with pytest.raises(CloudError, match="results"):
        from_detection_array(Detection3DArray(detections=[Detection3D()]), CLASSES)


def test_label_info_numbers_the_classes_and_names_the_threshold() -> None:
    info = to_label_info(CLASSES, 0.25)
    assert [(item.class_id, item.class_name) for item in info.class_map] == list(enumerate(CLASSES))
    assert info.threshold == 0.25

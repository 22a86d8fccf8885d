# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points within boxes and the others as PointCloud2, read back by ROS's own reader."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import read_points
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from pointpillars_ov_ros.ros.object_clouds import to_background, to_objects
from test.builders import Points

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id="base_link")
FOUND = Detections(
    np.array([(5, 0, 0, 4, 2, 1.5, 0.3), (-3, 2, 0, 1, 1, 2, 0)], np.float32),
    np.array([0.9, 0.4], np.float32),
    np.array([2, 0], np.int32),
)
PLACES = [None, Transform.from_pose(1.0, 2.0, -0.5, 0.1, 0.2, -0.4)]


def cloud(count: int = 4000) -> Points:
    return np.random.default_rng(count).uniform((-8, -8, -2, 0), (8, 8, 2, 1), (count, 4)).astype(np.float32)


def sent(message: PointCloud2) -> PointCloud2:
    return deserialize_message(serialize_message(message), PointCloud2)


@pytest.mark.parametrize("place", PLACES, ids=["as found", "in another frame"])
def test_the_two_parts_are_the_whole_cloud(place: Transform | None) -> None:
    points = cloud()
    before, box_of_point = points.copy(), find_boxes(points, FOUND.boxes)
    objects = sent(to_objects(points, box_of_point, FOUND, HEADER, place))
    background = sent(to_background(points, box_of_point, HEADER, place))
    np.testing.assert_array_equal(points, before)
    assert objects.header == background.header == HEADER
    values = read_points(objects)
    assert values.dtype.names == ("x", "y", "z", "intensity", "label", "score", "box")
    wanted = box_of_point[box_of_point >= 0]
    assert set(wanted.tolist()) == {0, 1} and len(wanted) < len(points)
    assert values["box"].tolist() == wanted.tolist()
    assert values["label"].tolist() == FOUND.labels[wanted].tolist()
    np.testing.assert_array_equal(values["score"], FOUND.scores[wanted])
    moved = points.copy()
    if place is not None:
        place.move(moved)
    for message, is_object in ((objects, True), (background, False)):
        got = read_cloud(message, "intensity", 1.0).points
        np.testing.assert_allclose(got, moved[(box_of_point >= 0) == is_object], atol=1e-5)


@pytest.mark.parametrize("points", [cloud(0), cloud(300) + np.float32(100.0)], ids=["no point", "nothing in a box"])
def test_parts_without_a_point_are_clouds_all_the_same(points: Points) -> None:
    box_of_point = find_boxes(points, FOUND.boxes)
    objects = sent(to_objects(points, box_of_point, FOUND, HEADER))
    assert (objects.width, objects.height, len(objects.data), len(objects.fields)) == (0, 1, 0, 7)
    assert sent(to_background(points, box_of_point, HEADER)).width == len(points)

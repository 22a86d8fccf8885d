# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Markers against plain trigonometry."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.detections import Detections, box_corners
from pointpillars_ov_ros.ros.markers import COLORS, to_marker_array

HEADER = Header(frame_id="velodyne")
CLASSES = ("Car", "Pedestrian")
BOX = (10.0, -2.0, -0.5, 4.0, 1.75, 1.5, 0.7)


def make(boxes: list[tuple[float, ...]], labels: list[int]) -> Detections:
    scores = np.linspace(0.9, 0.4, len(boxes)).astype(np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 7), scores, np.array(labels, np.int32))


def markers(boxes: list[tuple[float, ...]], labels: list[int], classes: tuple[str, ...] = CLASSES) -> list[Marker]:
    return list(to_marker_array(make(boxes, labels), classes, HEADER).markers)


def corner(box: tuple[float, ...], front: int, left: int, up: int) -> tuple[float, float, float]:
    """Return a corner; each of the three is 1 or -1."""
    x, y, z, length, width, height, yaw = box
    ahead, aside = front * length / 2, left * width / 2
    return (
        x + ahead * math.cos(yaw) - aside * math.sin(yaw),
        y + ahead * math.sin(yaw) + aside * math.cos(yaw),
        z + up * height / 2,
    )


def edges(box: tuple[float, ...]) -> set[frozenset[tuple[float, ...]]]:
    """Return the twelve edges, each the set of its two ends in mm."""
    signs = list(itertools.product((1, -1), repeat=3))
    pairs = [(a, b) for a, b in itertools.combinations(signs, 2) if sum(i != j for i, j in zip(a, b, strict=True)) == 1]
    return {frozenset(rounded(corner(box, *end)) for end in pair) for pair in pairs}


def rounded(point: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 3) + 0.0 for value in point)


def lines(marker: Marker) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    points = [rounded((point.x, point.y, point.z)) for point in marker.points]
    return list(zip(points[::2], points[1::2], strict=True))


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5, math.pi / 2, math.pi])
def test_the_corners_are_those_of_plain_trigonometry(yaw: float) -> None:
    box = (*BOX[:6], yaw)
    corners = box_corners(np.array([box], np.float32))[0]
    expected = [corner(box, front, left, up) for up in (-1, 1) for left in (-1, 1) for front in (-1, 1)]
    np.testing.assert_allclose(corners, expected, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_first_marker_deletes_all_and_no_other_does(count: int) -> None:
    array = markers([BOX] * count, [0] * count)
    assert array[0].action == Marker.DELETEALL
    assert all(marker.action == Marker.ADD for marker in array[1:])


def test_no_detections_leave_the_deletion_alone() -> None:
    assert len(markers([], [])) == 1


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5])
def test_the_edges_are_the_twelve_of_the_box_and_an_arrow(yaw: float) -> None:
    box = (*BOX[:6], yaw)
    drawn = lines(markers([box], [0])[1])
    assert len(drawn) == 15
    assert {frozenset(line) for line in drawn[:12]} == edges(box)


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5])
def test_the_heading_goes_from_the_middle_out_of_the_front(yaw: float) -> None:
    begin, end = np.array(lines(markers([(*BOX[:6], yaw)], [0])[1])[12])
    np.testing.assert_allclose(begin[:2], BOX[:2], atol=2e-3)
    direction = (end - begin)[:2]
    assert np.hypot(*direction) > BOX[3] / 2
    assert math.atan2(direction[1], direction[0]) == pytest.approx(yaw, abs=1e-2)


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5])
def test_the_head_of_the_arrow_opens_backwards_to_both_sides(yaw: float) -> None:
    drawn = lines(markers([(*BOX[:6], yaw)], [0])[1])
    tip = drawn[12][1]
    for (begin, end), side in zip(drawn[13:], (1, -1), strict=True):
        assert begin == tip
        back = np.array(end[:2]) - tip[:2]
        turned = math.atan2(back[1], back[0]) - yaw
        assert math.cos(turned) == pytest.approx(-math.sqrt(0.5), abs=1e-2)
        assert math.sin(turned) == pytest.approx(side * math.sqrt(0.5), abs=1e-2)


def test_in_another_frame_edges_and_texts_are_where_the_transform_takes_them() -> None:
    T = Transform.from_pose(1.0, 2.0, 3.0, 0.3, -0.2, 2.5)
    here, there = (to_marker_array(make([BOX], [0]), CLASSES, HEADER, transform).markers for transform in (None, T))
    assert lines(here[1]) == lines(there[1])
    p, q = there[1].pose.position, there[1].pose.orientation
    pose = Transform.from_quaternion((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
    np.testing.assert_allclose(pose.rotation, T.rotation, atol=1e-9)
    np.testing.assert_allclose(pose.translation, T.translation, atol=1e-9)
    (text,), (moved,) = ([m.pose.position for m in markers if m.text] for markers in (here, there))
    expected = T.rotation @ (text.x, text.y, text.z) + T.translation
    np.testing.assert_allclose((moved.x, moved.y, moved.z), expected, atol=1e-6)


def test_each_class_has_one_marker_of_edges_and_each_box_a_text() -> None:
    array = markers([BOX] * 5, [0, 1, 0, 0, 1])
    drawn = {marker.ns: len(marker.points) for marker in array if marker.type == Marker.LINE_LIST and marker.points}
    assert drawn == {"Car": 3 * 30, "Pedestrian": 2 * 30}
    assert sum(marker.type == Marker.TEXT_VIEW_FACING for marker in array) == 5


def test_texts_name_class_and_score_above_the_box() -> None:
    text = markers([BOX, BOX], [1, 0])[-2]
    assert text.text == "Pedestrian 0.90"
    assert (text.pose.position.x, text.pose.position.y) == (10.0, -2.0)
    assert text.pose.position.z > BOX[2] + BOX[5] / 2


def test_no_two_markers_share_namespace_and_id() -> None:
    names = [(marker.ns, marker.id) for marker in markers([BOX] * 6, [0, 1, 0, 1, 1, 0])[1:]]
    assert len(set(names)) == len(names)


def test_every_marker_is_in_the_frame_of_the_cloud_and_visible() -> None:
    for marker in markers([BOX] * 2, [0, 1])[1:]:
        assert marker.header == HEADER
        assert marker.color.a == 1.0
        assert max(marker.scale.x, marker.scale.z) > 0
        assert marker.pose.orientation.w == 1.0


def test_with_more_classes_than_colours_they_begin_again() -> None:
    count = len(COLORS) + 2
    classes = tuple(f"class {k}" for k in range(count))
    drawn = [m for m in markers([BOX] * count, list(range(count)), classes) if m.points]
    colors = [(m.color.r, m.color.g, m.color.b) for m in drawn]
    assert colors[len(COLORS) :] == colors[:2]
    assert len(set(colors)) == len(COLORS)


def test_the_overlay_is_a_text_above_the_sensor() -> None:
    array = to_marker_array(make([BOX], [0]), CLASSES, HEADER, overlay="latency 31 ms").markers
    (overlay,) = [marker for marker in array if marker.ns == "latency"]
    assert (overlay.type, overlay.text, overlay.header) == (Marker.TEXT_VIEW_FACING, "latency 31 ms", HEADER)
    assert (overlay.pose.position.x, overlay.pose.position.y) == (0.0, 0.0)
    assert overlay.pose.position.z > 0 and overlay.scale.z > 0 and overlay.color.a == 1.0
    assert not [marker for marker in markers([BOX], [0]) if marker.ns == "latency"]


@pytest.mark.parametrize("lifetime_s", [0.0, 0.25, 1.5])
def test_everything_that_is_drawn_vanishes_after_its_lifetime(lifetime_s: float) -> None:
    array = to_marker_array(make([BOX] * 2, [0, 1]), CLASSES, HEADER, None, "text", lifetime_s).markers
    assert {marker.lifetime.sec + marker.lifetime.nanosec / 1e9 for marker in array[1:]} == {lifetime_s}


def test_the_message_can_be_sent() -> None:
    assert serialize_message(to_marker_array(make([BOX] * 3, [0, 1, 0]), CLASSES, HEADER, None, "text", 0.3))

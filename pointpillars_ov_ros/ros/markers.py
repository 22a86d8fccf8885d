# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections as RViz markers: box edges with an arrow for the heading, class and score above them."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections, box_corners
from pointpillars_ov_ros.ros.conversions import make_pose

_EDGE_WIDTH = 0.06
_TEXT_HEIGHT = 0.8
_OVERLAY_HEIGHT_M = 2.0
_OVERLAY = "latency"
_ARROW = 0.4
"""Length of the arrow in front of a box, and half width of its head, relative to half the box length."""
COLORS = ((0.15, 0.85, 0.35), (1.0, 0.75, 0.1), (0.25, 0.6, 1.0), (1.0, 0.35, 0.6), (0.7, 0.5, 1.0))
"""Red, green, blue of label 0, 1, …, repeating after the last."""

_AROUND = (3, 1, 0, 2, 7, 5, 4, 6)
"""Corners of `box_corners` in order around the box, the lower four first; the front ones are then 0, 1, 4, 5."""
# Pairs of these corners that form the twelve edges.
_EDGES = np.array(
    [(k, (k + 1) % 4) for k in range(4)] + [(k + 4, (k + 1) % 4 + 4) for k in range(4)] + [(k, k + 4) for k in range(4)]
)


def to_marker_array(
    detections: Detections,
    classes: tuple[str, ...],
    header: Header,
    T_header_boxes: Transform | None = None,
    overlay: str = "",
    lifetime_s: float = 0.0,
) -> MarkerArray:
    """Build the message: first DELETEALL, so that no box of an earlier cloud remains, then edges and texts.

    Boxes are in the frame of `header`, or are transformed to it. `overlay` is a line of text above the sensor. All
    markers disappear after `lifetime_s` (0: never) without a new message.
    """
    T = T_header_boxes or Transform.identity()
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for label, name in enumerate(classes):
        boxes = detections.boxes[detections.labels == label]
        if len(boxes):
            markers.append(_edges_marker(header, T, name, label, boxes))
    for index, (box, score, label) in enumerate(
        zip(detections.boxes, detections.scores, detections.labels, strict=True)
    ):
        markers.append(_text_marker(header, T, index, box, classes[label], float(score), label))
    if overlay:
        markers.append(_overlay_marker(header, overlay))
    lifetime = Duration(sec=int(lifetime_s), nanosec=int(lifetime_s % 1.0 * 1e9))
    for marker in markers[1:]:
        marker.lifetime = lifetime
    return MarkerArray(markers=markers)


def _edges_marker(header: Header, T: Transform, name: str, label: int, boxes: FloatArray) -> Marker:
    corners = box_corners(boxes)[:, _AROUND]
    front = corners[:, (0, 1)].mean(axis=1)
    center = corners[:, :4].mean(axis=1)
    ahead = (front - center) * _ARROW
    aside = ahead[:, (1, 0, 2)] * (-1.0, 1.0, 1.0)
    tip = front + ahead
    arrow = np.stack([center, tip, tip, front + aside, tip, front - aside], axis=1)
    lines = np.concatenate([corners[:, _EDGES.ravel()], arrow], axis=1).reshape(-1, 3)
    return Marker(
        header=header,
        ns=name,
        id=label,
        type=Marker.LINE_LIST,
        scale=Vector3(x=_EDGE_WIDTH),
        color=_color(label),
        pose=make_pose(T.translation.tolist(), T.quaternion),
        points=[Point(x=x, y=y, z=z) for x, y, z in lines.tolist()],
    )


def _text_marker(
    header: Header, T: Transform, index: int, box: FloatArray, name: str, score: float, label: int
) -> Marker:
    marker = Marker(
        header=header,
        ns=f"{name}: score",
        id=index,
        type=Marker.TEXT_VIEW_FACING,
        scale=Vector3(z=_TEXT_HEIGHT),
        color=_color(label),
        text=f"{name} {score:.2f}",
    )
    x, y, z = T.rotation @ (box[0], box[1], box[2] + box[5] / 2 + _TEXT_HEIGHT) + T.translation
    marker.pose.position = Point(x=float(x), y=float(y), z=float(z))
    return marker


def _overlay_marker(header: Header, text: str) -> Marker:
    white = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    marker = Marker(header=header, ns=_OVERLAY, type=Marker.TEXT_VIEW_FACING, color=white, text=text)
    marker.scale.z, marker.pose.position.z = _TEXT_HEIGHT, _OVERLAY_HEIGHT_M
    return marker


def _color(label: int) -> ColorRGBA:
    red, green, blue = COLORS[label % len(COLORS)]
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)

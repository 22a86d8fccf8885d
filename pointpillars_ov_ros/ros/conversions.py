# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of detections to vision_msgs, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from pointpillars_ov_ros.clouds.transform import Transform, multiply
from pointpillars_ov_ros.clouds.transform_buffer import TransformBuffer
from pointpillars_ov_ros.config.errors import CloudError
from pointpillars_ov_ros.core.detections import Detections


def to_detection_array(
    detections: Detections, class_ids: tuple[str, ...], header: Header, T_header_boxes: Transform | None = None
) -> Detection3DArray:
    """Build the message with the `class_ids` of labels; boxes are in the frame of `header`, or transformed to it."""
    array = Detection3DArray(header=header)
    for box, score, label in zip(
        detections.boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True
    ):
        detection = Detection3D(header=header)
        detection.bbox.center = to_pose(box, T_header_boxes)
        detection.bbox.size = Vector3(x=box[3], y=box[4], z=box[5])
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = class_ids[label]
        result.hypothesis.score = score
        result.pose.pose = detection.bbox.center
        detection.results = [result]
        array.detections.append(detection)
    return array


def to_pose(box: list[float], T_target_box: Transform | None = None) -> Pose:
    """Return the pose of a box: its geometric centre, rotated by its yaw about z; in another frame if given."""
    yaw = (0.0, 0.0, math.sin(box[6] / 2), math.cos(box[6] / 2))
    if T_target_box is None:
        return make_pose(box[:3], yaw)
    center = T_target_box.rotation @ np.array(box[:3]) + T_target_box.translation
    return make_pose(center.tolist(), multiply(T_target_box.quaternion, yaw))


def make_pose(position: list[float], orientation: tuple[float, float, float, float]) -> Pose:
    """Return the message of a position (m) and a quaternion x y z w."""
    x, y, z, w = orientation
    return Pose(position=Point(x=position[0], y=position[1], z=position[2]), orientation=Quaternion(x=x, y=y, z=z, w=w))


def from_detection_array(array: Detection3DArray, classes: tuple[str, ...]) -> Detections:
    """Convert a message back; CloudError for a class that is not one of `classes`."""
    boxes = np.zeros((len(array.detections), 7), np.float32)
    scores = np.zeros(len(boxes), np.float32)
    labels = np.zeros(len(boxes), np.int32)
    for i, detection in enumerate(array.detections):
        center, size = detection.bbox.center, detection.bbox.size
        yaw = 2 * math.atan2(center.orientation.z, center.orientation.w)
        yaw = (yaw + math.pi) % (2 * math.pi) - math.pi
        boxes[i] = (center.position.x, center.position.y, center.position.z, size.x, size.y, size.z, yaw)
        if not detection.results:
            raise CloudError(f"results: detection {i} has none, but one hypothesis is needed")
        hypothesis = detection.results[0].hypothesis
        if hypothesis.class_id not in classes:
            raise CloudError(f"class_id: {hypothesis.class_id!r} is not one of {', '.join(classes)}")
        scores[i], labels[i] = hypothesis.score, classes.index(hypothesis.class_id)
    return Detections(boxes, scores, labels)


def to_label_info(classes: tuple[str, ...], score_threshold: float) -> LabelInfo:
    """Return the class names by index, the class_id of detections with `ClassIds.INDEX`, and the minimum score."""
    return LabelInfo(
        class_map=[VisionClass(class_id=i, class_name=name) for i, name in enumerate(classes)],
        threshold=score_threshold,
    )


def stamp_to_ns(header: Header) -> int:
    """Return a stamp (ns); computed here because rclpy's Time rejects the negative ones of drivers without a clock."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def add_transforms(buffer: TransformBuffer, message: Any, is_static: bool) -> None:
    """Add the transforms of a TFMessage to `buffer`; `is_static`: it was published on /tf_static."""
    for said in message.transforms:
        t, q = said.transform.translation, said.transform.rotation
        names, stamp_ns = (said.header.frame_id, said.child_frame_id), stamp_to_ns(said.header)
        buffer.add(*names, stamp_ns, (t.x, t.y, t.z), (q.x, q.y, q.z, q.w), is_static)

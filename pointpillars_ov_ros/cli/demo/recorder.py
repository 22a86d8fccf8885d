# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder that listens to a running detector, writes a bag, and keeps the data for tables and picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.core.arrays import BoolArray, FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.matching import count_points, find_by_distance
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.conversions import from_detection_array
from pointpillars_ov_ros.ros.timing_message import FrameTiming, from_message

CLEAR_WITHIN_M, CLEAR_POINTS = 40.0, 20
"""Labelled objects up to this distance with at least this many points are expected to be found."""
_CLOUDS_KEPT = 16
"""Number of clouds whose detections are pending; more than a player leaves outstanding."""


class PicturedScene(NamedTuple):
    """A frame for the picture."""

    points: FloatArray
    detections: Detections
    truth: FloatArray | None


class FrameScore(NamedTuple):
    """Outcome of the labelled objects (K) and the detections of one frame."""

    is_found: BoolArray
    is_clear: BoolArray
    """Whether each is near enough, and has enough points, to be expected to be found."""
    false: int


class Recorder(Node):
    """Node that subscribes to everything the three nodes publish."""

    def __init__(self, bag: BagWriter, classes: tuple[str, ...], **options: Any) -> None:
        """Record to `bag`; `classes` are those of the detector."""
        super().__init__("pointpillars_recorder", **options)
        self._bag = bag
        self._classes = classes
        self.timings: list[FrameTiming] = []
        self.scores: list[FrameScore] = []
        self.clouds = 0
        self.detection_arrays = 0
        self.marker_arrays = 0
        self.diagnosed = 0
        """Number of clouds received by the detector according to the last message on /diagnostics."""
        self.best: PicturedScene | None = None
        self._is_asking = False
        self._waiting: dict[tuple[int, int], bytes] = {}
        self._truth: dict[tuple[int, int], Detection3DArray] = {}
        deep = qos.keep_last(100)
        self._listen("ground_truth", Detection3DArray, deep, self._on_truth)
        self._listen("detections", Detection3DArray, deep, self._on_detections)
        self._listen("timing", DiagnosticArray, deep, self._on_timing)
        self._listen("markers", MarkerArray, deep, self._on_markers)
        self._listen("label_info", LabelInfo, qos.LATCHED, self._on_label_info)
        self._listen("/tf_static", TFMessage, qos.LATCHED, None)
        self._listen("/diagnostics", DiagnosticArray, deep, self._on_diagnostics)

    def _on_label_info(self, _data: bytes) -> None:
        """Subscribe to clouds, now that the detector exists and is connected to this node.

        The player waits for this subscription: had it started earlier, the first results could be published before they
        have a reader.
        """
        if self._is_asking:
            return
        self._is_asking = True
        self._listen("points", PointCloud2, qos.keep_last(100), self._on_cloud)

    def _listen(self, topic: str, kind: Any, profile: Any, handle: Any) -> None:
        """Record a topic in serialized form; `handle` gets the bytes too."""
        name = self.resolve_topic_name(topic)
        message_type = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        self._bag.add_topic(name, message_type, latched=profile is qos.LATCHED)

        def on_message(data: bytes) -> None:
            self._bag.write(name, self.get_clock().now().nanoseconds, data)
            if handle is not None:
                handle(data)

        self.create_subscription(kind, topic, on_message, profile, raw=True)

    def _on_cloud(self, data: bytes) -> None:
        self.clouds += 1
        message = deserialize_message(data, PointCloud2)
        self._waiting[_key(message)] = data
        while len(self._waiting) > _CLOUDS_KEPT:
            del self._waiting[next(iter(self._waiting))]

    def _on_truth(self, data: bytes) -> None:
        message = deserialize_message(data, Detection3DArray)
        self._truth[_key(message)] = message

    def _on_detections(self, data: bytes) -> None:
        self.detection_arrays += 1
        message = deserialize_message(data, Detection3DArray)
        key = _key(message)
        detections = from_detection_array(message, self._classes)
        cloud, truth_message = self._waiting.pop(key, None), self._truth.pop(key, None)
        if cloud is None:
            return
        points = read_cloud(deserialize_message(cloud, PointCloud2), "intensity", 1.0).points
        truth = None
        if truth_message is not None:
            truth, ignored = _split_truth(truth_message, self._classes)
            is_found, false = find_by_distance(detections.boxes, truth, ignored)
            is_clear = np.hypot(truth[:, 0], truth[:, 1]) <= CLEAR_WITHIN_M
            is_clear[is_clear] = count_points(points, truth[is_clear]) >= CLEAR_POINTS
            self.scores.append(FrameScore(is_found, is_clear, false))
        interest = len(detections) + (1000 if truth is not None and len(truth) else 0)
        if interest > self._interest():
            self.best = PicturedScene(points, detections, truth)

    def has_all_of(self, clouds: int) -> bool:
        """Whether all results of `clouds` clouds have arrived."""
        done = sum(not timing.error for timing in self.timings)
        return len(self.timings) >= clouds and min(self.detection_arrays, self.marker_arrays) >= done

    def _on_markers(self, _data: bytes) -> None:
        self.marker_arrays += 1

    def _interest(self) -> int:
        if self.best is None:
            return -1
        return len(self.best.detections) + (1000 if self.best.truth is not None and len(self.best.truth) else 0)

    def _on_timing(self, data: bytes) -> None:
        self.timings.append(from_message(deserialize_message(data, DiagnosticArray)))

    def _on_diagnostics(self, data: bytes) -> None:
        for status in deserialize_message(data, DiagnosticArray).status:
            for pair in status.values:
                if pair.key == "received":
                    self.diagnosed = int(pair.value)


def _key(message: Any) -> tuple[int, int]:
    stamp = message.header.stamp
    return stamp.sec, stamp.nanosec


def _split_truth(message: Detection3DArray, classes: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Split ground truth into boxes of the detector's classes and boxes of others, which detections may hit."""
    names = tuple(dict.fromkeys(d.results[0].hypothesis.class_id for d in message.detections))
    truth = from_detection_array(message, names)
    wanted = np.array([names[label] in classes for label in truth.labels], bool)
    return truth.boxes[wanted], truth.boxes[~wanted]

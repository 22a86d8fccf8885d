# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pass over the messages of a bag, with as many clouds in flight as the mode allows."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.bags.journal import Journal, Outcome
from pointpillars_ov_ros.bags.message_types import to_cdr
from pointpillars_ov_ros.bags.placement import BagPlacement
from pointpillars_ov_ros.bags.reader import first_line
from pointpillars_ov_ros.bags.sources import MessageSource, SourceMessage
from pointpillars_ov_ros.bags.tally import CloudTally
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.clouds.layouts import BRIGHT
from pointpillars_ov_ros.clouds.oddities import BAG_CURES, OddityWatch
from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.clouds.transform import Transform, multiply
from pointpillars_ov_ros.config.errors import CloudError, DatasetError, InferenceError, count_of
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detection_filter import DetectionFilter
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.detect_all import detect_all
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.ros.conversions import from_detection_array, to_detection_array, to_label_info
from pointpillars_ov_ros.ros.markers import to_marker_array

DETECTIONS, LABEL_INFO, MARKERS = (
    "vision_msgs/msg/Detection3DArray",
    "vision_msgs/msg/LabelInfo",
    "visualization_msgs/msg/MarkerArray",
)


class OutputTopics(NamedTuple):
    """Topics that are added to a bag."""

    detections: str
    labels: str
    markers: str = ""
    """Boxes as drawn by RViz and Foxglove; empty: none."""


class BagOutputs:
    """Writer of what is added to a bag: detections, their labels and markers, in the frame of each cloud."""

    def __init__(
        self, bag: BagWriter, topics: OutputTopics, classes: tuple[str, ...], T_model_sensor: Transform
    ) -> None:
        """Declare the topics; `classes` are the names to write; the network's boxes are in the frame `model`."""
        self._bag, self._topics, self._classes = bag, topics, classes
        self._T_model_header = None if T_model_sensor.is_identity else T_model_sensor
        self._T_header_model = None if T_model_sensor.is_identity else T_model_sensor.inverse
        bag.add_topic(topics.detections, DETECTIONS, latched=False)
        bag.add_topic(topics.labels, LABEL_INFO, latched=True)
        if topics.markers:
            bag.add_topic(topics.markers, MARKERS, latched=False)

    def write_labels(self, stamp_ns: int, score_threshold: float) -> None:
        """Write the class names."""
        self._bag.write(
            self._topics.labels, stamp_ns, to_cdr(to_label_info(self._classes, score_threshold), LABEL_INFO)
        )

    def serialize(self, detections: Detections, header: Header | None) -> bytes:
        """Return the Detection3DArray of `detections`, whose boxes are in the network's frame."""
        return to_cdr(to_detection_array(detections, self._classes, header, self._T_header_model), DETECTIONS)

    def write(self, stamp_ns: int, data: bytes) -> None:
        """Write a serialized Detection3DArray, and the markers made from it.

        The markers are made from the message instead of the detections: an earlier run left only the message, and both
        must give the same bytes.
        """
        self._bag.write(self._topics.detections, stamp_ns, data)
        if self._topics.markers:
            array = deserialize_message(data, Detection3DArray)
            header = copy.deepcopy(array.header)
            if self._T_model_header is not None:
                move_detections(array, self._T_model_header)
            detections = from_detection_array(array, self._classes)
            markers = to_marker_array(detections, self._classes, header, self._T_header_model)
            self._bag.write(self._topics.markers, stamp_ns, to_cdr(markers, MARKERS))


def move_detections(array: Detection3DArray, T_target_header: Transform) -> None:
    """Transform the boxes to another frame, in place."""
    for detection in array.detections:
        position, turn = detection.bbox.center.position, detection.bbox.center.orientation
        at = T_target_header.rotation @ (position.x, position.y, position.z) + T_target_header.translation
        position.x, position.y, position.z = (float(value) for value in at)
        turn.x, turn.y, turn.z, turn.w = multiply(T_target_header.quaternion, (turn.x, turn.y, turn.z, turn.w))


@dataclass
class PendingMessage:
    """A message that waits until those before it are written; a cloud also waits for its outcome."""

    message: SourceMessage
    number: int = -1
    """Number of the cloud."""
    header: Header | None = None
    outcome: Outcome | None = None
    is_replayed: bool = False
    """Whether the outcome comes from an earlier run."""


class DetectionPass:
    """Pass that handles every message once and in order."""

    def __init__(
        self,
        source: MessageSource,
        engine: Engine,
        journal: Journal,
        outputs: BagOutputs,
        chosen: DetectionFilter,
        placement: BagPlacement[PendingMessage],
        copy_to: BagWriter | None,
        on_cloud: Callable[[], object],
    ) -> None:
        """Prepare the pass; `on_cloud` is called for every cloud whose outcome has been written.

        The messages of the input go to `copy_to`, if given.
        """
        self._source, self._engine, self._journal, self._outputs = source, engine, journal, outputs
        self._chosen, self._placement, self._copy_to, self._on_cloud = chosen, placement, copy_to, on_cloud
        self._tally = CloudTally()
        self._reader = CloudReader(replace(engine.runtime, coordinate_scale=source.coordinate_scale))
        self._oddities = OddityWatch(engine.config, BAG_CURES)
        self._pending: deque[PendingMessage] = deque()
        self._results: dict[int, FrameResult] = {}
        """Results by the number of the cloud."""

    def run(self) -> CloudTally:
        """Copy and detect; raises InferenceError if a cloud could not be processed."""
        for result in detect_all(self._engine, self._clouds()):
            self._results[result.token] = result
            self._write_ready()
        self._write_ready()
        if self._placement.alone:
            alone, why = count_of(self._placement.alone, "cloud"), self._placement.why_alone
            self._tally.notes.append(f"not accumulated with earlier clouds: {alone}, the first one since {why}")
        return self._tally

    def _clouds(self) -> Iterator[tuple[FloatArray, int]]:
        """Read every message; yield points and number of each cloud that still needs detection."""
        if self._source.reads_tf:
            for data in self._source.static_transforms():
                self._add_transforms(data, is_static=True)
        for index, message in enumerate(self._source.messages()):
            if index == 0:
                self._outputs.write_labels(message.stamp_ns, self._engine.settings.score_threshold)
            if message.transforms is not None:
                self._add_transforms(message.transforms, message.is_static)
            if message.cloud is None:
                self._pending.append(PendingMessage(message))
            else:
                self._read_cloud(message)
            yield from self._placed(message.stamp_ns)
            self._write_ready()
        yield from self._placed(None)

    def _placed(self, now_ns: int | None) -> Iterator[tuple[FloatArray, int]]:
        """Yield points and number of the clouds that can be placed by `now_ns`, None: all; refuse those that cannot."""
        leveller = self._engine.leveller
        for pending, placed in self._placement.advance(now_ns):
            if leveller is not None:
                leveller.note_stamp(pending.message.stamp_ns)
            if pending.outcome is not None:
                if leveller is not None and not isinstance(placed, str):
                    leveller.look(placed.points)
                continue
            if isinstance(placed, str):
                pending.outcome = Outcome(pending.message.stamp_ns, 0, b"", placed)
                continue
            pending.header = placed.header
            self._tally.notes += [f"warning: {oddity.sentence}" for oddity in self._oddities.look(placed.points)]
            yield placed.points, pending.number

    def _add_transforms(self, data: bytes, is_static: bool) -> None:
        try:
            self._placement.add_transforms(self._source.parse_transforms(data), is_static)
        # Broken bytes can make the parsers of rosbags raise anything.
        except Exception as error:
            note = f"skipped: a broken TF message ({first_line(error)})"
            self._tally.notes += [note] if note not in self._tally.notes else []

    def _read_cloud(self, message: SourceMessage) -> None:
        """Look up the outcome of a cloud in an earlier run; else place its points, unless they cannot be read."""
        outcome = self._journal.replay()
        pending = PendingMessage(message, self._tally.clouds, outcome=outcome, is_replayed=outcome is not None)
        self._pending.append(pending)
        self._tally.clouds += 1
        if outcome is not None and outcome.stamp_ns != message.stamp_ns:
            raise DatasetError(f"cloud {pending.number} differs from the one when {self._journal.path} was written")
        cloud_message = self._parse(pending)
        # Clouds of an earlier run are passed by, unless later ones depend on them.
        is_needed = self._placement.joins_clouds or self._engine.leveller is not None
        if pending.outcome is None:
            try:
                cloud = self._reader.read(cloud_message)
            except CloudError as error:
                pending.outcome = Outcome(message.stamp_ns, 0, b"", str(error))
                return
            self._tally.without_intensity += not cloud.has_intensity
            self._tally.too_bright += cloud.brightest > BRIGHT
            self._placement.add(pending, message.stamp_ns, pending.header, cloud.points)
        elif cloud_message is not None and (self._reader.is_new(cloud_message) or is_needed):
            # What is learnt from it applies to the clouds still to come, which may also be accumulated with it.
            with suppress(CloudError):
                points = self._reader.read(cloud_message).points
                if is_needed:
                    self._placement.add(pending, message.stamp_ns, pending.header, points)

    def _parse(self, pending: PendingMessage) -> Any:
        """Parse a cloud's message; if that fails, the cloud is refused."""
        try:
            message = self._source.parse(pending.message.cloud or b"")
            stamp = message.header.stamp
            pending.header = Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=message.header.frame_id)
            self._tally.count_form(message)
            return message
        # Broken bytes make rosbags raise any kind of exception.
        except Exception as error:
            reason = f"this is not a PointCloud2 ({first_line(error)})"
            pending.outcome = pending.outcome or Outcome(pending.message.stamp_ns, 0, b"", reason)
            return None

    def _write_ready(self) -> None:
        """Write the messages up to the first cloud whose detections are not ready."""
        while self._pending:
            pending = self._pending[0]
            if pending.number >= 0 and pending.outcome is None:
                pending.outcome = self._outcome_of(pending)
                if pending.outcome is None:
                    return
            self._pending.popleft()
            message = pending.message
            if message.data is not None and self._copy_to is not None:
                self._copy_to.write(message.channel, message.stamp_ns, message.data)
            if pending.outcome is not None:
                self._settle(pending, pending.outcome)

    def _outcome_of(self, pending: PendingMessage) -> Outcome | None:
        """Return the pipeline's outcome of a cloud, None if it is not finished."""
        result = self._results.pop(pending.number, None)
        if result is None:
            return None
        if result.error:
            raise InferenceError(
                f"cloud {pending.number}: {result.error}; run the same command again to continue with this cloud"
            )
        detections = self._chosen.apply(result.detections)
        data = self._outputs.serialize(detections, pending.header)
        return Outcome(pending.message.stamp_ns, len(detections), data, "")

    def _settle(self, pending: PendingMessage, outcome: Outcome) -> None:
        """Write the detections of a cloud, and count it."""
        if not pending.is_replayed:
            self._journal.append(outcome)
        if outcome.detections:
            self._outputs.write(pending.message.stamp_ns, outcome.detections)
        self._tally.count(outcome, pending.is_replayed)
        self._on_cloud()

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pass over the messages of a bag, with as many clouds in flight as the mode has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from pointpillars_ov_ros.bags.journal import Journal, Outcome
from pointpillars_ov_ros.bags.message_types import to_cdr
from pointpillars_ov_ros.bags.reader import first_line
from pointpillars_ov_ros.bags.sources import MessageSource, SourceMessage
from pointpillars_ov_ros.bags.tally import CloudTally
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.clouds.oddities import BAG_CURES, OddityWatch
from pointpillars_ov_ros.config.errors import CloudError, DatasetError, InferenceError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.detect_all import detect_all
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.ros.conversions import CloudReader, to_detection_array, to_label_info
from pointpillars_ov_ros.ros.layouts import BRIGHT

DETECTIONS, LABEL_INFO = "vision_msgs/msg/Detection3DArray", "vision_msgs/msg/LabelInfo"


class OutputTopics(NamedTuple):
    """The bag that is written, and the topics of what is added."""

    bag: BagWriter
    detections: str
    labels: str
    only_detections: bool


@dataclass
class PendingMessage:
    """A message that waits until those before it are written; a cloud for its outcome, too."""

    message: SourceMessage
    number: int = -1
    """Of the cloud."""
    header: Header | None = None
    outcome: Outcome | None = None
    is_replayed: bool = False
    """The outcome is an earlier run's."""


class DetectionPass:
    """Every message once and in order."""

    def __init__(
        self,
        source: MessageSource,
        engine: Engine,
        journal: Journal,
        outputs: OutputTopics,
        on_cloud: Callable[[], object],
    ) -> None:
        """Prepare; `on_cloud` is called for every cloud whose outcome has been written."""
        self._source, self._engine, self._journal, self._outputs = source, engine, journal, outputs
        self._on_cloud = on_cloud
        self._tally = CloudTally()
        self._reader = CloudReader(engine.runtime)
        self._oddities = OddityWatch(engine.config, BAG_CURES)
        self._pending: deque[PendingMessage] = deque()
        self._results: dict[int, FrameResult] = {}
        """By the number of the cloud."""

    def run(self) -> CloudTally:
        """Copy and detect; raises InferenceError where a cloud could not be processed."""
        for result in detect_all(self._engine, self._clouds()):
            self._results[result.token] = result
            self._write_ready()
        self._write_ready()
        return self._tally

    def _clouds(self) -> Iterator[tuple[FloatArray, int]]:
        """Read every message; yield points and number of each cloud in which is still to be detected."""
        for index, message in enumerate(self._source.messages()):
            if index == 0:
                labels = to_label_info(self._engine.config.classes, self._engine.settings.score_threshold)
                self._outputs.bag.write(self._outputs.labels, message.stamp_ns, to_cdr(labels, LABEL_INFO))
            if message.cloud is None:
                self._pending.append(PendingMessage(message))
            else:
                points = self._read_cloud(message)
                if points is not None:
                    yield points, self._tally.clouds - 1
            self._write_ready()

    def _read_cloud(self, message: SourceMessage) -> FloatArray | None:
        """Look up what became of a cloud in an earlier run; else give its points, unless they cannot be read."""
        outcome = self._journal.replay()
        pending = PendingMessage(message, self._tally.clouds, outcome=outcome, is_replayed=outcome is not None)
        self._pending.append(pending)
        self._tally.clouds += 1
        if outcome is not None and outcome.stamp_ns != message.stamp_ns:
            raise DatasetError(f"cloud {pending.number} is another one than when {self._journal.path} was written")
        cloud_message = self._parse(pending)
        if pending.outcome is None:
            try:
                cloud = self._reader.read(cloud_message)
            except CloudError as error:
                pending.outcome = Outcome(message.stamp_ns, 0, b"", str(error))
                return None
            self._tally.without_intensity += not cloud.has_intensity
            self._tally.too_bright += cloud.brightest > BRIGHT
            self._tally.notes += [f"warning: {oddity.sentence}" for oddity in self._oddities.look(cloud.points)]
            return cloud.points
        if cloud_message is not None and self._reader.is_new(cloud_message):
            # What is found out from it holds for those that are still to come.
            with suppress(CloudError):
                self._reader.read(cloud_message)
        return None

    def _parse(self, pending: PendingMessage) -> Any:
        """Read a cloud's message; where that cannot be done, it is refused."""
        try:
            message = self._source.parse(pending.message.cloud or b"")
            stamp = message.header.stamp
            pending.header = Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=message.header.frame_id)
            self._tally.count_form(message)
            return message
        # Broken bytes make rosbags raise whatever its parsers stumble over.
        except Exception as error:
            reason = f"this is no PointCloud2 ({first_line(error)})"
            pending.outcome = pending.outcome or Outcome(pending.message.stamp_ns, 0, b"", reason)
            return None

    def _write_ready(self) -> None:
        """Write the messages up to the first cloud whose detections are still to come."""
        outputs = self._outputs
        while self._pending:
            pending = self._pending[0]
            if pending.number >= 0 and pending.outcome is None:
                pending.outcome = self._outcome_of(pending)
                if pending.outcome is None:
                    return
            self._pending.popleft()
            message = pending.message
            if message.data is not None and not outputs.only_detections:
                outputs.bag.write(message.channel, message.stamp_ns, message.data)
            if pending.outcome is not None:
                self._settle(pending, pending.outcome)

    def _outcome_of(self, pending: PendingMessage) -> Outcome | None:
        """Return what the pipeline made of a cloud, None where it is not through with it."""
        result = self._results.pop(pending.number, None)
        if result is None:
            return None
        if result.error:
            raise InferenceError(f"cloud {pending.number}: {result.error}; the same command goes on with this cloud")
        array = to_detection_array(result.detections, self._engine.config.classes, pending.header)
        return Outcome(pending.message.stamp_ns, len(result.detections), to_cdr(array, DETECTIONS), "")

    def _settle(self, pending: PendingMessage, outcome: Outcome) -> None:
        """Write the detections of a cloud, and count it."""
        if not pending.is_replayed:
            self._journal.append(outcome)
        if outcome.detections:
            self._outputs.bag.write(self._outputs.detections, pending.message.stamp_ns, outcome.detections)
        self._tally.count(outcome, pending.is_replayed)
        self._on_cloud()

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pass over the messages of a bag, with as many clouds in flight as the mode has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from pointpillars_ov_ros.bags.bag import BagWriter, first_line, to_cdr
from pointpillars_ov_ros.bags.journal import Journal, Outcome
from pointpillars_ov_ros.bags.sources import Item, Source
from pointpillars_ov_ros.bags.tally import Tally
from pointpillars_ov_ros.config.errors import CloudError, DatasetError, InferenceError
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.inference.pipeline.pipeline import Pipeline
from pointpillars_ov_ros.ros.cloud_reader import CloudReader
from pointpillars_ov_ros.ros.conversions import to_detection_array, to_label_info
from pointpillars_ov_ros.ros.layouts import BRIGHT

DETECTIONS, LABEL_INFO = "vision_msgs/msg/Detection3DArray", "vision_msgs/msg/LabelInfo"


class Outputs(NamedTuple):
    """Where what to is written."""

    bag: BagWriter
    detections: str
    labels: str
    only_detections: bool


@dataclass
class Held:
    """A message that waits until those before it are written; a cloud for its outcome, too."""

    item: Item
    number: int = -1
    """Of the cloud."""
    header: Header | None = None
    outcome: Outcome | None = None
    is_replayed: bool = False
    """The outcome is an earlier run's."""


class Pass:
    """Every message once and in order. Results come on the pipeline's thread; all else is done on the caller's."""

    def __init__(
        self, source: Source, engine: Engine, journal: Journal, outputs: Outputs, on_cloud: Callable[[], object]
    ) -> None:
        """Prepare; `on_cloud` is called for every cloud whose outcome has been written."""
        self._source, self._engine, self._journal, self._outputs = source, engine, journal, outputs
        self._on_cloud = on_cloud
        self._tally = Tally()
        self._reader = CloudReader(engine.runtime)
        self._held: deque[Held] = deque()
        self._results: dict[int, FrameResult] = {}
        """By the number of the cloud."""

    def finish(self) -> Tally:
        """Take every message; raises InferenceError where a cloud could not be processed."""
        pipeline = self._engine.open_pipeline(self._on_result)
        try:
            for number, item in enumerate(self._source.messages()):
                if number == 0:
                    labels = to_label_info(self._engine.config.classes, self._engine.settings.score_threshold)
                    self._outputs.bag.write(self._outputs.labels, item.stamp_ns, to_cdr(labels, LABEL_INFO))
                self._held.append(self._take(item, pipeline) if item.cloud is not None else Held(item))
                self._write_ready()
            pipeline.drain()
            self._write_ready()
        finally:
            pipeline.close()
        return self._tally

    def _on_result(self, result: FrameResult) -> None:
        self._results[result.token] = result

    def _take(self, item: Item, pipeline: Pipeline) -> Held:
        """Look up what became of a cloud in an earlier run, or submit it, unless it cannot be read."""
        outcome = self._journal.replay()
        held = Held(item, number=self._tally.clouds, outcome=outcome, is_replayed=outcome is not None)
        self._tally.clouds += 1
        if outcome is not None and outcome.stamp_ns != item.stamp_ns:
            raise DatasetError(f"cloud {held.number} is another one than when {self._journal.path} was written")
        message = self._parse(held)
        if held.outcome is None:
            try:
                cloud = self._reader.read(message)
            except CloudError as error:
                held.outcome = Outcome(item.stamp_ns, 0, b"", str(error))
            else:
                self._tally.without_intensity += not cloud.has_intensity
                self._tally.too_bright += cloud.brightest > BRIGHT
                pipeline.submit(cloud.points, held.number)
        elif message is not None and self._reader.is_new(message):
            # What is found out from it holds for those that are still to come.
            with suppress(CloudError):
                self._reader.read(message)
        return held

    def _parse(self, held: Held) -> Any:
        """Read a cloud's message; where that cannot be done, it is refused."""
        try:
            message = self._source.parse(held.item.cloud or b"")
            stamp = message.header.stamp
            held.header = Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec), frame_id=message.header.frame_id)
            self._tally.count_form(message)
            return message
        # Broken bytes make rosbags raise whatever its parsers stumble over.
        except Exception as error:
            reason = f"this is no PointCloud2 ({first_line(error)})"
            held.outcome = held.outcome or Outcome(held.item.stamp_ns, 0, b"", reason)
            return None

    def _write_ready(self) -> None:
        """Write the messages up to the first cloud whose detections are still to come."""
        outputs = self._outputs
        while self._held:
            held = self._held[0]
            if held.number >= 0 and held.outcome is None:
                held.outcome = self._fetch(held)
                if held.outcome is None:
                    return
            self._held.popleft()
            if held.item.data is not None and not outputs.only_detections:
                outputs.bag.write(held.item.channel, held.item.stamp_ns, held.item.data)
            if held.outcome is not None:
                self._settle(held, held.outcome)

    def _fetch(self, held: Held) -> Outcome | None:
        """Give what the pipeline made of a cloud, None where it is not through with it."""
        result = self._results.pop(held.number, None)
        if result is None:
            return None
        if result.error:
            raise InferenceError(f"cloud {held.number}: {result.error}; the same command goes on with this cloud")
        array = to_detection_array(result.detections, self._engine.config.classes, held.header)
        return Outcome(held.item.stamp_ns, len(result.detections), to_cdr(array, DETECTIONS), "")

    def _settle(self, held: Held, outcome: Outcome) -> None:
        """Write the detections of a cloud, and count it."""
        if not held.is_replayed:
            self._journal.append(outcome)
        if outcome.detections:
            self._outputs.bag.write(self._outputs.detections, held.item.stamp_ns, outcome.detections)
        self._tally.count(outcome, held.is_replayed)
        self._on_cloud()

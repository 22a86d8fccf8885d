# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checker process: records what the nodes publish, and when, by its own clock.

`python -m test.torture.checker JOURNAL [--ros-args -r __ns:=/front]`

Lines are of kind `ready` (it is subscribed), `detections`, `timing` and `diagnostics`. Clocks are time.time_ns(), as
are the stamps of `sender`.
"""

from __future__ import annotations

import math
import sys
import time
from itertools import chain
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.runner import run_node
from pointpillars_ov_ros.ros.stop_signals import StopSignals
from pointpillars_ov_ros.ros.timing_message import COUNTERS, from_message
from test.torture.journal import Journal

_TOO = ("run", "age_ms", "hung", "failing", "mode")
"""Fields of a timing in addition to those of every line."""
_DEEP = qos.keep_last(10_000)


class Checker(Node):
    """Listens; knows nothing of what was sent."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("checker")
        self._journal = journal
        self.create_subscription(Detection3DArray, "detections", self._on_detections, _DEEP)
        self.create_subscription(DiagnosticArray, "timing", self._on_timing, _DEEP)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, _DEEP)

    def start(self) -> None:
        self._journal.write("ready", at_ns=time.time_ns())

    def is_finished(self) -> bool:
        return False

    def stop(self) -> None:
        pass

    def _on_detections(self, message: Detection3DArray) -> None:
        scores = [detection.results[0].hypothesis.score for detection in message.detections]
        boxes = [detection.bbox for detection in message.detections]
        numbers = [(box.center.position.x, box.center.position.y, box.center.position.z, box.size.x) for box in boxes]
        is_finite = all(map(math.isfinite, [*scores, *chain.from_iterable(numbers)]))
        self._write("detections", message, frame_id=message.header.frame_id, scores=scores, is_finite=is_finite)

    def _on_timing(self, message: DiagnosticArray) -> None:
        timing = from_message(message)
        counts = {name: getattr(timing, name) for name in COUNTERS}
        also = {name: getattr(timing, name) for name in _TOO}
        self._write("timing", message, error=timing.error, total_ms=timing.total_ms, **counts, **also)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        statuses = {status.name: [ord(status.level), status.message] for status in message.status}
        self._write("diagnostics", message, statuses=statuses)

    def _write(self, kind: str, message: object, **values: object) -> None:
        stamp = message.header.stamp  # type: ignore[attr-defined]
        self._journal.write(kind, at_ns=time.time_ns(), stamp=[stamp.sec, stamp.nanosec], **values)


def main() -> int:
    """Listen until a signal comes."""
    with Journal(Path(sys.argv[1])) as journal:
        return run_node(lambda: Checker(journal), StopSignals(), sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

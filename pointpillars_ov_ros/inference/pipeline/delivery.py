# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results leave in input order, each as soon as it and all older ones are there."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.cloud_queue import Cloud, Intake
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult

log = logging.getLogger(__name__)


class _Outcome(NamedTuple):
    """What became of a cloud, on its way out."""

    cloud: Cloud
    detections: Detections
    error: str


class Delivery:
    """Keeps results until the older ones have left; used by the host thread only."""

    def __init__(self, intake: Intake, on_result: Callable[[FrameResult], None]) -> None:
        """Give results to `on_result`, and account for them at `intake`."""
        self._intake = intake
        self._on_result = on_result
        self._order: deque[int] = deque()
        self._held: dict[int, _Outcome] = {}

    def expect(self, cloud: Cloud) -> None:
        """Note that `cloud` is the next in order."""
        self._order.append(cloud.sequence)

    def leave(self, cloud: Cloud, detections: Detections, error: str) -> None:
        """Give the result of `cloud`, and those that waited for it, but none before an older frame's."""
        self._held[cloud.sequence] = _Outcome(cloud, detections, error)
        while self._order and self._order[0] in self._held:
            self._deliver(self._held.pop(self._order.popleft()))

    def _deliver(self, outcome: _Outcome) -> None:
        cloud, detections, error = outcome
        failed = bool(error)
        result = FrameResult(
            cloud.sequence,
            cloud.token,
            detections,
            error,
            cloud.size,
            cloud.pillars,
            cloud.times,
            self._intake.counts_after(failed),
        )
        try:
            self._on_result(result)
        except Exception:
            log.exception("the receiver of frame %d's result raised", cloud.sequence)
        self._intake.settle(failed)

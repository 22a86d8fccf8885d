# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pipeline is made of and gives: the slot of a frame in flight, results, accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.timing import StageTimes


class Slot(Protocol):
    """The steps of one frame in flight (`FrameSlot`, or a simulated device)."""

    @property
    def pillars(self) -> int:
        """Pillars of the frame at hand."""

    def prepare(self, points: FloatArray) -> None:
        """Group points into pillars and fill the PFE's inputs."""

    def start_pfe(self, done: Callable[[], None]) -> None:
        """Start the PFE."""

    def pfe_is_finished(self) -> bool:
        """Tell whether the PFE is through, or failed without calling `done`."""

    def scatter(self) -> None:
        """Take the PFE's output onto the canvas; raises where the PFE failed."""

    def start_rpn(self, done: Callable[[], None]) -> None:
        """Start the RPN."""

    def rpn_is_finished(self) -> bool:
        """Tell whether the RPN is through, or failed without calling `done`."""

    def decode(self, settings: PostprocessConfig) -> Detections:
        """Decode the RPN's output; raises where the RPN failed."""

    def tidy_up(self) -> None:
        """Do what the next frame need not wait for; called when this one's result has left, whatever that is."""


class Counts(NamedTuple):
    """Exact accounts: every submitted cloud is completed, failed, dropped or pending."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def pending(self) -> int:
        """Clouds waiting or in flight."""
        return self.submitted - self.completed - self.failed - self.dropped

    def plus(self, submitted: int = 0, completed: int = 0, failed: int = 0, dropped: int = 0) -> Counts:
        """Give the accounts with so many more."""
        return Counts(
            self.submitted + submitted,
            self.completed + completed,
            self.failed + failed,
            self.dropped + dropped,
        )


@dataclass(frozen=True)
class FrameResult:
    """What became of one submitted cloud."""

    sequence: int
    """0, 1, 2 … in the order of submission; dropped clouds leave gaps."""
    token: Any
    """What the caller gave with the cloud, untouched (the message header)."""
    detections: Detections
    error: str
    """Why the frame failed; empty where it did not."""
    points: int
    pillars: int
    times: StageTimes
    counts: Counts
    """The pipeline's accounts, this frame included."""

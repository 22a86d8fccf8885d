# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When each stage of a frame began and ended."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple


class Stage(IntEnum):
    """The stages of one cloud, in their order."""

    CONVERT = 0
    QUEUE = 1
    PILLARS = 2
    PFE = 3
    SCATTER = 4
    RPN = 5
    DECODE = 6


HOST_STAGES = (Stage.CONVERT, Stage.PILLARS, Stage.SCATTER, Stage.DECODE)
"""The work of the host; QUEUE is waiting for a frame slot, PFE and RPN are the devices'."""


class Row(Enum):
    """Who works."""

    HOST = 0
    PFE = 1
    RPN = 2


ROWS = {
    Stage.PILLARS: Row.HOST,
    Stage.PFE: Row.PFE,
    Stage.SCATTER: Row.HOST,
    Stage.RPN: Row.RPN,
    Stage.DECODE: Row.HOST,
}
"""Whose work a stage is. The wait for a slot is nobody's, and clouds are converted on the thread that sends them."""


class StageEvent(NamedTuple):
    """A stage of a frame began or ended: one line of the trace of a pipeline."""

    sequence: int
    stage: Stage
    is_end: bool
    now_ns: int
    slot: int = 0
    """Number of the frame slot."""


class StageTimes:
    """Begin and end of each stage of one frame, in nanoseconds of a monotonic clock."""

    __slots__ = ("_begin_ns", "_end_ns")

    def __init__(self) -> None:
        """Begin with nothing stamped."""
        self._begin_ns = [0] * len(Stage)
        self._end_ns = [0] * len(Stage)

    def begin(self, stage: Stage, now_ns: int) -> None:
        """Stamp the beginning of `stage`."""
        self._begin_ns[stage] = now_ns

    def end(self, stage: Stage, now_ns: int) -> None:
        """Stamp the end of `stage`."""
        self._end_ns[stage] = now_ns

    def span_ns(self, stage: Stage) -> tuple[int, int]:
        """Give begin and end; (0, 0) for a stage that was not reached."""
        return self._begin_ns[stage], self._end_ns[stage]

    def duration_ms(self, stage: Stage) -> float:
        """Give how long `stage` took; 0 where it was not finished."""
        return max(0, self._end_ns[stage] - self._begin_ns[stage]) / 1e6

    @property
    def host_ms(self) -> float:
        """Work of the host: everything but waiting and the two inferences."""
        return sum(self.duration_ms(stage) for stage in HOST_STAGES)

    @property
    def total_ms(self) -> float:
        """From the cloud's reception to the end of decoding."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.CONVERT]) / 1e6

    @property
    def in_flight_ms(self) -> float:
        """From the moment a frame slot takes the cloud to the end of decoding: without the wait for a slot."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.PILLARS]) / 1e6

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events of a detector, found frame by frame and kept after they are over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from pointpillars_ov_ros.core.verdict import has_failed
from pointpillars_ov_ros.ros.timing_message import FrameTiming

_watched = attrgetter("run", "mode", "pfe_device", "pfe_precision", "rpn_device", "rpn_precision", "parity", "warnings")


class EventKind(Enum):
    """Kinds of events that are counted separately; the value is the name shown."""

    DEVICE = "changes of device"
    MODE = "changes of mode"
    PARITY = "parity mismatches"
    RESTART = "restarts"
    BREAK = "breaks in time"
    """The clock went back, or there was a silence."""


class DetectorEvent(NamedTuple):
    """One event."""

    number: int
    """Number over all kinds, from 1."""
    at_s: float
    """Time on the clock of message stamps."""
    text: str


class DetectorEvents:
    """The last events, and the number of events of each kind."""

    def __init__(self, keep: int, stamp_s: Callable[[], float]) -> None:
        """Keep the last `keep` events; `stamp_s` returns their time stamps."""
        self._stamp_s = stamp_s
        self._before: FrameTiming | None = None
        self.last: deque[DetectorEvent] = deque(maxlen=keep)
        self.counts = dict.fromkeys(EventKind, 0)

    def note(self, kind: EventKind, text: str) -> None:
        """Record an event now."""
        self.counts[kind] += 1
        self.last.append(DetectorEvent(sum(self.counts.values()), self._stamp_s(), text))

    def watch(self, timing: FrameTiming) -> None:
        """Compare a frame with the one before."""
        before, self._before = self._before, timing
        if before is None:
            # A mismatch of the first detector is an event, too; nothing else about it is.
            before = replace(timing, parity="", warnings="")
        if _watched(timing) == _watched(before):
            return
        if timing.run != before.run:
            self.note(EventKind.RESTART, "the detector was restarted or configured again")
        if timing.mode != before.mode:
            self.note(EventKind.MODE, f"mode changed from {before.mode} to {timing.mode}")
        for name, old, new in zip(("PFE", "RPN"), places(before), places(timing), strict=True):
            if new != old:
                self.note(EventKind.DEVICE, f"{name} moved from {old} to {new}")
        for warning in timing.warnings.split("; "):
            if warning.startswith(("pfe_device:", "rpn_device:")) and warning not in before.warnings:
                self.note(EventKind.DEVICE, warning)
        if has_failed(timing.parity) and (timing.parity, timing.run) != (before.parity, before.run):
            self.note(EventKind.PARITY, f"parity: {timing.parity}")


def places(timing: FrameTiming) -> tuple[str, str]:
    """Return where PFE and RPN run, and in which precision if the device reports it."""
    return _place(timing.pfe_device, timing.pfe_precision), _place(timing.rpn_device, timing.rpn_precision)


def _place(device: str, precision: str) -> str:
    return f"{device} in {precision}" if precision else device

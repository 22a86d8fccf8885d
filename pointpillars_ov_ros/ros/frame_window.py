# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last frames of a detector: their rate, percentiles of their durations, and the silence after them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.ros.timing_message import FrameTiming

DURATIONS = (
    "total", "age", "host", "convert", "queue", "pillars", "pfe", "scatter", "rpn", "decode",
)  # fmt: skip
_CLOCK_JITTER_S = 1.0
_durations_ms = attrgetter(*(f"{name}_ms" for name in DURATIONS))


class FrameWindow:
    """Window of frames and their arrival times, on a clock (s) that may be simulated: stop, jump ahead, or jump back.

    No rate or percentile spans a jump or a silence: a new window starts there.
    """

    def __init__(self, size: int, stale_after: float, on_break: Callable[[str], None]) -> None:
        """Keep `size` frames; silences exceed `stale_after` (s). `on_break` gets the reason for a new window."""
        self._stale_after = stale_after
        self._on_break = on_break
        self._times_s: deque[float] = deque(maxlen=size)
        self._durations_ms: deque[tuple[float, ...]] = deque(maxlen=size)
        self._heard_s: float | None = None

    def add(self, timing: FrameTiming, now_s: float) -> None:
        """Add a frame; failed and refused ones count, too."""
        self._watch_clock(now_s)
        heard_s = now_s if self._heard_s is None else max(now_s, self._heard_s)
        if self._heard_s is not None and heard_s - self._heard_s > self._stale_after:
            self._begin_anew(f"frames arrive again after {heard_s - self._heard_s:.1f} s without any")
        self._heard_s = heard_s
        if not timing.error:
            self._times_s.append(heard_s)
            self._durations_ms.append(_durations_ms(timing))

    def silence(self, now_s: float) -> str:
        """Return why the detector counts as silent; empty if it does not."""
        self._watch_clock(now_s)
        if self._heard_s is None:
            return "no frame yet"
        age_s = now_s - self._heard_s
        return f"no frame for {age_s:.1f} s" if age_s > self._stale_after else ""

    @property
    def rate(self) -> float:
        """Processed frames per second; 0 with fewer than two frames."""
        times_s = self._times_s
        return (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 and times_s[-1] > times_s[0] else 0.0

    def percentiles_ms(self, at: tuple[int, ...]) -> DoubleArray | None:
        """Return the percentiles `at` of each of `DURATIONS`, (durations, at); None without a processed frame."""
        if not self._durations_ms:
            return None
        percentiles: DoubleArray = np.percentile(np.array(self._durations_ms), at, axis=0).T
        return percentiles

    def _watch_clock(self, now_s: float) -> None:
        """Restart the silence where the clock went back: the next frame of a looped bag is yet to come."""
        if self._heard_s is not None and now_s < self._heard_s - _CLOCK_JITTER_S:
            self._begin_anew(f"the clock went back by {self._heard_s - now_s:.1f} s")
            self._heard_s = now_s

    def _begin_anew(self, why: str) -> None:
        self._times_s.clear()
        self._durations_ms.clear()
        self._on_break(why)

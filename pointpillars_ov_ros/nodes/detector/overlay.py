# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The latency that RViz shows above the sensor, and how long what it shows may stay."""

from __future__ import annotations

from pointpillars_ov_ros.ros.frame_window import DURATIONS, FrameWindow
from pointpillars_ov_ros.ros.timing_message import AMISS, FrameTiming

_FRAMES = 100
_STALE_AFTER_S = 2.0
_REFRESH_S = 1.0
"""Figures that change with every cloud cannot be read, and percentiles are not for every cloud."""
_MISSED_CLOUDS = 3.0


class Overlay:
    """Frames as they leave, and a line of text on the last hundred. Used from the pipeline's thread only.

    All times (s) are on one clock, which may be a simulated one.
    """

    def __init__(self) -> None:
        """Begin with no frame."""
        self._window = FrameWindow(_FRAMES, _STALE_AFTER_S, on_break=lambda why: None)
        self._text, self._made_s = "", 0.0

    def add(self, timing: FrameTiming, now_s: float) -> None:
        """Take a frame; one that failed has no latency."""
        self._window.add(timing, now_s)

    def text(self, timing: FrameTiming, now_s: float) -> str:
        """Give median and p90 of reception to detections, rate and clouds amiss; made anew once a second."""
        if not self._text or not 0.0 <= now_s - self._made_s < _REFRESH_S:
            self._text, self._made_s = self._describe(timing), now_s
        return self._text

    @property
    def lifetime_s(self) -> float:
        """How long markers may stay without new ones: a few clouds, so that those of a silent detector vanish."""
        rate = self._window.rate
        return min(_MISSED_CLOUDS / rate, _STALE_AFTER_S) if rate else _STALE_AFTER_S

    def _describe(self, timing: FrameTiming) -> str:
        percentiles = self._window.percentiles_ms((50, 90))
        if percentiles is None:
            return ""
        median, p90 = percentiles[DURATIONS.index("total")]
        amiss = {name: getattr(timing, name) for name in AMISS}
        counted = [f"{count} {name}" for name, count in amiss.items() if count or name == "dropped"]
        return f"latency {median:.0f} ms, p90 {p90:.0f} ms, {self._window.rate:.1f} Hz, {', '.join(counted)}"

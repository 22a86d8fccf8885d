# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last frames of a detector, and the diagnostic statuses that they amount to."""

from __future__ import annotations

from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pointpillars_ov_ros.core.verdict import is_amiss
from pointpillars_ov_ros.nodes.settings import DiagnosticsConfig
from pointpillars_ov_ros.nodes.timing_message import FrameTiming

DETECTOR = "pointpillars_detector"
DURATIONS = (
    "total", "age", "host", "convert", "queue", "pillars", "pfe", "scatter", "rpn", "decode",
)  # fmt: skip
_CLOCK_JITTER_S = 1.0
_AMISS = ("dropped", "refused", "failed", "lost")
_ACCOUNTS = ("received", "completed", *_AMISS)
_DEVICE = (
    "mode", "pfe_device", "pfe_precision", "rpn_device", "rpn_precision", "parity", "warnings", "failing", "hung",
)  # fmt: skip


class FrameWindow:
    """Frames as they came, with the node's clock at that time (s); the clock may be simulated, and jump back."""

    def __init__(self, config: DiagnosticsConfig) -> None:
        """Keep `config.window` frames."""
        self._config = config
        self._done: deque[tuple[float, FrameTiming]] = deque(maxlen=config.window)
        self._latest: FrameTiming | None = None
        self._latest_s = 0.0
        self._reported = FrameTiming()
        self._last_error = self._last_failure = ""

    def add(self, timing: FrameTiming, now_s: float) -> None:
        """Take a frame; the clock having gone back (a looped bag) begins a new window."""
        if now_s < self._latest_s:
            self._done.clear()
        self._latest, self._latest_s = timing, now_s
        if timing.is_failure:
            self._last_failure = timing.error
        if timing.error:
            self._last_error = timing.error
        else:
            self._done.append((now_s, timing))

    def statuses(self, now_s: float) -> list[DiagnosticStatus]:
        """Sum the window up; called once for each message, since WARN is about clouds lost since the last."""
        latest = self._latest
        silence = self._silence(now_s)
        if latest is None or silence:
            return _silent(latest, silence)
        statuses = [self._latency(), self._clouds(latest), self._device(latest)]
        self._reported = latest
        return statuses

    def _silence(self, now_s: float) -> str:
        """Say why the detector is to be taken as silent; empty where it is not."""
        if self._latest is None:
            return "no frame yet"
        age_s = now_s - self._latest_s
        if age_s > self._config.stale_after:
            return f"no frame for {age_s:.1f} s"
        return "no frame since the clock went back" if age_s < -_CLOCK_JITTER_S else ""

    def _latency(self) -> DiagnosticStatus:
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{DETECTOR}: latency")
        if not self._done:
            status.level, status.message = DiagnosticStatus.WARN, "no cloud was processed"
            return status
        for name in DURATIONS:
            values = np.array([getattr(timing, f"{name}_ms") for _, timing in self._done])
            for label, value in zip(
                ("p50", "p90", "p99", "max"), np.percentile(values, (50, 90, 99, 100)), strict=True
            ):
                status.values.append(KeyValue(key=f"{name} {label} (ms)", value=f"{value:.2f}"))
        p90 = float(np.percentile([timing.total_ms for _, timing in self._done], 90))
        if p90 > self._config.error_latency_ms:
            status.level = DiagnosticStatus.ERROR
        elif p90 > self._config.warn_latency_ms:
            status.level = DiagnosticStatus.WARN
        status.message = f"p90 {p90:.0f} ms from cloud to detections"
        return status

    def _clouds(self, latest: FrameTiming) -> DiagnosticStatus:
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{DETECTOR}: clouds")
        times = [at_s for at_s, _ in self._done]
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        before = self._reported
        # Counters that went down are those of a detector started anew.
        if any(getattr(latest, name) < getattr(before, name) for name in _ACCOUNTS):
            before = FrameTiming()
        amiss = {name: getattr(latest, name) - getattr(before, name) for name in _AMISS}
        status.message = f"{rate:.1f} Hz"
        if any(amiss.values()):
            status.level = DiagnosticStatus.WARN
            status.message += "".join(f", {count} {name}" for name, count in amiss.items() if count)
        status.values = [KeyValue(key="rate (Hz)", value=f"{rate:.3f}")]
        status.values += [KeyValue(key=name, value=str(getattr(latest, name))) for name in _ACCOUNTS]
        status.values.append(KeyValue(key="last error", value=self._last_error))
        return status

    def _device(self, latest: FrameTiming) -> DiagnosticStatus:
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{DETECTOR}: device")
        troubles = [_hanging(latest)] if latest.hung else []
        if latest.failing >= self._config.error_failures:
            troubles.append(f"failing for {latest.failing} frames: {self._last_failure}")
        if troubles:
            status.level = DiagnosticStatus.ERROR
        if is_amiss(latest.parity):
            status.level = max(status.level, DiagnosticStatus.WARN)
            troubles.append(f"parity: {latest.parity}")
        if latest.warnings:
            status.level = max(status.level, DiagnosticStatus.WARN)
            troubles.append(latest.warnings)
        status.message = ", ".join(troubles) or f"PFE on {latest.pfe_device}, RPN on {latest.rpn_device}, {latest.mode}"
        status.values = [KeyValue(key=key, value=str(getattr(latest, key))) for key in _DEVICE]
        return status


def _silent(latest: FrameTiming | None, silence: str) -> list[DiagnosticStatus]:
    statuses = [
        DiagnosticStatus(level=DiagnosticStatus.STALE, name=f"{DETECTOR}: {task}", message=silence)
        for task in ("latency", "clouds", "device")
    ]
    if latest is not None and latest.hung:
        # Which may well be why nothing is heard any more.
        statuses[-1].level = DiagnosticStatus.ERROR
        statuses[-1].message = f"{_hanging(latest)}, {silence}"
    return statuses


def _hanging(latest: FrameTiming) -> str:
    return f"inferences that hang: {latest.hung}"

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostic statuses computed from the frames of a detector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.core.verdict import NOT_LEVELLED, has_failed
from pointpillars_ov_ros.nodes.diagnostics.events import DetectorEvents, EventKind
from pointpillars_ov_ros.nodes.diagnostics.hysteresis import HeldLevel
from pointpillars_ov_ros.ros.frame_window import DURATIONS, FrameWindow
from pointpillars_ov_ros.ros.settings import DiagnosticsConfig
from pointpillars_ov_ros.ros.timing_message import AMISS, COUNTERS, FrameTiming, counts_anew

DETECTOR = "pointpillars_detector"
OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
_PERCENTILES = (50, 90, 99, 100)
_DEVICE = (
    "mode", "pfe_device", "pfe_precision", "rpn_device", "rpn_precision", "parity", "warnings", "failing", "hung",
)  # fmt: skip


class DetectorHealth:
    """Collects frames, and computes the four statuses from them. All times (s) are on one clock."""

    def __init__(self, config: DiagnosticsConfig, stamp_s: Callable[[], float]) -> None:
        """Start without frames; `stamp_s` returns the time stamps of events."""
        self._config = config
        self._events = DetectorEvents(config.events, stamp_s)
        self._window = FrameWindow(config.window, config.stale_after, partial(self._events.note, EventKind.BREAK))
        self._latest: FrameTiming | None = None
        self._reported = FrameTiming()
        self._last_error = self._last_failure = ""
        self._held = {task: HeldLevel(config.recovery) for task in ("latency", "clouds", "device")}

    def add(self, timing: FrameTiming, now_s: float) -> None:
        """Add a frame that arrived at `now_s`."""
        self._window.add(timing, now_s)
        self._events.watch(timing)
        self._latest = timing
        if timing.is_failure:
            self._last_failure = timing.error
        if timing.error:
            self._last_error = timing.error

    def is_silent(self, now_s: float) -> bool:
        """Whether there is no frame, or none for too long."""
        return bool(self._window.silence(now_s))

    def statuses(self, now_s: float, explain: Callable[[], str] = str) -> list[DiagnosticStatus]:
        """Compute the statuses; called once per message, since WARN is about clouds lost since the last one.

        `explain` is called if there is a silence, and returns the reason, or an empty string.
        """
        latest, silence = self._latest, self._window.silence(now_s)
        if latest is None or silence:
            return self._silent(latest, silence, explain())
        found = {"latency": self._latency(), "clouds": self._clouds(latest), "device": self._device(latest)}
        for task, status in found.items():
            held = self._held[task]
            status.level = held.update(status.level)
            if held.reason:
                status.message += f" ({held.reason})"
        self._reported = latest
        return [*found.values(), self._happened(OK)]

    def _silent(self, latest: FrameTiming | None, silence: str, reason: str) -> list[DiagnosticStatus]:
        statuses = [_status(task, STALE, silence) for task in self._held]
        if reason:
            statuses[list(self._held).index("clouds")].message += f": {reason}"
        if latest is not None and latest.hung:
            # This may well be the reason for the silence.
            statuses[-1] = _status("device", ERROR, f"{_hanging(latest)}, {silence}")
        for held in self._held.values():
            held.forget()
        return [*statuses, self._happened(STALE)]

    def _latency(self) -> DiagnosticStatus:
        percentiles = self._window.percentiles_ms(_PERCENTILES)
        if percentiles is None:
            return _status("latency", WARN, "no cloud was processed")
        # Python's numbers, which are formatted in half the time of NumPy's.
        rows = dict(zip(DURATIONS, percentiles.tolist(), strict=True))
        p90 = {name: row[1] for name, row in rows.items()}
        config = self._config
        status = _status("latency", OK, f"p90 {p90['total']:.0f} ms from cloud to detections")
        if p90["total"] > config.error_latency_ms:
            status.level = ERROR
        elif p90["total"] > config.warn_latency_ms:
            status.level = WARN
        if 0.0 < config.warn_age_ms < p90["age"]:
            status.level = max(status.level, WARN)
            status.message += f", {p90['age']:.0f} ms from stamp to detections"
        labels = ("p50", "p90", "p99", "max")
        status.values = [
            KeyValue(key=f"{name} {label} (ms)", value=f"{value:.2f}")
            for name, row in rows.items()
            for label, value in zip(labels, row, strict=True)
        ]
        return status

    def _clouds(self, latest: FrameTiming) -> DiagnosticStatus:
        rate, before = self._window.rate, self._reported
        status = _status("clouds", OK, f"{rate:.1f} Hz")
        if counts_anew(before, latest):
            before = FrameTiming()
        amiss = {name: getattr(latest, name) - getattr(before, name) for name in AMISS}
        if any(amiss.values()):
            status.level = WARN
            status.message += "".join(f", {count} {name}" for name, count in amiss.items() if count)
        if amiss["dropped"]:
            status.message += ": clouds arrive faster than they are processed: send fewer, or see docs/tuning.md"
        elif amiss["lost"]:
            status.message += ": sent but not received, see docs/troubleshooting.md"
        if 0.0 < rate < self._config.min_rate:
            status.level = WARN
            status.message += f", below {self._config.min_rate:g} Hz"
        if latest.sensor:
            status.level = WARN
            status.message += f", {latest.sensor}"
        if latest.level.startswith(NOT_LEVELLED):
            status.level = WARN
            status.message += f", {latest.level}"
        status.values = [KeyValue(key="rate (Hz)", value=f"{rate:.3f}")]
        status.values.append(KeyValue(key="level", value=latest.level or "off"))
        status.values += [KeyValue(key=name, value=str(getattr(latest, name))) for name in COUNTERS]
        status.values.append(KeyValue(key="last error", value=self._last_error))
        return status

    def _device(self, latest: FrameTiming) -> DiagnosticStatus:
        status = _status("device", OK, "")
        troubles = [_hanging(latest)] if latest.hung else []
        if latest.failing >= self._config.error_failures:
            troubles.append(f"failing for {count_of(latest.failing, 'frame')}: {self._last_failure}")
        if troubles:
            status.level = ERROR
        if has_failed(latest.parity):
            status.level = max(status.level, WARN)
            troubles.append(f"parity: {latest.parity}")
        if latest.warnings:
            status.level = max(status.level, WARN)
            troubles.append(latest.warnings)
        status.message = ", ".join(troubles) or f"PFE on {latest.pfe_device}, RPN on {latest.rpn_device}, {latest.mode}"
        status.values = [KeyValue(key=key, value=str(getattr(latest, key))) for key in _DEVICE]
        return status

    def _happened(self, level: bytes) -> DiagnosticStatus:
        """Return the events, which remain visible during a silence."""
        events = self._events
        status = _status("events", level, events.last[-1].text if events.last else "none")
        status.values = [KeyValue(key=kind.value, value=str(count)) for kind, count in events.counts.items()]
        for event in events.last:
            status.values.append(KeyValue(key=f"event {event.number}", value=f"{event.at_s:.3f} {event.text}"))
        return status


def _status(task: str, level: bytes, message: str) -> DiagnosticStatus:
    return DiagnosticStatus(level=level, name=f"{DETECTOR}: {task}", message=message)


def _hanging(latest: FrameTiming) -> str:
    return f"inferences that hang: {latest.hung}"

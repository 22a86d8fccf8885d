# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A diagnostics message as one line of JSON, for logs."""

from __future__ import annotations

import json
import math

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

_LEVELS = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "STALE",
}


def to_json(message: DiagnosticArray) -> str:
    """Return stamp (s), worst level, and each status by the last word of its name, with numbers as numbers."""
    stamp = message.header.stamp
    statuses = {
        status.name.rpartition(" ")[2]: {
            "level": _LEVELS[status.level],
            "message": status.message,
            "values": {pair.key: _plain(pair.value) for pair in status.values},
        }
        for status in message.status
    }
    worst = _LEVELS[max((status.level for status in message.status), default=DiagnosticStatus.STALE)]
    summary = {"stamp": stamp.sec + stamp.nanosec / 1e9, "level": worst, "statuses": statuses}
    return json.dumps(summary, ensure_ascii=False)


def _plain(text: str) -> int | float | str:
    """Return a number for text that looks like one, unless JSON cannot represent it."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text

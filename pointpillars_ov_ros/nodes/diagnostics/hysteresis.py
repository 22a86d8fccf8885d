# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hysteresis: a level that becomes worse at once, and better only after it has been so for a while."""

from __future__ import annotations

from collections import deque

from pointpillars_ov_ros.config.errors import count_of


class HeldLevel:
    """One status's level, a byte of `DiagnosticStatus`: the worst of the last few. STALE is none, but `forget`s it."""

    def __init__(self, recovery: int) -> None:
        """Leave a level after `recovery` better ones in a row; 1: at once."""
        self._found: deque[bytes] = deque(maxlen=recovery)

    def update(self, level: bytes) -> bytes:
        """Take what was found now; return what to say."""
        self._found.append(level)
        return max(self._found)

    def forget(self) -> None:
        """Begin anew: whatever comes back after a silence is judged as it is then."""
        self._found.clear()

    @property
    def reason(self) -> str:
        """Say why the level is worse than what was found last; empty where it is not."""
        if not self._found or self._found[-1] == max(self._found):
            return ""
        better = list(reversed(self._found)).index(max(self._found))
        return f"better in {better} of {count_of(self._found.maxlen or 0)}"

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hysteresis: a level gets worse at once, but better only after some time."""

from __future__ import annotations

from collections import deque

from pointpillars_ov_ros.config.errors import count_of


class HeldLevel:
    """Level of one status (`DiagnosticStatus`): the worst of the last few. STALE is not a level; it calls `forget`."""

    def __init__(self, recovery: int) -> None:
        """Leave a level after `recovery` better ones in a row; 1: at once."""
        self._found: deque[bytes] = deque(maxlen=recovery)

    def update(self, level: bytes) -> bytes:
        """Add the current level; return the level to report."""
        self._found.append(level)
        return max(self._found)

    def forget(self) -> None:
        """Start again: the first level after a silence counts as it is."""
        self._found.clear()

    @property
    def reason(self) -> str:
        """Why the reported level is worse than the last one; empty if it is not."""
        if not self._found or self._found[-1] == max(self._found):
            return ""
        better = list(reversed(self._found)).index(max(self._found))
        return f"better in {better} of {count_of(self._found.maxlen or 0)}"

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Throttling by sentence: rclpy throttles by source line, so that one reason would hide another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

_MOST_KINDS = 5
"""Maximum number of different sentences per period, so that varying faults cannot fill the log."""
_NUMBER = re.compile(r"\d[\d.,e+-]*")


class SentenceThrottle:
    """Throttle that passes each sentence once per period; sentences that differ only in numbers are the same."""

    def __init__(self, period_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start with no sentence passed; `now_s` is the clock."""
        self._period_s, self._now_s = period_s, now_s
        self._said_s: dict[str, float] = {}

    def passes(self, sentence: str) -> bool:
        """Whether the sentence is due; it is then not due again before the period is over."""
        now_s, kind = self._now_s(), _NUMBER.sub("#", sentence)
        self._said_s = {kind: at_s for kind, at_s in self._said_s.items() if now_s - at_s < self._period_s}
        if kind in self._said_s or len(self._said_s) >= _MOST_KINDS:
            return False
        self._said_s[kind] = now_s
        return True

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Throttling by what is said: rclpy's own is by the line of the source, and hides a second reason behind the first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

_MOST_KINDS = 5
"""Different sentences a period, so that senders of ever other faults cannot fill the log."""
_NUMBER = re.compile(r"\d[\d.,e+-]*")


class SentenceThrottle:
    """Lets a sentence pass once a period; sentences that differ in their numbers only are the same."""

    def __init__(self, period_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing said; `now_s` is the clock."""
        self._period_s, self._now_s = period_s, now_s
        self._said_s: dict[str, float] = {}

    def passes(self, sentence: str) -> bool:
        """Whether the sentence is due, which it is not again before the period is over."""
        now_s, kind = self._now_s(), _NUMBER.sub("#", sentence)
        self._said_s = {kind: at_s for kind, at_s in self._said_s.items() if now_s - at_s < self._period_s}
        if kind in self._said_s or len(self._said_s) >= _MOST_KINDS:
            return False
        self._said_s[kind] = now_s
        return True

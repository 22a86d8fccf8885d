# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated time, on which the pipeline runs as on a real clock."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count

from pointpillars_ov_ros.inference.pipeline.frames import HostCall


class VirtualClock:
    """Simulated time: a heap of future events. It advances only in `wait` and `advance`, on one thread."""

    def __init__(self) -> None:
        """Start at 0."""
        self._now_ns = 0
        self._soon: deque[HostCall] = deque()
        self._later: list[tuple[int, int, HostCall]] = []
        self._order = count()
        self.worked_ns = 0
        """Time that has passed in `advance`, which is the work of the host."""

    def now_ns(self) -> int:
        """Return the simulated time (ns)."""
        return self._now_ns

    def call_soon(self, call: HostCall) -> None:
        """Pass a call to the host; see `Clock`."""
        self._soon.append(call)

    def call_at(self, time_ns: int, call: HostCall) -> None:
        """Schedule an event: `call` is called when the time has come, whatever the host is doing then."""
        heapq.heappush(self._later, (max(time_ns, self._now_ns), next(self._order), call))

    def wait(self, until_ns: int | None) -> HostCall | None:
        """Wait for the next call, see `Clock`; RuntimeError if it would never end, since no event is scheduled."""
        while not self._soon:
            if until_ns is None and not self._later:
                raise RuntimeError("the simulated host waits, but no event is scheduled")
            if not self._happen(until_ns):
                return None
        return self._soon.popleft()

    def advance(self, duration_ns: int) -> None:
        """Let the host work for this long; events happen at their times meanwhile."""
        until_ns = self._now_ns + duration_ns
        while self._happen(until_ns):
            pass
        self.worked_ns += duration_ns

    def _happen(self, until_ns: int | None) -> bool:
        """Advance to the next event, or to `until_ns` and return False if that comes first."""
        if until_ns is not None:
            until_ns = max(until_ns, self._now_ns)
            if not self._later or self._later[0][0] > until_ns:
                self._now_ns = until_ns
                return False
        self._now_ns, _, call = heapq.heappop(self._later)
        call()
        return True

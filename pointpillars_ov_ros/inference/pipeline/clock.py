# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The time that the pipeline runs by, and how its host waits for what happens: real, or simulated."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from typing import Protocol

Call = Callable[[], None]
"""Something that happened, as what the host is to do about it."""


class Clock(Protocol):
    """Time, and the place where the host waits."""

    def now_ns(self) -> int:
        """Give the time."""

    def call_soon(self, call: Call) -> None:
        """Hand something over to the host; from any thread, at any time."""

    def wait(self, until_ns: int | None) -> Call | None:
        """Wait for what is handed over, for the host to call it; None where nothing was until `until_ns`.

        A time that has passed means not to wait, None to wait for ever.
        """


class MonotonicClock:
    """Real time, and a queue between threads."""

    def __init__(self) -> None:
        """Begin with nothing handed over."""
        self._calls: SimpleQueue[Call] = SimpleQueue()

    def now_ns(self) -> int:
        """Give the time of the system's monotonic clock."""
        return time.monotonic_ns()

    def call_soon(self, call: Call) -> None:
        """See `Clock`."""
        self._calls.put(call)

    def wait(self, until_ns: int | None) -> Call | None:
        """See `Clock`."""
        timeout_s = None if until_ns is None else max(0, until_ns - self.now_ns()) / 1e9
        try:
            return self._calls.get(timeout=timeout_s)
        except Empty:
            return None


class VirtualClock:
    """Simulated time: a heap of what is to happen. It passes only in `wait` and `advance`, on one thread."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._now_ns = 0
        self._soon: deque[Call] = deque()
        self._later: list[tuple[int, int, Call]] = []
        self._order = count()
        self.worked_ns = 0
        """Time that has passed in `advance`, which is the work of the host."""

    def now_ns(self) -> int:
        """Give the simulated time."""
        return self._now_ns

    def call_soon(self, call: Call) -> None:
        """See `Clock`."""
        self._soon.append(call)

    def call_at(self, time_ns: int, call: Call) -> None:
        """Let something happen at a time: `call` is called when it has come, whatever the host is at then."""
        heapq.heappush(self._later, (max(time_ns, self._now_ns), next(self._order), call))

    def wait(self, until_ns: int | None) -> Call | None:
        """See `Clock`; RuntimeError where the wait would be for ever, since nothing is to happen."""
        while not self._soon:
            if until_ns is None and not self._later:
                raise RuntimeError("the simulated host waits, and nothing is to happen any more")
            if not self._happen(until_ns):
                return None
        return self._soon.popleft()

    def advance(self, duration_ns: int) -> None:
        """Let the host work for so long; what happens meanwhile happens in its time."""
        until_ns = self._now_ns + duration_ns
        while self._happen(until_ns):
            pass
        self.worked_ns += duration_ns

    def _happen(self, until_ns: int | None) -> bool:
        """Go on to the next thing to happen, or to `until_ns` and give False where that comes first."""
        if until_ns is not None:
            until_ns = max(until_ns, self._now_ns)
            if not self._later or self._later[0][0] > until_ns:
                self._now_ns = until_ns
                return False
        self._now_ns, _, call = heapq.heappop(self._later)
        call()
        return True

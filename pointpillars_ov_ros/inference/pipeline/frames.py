# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cloud on its way through the pipeline: its times, the queue it waits in, and the order in which results leave."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections

log = logging.getLogger(__name__)


class Stage(IntEnum):
    """The stages of one cloud, in their order."""

    CONVERT = 0
    QUEUE = 1
    PILLARS = 2
    PFE = 3
    SCATTER = 4
    RPN = 5
    DECODE = 6


HOST_STAGES = (Stage.CONVERT, Stage.PILLARS, Stage.SCATTER, Stage.DECODE)
"""The work of the host; QUEUE is waiting for a frame slot, PFE and RPN are the devices'."""


class TimelineRow(Enum):
    """Who works."""

    HOST = 0
    PFE = 1
    RPN = 2


ROWS = {
    Stage.PILLARS: TimelineRow.HOST,
    Stage.PFE: TimelineRow.PFE,
    Stage.SCATTER: TimelineRow.HOST,
    Stage.RPN: TimelineRow.RPN,
    Stage.DECODE: TimelineRow.HOST,
}
"""Whose work a stage is. The wait for a slot is nobody's, and clouds are converted on the thread that sends them."""


class StageEvent(NamedTuple):
    """A stage of a frame began or ended: one line of the trace of a pipeline."""

    sequence: int
    stage: Stage
    is_end: bool
    now_ns: int
    slot: int = 0
    """Number of the frame slot."""


class StageTimes:
    """Begin and end of each stage of one frame, in nanoseconds of a monotonic clock."""

    __slots__ = ("_begin_ns", "_end_ns")

    def __init__(self) -> None:
        """Begin with nothing stamped."""
        self._begin_ns = [0] * len(Stage)
        self._end_ns = [0] * len(Stage)

    @classmethod
    def starting(cls, stage: Stage, now_ns: int) -> StageTimes:
        """Return the times of a frame whose `stage` begins now."""
        times = cls()
        times.begin(stage, now_ns)
        return times

    def begin(self, stage: Stage, now_ns: int) -> None:
        """Stamp the beginning of `stage`."""
        self._begin_ns[stage] = now_ns

    def end(self, stage: Stage, now_ns: int) -> None:
        """Stamp the end of `stage`."""
        self._end_ns[stage] = now_ns

    def span_ns(self, stage: Stage) -> tuple[int, int]:
        """Return begin and end (ns); (0, 0) for a stage that was not reached."""
        return self._begin_ns[stage], self._end_ns[stage]

    def duration_ms(self, stage: Stage) -> float:
        """Return how long `stage` took; 0 where it was not finished."""
        return max(0, self._end_ns[stage] - self._begin_ns[stage]) / 1e6

    @property
    def host_ms(self) -> float:
        """Work of the host: everything but waiting and the two inferences."""
        return sum(self.duration_ms(stage) for stage in HOST_STAGES)

    @property
    def total_ms(self) -> float:
        """From the cloud's reception to the end of decoding."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.CONVERT]) / 1e6

    @property
    def in_flight_ms(self) -> float:
        """From the moment a frame slot takes the cloud to the end of decoding: without the wait for a slot."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.PILLARS]) / 1e6


HostCall = Callable[[], None]
"""Something that happened, as what the host is to do about it."""


class Clock(Protocol):
    """Time, and the place where the host waits."""

    def now_ns(self) -> int:
        """Return the time (ns)."""

    def call_soon(self, call: HostCall) -> None:
        """Hand something over to the host; from any thread, at any time."""

    def wait(self, until_ns: int | None) -> HostCall | None:
        """Wait for what is handed over, for the host to call it; None where nothing was until `until_ns`.

        A time that has passed means not to wait, None to wait for ever.
        """


class MonotonicClock:
    """Real time, and a queue between threads."""

    def __init__(self) -> None:
        """Begin with nothing handed over."""
        self._calls: SimpleQueue[HostCall] = SimpleQueue()

    def now_ns(self) -> int:
        """See `Clock`: the system's monotonic time."""
        return time.monotonic_ns()

    def call_soon(self, call: HostCall) -> None:
        """See `Clock`."""
        self._calls.put(call)

    def wait(self, until_ns: int | None) -> HostCall | None:
        """See `Clock`."""
        timeout_s = None if until_ns is None else max(0, until_ns - self.now_ns()) / 1e9
        try:
            return self._calls.get(timeout=timeout_s)
        except Empty:
            return None


class Counts(NamedTuple):
    """Exact accounts: every submitted cloud is completed, failed, dropped or pending."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def pending(self) -> int:
        """Clouds waiting or in flight."""
        return self.submitted - self.completed - self.failed - self.dropped

    def plus(self, submitted: int = 0, completed: int = 0, failed: int = 0, dropped: int = 0) -> Counts:
        """Return the accounts with so many more."""
        return Counts(
            self.submitted + submitted,
            self.completed + completed,
            self.failed + failed,
            self.dropped + dropped,
        )


@dataclass(frozen=True)
class FrameResult:
    """What became of one submitted cloud."""

    sequence: int
    """0, 1, 2 … in the order of submission; dropped clouds leave gaps."""
    token: Any
    """What the caller gave with the cloud, untouched (the message header)."""
    detections: Detections
    error: str
    """Why the frame failed; empty where it did not."""
    points: int
    pillars: int
    times: StageTimes
    counts: Counts
    """The pipeline's accounts, this frame included."""


@dataclass
class PendingCloud:
    """A submitted cloud that has no result yet."""

    sequence: int
    token: Any
    points: FloatArray | None
    """None once they are grouped into pillars: their memory may then serve for another cloud."""
    times: StageTimes
    size: int
    """How many points."""
    pillars: int = 0
    slot: int = 0
    """Number of the slot that it is in."""
    T_level_model: Transform | None = None
    """What `points` were levelled by; None: they are as they came."""


class CloudQueue:
    """One place to wait in, between the threads of senders and the host thread; every cloud is accounted for here."""

    def __init__(self, policy: DropPolicy, now_ns: Callable[[], int]) -> None:
        """Begin open and empty; `now_ns` returns the time (ns)."""
        self._policy = policy
        self._now_ns = now_ns
        self._changed = threading.Condition()
        self._waiting: PendingCloud | None = None
        self._counts = Counts()
        self.is_closed = False
        self._is_stuck = False

    @property
    def has_cloud(self) -> bool:
        """Whether a cloud waits."""
        return self._waiting is not None

    @property
    def policy(self) -> DropPolicy:
        """What happens to a cloud that comes while another one waits."""
        return self._policy

    def set_policy(self, policy: DropPolicy) -> None:
        """Change that; a sender made to wait by the policy replay goes on under the new one."""
        with self._changed:
            self._policy = policy
            self._changed.notify_all()

    @property
    def is_stuck(self) -> bool:
        """Whether there is no slot that could take a cloud, because all hang."""
        return self._is_stuck

    def set_stuck(self, is_stuck: bool) -> None:
        """Note that; a sender made to wait goes on, for the thread that waits is one that a process is ended by."""
        with self._changed:
            self._is_stuck = is_stuck
            if is_stuck:
                self._changed.notify_all()

    @property
    def counts(self) -> Counts:
        """The accounts at this moment."""
        with self._changed:
            return self._counts

    def enqueue(
        self, points: FloatArray, token: Any, times: StageTimes, T_level_model: Transform | None = None
    ) -> bool:
        """Put a cloud into the queue; False where the queue is closed.

        Live it displaces one that waits, and so it does where the queue is stuck; in replay it waits.
        """
        times.begin(Stage.QUEUE, self._now_ns())
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None or self._may_displace or self.is_closed)
            if self.is_closed:
                return False
            self._drop_waiting()
            self._waiting = PendingCloud(
                self._counts.submitted, token, points, times, len(points), T_level_model=T_level_model
            )
            self._counts = self._counts.plus(submitted=1)
        return True

    def dequeue(self) -> PendingCloud | None:
        """Remove and return the cloud that waits; None where it was dropped meanwhile."""
        with self._changed:
            cloud, self._waiting = self._waiting, None
            self._changed.notify_all()
        if cloud is not None:
            cloud.times.end(Stage.QUEUE, self._now_ns())
        return cloud

    def counts_after(self, failed: bool) -> Counts:
        """Return the accounts as they will be with one more completed or failed."""
        return self.counts.plus(failed=int(failed), completed=int(not failed))

    def settle(self, failed: bool) -> None:
        """Count a cloud whose result was delivered; not earlier, since `drain` promises results."""
        with self._changed:
            self._counts = self.counts_after(failed)
            self._changed.notify_all()

    def drain(self, timeout_s: float | None) -> bool:
        """Wait until every cloud is accounted for; False where that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts.pending == 0, timeout_s)

    def close(self) -> None:
        """Accept no more clouds; one that waits is dropped."""
        with self._changed:
            self.is_closed = True
            self._drop_waiting()
            self._changed.notify_all()

    @property
    def _may_displace(self) -> bool:
        return self._policy is DropPolicy.LIVE or self._is_stuck

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting = None
            self._counts = self._counts.plus(dropped=1)


class FinishedCloud(NamedTuple):
    """A cloud and its result, which may have to wait for older ones."""

    cloud: PendingCloud
    detections: Detections
    error: str


class ResultOrder:
    """Hands results over in input order, each as soon as it and all older ones are there; for the host thread only."""

    def __init__(self, queue: CloudQueue, on_result: Callable[[FrameResult], None]) -> None:
        """Hand results to `on_result`, and count them in `queue`."""
        self._queue = queue
        self._on_result = on_result
        self._order: deque[int] = deque()
        self._held: dict[int, FinishedCloud] = {}

    def expect(self, cloud: PendingCloud) -> None:
        """Note that `cloud` is the next in order."""
        self._order.append(cloud.sequence)

    def release(self, cloud: PendingCloud, detections: Detections, error: str) -> None:
        """Hand over the result of `cloud` and those that waited for it, but none before an older frame's."""
        self._held[cloud.sequence] = FinishedCloud(cloud, detections, error)
        while self._order and self._order[0] in self._held:
            self._deliver(self._held.pop(self._order.popleft()))

    def _deliver(self, finished: FinishedCloud) -> None:
        cloud, detections, error = finished
        failed = bool(error)
        result = FrameResult(
            cloud.sequence,
            cloud.token,
            detections,
            error,
            cloud.size,
            cloud.pillars,
            cloud.times,
            self._queue.counts_after(failed),
        )
        try:
            self._on_result(result)
        except Exception:
            log.exception("the receiver of frame %d's result raised", cloud.sequence)
        self._queue.settle(failed)

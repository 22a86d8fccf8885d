# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cloud on its way through the pipeline: its times, the queue it waits in, and the order of results."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections

if TYPE_CHECKING:
    # Its kernels are not for those who read timing messages, such as the diagnostics node.
    from pointpillars_ov_ros.clouds.transform import Transform

log = logging.getLogger(__name__)


class Stage(IntEnum):
    """Stages of one cloud, in order."""

    CONVERT = 0
    QUEUE = 1
    PILLARS = 2
    PFE = 3
    SCATTER = 4
    RPN = 5
    DECODE = 6


HOST_STAGES = (Stage.CONVERT, Stage.PILLARS, Stage.SCATTER, Stage.DECODE)
"""Work of the host; QUEUE is waiting for a frame slot, PFE and RPN run on the devices."""


class TimelineRow(Enum):
    """Worker of a stage."""

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
"""Worker of each stage. Waiting for a slot has none, and clouds are converted on the thread that sends them."""


class StageEvent(NamedTuple):
    """Begin or end of a stage of a frame: one line of a pipeline's trace."""

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
        """Start with nothing stamped."""
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
        """Return the duration of `stage`; 0 if it did not finish."""
        return max(0, self._end_ns[stage] - self._begin_ns[stage]) / 1e6

    @property
    def host_ms(self) -> float:
        """Work of the host: everything but waiting and the two inferences."""
        return sum(self.duration_ms(stage) for stage in HOST_STAGES)

    @property
    def total_ms(self) -> float:
        """Time from the reception of the cloud to the end of decoding."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.CONVERT]) / 1e6

    @property
    def in_flight_ms(self) -> float:
        """Time from taking the cloud into a frame slot to the end of decoding, without the wait for a slot."""
        return max(0, self._end_ns[Stage.DECODE] - self._begin_ns[Stage.PILLARS]) / 1e6


HostCall = Callable[[], None]
"""An event, as the function that the host calls for it."""


class Clock(Protocol):
    """Time, and the place where the host waits."""

    def now_ns(self) -> int:
        """Return the time (ns)."""

    def call_soon(self, call: HostCall) -> None:
        """Pass a call to the host; from any thread, at any time."""

    def wait(self, until_ns: int | None) -> HostCall | None:
        """Wait for the next call passed to the host and return it; None if there was none until `until_ns`.

        With a time in the past it does not wait, with None it waits for ever.
        """


class MonotonicClock:
    """Real time, and a queue between threads."""

    def __init__(self) -> None:
        """Start with an empty queue."""
        self._calls: SimpleQueue[HostCall] = SimpleQueue()

    def now_ns(self) -> int:
        """Return the system's monotonic time (ns)."""
        return time.monotonic_ns()

    def call_soon(self, call: HostCall) -> None:
        """Pass a call to the host; see `Clock`."""
        self._calls.put(call)

    def wait(self, until_ns: int | None) -> HostCall | None:
        """Wait for the next call; see `Clock`."""
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
        """Number of clouds waiting or in flight."""
        return self.submitted - self.completed - self.failed - self.dropped

    def plus(self, submitted: int = 0, completed: int = 0, failed: int = 0, dropped: int = 0) -> Counts:
        """Return the counts with these added."""
        return Counts(
            self.submitted + submitted,
            self.completed + completed,
            self.failed + failed,
            self.dropped + dropped,
        )


@dataclass(frozen=True)
class FrameResult:
    """Result of one submitted cloud."""

    sequence: int
    """0, 1, 2 … in the order of submission; dropped clouds leave gaps."""
    token: Any
    """Object that the caller passed with the cloud, unchanged (the message header)."""
    detections: Detections
    error: str
    """Reason why the frame failed; empty if it did not."""
    points: int
    pillars: int
    times: StageTimes
    counts: Counts
    """Counts of the pipeline, including this frame."""


@dataclass
class PendingCloud:
    """A submitted cloud that has no result yet."""

    sequence: int
    token: Any
    points: FloatArray | None
    """None once they are grouped into pillars, when their memory may serve another cloud."""
    times: StageTimes
    size: int
    """Number of points."""
    pillars: int = 0
    slot: int = 0
    """Number of the slot that it is in."""
    T_level_model: Transform | None = None
    """Transform that `points` were levelled by; None: they are unchanged."""


class CloudQueue:
    """Queue for one cloud, between the sending threads and the host thread; it accounts for every cloud."""

    def __init__(self, policy: DropPolicy, now_ns: Callable[[], int]) -> None:
        """Start open and empty; `now_ns` returns the time (ns)."""
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
        """What happens to a cloud that arrives while another one waits."""
        return self._policy

    def set_policy(self, policy: DropPolicy) -> None:
        """Change the policy; a sender that waits under the policy replay goes on under the new one."""
        with self._changed:
            self._policy = policy
            self._changed.notify_all()

    @property
    def is_stuck(self) -> bool:
        """Whether no slot can take a cloud, because all of them hang."""
        return self._is_stuck

    def set_stuck(self, is_stuck: bool) -> None:
        """Set whether the queue is stuck; a waiting sender then goes on, as its thread may have to end the process."""
        with self._changed:
            self._is_stuck = is_stuck
            if is_stuck:
                self._changed.notify_all()

    @property
    def counts(self) -> Counts:
        """The current counts."""
        with self._changed:
            return self._counts

    def enqueue(
        self, points: FloatArray, token: Any, times: StageTimes, T_level_model: Transform | None = None
    ) -> bool:
        """Put a cloud into the queue; return False if the queue is closed.

        Under the policy live, or if the queue is stuck, it replaces a waiting cloud; under replay it waits.
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
        """Remove and return the waiting cloud; None if it was dropped meanwhile."""
        with self._changed:
            cloud, self._waiting = self._waiting, None
            self._changed.notify_all()
        if cloud is not None:
            cloud.times.end(Stage.QUEUE, self._now_ns())
        return cloud

    def counts_after(self, failed: bool) -> Counts:
        """Return the counts as they will be with one more completed or failed."""
        return self.counts.plus(failed=int(failed), completed=int(not failed))

    def settle(self, failed: bool) -> None:
        """Count a cloud whose result was delivered; not earlier, since `drain` promises results."""
        with self._changed:
            self._counts = self.counts_after(failed)
            self._changed.notify_all()

    def drain(self, timeout_s: float | None) -> bool:
        """Wait until every cloud is accounted for; return False after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts.pending == 0, timeout_s)

    def close(self) -> None:
        """Accept no more clouds; a waiting one is dropped."""
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
    """Delivers results in input order, each as soon as it and all older ones are there; for the host thread only."""

    def __init__(self, queue: CloudQueue, on_result: Callable[[FrameResult], None]) -> None:
        """Pass results to `on_result`, and count them in `queue`."""
        self._queue = queue
        self._on_result = on_result
        self._order: deque[int] = deque()
        self._held: dict[int, FinishedCloud] = {}

    def expect(self, cloud: PendingCloud) -> None:
        """Note that `cloud` is the next in order."""
        self._order.append(cloud.sequence)

    def release(self, cloud: PendingCloud, detections: Detections, error: str) -> None:
        """Deliver the result of `cloud` and those that waited for it, but none before an older frame's."""
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

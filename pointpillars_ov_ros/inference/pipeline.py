# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in flight: one host thread moves them along, results leave in input order."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.config import PostprocessConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.errors import PointPillarsError
from pointpillars_ov_ros.core.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.inference.frames import Counts, FrameResult, Slot
from pointpillars_ov_ros.inference.intake import Cloud, Intake
from pointpillars_ov_ros.inference.scheduler import RUNNING, SCHEDULES, Job, State, next_job
from pointpillars_ov_ros.inference.timing import Stage, StageTimes

log = logging.getLogger(__name__)

_POLL_S = 0.1
"""How often a running inference is asked whether it failed: OpenVINO's callback does not tell."""


@dataclass
class _Flight:
    slot: Slot
    state: State = State.IDLE
    sequence: int = -1
    cloud: Cloud | None = None


class _Outcome(NamedTuple):
    """What became of a cloud, on its way out."""

    cloud: Cloud
    detections: Detections
    error: str


class _Done(NamedTuple):
    """Says that an inference of a frame ended."""

    flight: _Flight
    sequence: int
    running: State
    now_ns: int


class Pipeline:
    """Takes clouds from any thread and gives results, in input order, on its own."""

    def __init__(
        self,
        slots: Sequence[Slot],
        mode: Mode,
        policy: DropPolicy,
        settings: PostprocessConfig,
        on_result: Callable[[FrameResult], None],
    ) -> None:
        """Start the host thread. `slots` are as many as the mode has; `on_result` is called on that thread."""
        self.settings = settings
        self._schedule = SCHEDULES[mode]
        self._intake = Intake(policy)
        self._on_result = on_result
        self._flights = [_Flight(slot) for slot in slots]
        self._events: SimpleQueue[_Done | None] = SimpleQueue()
        self._poll_at_s = 0.0
        self._order: deque[int] = deque()
        self._held: dict[int, _Outcome] = {}
        self._thread = threading.Thread(target=self._run, name="pointpillars-host", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """The accounts at this moment."""
        return self._intake.counts

    def submit(self, points: FloatArray, token: Any, times: StageTimes | None = None) -> bool:
        """Hand over `points` (N, 4) float32, not to be changed any more; give False where the pipeline is closed.

        Policy live: never waits; a cloud still waiting for a slot is displaced, and counted as dropped.
        Policy replay: waits until there is room, so not to be called from `on_result`.
        """
        if times is None:
            times = StageTimes()
            times.begin(Stage.CONVERT, time.monotonic_ns())
            times.end(Stage.CONVERT, time.monotonic_ns())
        if not self._intake.put(points, token, times):
            return False
        self._events.put(None)
        return True

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until every cloud submitted so far has left; False where that took longer than `timeout_s`."""
        return self._intake.drain(timeout_s)

    def close(self) -> None:
        """Finish what is in flight, give its results, and stop; a cloud still waiting is dropped."""
        self._intake.close()
        self._events.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            choice = next_job(self._schedule, self._flights, self._intake.has_cloud)
            if choice is not None:
                self._do(*choice)
                continue
            if self._intake.is_closed and all(flight.state is State.IDLE for flight in self._flights):
                return
            self._await_event()

    def _await_event(self) -> None:
        running = any(flight.state in RUNNING for flight in self._flights)
        try:
            event = self._events.get(timeout=max(0.0, self._poll_at_s - time.monotonic()) if running else None)
            if event is not None:
                self._advance(event)
        except Empty:
            pass
        # By the clock and not by the silence: clouds that keep coming must not put it off.
        if running and time.monotonic() >= self._poll_at_s:
            self._poll_at_s = time.monotonic() + _POLL_S
            self._poll()

    def _poll(self) -> None:
        for flight in self._flights:
            slot, state = flight.slot, flight.state
            if (state is State.PFE_RUNNING and slot.pfe_is_finished()) or (
                state is State.RPN_RUNNING and slot.rpn_is_finished()
            ):
                self._advance(_Done(flight, flight.sequence, state, time.monotonic_ns()))

    def _advance(self, event: _Done) -> None:
        """Note that an inference ended; a second notice of the same end is passed over."""
        flight = event.flight
        if flight.sequence != event.sequence or flight.state is not event.running:
            return
        assert flight.cloud is not None
        on_pfe = event.running is State.PFE_RUNNING
        flight.cloud.times.end(Stage.PFE if on_pfe else Stage.RPN, event.now_ns)
        flight.state = State.PFE_DONE if on_pfe else State.RPN_DONE

    def _do(self, job: Job, flight: _Flight) -> None:
        if job is Job.PREPARE and not self._take_cloud(flight):
            return
        assert flight.cloud is not None
        detections, error = Detections.empty(), ""
        try:
            detections = self._step(job, flight, flight.cloud)
        except PointPillarsError as known:
            error = str(known) or type(known).__name__
        except Exception as unknown:
            log.exception("frame %d failed", flight.sequence)
            error = f"{type(unknown).__name__}: {unknown}"
        if error or job is Job.FINISH:
            self._leave(flight, detections, error)
        else:
            flight.state = job.leads_to

    def _step(self, job: Job, flight: _Flight, cloud: Cloud) -> Detections:
        """Do one job; its result is empty but for FINISH."""
        slot, times = flight.slot, cloud.times
        now = time.monotonic_ns
        if job is Job.PREPARE:
            times.begin(Stage.PILLARS, now())
            slot.prepare(cloud.points)
            cloud.pillars = slot.pillars
            times.end(Stage.PILLARS, now())
        elif job is Job.START_PFE:
            times.begin(Stage.PFE, now())
            slot.start_pfe(self._done_callback(flight, State.PFE_RUNNING))
        elif job is Job.SCATTER:
            times.begin(Stage.SCATTER, now())
            slot.scatter()
            times.end(Stage.SCATTER, now())
        elif job is Job.START_RPN:
            times.begin(Stage.RPN, now())
            slot.start_rpn(self._done_callback(flight, State.RPN_RUNNING))
        elif job is Job.FINISH:
            times.begin(Stage.DECODE, now())
            detections = slot.decode(self.settings)
            times.end(Stage.DECODE, now())
            return detections
        return Detections.empty()

    def _done_callback(self, flight: _Flight, running: State) -> Callable[[], None]:
        """Make what OpenVINO calls on its own thread: a stamp and a hand-over, nothing that can raise."""
        sequence, put, now = flight.sequence, self._events.put, time.monotonic_ns
        return lambda: put(_Done(flight, sequence, running, now()))

    def _take_cloud(self, flight: _Flight) -> bool:
        cloud = self._intake.take()
        if cloud is None:
            return False
        flight.cloud, flight.sequence = cloud, cloud.sequence
        self._order.append(cloud.sequence)
        return True

    def _leave(self, flight: _Flight, detections: Detections, error: str) -> None:
        """Free the slot; give its result, and those that waited for it, but none before an older frame's."""
        cloud = flight.cloud
        assert cloud is not None
        self._held[cloud.sequence] = _Outcome(cloud, detections, error)
        flight.state, flight.cloud = State.IDLE, None
        while self._order and self._order[0] in self._held:
            self._deliver(self._held.pop(self._order.popleft()))

    def _deliver(self, outcome: _Outcome) -> None:
        cloud, detections, error = outcome
        failed = bool(error)
        result = FrameResult(
            cloud.sequence,
            cloud.token,
            detections,
            error,
            len(cloud.points),
            cloud.pillars,
            cloud.times,
            self._intake.counts_after(failed),
        )
        try:
            self._on_result(result)
        except Exception:
            log.exception("the receiver of frame %d's result raised", cloud.sequence)
        self._intake.settle(failed)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pipeline of frames in flight: one host thread advances them step by step; results leave in input order.

The same loop runs on simulated time, in which case the creator of the pipeline calls `turn`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from pointpillars_ov_ros.clouds.level import Leveller, unlevel_boxes
from pointpillars_ov_ros.config.errors import PointPillarsError, require
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.frames import (
    Clock,
    CloudQueue,
    Counts,
    FrameResult,
    MonotonicClock,
    PendingCloud,
    ResultOrder,
    Stage,
    StageEvent,
    StageTimes,
)
from pointpillars_ov_ros.inference.pipeline.scheduler import (
    SCHEDULES,
    HostJob,
    Slot,
    SlotEntry,
    SlotTable,
    State,
    check_slots,
    next_job,
    rpns_at_once,
)

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 10.0
STUCK_TIMEOUT_S = 10.0
"""How long a sender under replay waits for a slot if all hang; it may be the thread that ends the process."""
_HOST_GRACE_S = 5.0
"""Time for the host's own work beyond that; it cannot be given up like an inference."""
_WATCH_NS = 100_000_000
"""Interval at which running inferences are checked for an end that was not reported, or for taking too long."""


class Limits(NamedTuple):
    """Time limits for a device."""

    stage_ns: int | None
    """Limit for one inference; None: unlimited."""
    stuck_ns: int
    """Limit for making or returning a slot if all hang, before senders are told to go on."""
    close_ns: int
    """Limit for everything in flight, once the pipeline is closed."""


class Pipeline:
    """Pipeline that takes clouds from any thread and delivers results, in input order, on its own."""

    def __init__(
        self,
        slots: Sequence[Slot],
        mode: Mode,
        policy: DropPolicy,
        settings: PostprocessConfig,
        on_result: Callable[[FrameResult], None],
        *,
        stage_timeout_s: float | None = None,
        stuck_timeout_s: float = STUCK_TIMEOUT_S,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
        on_event: Callable[[StageEvent], None] | None = None,
        on_hung: Callable[[list[Slot]], None] = lambda hung: None,
        leveller: Leveller | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Start the host thread. `slots` has as many as the mode needs; `on_result` is called on that thread.

        `stage_timeout_s`: an inference that takes longer (checked every 0.1 s) is reported as failed; None: never.
        `stuck_timeout_s`: if all slots hang for longer, `submit` does not wait for one, whatever the policy.
        `close_timeout_s`: frames still on a device this long after `close` are reported as failed.
        `on_event` is called on the host thread when a stage of a frame begins or ends, and must not raise.
        `on_hung` is called there with the `hung_slots` after each change of them, and must not raise.
        `leveller`: levels every cloud on the submitting thread; boxes are returned in the original frame.
        `clock`: simulated time; there is no thread then, and the creator of the pipeline calls `turn`.
        """
        require(stage_timeout_s is None or stage_timeout_s > 0, "stage_timeout_s", stage_timeout_s, "above 0")
        require(stuck_timeout_s >= 0, "stuck_timeout_s", stuck_timeout_s, "0 or above")
        require(close_timeout_s >= 0, "close_timeout_s", close_timeout_s, "0 or above")
        check_slots(mode, len(slots))
        self.settings = settings
        """Settings that results are decoded with."""
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self._queue = CloudQueue(policy, self._clock.now_ns)
        self._order = ResultOrder(self._queue, on_result)
        self._on_event, self._on_hung, self._leveller = on_event, on_hung, leveller
        self._limits = Limits(
            stage_ns=None if stage_timeout_s is None else int(stage_timeout_s * 1e9),
            stuck_ns=int(stuck_timeout_s * 1e9),
            close_ns=int(close_timeout_s * 1e9),
        )
        self._slots = SlotTable()
        self._watch_at_ns = 0
        self._closing_at_ns: int | None = None
        self._stuck_since_ns: int | None = None
        self._use(mode, slots)
        self._thread = threading.Thread(target=self._run, name="pointpillars-host", daemon=True)
        if clock is None:
            self._thread.start()

    @property
    def counts(self) -> Counts:
        """The current counts."""
        return self._queue.counts

    @property
    def policy(self) -> DropPolicy:
        """What happens to clouds that arrive too fast."""
        return self._queue.policy

    @property
    def has_room(self) -> bool:
        """Whether a cloud submitted now neither waits nor replaces another one."""
        return not self._queue.has_cloud

    @property
    def is_closed(self) -> bool:
        """Whether no more clouds are accepted."""
        return self._queue.is_closed

    @property
    def hung_slots(self) -> list[Slot]:
        """Slots whose inference was given up and which the device has not returned."""
        return [entry.slot for entry in self._slots.hung]

    @property
    def is_stuck(self) -> bool:
        """Whether all slots hang, and none was replaced within `stuck_timeout_s`."""
        return self._queue.is_stuck

    def submit(self, points: FloatArray, token: Any, times: StageTimes | None = None) -> bool:
        """Submit `points` (N, 4) float32, not to be changed any more; return False if the pipeline is closed.

        Policy live: never waits; a cloud still waiting for a slot is replaced, and counted as dropped. Policy replay:
        waits until there is room, so it must not be called from `on_result`; like live if the pipeline `is_stuck`.
        """
        if times is None:
            times = StageTimes.starting(Stage.CONVERT, self._clock.now_ns())
            times.end(Stage.CONVERT, self._clock.now_ns())
        T_level_model = None
        if self._leveller is not None:
            points, T_level_model = self._leveller.level(points)
            times.end(Stage.CONVERT, self._clock.now_ns())
        if not self._queue.enqueue(points, token, times, T_level_model):
            return False
        self._clock.call_soon(_look)
        return True

    def set_mode(self, mode: Mode, slots: Sequence[Slot]) -> None:
        """Run `mode` over `slots` from now on, from any thread and without a pause.

        Slots already in use stay; the others are new. A used slot that is not among them finishes its frame, and then
        belongs to the caller again; one that hangs, when the device returns it. Raises ConfigError if the number of
        `slots` does not fit the mode.
        """
        check_slots(mode, len(slots))
        self._clock.call_soon(partial(self._use, mode, tuple(slots)))

    def set_policy(self, policy: DropPolicy) -> None:
        """Change what happens to clouds that arrive too fast; a sender waiting in `submit` goes on at once."""
        self._queue.set_policy(policy)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until every cloud submitted so far has left; return False after `timeout_s`."""
        return self._queue.drain(timeout_s)

    def close(self) -> None:
        """Finish the frames in flight, deliver their results, and stop; a cloud still waiting is dropped.

        Frames that a device has not finished after `close_timeout_s` are reported as failed. On a simulated clock this
        returns at once, and `turn` goes on until it returns False.
        """
        self._queue.close()
        self._clock.call_soon(self._begin_close)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(self._limits.close_ns / 1e9 + _HOST_GRACE_S)
            if self._thread.is_alive():
                log.error("the pipeline's thread did not end: a host step or the receiver of results hangs")

    def turn(self) -> bool:
        """Handle events, then do one job or wait; return False when closed and nothing is in flight."""
        while (call := self._clock.wait(until_ns=0)) is not None:
            call()
        self._watch()
        choice = next_job(self._schedule, self._slots.active, self._queue.has_cloud, self._rpns_at_once)
        if choice is not None:
            self._do(*choice)
        elif self._queue.is_closed and self._slots.are_idle():
            return False
        else:
            self._wait()
        return True

    def _wait(self) -> None:
        a_device_works = self._slots.running() or self._slots.hung
        call = self._clock.wait(self._watch_at_ns if a_device_works else None)
        if call is not None:
            call()

    def _watch(self) -> None:
        """Check the devices at fixed intervals, even if clouds keep arriving."""
        now_ns = self._clock.now_ns()
        if now_ns < self._watch_at_ns:
            return
        self._watch_at_ns = now_ns + _WATCH_NS
        if self._slots.recover():
            self._on_hung(self.hung_slots)
        self._look_whether_stuck(now_ns)
        for entry in self._slots.running():
            if entry.is_finished():
                self._inference_ended(entry, entry.sequence, entry.state, now_ns)
            elif reason := self._too_long(entry, now_ns):
                self._give_up(entry, reason)

    def _look_whether_stuck(self, now_ns: int) -> None:
        """Let senders go on if all slots hang and none was replaced in time.

        The limit differs from that of an inference: a plugin may block new requests until the one that hangs has ended.
        """
        if not self._slots.are_stuck:
            self._stuck_since_ns = None
        elif self._stuck_since_ns is None:
            self._stuck_since_ns = now_ns
        since_ns = self._stuck_since_ns
        self._queue.set_stuck(since_ns is not None and now_ns - since_ns >= self._limits.stuck_ns)

    def _too_long(self, entry: SlotEntry, now_ns: int) -> str:
        """Return why a running inference is given up; empty if it is not."""
        network = Stage.PFE.name if entry.state is State.PFE_RUNNING else Stage.RPN.name
        limits, closing_at_ns = self._limits, self._closing_at_ns
        if limits.stage_ns is not None and now_ns - entry.started_ns >= limits.stage_ns:
            return f"{network} did not end within {limits.stage_ns / 1e9:g} s"
        if closing_at_ns is not None and now_ns - closing_at_ns >= limits.close_ns:
            return f"{network} did not end within {limits.close_ns / 1e9:g} s after the pipeline was closed"
        return ""

    def _give_up(self, entry: SlotEntry, reason: str) -> None:
        """Report a frame as failed whose inference does not end; the device still holds its slot."""
        log.error("frame %d: %s; its slot is set aside until the device returns it", entry.sequence, reason)
        cloud = self._slots.set_aside(entry)
        self._on_hung(self.hung_slots)
        self._order.release(cloud, Detections.empty(), reason)

    def _inference_ended(self, entry: SlotEntry, sequence: int, running: State, now_ns: int) -> None:
        """Note that an inference ended; a second report of the same end is ignored."""
        if entry.cloud is None or entry.sequence != sequence or entry.state is not running:
            return
        on_pfe = running is State.PFE_RUNNING
        self._end(entry.cloud, Stage.PFE if on_pfe else Stage.RPN, now_ns)
        entry.state = State.PFE_DONE if on_pfe else State.RPN_DONE

    def _do(self, job: HostJob, entry: SlotEntry) -> None:
        if job is HostJob.PREPARE and not self._dequeue_cloud(entry):
            return
        assert entry.cloud is not None
        detections, error = None, ""
        try:
            detections = self._step(job, entry, entry.cloud)
        except PointPillarsError as known:
            error = str(known) or type(known).__name__
        except Exception as unknown:
            log.exception("frame %d failed", entry.sequence)
            error = f"{type(unknown).__name__}: {unknown}"
        if error or job is HostJob.FINISH:
            self._order.release(
                self._slots.free(entry), Detections.empty() if detections is None else detections, error
            )
            # After the result has left, so that nobody waits for it.
            entry.slot.tidy_up()
        else:
            entry.state = job.leads_to

    def _step(self, job: HostJob, entry: SlotEntry, cloud: PendingCloud) -> Detections | None:
        """Do one job; only FINISH has a result."""
        slot, detections = entry.slot, None
        if job is HostJob.PREPARE:
            self._begin(cloud, Stage.PILLARS)
            assert cloud.points is not None
            slot.prepare(cloud.points)
            cloud.points = None
            cloud.pillars = slot.pillars
            self._end(cloud, Stage.PILLARS)
        elif job is HostJob.START_PFE:
            entry.started_ns = self._begin(cloud, Stage.PFE)
            slot.start_pfe(self._done_callback(entry, State.PFE_RUNNING))
        elif job is HostJob.SCATTER:
            self._begin(cloud, Stage.SCATTER)
            slot.scatter()
            self._end(cloud, Stage.SCATTER)
        elif job is HostJob.START_RPN:
            entry.started_ns = self._begin(cloud, Stage.RPN)
            slot.start_rpn(self._done_callback(entry, State.RPN_RUNNING))
        elif job is HostJob.FINISH:
            self._begin(cloud, Stage.DECODE)
            detections = slot.decode(self.settings)
            if cloud.T_level_model is not None:
                detections = replace(detections, boxes=unlevel_boxes(detections.boxes, cloud.T_level_model))
            self._end(cloud, Stage.DECODE)
        return detections

    def _done_callback(self, entry: SlotEntry, running: State) -> Callable[[], None]:
        """Return the callback for the waiting thread: it stamps the time and notifies the host, and cannot raise."""
        sequence, clock = entry.sequence, self._clock
        return lambda: clock.call_soon(partial(self._inference_ended, entry, sequence, running, clock.now_ns()))

    def _dequeue_cloud(self, entry: SlotEntry) -> bool:
        cloud = self._queue.dequeue()
        if cloud is None:
            return False
        entry.cloud, entry.sequence = cloud, cloud.sequence
        cloud.slot = entry.number
        self._order.expect(cloud)
        begin_ns, end_ns = cloud.times.span_ns(Stage.QUEUE)
        self._trace(cloud, Stage.QUEUE, False, begin_ns)
        self._trace(cloud, Stage.QUEUE, True, end_ns)
        return True

    def _begin(self, cloud: PendingCloud, stage: Stage) -> int:
        now_ns = self._clock.now_ns()
        cloud.times.begin(stage, now_ns)
        self._trace(cloud, stage, False, now_ns)
        return now_ns

    def _end(self, cloud: PendingCloud, stage: Stage, now_ns: int | None = None) -> None:
        now_ns = self._clock.now_ns() if now_ns is None else now_ns
        cloud.times.end(stage, now_ns)
        self._trace(cloud, stage, True, now_ns)

    def _trace(self, cloud: PendingCloud, stage: Stage, is_end: bool, now_ns: int) -> None:
        if self._on_event is not None:
            self._on_event(StageEvent(cloud.sequence, stage, is_end, now_ns, cloud.slot))

    def _run(self) -> None:
        while self.turn():
            pass
        if self._slots.hung:
            log.error("closed while a device has not returned %d of the slots", len(self._slots.hung))

    def _use(self, mode: Mode, slots: Sequence[Slot]) -> None:
        """Run `mode` over these slots and no others; frames in other slots are finished first."""
        self._schedule, self._rpns_at_once = SCHEDULES[mode], rpns_at_once(len(slots))
        self._slots.assign(slots)

    def _begin_close(self) -> None:
        """Limit the time of the frames in flight from now on."""
        if self._closing_at_ns is None:
            self._closing_at_ns = self._clock.now_ns()


def _look() -> None:
    """Do nothing but wake up the host, which then looks for work."""

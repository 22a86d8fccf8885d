# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The host's loop: take what has happened, choose a job, do it. Written once, for real and for simulated time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.clock import Clock
from pointpillars_ov_ros.inference.pipeline.cloud_queue import Cloud, Intake
from pointpillars_ov_ros.inference.pipeline.delivery import Delivery
from pointpillars_ov_ros.inference.pipeline.flights import Flights, SlotInUse
from pointpillars_ov_ros.inference.pipeline.frames import Slot
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES, Job, State, next_job, rpns_at_once
from pointpillars_ov_ros.inference.pipeline.timing import Stage, StageEvent

log = logging.getLogger(__name__)

_WATCH_NS = 100_000_000
"""How often a running inference is asked whether it ended and nobody said so, or takes too long."""


@dataclass(frozen=True)
class Limits:
    """How long a device may take."""

    stage_ns: int | None
    """For one inference; None: as long as it likes."""
    stuck_ns: int
    """For a slot to be made or given back where all hang, before senders are told to go on."""
    close_ns: int
    """For everything in flight, once the pipeline is closed."""


class HostLoop:
    """Moves the frames in flight along; everything here happens on one thread, the host's."""

    def __init__(
        self,
        settings: PostprocessConfig,
        intake: Intake,
        delivery: Delivery,
        clock: Clock,
        limits: Limits,
        on_event: Callable[[StageEvent], None] | None,
        on_hung: Callable[[list[Slot]], None],
    ) -> None:
        """Begin without slots; `use` gives them."""
        self.settings = settings
        self._schedule, self._rpns_at_once = SCHEDULES[Mode.LATENCY], 1
        self._intake, self._delivery, self._clock = intake, delivery, clock
        self._limits = limits
        self._on_event, self._on_hung = on_event, on_hung
        self._flights = Flights()
        self._watch_at_ns = 0
        self._closing_at_ns: int | None = None
        self._stuck_since_ns: int | None = None

    def use(self, mode: Mode, slots: Sequence[Slot]) -> None:
        """Run `mode` over these slots and no others; the frames in the others are finished first."""
        self._schedule, self._rpns_at_once = SCHEDULES[mode], rpns_at_once(len(slots))
        self._flights.use(slots)

    def begin_close(self) -> None:
        """Note that the intake is closed: from now on there is a limit for what is in flight."""
        if self._closing_at_ns is None:
            self._closing_at_ns = self._clock.now_ns()

    @property
    def hung(self) -> list[Slot]:
        """Slots whose inference was given up and that the device has not given back."""
        return [flight.slot for flight in self._flights.hung]

    def turn(self) -> bool:
        """Take what has happened, then do one job or wait; False when closed and nothing is in flight."""
        while (call := self._clock.wait(until_ns=0)) is not None:
            call()
        self._watch()
        choice = next_job(self._schedule, self._flights.active, self._intake.has_cloud, self._rpns_at_once)
        if choice is not None:
            self._do(*choice)
        elif self._intake.is_closed and self._flights.are_idle():
            return False
        else:
            self._wait()
        return True

    def _wait(self) -> None:
        a_device_works = self._flights.running() or self._flights.hung
        call = self._clock.wait(self._watch_at_ns if a_device_works else None)
        if call is not None:
            call()

    def _watch(self) -> None:
        """Look after the devices, by the clock and not by the silence: clouds that keep coming must not put it off."""
        now_ns = self._clock.now_ns()
        if now_ns < self._watch_at_ns:
            return
        self._watch_at_ns = now_ns + _WATCH_NS
        if self._flights.take_back():
            self._on_hung(self.hung)
        self._look_whether_stuck(now_ns)
        for flight in self._flights.running():
            if flight.is_finished():
                self._inference_ended(flight, flight.sequence, flight.state, now_ns)
            elif reason := self._too_long(flight, now_ns):
                self._give_up(flight, reason)

    def _look_whether_stuck(self, now_ns: int) -> None:
        """Let senders go on where all slots hang, and none took their place in time.

        The limit is not that of an inference: a plugin may make no other request before the one that hangs has ended.
        """
        if not self._flights.are_stuck:
            self._stuck_since_ns = None
        elif self._stuck_since_ns is None:
            self._stuck_since_ns = now_ns
        since_ns = self._stuck_since_ns
        self._intake.set_stuck(since_ns is not None and now_ns - since_ns >= self._limits.stuck_ns)

    def _too_long(self, flight: SlotInUse, now_ns: int) -> str:
        """Say why a running inference is not waited for any longer; empty where it is."""
        network = Stage.PFE.name if flight.state is State.PFE_RUNNING else Stage.RPN.name
        limits, closing_at_ns = self._limits, self._closing_at_ns
        if limits.stage_ns is not None and now_ns - flight.started_ns >= limits.stage_ns:
            return f"{network} did not end within {limits.stage_ns / 1e9:g} s"
        if closing_at_ns is not None and now_ns - closing_at_ns >= limits.close_ns:
            return f"{network} did not end within {limits.close_ns / 1e9:g} s after the pipeline was closed"
        return ""

    def _give_up(self, flight: SlotInUse, reason: str) -> None:
        """Report a frame failed whose inference does not end; the device still has its slot."""
        log.error("frame %d: %s; its slot is set aside until the device gives it back", flight.sequence, reason)
        cloud = self._flights.set_aside(flight)
        self._on_hung(self.hung)
        self._delivery.leave(cloud, Detections.empty(), reason)

    def _inference_ended(self, flight: SlotInUse, sequence: int, running: State, now_ns: int) -> None:
        """Note that an inference ended; a second notice of the same end is passed over."""
        if flight.cloud is None or flight.sequence != sequence or flight.state is not running:
            return
        on_pfe = running is State.PFE_RUNNING
        self._end(flight.cloud, Stage.PFE if on_pfe else Stage.RPN, now_ns)
        flight.state = State.PFE_DONE if on_pfe else State.RPN_DONE

    def _do(self, job: Job, flight: SlotInUse) -> None:
        if job is Job.PREPARE and not self._take_cloud(flight):
            return
        assert flight.cloud is not None
        detections, error = None, ""
        try:
            detections = self._step(job, flight, flight.cloud)
        except PointPillarsError as known:
            error = str(known) or type(known).__name__
        except Exception as unknown:
            log.exception("frame %d failed", flight.sequence)
            error = f"{type(unknown).__name__}: {unknown}"
        if error or job is Job.FINISH:
            self._delivery.leave(self._flights.release(flight), detections or Detections.empty(), error)
            # After the result has left, so that nobody waits for it.
            flight.slot.tidy_up()
        else:
            flight.state = job.leads_to

    def _step(self, job: Job, flight: SlotInUse, cloud: Cloud) -> Detections | None:
        """Do one job; only FINISH has a result."""
        slot, detections = flight.slot, None
        if job is Job.PREPARE:
            self._begin(cloud, Stage.PILLARS)
            assert cloud.points is not None
            slot.prepare(cloud.points)
            cloud.points = None
            cloud.pillars = slot.pillars
            self._end(cloud, Stage.PILLARS)
        elif job is Job.START_PFE:
            flight.started_ns = self._begin(cloud, Stage.PFE)
            slot.start_pfe(self._done_callback(flight, State.PFE_RUNNING))
        elif job is Job.SCATTER:
            self._begin(cloud, Stage.SCATTER)
            slot.scatter()
            self._end(cloud, Stage.SCATTER)
        elif job is Job.START_RPN:
            flight.started_ns = self._begin(cloud, Stage.RPN)
            slot.start_rpn(self._done_callback(flight, State.RPN_RUNNING))
        elif job is Job.FINISH:
            self._begin(cloud, Stage.DECODE)
            detections = slot.decode(self.settings)
            self._end(cloud, Stage.DECODE)
        return detections

    def _done_callback(self, flight: SlotInUse, running: State) -> Callable[[], None]:
        """Make what is called on the thread that waits: a stamp and a hand-over, nothing that can raise."""
        sequence, clock = flight.sequence, self._clock
        return lambda: clock.call_soon(partial(self._inference_ended, flight, sequence, running, clock.now_ns()))

    def _take_cloud(self, flight: SlotInUse) -> bool:
        cloud = self._intake.take()
        if cloud is None:
            return False
        flight.cloud, flight.sequence = cloud, cloud.sequence
        cloud.slot = flight.number
        self._delivery.expect(cloud)
        begin_ns, end_ns = cloud.times.span_ns(Stage.QUEUE)
        self._trace(cloud, Stage.QUEUE, False, begin_ns)
        self._trace(cloud, Stage.QUEUE, True, end_ns)
        return True

    def _begin(self, cloud: Cloud, stage: Stage) -> int:
        now_ns = self._clock.now_ns()
        cloud.times.begin(stage, now_ns)
        self._trace(cloud, stage, False, now_ns)
        return now_ns

    def _end(self, cloud: Cloud, stage: Stage, now_ns: int | None = None) -> None:
        now_ns = self._clock.now_ns() if now_ns is None else now_ns
        cloud.times.end(stage, now_ns)
        self._trace(cloud, stage, True, now_ns)

    def _trace(self, cloud: Cloud, stage: Stage, is_end: bool, now_ns: int) -> None:
        if self._on_event is not None:
            self._on_event(StageEvent(cloud.sequence, stage, is_end, now_ns, cloud.slot))

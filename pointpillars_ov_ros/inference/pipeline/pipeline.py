# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in flight: one host thread moves them along, results leave in input order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.pipeline.clock import Clock, MonotonicClock
from pointpillars_ov_ros.inference.pipeline.cloud_queue import Intake
from pointpillars_ov_ros.inference.pipeline.delivery import Delivery
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, Slot
from pointpillars_ov_ros.inference.pipeline.host_loop import HostLoop, Limits
from pointpillars_ov_ros.inference.pipeline.scheduler import check_slots
from pointpillars_ov_ros.inference.pipeline.timing import Stage, StageEvent, StageTimes

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 10.0
STUCK_TIMEOUT_S = 10.0
"""How long a sender in replay waits for a slot where all hang; it may be the thread that a process is ended by."""
_HOST_GRACE_S = 5.0
"""What the host's own work may take beyond that; it cannot be given up as an inference can."""


class Pipeline:
    """Takes clouds from any thread and gives results, in input order, on its own."""

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
        clock: Clock | None = None,
    ) -> None:
        """Start the host thread. `slots` are as many as the mode has; `on_result` is called on that thread.

        `stage_timeout_s`: an inference that runs for longer (found out to 0.1 s) is reported failed; None: never.
        `stuck_timeout_s`: where all slots hang for longer, `submit` does not wait for one, whatever the policy.
        `close_timeout_s`: what is still on a device so long after `close` is reported failed.
        `on_event` is called on the host thread when a stage of a frame begins or ends, and must not raise.
        `on_hung` is called there with the `hung_slots` after each change of them, and must not raise.
        `clock`: simulated time; there is no thread then, and whoever made the pipeline calls `turn`.
        """
        require(stage_timeout_s is None or stage_timeout_s > 0, "stage_timeout_s", stage_timeout_s, "above 0")
        require(stuck_timeout_s >= 0, "stuck_timeout_s", stuck_timeout_s, "0 or above")
        require(close_timeout_s >= 0, "close_timeout_s", close_timeout_s, "0 or above")
        check_slots(mode, len(slots))
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self._intake = Intake(policy, self._clock.now_ns)
        self._close_timeout_s = close_timeout_s
        limits = Limits(
            stage_ns=None if stage_timeout_s is None else int(stage_timeout_s * 1e9),
            stuck_ns=int(stuck_timeout_s * 1e9),
            close_ns=int(close_timeout_s * 1e9),
        )
        delivery = Delivery(self._intake, on_result)
        self._loop = HostLoop(settings, self._intake, delivery, self._clock, limits, on_event, on_hung)
        self._loop.use(mode, slots)
        self._thread = threading.Thread(target=self._run, name="pointpillars-host", daemon=True)
        if clock is None:
            self._thread.start()

    @property
    def settings(self) -> PostprocessConfig:
        """What results are decoded with."""
        return self._loop.settings

    @settings.setter
    def settings(self, settings: PostprocessConfig) -> None:
        self._loop.settings = settings

    @property
    def counts(self) -> Counts:
        """The accounts at this moment."""
        return self._intake.counts

    @property
    def policy(self) -> DropPolicy:
        """What happens to clouds that come too fast."""
        return self._intake.policy

    @property
    def has_room(self) -> bool:
        """Tell whether a cloud submitted now neither waits nor displaces one."""
        return not self._intake.has_cloud

    @property
    def is_closed(self) -> bool:
        """Tell whether no cloud is taken in any more."""
        return self._intake.is_closed

    @property
    def hung_slots(self) -> list[Slot]:
        """Slots whose inference was given up and that the device has not given back."""
        return self._loop.hung

    @property
    def is_stuck(self) -> bool:
        """Tell whether all slots hang, and none took their place within `stuck_timeout_s`."""
        return self._intake.is_stuck

    def submit(self, points: FloatArray, token: Any, times: StageTimes | None = None) -> bool:
        """Hand over `points` (N, 4) float32, not to be changed any more; give False where the pipeline is closed.

        Policy live: never waits; a cloud still waiting for a slot is displaced, and counted as dropped.
        Policy replay: waits until there is room, so not to be called from `on_result`; live where it `is_stuck`.
        """
        if times is None:
            times = StageTimes()
            times.begin(Stage.CONVERT, self._clock.now_ns())
            times.end(Stage.CONVERT, self._clock.now_ns())
        if not self._intake.put(points, token, times):
            return False
        self._clock.call_soon(_look)
        return True

    def set_mode(self, mode: Mode, slots: Sequence[Slot]) -> None:
        """Run `mode` over `slots` from now on, from any thread and without a pause.

        Slots that are already in use stay; the others are new. A slot in use that is not among them finishes
        its frame, and is then the caller's again; one that hangs, when the device gives it back. ConfigError where
        `slots` are not as many as the mode has.
        """
        check_slots(mode, len(slots))
        self._clock.call_soon(partial(self._loop.use, mode, tuple(slots)))

    def set_policy(self, policy: DropPolicy) -> None:
        """Change what happens to clouds that come too fast; a sender that waits in `submit` goes on at once."""
        self._intake.set_policy(policy)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until every cloud submitted so far has left; False where that took longer than `timeout_s`."""
        return self._intake.drain(timeout_s)

    def close(self) -> None:
        """Finish what is in flight, give its results, and stop; a cloud still waiting is dropped.

        What a device has not finished after `close_timeout_s` is reported failed. On a simulated clock this
        returns at once, and `turn` goes on until it gives False.
        """
        self._intake.close()
        self._clock.call_soon(self._loop.begin_close)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(self._close_timeout_s + _HOST_GRACE_S)
            if self._thread.is_alive():
                log.error("the pipeline's thread did not end: a step of the host, or the receiver of results, hangs")

    def turn(self) -> bool:
        """Do the host's next job or wait for an event; on a simulated clock only. False: closed and empty."""
        return self._loop.turn()

    def _run(self) -> None:
        while self._loop.turn():
            pass
        if self._loop.hung:
            log.error("closed while a device has not given back %d of the slots", len(self._loop.hung))


def _look() -> None:
    """Do nothing but wake the host, which then looks for what it can do."""

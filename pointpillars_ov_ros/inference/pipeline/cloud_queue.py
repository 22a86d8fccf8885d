# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a cloud waits for a frame slot, and where every cloud is accounted for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.pipeline.frames import Counts
from pointpillars_ov_ros.inference.pipeline.timing import Stage, StageTimes


@dataclass
class Cloud:
    """A submitted cloud on its way."""

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


class Intake:
    """One place to wait in, between the threads of senders and the host thread."""

    def __init__(self, policy: DropPolicy, now_ns: Callable[[], int]) -> None:
        """Begin open and empty; `now_ns` tells the time."""
        self._policy = policy
        self._now_ns = now_ns
        self._changed = threading.Condition()
        self._waiting: Cloud | None = None
        self._counts = Counts()
        self.is_closed = False
        self._is_stuck = False

    @property
    def has_cloud(self) -> bool:
        """Tell whether a cloud waits."""
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
        """Tell whether there is no slot that could take a cloud, because all hang."""
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

    def put(self, points: FloatArray, token: Any, times: StageTimes) -> bool:
        """Take a cloud in; False where the intake is closed.

        Live it displaces one that waits, and so it does where the intake is stuck; in replay it waits.
        """
        times.begin(Stage.QUEUE, self._now_ns())
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is None or self._may_displace or self.is_closed)
            if self.is_closed:
                return False
            self._drop_waiting()
            self._waiting = Cloud(self._counts.submitted, token, points, times, len(points))
            self._counts = self._counts.plus(submitted=1)
        return True

    def take(self) -> Cloud | None:
        """Give the cloud that waits to a frame slot; None where it was dropped meanwhile."""
        with self._changed:
            cloud, self._waiting = self._waiting, None
            self._changed.notify_all()
        if cloud is not None:
            cloud.times.end(Stage.QUEUE, self._now_ns())
        return cloud

    def counts_after(self, failed: bool) -> Counts:
        """Give the accounts as they will be with one more completed or failed."""
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
        """Take nothing in any more; a cloud that waits is dropped."""
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

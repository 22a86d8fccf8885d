# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which job of which frame the host does next. A mode is a number of slots and an order of priority."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol, TypeVar

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.runtime_config import Mode


class State(IntEnum):
    """How far a frame slot has come."""

    IDLE = 0
    PREPARED = 1
    PFE_RUNNING = 2
    PFE_DONE = 3
    SCATTERED = 4
    RPN_RUNNING = 5
    RPN_DONE = 6


RUNNING = (State.PFE_RUNNING, State.RPN_RUNNING)
"""The states that a device, and not the host, leads out of."""


class Job(Enum):
    """What the host can do next for a slot: the state it needs, and the one it leads to."""

    PREPARE = (State.IDLE, State.PREPARED)
    START_PFE = (State.PREPARED, State.PFE_RUNNING)
    SCATTER = (State.PFE_DONE, State.SCATTERED)
    START_RPN = (State.SCATTERED, State.RPN_RUNNING)
    FINISH = (State.RPN_DONE, State.IDLE)

    def __init__(self, needs: State, leads_to: State) -> None:
        """Name the two states."""
        self.needs = needs
        self.leads_to = leads_to
        self.starts_inference = leads_to in RUNNING


class Schedule(NamedTuple):
    """A mode."""

    slots: int
    priority: tuple[Job, ...]
    takes_more_slots: bool = False

    def slots_for(self, rpns_at_once: int) -> int:
        """Give the number of slots with which so many RPNs run at a time, where the mode lets them."""
        return self.slots + (rpns_at_once - 1 if self.takes_more_slots else 0)


SCHEDULES = {
    # With one slot there is never a choice.
    Mode.LATENCY: Schedule(1, (Job.FINISH, Job.START_RPN, Job.SCATTER, Job.START_PFE, Job.PREPARE)),
    # While RPN(N) runs, N+1 is prepared and encoded; when it is done, its result leaves first. The RPN of the
    # older frame always starts before the PFE of the younger one, which keeps the device to the older.
    Mode.BALANCED: Schedule(2, (Job.FINISH, Job.SCATTER, Job.START_RPN, Job.START_PFE, Job.PREPARE)),
    # No network waits for the host: what only starts one goes first. So PFE(N) starts before N-1 is scattered,
    # and RPN(N-1) before the result of N-2 is decoded. With more slots than three, several RPNs run at a time, as
    # a network compiled for several streams wants it.
    Mode.THROUGHPUT: Schedule(
        3, (Job.START_PFE, Job.START_RPN, Job.SCATTER, Job.FINISH, Job.PREPARE), takes_more_slots=True
    ),
}


def check_slots(mode: Mode, slots: int) -> None:
    """Raise ConfigError unless `mode` can run over so many slots."""
    schedule = SCHEDULES[mode]
    fits = slots >= schedule.slots if schedule.takes_more_slots else slots == schedule.slots
    least = " or more" if schedule.takes_more_slots else ""
    require(fits, "slots", slots, f"the number of {mode.value} mode, {schedule.slots}{least}")


class Flight(Protocol):
    """What the scheduler must know of a slot."""

    @property
    def state(self) -> State:
        """How far it has come."""

    @property
    def sequence(self) -> int:
        """Number of the frame in it; older frames go first."""


F = TypeVar("F", bound=Flight)


def rpns_at_once(slots: int) -> int:
    """Give how many RPNs may run at a time over so many slots: one, and one more for each slot beyond three."""
    return max(1, slots - 2)


def next_job(schedule: Schedule, flights: Sequence[F], cloud_waiting: bool, at_once: int = 1) -> tuple[Job, F] | None:
    """Choose the first job in the order of priority that some slot is ready for, the oldest frame first.

    `cloud_waiting` tells whether there is a cloud to prepare. At most one PFE and `at_once` RPNs run at a time.
    None: nothing to do until a network is done or a cloud comes.
    """
    for job in schedule.priority:
        if job is Job.PREPARE and not cloud_waiting:
            continue
        if job.starts_inference:
            running = sum(flight.state is job.leads_to for flight in flights)
            if running >= (at_once if job is Job.START_RPN else 1):
                continue
        ready = [flight for flight in flights if flight.state is job.needs]
        if ready:
            return job, min(ready, key=lambda flight: flight.sequence)
    return None

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice of the host's next job, and the slots that frames are in.

A mode is a number of slots and an order of priority.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from itertools import count
from typing import NamedTuple, Protocol

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.frames import PendingCloud

log = logging.getLogger(__name__)


class Slot(Protocol):
    """Steps of one frame in flight (`FrameSlot`, or a simulated device)."""

    @property
    def pillars(self) -> int:
        """Number of pillars of the current frame."""

    def prepare(self, points: FloatArray) -> None:
        """Group points into pillars and fill the PFE's inputs."""

    def start_pfe(self, done: Callable[[], None]) -> None:
        """Start the PFE."""

    def pfe_is_finished(self) -> bool:
        """Whether the PFE has ended, or failed without calling `done`."""

    def scatter(self) -> None:
        """Write the PFE's output onto the canvas; raises if the PFE failed."""

    def start_rpn(self, done: Callable[[], None]) -> None:
        """Start the RPN."""

    def rpn_is_finished(self) -> bool:
        """Whether the RPN has ended, or failed without calling `done`."""

    def decode(self, settings: PostprocessConfig) -> Detections:
        """Decode the RPN's output; raises if the RPN failed."""

    def tidy_up(self) -> None:
        """Do work that the next frame need not wait for; called when this frame's result has left, whatever it is."""


class State(IntEnum):
    """Progress of a frame slot."""

    IDLE = 0
    PREPARED = 1
    PFE_RUNNING = 2
    PFE_DONE = 3
    SCATTERED = 4
    RPN_RUNNING = 5
    RPN_DONE = 6


RUNNING = (State.PFE_RUNNING, State.RPN_RUNNING)
"""States that a device, not the host, ends."""


class HostJob(Enum):
    """Next job of the host for a slot: the state it needs, and the state it leads to."""

    PREPARE = (State.IDLE, State.PREPARED)
    START_PFE = (State.PREPARED, State.PFE_RUNNING)
    SCATTER = (State.PFE_DONE, State.SCATTERED)
    START_RPN = (State.SCATTERED, State.RPN_RUNNING)
    FINISH = (State.RPN_DONE, State.IDLE)

    def __init__(self, needs: State, leads_to: State) -> None:
        """Set the two states."""
        self.needs = needs
        self.leads_to = leads_to
        self.starts_inference = leads_to in RUNNING


class Schedule(NamedTuple):
    """Number of slots and order of priority of a mode."""

    slots: int
    priority: tuple[HostJob, ...]
    takes_more_slots: bool = False

    def slots_for(self, rpns_at_once: int) -> int:
        """Return the number of slots with which this many RPNs run concurrently, if the mode allows."""
        return self.slots + (rpns_at_once - 1 if self.takes_more_slots else 0)


SCHEDULES = {
    # With one slot there is never a choice.
    Mode.LATENCY: Schedule(1, (HostJob.FINISH, HostJob.START_RPN, HostJob.SCATTER, HostJob.START_PFE, HostJob.PREPARE)),
    # While RPN(N) runs, N+1 is prepared and encoded; when it has ended, its result leaves first. The RPN of the older
    # frame always starts before the PFE of the younger one, so the device serves the older frame first.
    Mode.BALANCED: Schedule(
        2, (HostJob.FINISH, HostJob.SCATTER, HostJob.START_RPN, HostJob.START_PFE, HostJob.PREPARE)
    ),
    # No network waits for the host: jobs that only start one go first. So PFE(N) starts before N-1 is scattered, and
    # RPN(N-1) before the result of N-2 is decoded. With more than three slots several RPNs run concurrently, as a
    # network compiled for several streams needs.
    Mode.THROUGHPUT: Schedule(
        3,
        (HostJob.START_PFE, HostJob.START_RPN, HostJob.SCATTER, HostJob.FINISH, HostJob.PREPARE),
        takes_more_slots=True,
    ),
}


def check_slots(mode: Mode, slots: int) -> None:
    """Raise ConfigError unless `mode` can run over this number of slots."""
    schedule = SCHEDULES[mode]
    fits = slots >= schedule.slots if schedule.takes_more_slots else slots == schedule.slots
    least = " or more" if schedule.takes_more_slots else ""
    require(fits, "slots", slots, f"the number of {mode.value} mode, {schedule.slots}{least}")


@dataclass(eq=False)
class SlotEntry:
    """A slot, and the frame in it."""

    slot: Slot
    number: int
    """Number of the slot, unique within a pipeline."""
    state: State = State.IDLE
    sequence: int = -1
    cloud: PendingCloud | None = None
    started_ns: int = 0
    """Start of its last inference."""
    is_retired: bool = False
    """Whether it takes no more frames, because the mode was changed to one with fewer slots."""

    def is_finished(self) -> bool:
        """Whether the current inference has ended; also True if the device cannot tell."""
        try:
            on_pfe = self.state is State.PFE_RUNNING
            return self.slot.pfe_is_finished() if on_pfe else self.slot.rpn_is_finished()
        except Exception:
            log.exception("frame %d: the device does not answer", self.sequence)
            return True


class SlotTable:
    """Slots of a pipeline: they come and go with the mode, and a device may keep some."""

    def __init__(self) -> None:
        """Start without slots."""
        self._numbers = count()
        self.active: list[SlotEntry] = []
        self.hung: list[SlotEntry] = []
        """Slots set aside: their inference was given up but still uses the slot's memory."""

    def assign(self, slots: Sequence[Slot]) -> None:
        """Use these slots and no others; frames in other slots are finished first."""
        known = [*self.active, *self.hung]
        for entry in known:
            entry.is_retired = not any(entry.slot is slot for slot in slots)
        for slot in slots:
            if not any(entry.slot is slot for entry in known):
                self.active.append(SlotEntry(slot, next(self._numbers)))
        self._remove_retired()

    def running(self) -> list[SlotEntry]:
        """Return the slots that a device works on."""
        return [entry for entry in self.active if entry.state in RUNNING]

    def are_idle(self) -> bool:
        """Whether no frame is in flight."""
        return all(entry.state is State.IDLE for entry in self.active)

    @property
    def are_stuck(self) -> bool:
        """Whether all slots hang."""
        return bool(self.hung) and not self.active

    def free(self, entry: SlotEntry) -> PendingCloud:
        """Free a slot for the next frame; return the cloud of the frame that leaves it."""
        entry.state = State.IDLE
        self._remove_retired()
        return self._detach(entry)

    def set_aside(self, entry: SlotEntry) -> PendingCloud:
        """Set a slot aside while a device still holds it; return the cloud of the frame given up."""
        self.active.remove(entry)
        self.hung.append(entry)
        return self._detach(entry)

    def recover(self) -> bool:
        """Reuse slots that the device has finished with meanwhile; return whether there were any."""
        recovered = [entry for entry in self.hung if entry.is_finished()]
        for entry in recovered:
            log.warning("the device returned a slot that was set aside")
            self.hung.remove(entry)
            self.active.append(entry)
            entry.state = State.IDLE
        self._remove_retired()
        return bool(recovered)

    def _detach(self, entry: SlotEntry) -> PendingCloud:
        cloud, entry.cloud = entry.cloud, None
        assert cloud is not None
        return cloud

    def _remove_retired(self) -> None:
        self.active = [entry for entry in self.active if not (entry.is_retired and entry.state is State.IDLE)]


def rpns_at_once(slots: int) -> int:
    """Return how many RPNs may run concurrently over this many slots: one, plus one for each slot beyond three."""
    return max(1, slots - 2)


def next_job(
    schedule: Schedule, slots: Sequence[SlotEntry], cloud_waiting: bool, at_once: int = 1
) -> tuple[HostJob, SlotEntry] | None:
    """Choose the first job in the order of priority that some slot is ready for, the oldest frame first.

    `cloud_waiting` says whether there is a cloud to prepare. At most one PFE and `at_once` RPNs run at a time. None:
    nothing to do until a network has ended or a cloud arrives.
    """
    for job in schedule.priority:
        if job is HostJob.PREPARE and not cloud_waiting:
            continue
        if job.starts_inference:
            running = sum(entry.state is job.leads_to for entry in slots)
            if running >= (at_once if job is HostJob.START_RPN else 1):
                continue
        ready = [entry for entry in slots if entry.state is job.needs]
        if ready:
            return job, min(ready, key=lambda entry: entry.sequence)
    return None

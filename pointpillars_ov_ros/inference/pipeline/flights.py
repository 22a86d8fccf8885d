# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slots that a pipeline runs over, each with the frame in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from pointpillars_ov_ros.inference.pipeline.cloud_queue import Cloud
from pointpillars_ov_ros.inference.pipeline.frames import Slot
from pointpillars_ov_ros.inference.pipeline.scheduler import RUNNING, State

log = logging.getLogger(__name__)


@dataclass(eq=False)
class SlotInUse:
    """A slot, and the frame in it."""

    slot: Slot
    number: int
    """Another one for each slot of a pipeline."""
    state: State = State.IDLE
    sequence: int = -1
    cloud: Cloud | None = None
    started_ns: int = 0
    """When its last inference was started."""
    is_retired: bool = False
    """It takes no other frame, because the mode was changed to one of fewer slots."""

    def is_finished(self) -> bool:
        """Tell whether the inference under way is through; True, too, where the device cannot tell."""
        try:
            on_pfe = self.state is State.PFE_RUNNING
            return self.slot.pfe_is_finished() if on_pfe else self.slot.rpn_is_finished()
        except Exception:
            log.exception("frame %d: the device does not answer", self.sequence)
            return True


class Flights:
    """Slots that come and go with the mode, and those that a device does not give back."""

    def __init__(self) -> None:
        """Begin without slots."""
        self._numbers = count()
        self.active: list[SlotInUse] = []
        self.hung: list[SlotInUse] = []
        """Set aside: their inference was given up, and still has the slot's memory."""

    def use(self, slots: Sequence[Slot]) -> None:
        """Use these slots and no others; the frames in the others are finished first."""
        known = [*self.active, *self.hung]
        for flight in known:
            flight.is_retired = not any(flight.slot is slot for slot in slots)
        for slot in slots:
            if not any(flight.slot is slot for flight in known):
                self.active.append(SlotInUse(slot, next(self._numbers)))
        self._let_retired_go()

    def running(self) -> list[SlotInUse]:
        """Give those that a device works on."""
        return [flight for flight in self.active if flight.state in RUNNING]

    def are_idle(self) -> bool:
        """Tell whether no frame is in flight."""
        return all(flight.state is State.IDLE for flight in self.active)

    @property
    def are_stuck(self) -> bool:
        """Tell whether all hang."""
        return bool(self.hung) and not self.active

    def release(self, flight: SlotInUse) -> Cloud:
        """Free a slot for the next frame, and give the cloud of the one that leaves it."""
        flight.state = State.IDLE
        self._let_retired_go()
        return self._part(flight)

    def set_aside(self, flight: SlotInUse) -> Cloud:
        """Keep a slot from use while a device still has it, and give the cloud of the frame given up."""
        self.active.remove(flight)
        self.hung.append(flight)
        return self._part(flight)

    def take_back(self) -> bool:
        """Use those again that the device has finished with meanwhile; tell whether there were any."""
        given_back = [flight for flight in self.hung if flight.is_finished()]
        for flight in given_back:
            log.warning("a slot that was set aside is given back by the device")
            self.hung.remove(flight)
            self.active.append(flight)
            flight.state = State.IDLE
        self._let_retired_go()
        return bool(given_back)

    def _part(self, flight: SlotInUse) -> Cloud:
        cloud, flight.cloud = flight.cloud, None
        assert cloud is not None
        return cloud

    def _let_retired_go(self) -> None:
        self.active = [f for f in self.active if not (f.is_retired and f.state is State.IDLE)]

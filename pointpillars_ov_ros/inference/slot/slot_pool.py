# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where slots come from: made as a mode needs them, used again, and none given out that hangs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES, Slot

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Slot)

_HUNG: set[Slot] = set()
"""Slots that hang, of all pools: to free the memory of one would wait for its device, maybe for ever."""


class SlotPool(Generic[S]):
    """Every slot that was made; a mode takes as many as it has, and at most as many again while those hang."""

    def __init__(self, make: Callable[[], S], warm_up: Callable[[S], object], rpns_at_once: int = 1) -> None:
        """Begin empty; `make` gives a slot, and `warm_up` lets it infer once.

        `rpns_at_once`: how many RPNs should run at a time in a mode that takes more slots than it must have.
        """
        self._make, self._warm_up, self.rpns_at_once = make, warm_up, rpns_at_once
        self.slots: list[S] = []

    @property
    def hung(self) -> list[S]:
        """Those whose inference was given up, and that the device has not given back since."""
        _HUNG.difference_update({slot for slot in tuple(_HUNG) if slot.pfe_is_finished() and slot.rpn_is_finished()})
        return [slot for slot in self.slots if slot in _HUNG]

    def note_hung(self, hung: Sequence[Slot]) -> None:
        """Note what a pipeline has given up; from any thread."""
        _HUNG.update(hung)

    def slots_of(self, mode: Mode) -> list[S]:
        """Return the slots of a mode; those that are missing are made, which takes a moment.

        InferenceError where so many hang that twice as many as the mode has would not do.
        """
        wanted, hung = SCHEDULES[mode].slots_for(self.rpns_at_once), self.hung
        usable = [slot for slot in self.slots if slot not in hung]
        for _ in range(wanted - len(usable)):
            if len(self.slots) >= 2 * wanted:
                raise InferenceError(f"{len(hung)} inferences hang; no slots are made before one of them ends")
            usable.append(self._add(warm_up=not hung))
        return usable[:wanted]

    def _add(self, warm_up: bool) -> S:
        slot = self._make()
        if warm_up:
            # The first inference of a request and the first call of a kernel are many times slower than the
            # rest: a request sets up its memory, numba loads or compiles. Not on the first real cloud.
            self._warm_up(slot)
        else:
            # On a device that is dead, this would not end. The first frame is given up in time if it is.
            log.warning("a new slot takes the place of one that hangs; its first frame may take longer")
        self.slots.append(slot)
        return slot

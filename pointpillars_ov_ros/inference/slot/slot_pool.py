# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pool of slots: made when a mode needs them, reused, and never handed out while they hang."""

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
"""Slots that hang, over all pools: freeing the memory of one would wait for its device, possibly for ever."""


class SlotPool(Generic[S]):
    """All slots made so far; a mode uses its number of slots, and at most as many again while those hang."""

    def __init__(self, make: Callable[[], S], warm_up: Callable[[S], object], rpns_at_once: int = 1) -> None:
        """Start empty; `make` returns a slot, and `warm_up` lets it infer once.

        `rpns_at_once` is the number of concurrent RPNs in a mode that takes more slots than its minimum.
        """
        self._make, self._warm_up, self.rpns_at_once = make, warm_up, rpns_at_once
        self.slots: list[S] = []

    @property
    def hung(self) -> list[S]:
        """Slots whose inference was given up, and which the device has not returned since."""
        _HUNG.difference_update({slot for slot in tuple(_HUNG) if slot.pfe_is_finished() and slot.rpn_is_finished()})
        return [slot for slot in self.slots if slot in _HUNG]

    def note_hung(self, hung: Sequence[Slot]) -> None:
        """Note the slots that a pipeline has given up; from any thread."""
        _HUNG.update(hung)

    def slots_of(self, mode: Mode) -> list[S]:
        """Return the slots of a mode; missing ones are made, which takes a moment.

        Raises InferenceError if so many hang that twice the number of the mode would not be enough.
        """
        wanted, hung = SCHEDULES[mode].slots_for(self.rpns_at_once), self.hung
        usable = [slot for slot in self.slots if slot not in hung]
        for _ in range(wanted - len(usable)):
            if len(self.slots) >= 2 * wanted:
                raise InferenceError(f"{len(hung)} inferences hang; no more slots are made until one of them ends")
            usable.append(self._add(warm_up=not hung))
        return usable[:wanted]

    def _add(self, warm_up: bool) -> S:
        slot = self._make()
        if warm_up:
            # The first inference of a request and the first call of a kernel are many times slower than the rest: a
            # request sets up its memory, numba loads or compiles. This must not happen on the first real cloud.
            self._warm_up(slot)
        else:
            # On a dead device this would not end. The first frame is given up in time if it is dead.
            log.warning("a new slot replaces one that hangs; its first frame may take longer")
        self.slots.append(slot)
        return slot

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slots of the modes: made once, used again, replaced while they hang, and never more than twice as many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.inference.slot.slot_pool import SlotPool
from test.inference.fake_slot import FakeDevice, FakeSlot, cloud

every_mode = pytest.mark.parametrize("mode", Mode)


class Pool(SlotPool[FakeSlot]):
    """A pool of fake slots, in which the test lets inferences hang."""

    def __init__(self) -> None:
        self.device = FakeDevice()
        self.warmed_up: list[FakeSlot] = []
        super().__init__(lambda: FakeSlot(self.device), self.warmed_up.append)

    def hang(self, slot: FakeSlot) -> None:
        number = self.slots.index(slot)
        slot.prepare(cloud(number))
        slot.start_pfe(lambda: None)
        self.note_hung([slot])

    def give_back(self, slot: FakeSlot) -> None:
        self.device.finish("pfe", self.slots.index(slot))
        self.note_hung([])


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    for slot in pool.hung:
        pool.give_back(slot)


@every_mode
def test_a_mode_gets_its_number_of_slots_each_warmed_up_once(mode: Mode, pool: Pool) -> None:
    slots = pool.slots_of(mode)
    assert len(slots) == SCHEDULES[mode].slots
    assert pool.slots_of(mode) == slots == pool.slots == pool.warmed_up


def test_slots_are_kept_for_the_next_mode(pool: Pool) -> None:
    most = pool.slots_of(Mode.THROUGHPUT)
    assert pool.slots_of(Mode.LATENCY) == most[:1]
    assert pool.slots_of(Mode.BALANCED) == most[:2]
    assert pool.slots_of(Mode.THROUGHPUT) == most


@every_mode
def test_a_slot_that_hangs_is_replaced_by_one_that_is_not_warmed_up(mode: Mode, pool: Pool) -> None:
    """The warm-up would never end on a dead device."""
    before = pool.slots_of(mode)
    pool.hang(before[0])
    after = pool.slots_of(mode)
    assert pool.hung == before[:1]
    assert before[0] not in after
    assert len(after) == len(before)
    assert pool.warmed_up == before


@every_mode
def test_a_slot_that_was_given_back_is_used_again(mode: Mode, pool: Pool) -> None:
    before = pool.slots_of(mode)
    pool.hang(before[0])
    pool.slots_of(mode)
    pool.give_back(before[0])
    assert pool.hung == []
    assert pool.slots_of(mode) == before
    assert len(pool.slots) == len(before) + 1


def test_a_slot_that_ended_unseen_is_not_taken_for_hung_when_it_works_again(pool: Pool) -> None:
    """Like a slot that its pipeline gave up when it was closed."""
    (slot,) = pool.slots_of(Mode.LATENCY)
    pool.hang(slot)
    pool.device.finish("pfe", 0)
    assert pool.slots_of(Mode.LATENCY) == [slot]
    slot.start_pfe(lambda: None)
    assert pool.hung == []


@every_mode
def test_no_more_than_twice_the_slots_of_a_mode_are_made(mode: Mode, pool: Pool) -> None:
    count = SCHEDULES[mode].slots
    for slot in [*pool.slots_of(mode)]:
        pool.hang(slot)
        pool.slots_of(mode)
    for slot in [*pool.slots_of(mode)]:
        pool.hang(slot)
    with pytest.raises(InferenceError) as refusal:
        pool.slots_of(mode)
    assert str(refusal.value).startswith(f"{2 * count} inferences hang")
    assert len(pool.slots) == 2 * count
    pool.give_back(pool.slots[1])
    if mode is Mode.LATENCY:
        assert pool.slots_of(mode) == [pool.slots[1]]


def test_a_mode_of_more_slots_gets_its_full_number_beside_those_that_hang(pool: Pool) -> None:
    (hung,) = pool.slots_of(Mode.LATENCY)
    pool.hang(hung)
    slots = pool.slots_of(Mode.THROUGHPUT)
    assert len(slots) == 3
    assert hung not in slots


def test_pools_do_not_mix_up_their_slots(pool: Pool) -> None:
    other = Pool()
    pool.hang(pool.slots_of(Mode.LATENCY)[0])
    assert other.hung == []
    other.slots_of(Mode.LATENCY)
    assert len(pool.hung) == 1

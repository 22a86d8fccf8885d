# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real and simulated time, and the wait for what happens."""

from __future__ import annotations

import threading
import time

import pytest

from pointpillars_ov_ros.inference.pipeline.frames import Clock, MonotonicClock
from pointpillars_ov_ros.inference.simulation.clock import VirtualClock

every_clock = pytest.mark.parametrize("make", [MonotonicClock, VirtualClock])


@every_clock
def test_what_is_handed_over_comes_in_its_order(make: type[Clock]) -> None:
    clock, called = make(), list[int]()
    for number in range(3):
        clock.call_soon(lambda number=number: called.append(number))
    for until_ns in (0, clock.now_ns(), None):
        call = clock.wait(until_ns)
        assert call is not None
        call()
    assert called == [0, 1, 2]
    assert clock.wait(0) is None


@every_clock
def test_a_wait_for_nothing_ends_in_time(make: type[Clock]) -> None:
    clock = make()
    until_ns = clock.now_ns() + 5_000_000
    assert clock.wait(until_ns) is None
    assert clock.now_ns() >= until_ns


def test_the_monotonic_clock_is_that_of_the_system() -> None:
    before = time.monotonic_ns()
    assert before <= MonotonicClock().now_ns() <= time.monotonic_ns()


def test_a_wait_in_real_time_is_ended_by_another_thread() -> None:
    clock = MonotonicClock()
    threading.Timer(0.01, clock.call_soon, (print,)).start()
    assert clock.wait(None) is print


def test_simulated_time_jumps_to_what_happens_next() -> None:
    clock, seen = VirtualClock(), list[int]()

    def happen() -> None:
        seen.append(clock.now_ns())
        clock.call_soon(print)

    clock.call_at(700, happen)
    clock.call_at(300, happen)
    assert clock.wait(200) is None
    assert (clock.now_ns(), seen) == (200, [])
    assert clock.wait(None) is print
    assert (clock.now_ns(), seen) == (300, [300])
    assert clock.wait(1000) is print
    assert (clock.now_ns(), seen) == (700, [300, 700])


def test_what_happens_at_the_same_time_happens_in_the_order_it_was_planned() -> None:
    clock, seen = VirtualClock(), list[int]()
    for number in range(5):
        clock.call_at(10, lambda number=number: seen.append(number))
    clock.advance(10)
    assert seen == [0, 1, 2, 3, 4]


def test_while_the_host_works_things_happen_in_their_time_and_wait_for_it() -> None:
    clock, seen = VirtualClock(), list[int]()

    def happen() -> None:
        seen.append(clock.now_ns())
        clock.call_soon(print)

    clock.call_at(300, happen)
    clock.advance(1000)
    assert (clock.now_ns(), seen, clock.worked_ns) == (1000, [300], 1000)
    assert clock.wait(0) is print


def test_what_is_planned_for_the_past_happens_now() -> None:
    clock, seen = VirtualClock(), list[int]()
    clock.advance(50)
    clock.call_at(10, lambda: seen.append(clock.now_ns()))
    assert clock.wait(0) is None
    assert seen == [50]


def test_simulated_time_does_not_wait_for_ever_for_nothing() -> None:
    with pytest.raises(RuntimeError, match="no event is scheduled"):
        VirtualClock().wait(None)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline on simulated time with anything that can come: stage times, arrivals, failures, modes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.inference.pipeline.frames import Stage
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.inference.simulation.device import StageDurations
from test.inference.simulation.rig import HOST, MS, SHORT, Fault, Faulty, Rig

pytest.importorskip("hypothesis", reason="properties need it: `make env`, or pip install hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

CLOUDS = 14
modes = st.sampled_from(list(Mode))
policies = st.sampled_from(list(DropPolicy))
durations = st.builds(StageDurations, *[st.integers(0, 60 * MS)] * 5)
slow_downs = st.floats(1.0, 3.0)
times = st.lists(st.integers(0, 1_500 * MS), min_size=CLOUDS, max_size=CLOUDS).map(sorted)
networks = st.sampled_from([Stage.PFE, Stage.RPN])
failures = st.dictionaries(
    st.builds(Faulty, st.integers(0, CLOUDS - 1), st.sampled_from(list(SHORT))), st.just(Fault.RAISES), max_size=4
) | st.dictionaries(
    st.builds(Faulty, st.integers(0, CLOUDS - 1), networks), st.sampled_from([Fault.RAISES, Fault.SILENT]), max_size=4
)
hangs = st.dictionaries(st.builds(Faulty, st.integers(0, CLOUDS - 1), networks), st.just(Fault.HANGS), max_size=3)
changes = st.lists(st.tuples(st.integers(0, 1_500 * MS), modes, policies), max_size=4)
thorough = settings(max_examples=200, deadline=None, derandomize=True)


@thorough
@given(modes, policies, durations, slow_downs, times, failures)
def test_results_are_complete_and_in_order_whatever_happens(
    mode: Mode,
    policy: DropPolicy,
    durations: StageDurations,
    slow_down: float,
    times: list[int],
    failures: dict[Faulty, Fault],
) -> None:
    rig = Rig(mode, policy, durations, slow_down, failures)
    rig.send(range(CLOUDS), times)
    rig.run()
    check_accounts(rig)
    if policy is DropPolicy.REPLAY:
        assert rig.pipeline.counts.dropped == 0
    assert_never_two_at_once(rig, Stage.PFE)
    assert_never_two_at_once(rig, Stage.RPN)
    assert_the_host_does_one_thing_at_a_time(rig)


@thorough
@given(modes, policies, durations, slow_downs, times, hangs, changes)
def test_nor_do_hung_requests_and_changes_of_mode_and_policy_disturb_that(
    mode: Mode,
    policy: DropPolicy,
    durations: StageDurations,
    slow_down: float,
    times: list[int],
    hangs: dict[Faulty, Fault],
    changes: list[tuple[int, Mode, DropPolicy]],
) -> None:
    rig = Rig(Mode.THROUGHPUT, policy, durations, slow_down, hangs, stage_timeout_s=0.4)
    slots = list(rig.slots)
    rig.pipeline.set_mode(mode, slots[: SCHEDULES[mode].slots])

    def change(mode: Mode, policy: DropPolicy) -> None:
        rig.pipeline.set_mode(mode, slots[: SCHEDULES[mode].slots])
        rig.pipeline.set_policy(policy)

    for at, new_mode, new_policy in changes:
        rig.clock.call_at(at, lambda m=new_mode, p=new_policy: change(m, p))
    rig.send(range(CLOUDS), times)
    rig.run()
    check_accounts(rig)


@thorough
@given(modes, policies, durations, slow_downs, times, hangs, changes)
def test_nor_does_the_replacement_of_hung_slots(
    mode: Mode,
    policy: DropPolicy,
    durations: StageDurations,
    slow_down: float,
    times: list[int],
    hangs: dict[Faulty, Fault],
    changes: list[tuple[int, Mode, DropPolicy]],
) -> None:
    rig = Rig(mode, policy, durations, slow_down, hangs, replaces=True, stage_timeout_s=0.4)
    for at, new_mode, new_policy in changes:
        rig.clock.call_at(at, lambda m=new_mode, p=new_policy: (rig.set_mode(m), rig.pipeline.set_policy(p)))
    rig.send(range(CLOUDS), times)
    rig.run()
    check_accounts(rig)
    most = max(SCHEDULES[some].slots for some in {mode, *(new_mode for _, new_mode, _ in changes)})
    assert len(rig.pool.slots) <= 2 * most
    rig.run_until_none_hangs(from_ns=1_500 * MS)
    sent = len(rig.sent)
    rig.pipeline.set_policy(DropPolicy.REPLAY)
    rig.send(range(sent, sent + 5))
    rig.run()
    assert rig.numbers()[-5:] == list(range(sent, sent + 5))
    check_accounts(rig)


@thorough
@given(modes, policies, durations, times, hangs, st.integers(0, 1_500 * MS), st.sampled_from([None, 0.2]))
def test_close_ends_at_any_moment_with_every_frame_accounted_for(
    mode: Mode,
    policy: DropPolicy,
    durations: StageDurations,
    times: list[int],
    hangs: dict[Faulty, Fault],
    close_at: int,
    stage_timeout_s: float | None,
) -> None:
    rig = Rig(mode, policy, durations, 1.5, hangs, stage_timeout_s=stage_timeout_s, close_timeout_s=0.6)
    rig.hang_ns = 10**15
    arriving = [time_ns for time_ns in times if time_ns < close_at]
    rig.send(range(len(arriving)), arriving)
    rig.clock.call_at(close_at, lambda: None)
    rig.run(until_ns=close_at)
    begin_ns = rig.clock.now_ns()
    rig.close()
    assert rig.clock.now_ns() - begin_ns < 1_500 * MS
    check_accounts(rig)


@thorough
@given(modes, durations, slow_downs, times, failures)
def test_live_never_delays_more_than_it_must(
    mode: Mode, durations: StageDurations, slow_down: float, times: list[int], failures: dict[Faulty, Fault]
) -> None:
    """A cloud waits only while the host works or no slot is free, and the one taken is the newest there is."""
    rig = Rig(mode, DropPolicy.LIVE, durations, slow_down, failures)
    rig.send(range(CLOUDS), times)
    rig.run()
    submitted_ns = {sequence: time_ns for time_ns, sequence in rig.sent}
    for taken_ns, sequence in taken(rig):
        assert all(time_ns >= taken_ns for other, time_ns in submitted_ns.items() if other > sequence)
        for begin_ns, end_ns in idle_spans(rig, submitted_ns[sequence], taken_ns):
            assert in_flight(rig, (begin_ns + end_ns) // 2) == SCHEDULES[mode].slots


def check_accounts(rig: Rig) -> None:
    counts = rig.pipeline.counts
    assert counts.pending == 0
    assert counts.submitted == len(rig.sent)
    assert counts.completed == sum(not result.error for result in rig.results)
    assert counts.failed == sum(bool(result.error) for result in rig.results)
    sequences = [result.sequence for result in rig.results]
    assert sequences == sorted(set(sequences))
    for result in rig.results:
        assert result.token == f"token {result.sequence}"
        assert result.error or result.detections.boxes[0, 0] == result.sequence
    faulty = {fault.number for fault in rig.faults}
    assert all(result.sequence in faulty for result in rig.results if result.error)


def assert_never_two_at_once(rig: Rig, stage: Stage) -> None:
    for (_, end_ns), (begin_ns, _) in pairwise(sorted(rig.spans_ns(stage).values())):
        assert begin_ns >= end_ns


def assert_the_host_does_one_thing_at_a_time(rig: Rig) -> None:
    spans = sorted(span for stage in HOST for span in rig.spans_ns(stage).values())
    for (_, end_ns), (begin_ns, _) in pairwise(spans):
        assert begin_ns >= end_ns


def taken(rig: Rig) -> Iterator[tuple[int, int]]:
    """Yield times and numbers of the frames taken into a slot."""
    for event in rig.trace:
        if event.stage is Stage.QUEUE and event.is_end:
            yield event.now_ns, event.sequence


def idle_spans(rig: Rig, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a span in which the host does not work."""
    for work_begin_ns, work_end_ns in sorted(span for stage in HOST for span in rig.spans_ns(stage).values()):
        if begin_ns < min(work_begin_ns, end_ns):
            yield begin_ns, min(work_begin_ns, end_ns)
        begin_ns = max(begin_ns, work_end_ns)
    if begin_ns < end_ns:
        yield begin_ns, end_ns


def in_flight(rig: Rig, at_ns: int) -> int:
    """Count the frames in a slot; a frame leaves its slot with its last event."""
    last_ns = {event.sequence: event.now_ns for event in rig.trace}
    return sum(taken_ns <= at_ns < last_ns[sequence] for taken_ns, sequence in taken(rig))

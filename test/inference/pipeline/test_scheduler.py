# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of the next job: pure, so every schedule of the design is played through without a thread."""

from __future__ import annotations

import itertools

import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.scheduler import (
    SCHEDULES,
    HostJob,
    Schedule,
    SlotEntry,
    State,
    check_slots,
    next_job,
    rpns_at_once,
)
from pointpillars_ov_ros.inference.simulation.device import SimulatedSlot

PFE_DONE, RPN_DONE = State.PFE_DONE, State.RPN_DONE
STEPS = {
    HostJob.PREPARE: "pre",
    HostJob.START_PFE: "PFE",
    HostJob.SCATTER: "scatter",
    HostJob.START_RPN: "RPN",
    HostJob.FINISH: "post",
}


class NoSlot(SimulatedSlot):
    """The scheduler looks at the entry alone."""

    def __init__(self) -> None: ...


def entry(state: State = State.IDLE, sequence: int = -1) -> SlotEntry:
    """Return a slot of the table with the frame in it."""
    return SlotEntry(NoSlot(), 0, state, sequence)


class Bench:
    """Plays a schedule: does every job that is chosen, and ends inferences when told to."""

    def __init__(self, mode: Mode, clouds: int, more_slots: int = 0) -> None:
        self.schedule = SCHEDULES[mode]
        self.slots = [entry() for _ in range(self.schedule.slots + more_slots)]
        self.at_once = rpns_at_once(len(self.slots))
        self.waiting = list(range(clouds))

    def play(self) -> list[str]:
        """Do jobs until there are none; return them as 'step frame'."""
        done = []
        while (choice := next_job(self.schedule, self.slots, bool(self.waiting), self.at_once)) is not None:
            job, each = choice
            if job is HostJob.PREPARE:
                each.sequence = self.waiting.pop(0)
            each.state = job.leads_to
            done.append(f"{STEPS[job]} {each.sequence}")
        return done

    def end(self, state: State, sequence: int) -> list[str]:
        """End an inference of a frame, then play on."""
        each = next(e for e in self.slots if e.sequence == sequence)
        assert each.state == state - 1
        each.state = state
        return self.play()


def test_latency_does_one_step_after_the_other_and_nothing_beside() -> None:
    bench = Bench(Mode.LATENCY, clouds=2)
    assert bench.play() == ["pre 0", "PFE 0"]
    assert bench.end(PFE_DONE, 0) == ["scatter 0", "RPN 0"]
    assert bench.end(RPN_DONE, 0) == ["post 0", "pre 1", "PFE 1"]


def test_balanced_prepares_and_encodes_the_next_frame_while_the_rpn_runs() -> None:
    bench = Bench(Mode.BALANCED, clouds=4)
    assert bench.play() == ["pre 0", "PFE 0", "pre 1"]
    assert bench.end(PFE_DONE, 0) == ["scatter 0", "RPN 0", "PFE 1"]
    assert bench.end(RPN_DONE, 0) == ["post 0", "pre 2"]
    assert bench.end(PFE_DONE, 1) == ["scatter 1", "RPN 1", "PFE 2"]


def test_balanced_scatters_at_once_but_starts_the_rpn_after_the_older_result_left() -> None:
    bench = Bench(Mode.BALANCED, clouds=3)
    bench.play()
    bench.end(PFE_DONE, 0)
    assert bench.end(PFE_DONE, 1) == ["scatter 1"]
    assert bench.end(RPN_DONE, 0) == ["post 0", "RPN 1", "pre 2", "PFE 2"]


def test_throughput_starts_the_next_pfe_before_any_other_work() -> None:
    bench = Bench(Mode.THROUGHPUT, clouds=4)
    assert bench.play() == ["pre 0", "PFE 0", "pre 1", "pre 2"]
    assert bench.end(PFE_DONE, 0) == ["PFE 1", "scatter 0", "RPN 0"]
    assert bench.end(RPN_DONE, 0) == ["post 0", "pre 3"]
    assert bench.end(PFE_DONE, 1) == ["PFE 2", "scatter 1", "RPN 1"]


def test_throughput_follows_the_order_of_the_design_when_both_networks_are_done() -> None:
    bench = Bench(Mode.THROUGHPUT, clouds=4)
    bench.play()
    bench.end(PFE_DONE, 0)
    bench.slots[0].state = RPN_DONE
    assert bench.end(PFE_DONE, 1) == ["PFE 2", "scatter 1", "RPN 1", "post 0", "pre 3"]


def test_throughput_starts_a_free_rpn_before_it_scatters_for_the_one_after() -> None:
    slots = [entry(State.SCATTERED, 1), entry(State.PFE_DONE, 2), entry(State.RPN_DONE, 0)]
    choice = next_job(SCHEDULES[Mode.THROUGHPUT], slots, cloud_waiting=True)
    assert choice == (HostJob.START_RPN, slots[0])


@pytest.mark.parametrize("mode", Mode)
def test_only_throughput_takes_more_slots_than_it_needs(mode: Mode) -> None:
    slots = SCHEDULES[mode].slots
    check_slots(mode, slots)
    with pytest.raises(ConfigError, match=f"slots: {slots - 1}"):
        check_slots(mode, slots - 1)
    if mode is Mode.THROUGHPUT:
        check_slots(mode, slots + 1)
    else:
        with pytest.raises(ConfigError, match=f"slots: {slots + 1}"):
            check_slots(mode, slots + 1)


def all_states(slots: int) -> list[list[SlotEntry]]:
    """Return every combination of states, with the frames in both orders."""
    return [
        [entry(state, sequence) for state, sequence in zip(states, order, strict=True)]
        for states in itertools.product(State, repeat=slots)
        for order in (range(slots), range(slots, 0, -1))
    ]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("cloud_waiting", [False, True])
def test_a_job_is_only_given_to_a_slot_in_the_state_it_needs(mode: Mode, cloud_waiting: bool) -> None:
    for slots in all_states(SCHEDULES[mode].slots):
        choice = next_job(SCHEDULES[mode], slots, cloud_waiting)
        if choice is not None:
            job, each = choice
            assert each.state is job.needs
            assert cloud_waiting or job is not HostJob.PREPARE


@pytest.mark.parametrize("mode", Mode)
def test_a_network_never_runs_two_frames_at_once(mode: Mode) -> None:
    running = {HostJob.START_PFE: State.PFE_RUNNING, HostJob.START_RPN: State.RPN_RUNNING}
    for slots in all_states(SCHEDULES[mode].slots):
        choice = next_job(SCHEDULES[mode], slots, cloud_waiting=True)
        if choice is not None and choice[0] in running:
            assert all(each.state is not running[choice[0]] for each in slots)


@pytest.mark.parametrize("mode", Mode)
def test_of_two_frames_ready_for_the_same_job_the_older_goes_first(mode: Mode) -> None:
    for slots in all_states(SCHEDULES[mode].slots):
        choice = next_job(SCHEDULES[mode], slots, cloud_waiting=True)
        if choice is not None:
            job, chosen = choice
            rivals = [each.sequence for each in slots if each.state is job.needs]
            assert chosen.sequence == min(rivals)


@pytest.mark.parametrize("mode", Mode)
def test_there_is_always_a_job_unless_every_frame_waits_for_a_network(mode: Mode) -> None:
    """No combination of states is a dead end: without a job, a network is running that will end."""
    for slots in all_states(SCHEDULES[mode].slots):
        if next_job(SCHEDULES[mode], slots, cloud_waiting=True) is None:
            assert any(each.state in (State.PFE_RUNNING, State.RPN_RUNNING) for each in slots)


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_knows_every_job(mode: Mode) -> None:
    assert set(SCHEDULES[mode].priority) == set(HostJob)
    assert len(SCHEDULES[mode].priority) == len(HostJob)


def test_the_modes_have_as_many_slots_as_the_design_says() -> None:
    assert {mode: SCHEDULES[mode].slots for mode in Mode} == {
        Mode.LATENCY: 1,
        Mode.BALANCED: 2,
        Mode.THROUGHPUT: 3,
    }


def test_the_jobs_lead_from_idle_to_idle() -> None:
    state, visited = State.IDLE, []
    for _ in range(len(HostJob)):
        job = next(job for job in HostJob if job.needs is state)
        visited.append(job)
        state = State(job.leads_to + 1) if "START" in job.name else job.leads_to
    assert state is State.IDLE
    assert set(visited) == set(HostJob)


def test_without_slots_there_is_no_job() -> None:
    assert next_job(Schedule(0, tuple(HostJob)), [], cloud_waiting=True) is None


@pytest.mark.parametrize("more", range(4))
def test_each_slot_beyond_three_lets_one_more_rpn_run(more: int) -> None:
    bench = Bench(Mode.THROUGHPUT, 20, more_slots=more)
    bench.play()
    for frame in range(len(bench.slots)):
        bench.end(PFE_DONE, frame)
        states = [each.state for each in bench.slots]
        assert states.count(State.RPN_RUNNING) == min(frame, more) + 1
        assert states.count(State.PFE_RUNNING) <= 1
    assert [each.sequence for each in bench.slots if each.state is State.RPN_RUNNING] == list(range(more + 1))
    assert "RPN" in " ".join(bench.end(RPN_DONE, 0))


def test_the_other_modes_run_one_rpn_at_a_time() -> None:
    assert [rpns_at_once(SCHEDULES[mode].slots) for mode in Mode] == [1, 1, 1]

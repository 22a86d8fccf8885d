# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The three modes on simulated time: the order of events of the design, changes of the mode, failures, the end."""

from __future__ import annotations

import itertools

import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.inference.pipeline.frames import Counts, Stage
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from test.inference.simulation.rig import EVEN, MS, ORIGIN, SHORT, Fault, Faulty, Rig, RigSlot, moment

every_mode = pytest.mark.parametrize("mode", Mode)


def test_latency_does_one_stage_after_the_other_and_nothing_beside() -> None:
    """Pre → PFE → scatter → RPN → post, each starting as the previous ends."""
    rig = Rig(Mode.LATENCY)
    rig.send(range(5))
    rig.run()
    events = [event for event in rig.trace if event.stage in SHORT]
    assert [moment(event) for event in events] == [
        f"{stage} {number}{end}"
        for number in range(5)
        for stage in ("pre", "PFE", "scatter", "RPN", "post")
        for end in ("", " done")
    ]
    for ended, begun in zip(events[1::2], events[2::2], strict=False):
        assert ended.now_ns == begun.now_ns


def test_balanced_prepares_and_encodes_the_next_frame_while_the_rpn_runs() -> None:
    """T0…T9 if the RPN takes longer than the work it hides, as on the machine of Intel's paper; for every frame."""
    rig = Rig(Mode.BALANCED, durations=ORIGIN, slow_down=2.0)
    rig.send(range(20))
    rig.run()
    for n in range(2, 18):
        assert rig.moments(f"RPN {n}", f"RPN {n + 1}") == [
            f"RPN {n}",
            f"pre {n + 1}",
            f"pre {n + 1} done",
            f"PFE {n + 1}",
            f"PFE {n + 1} done",
            f"scatter {n + 1}",
            f"scatter {n + 1} done",
            f"RPN {n} done",
            f"post {n}",
            f"post {n} done",
            f"RPN {n + 1}",
        ]


def test_balanced_gives_the_result_before_the_next_scatter_where_the_pfe_takes_longer() -> None:
    """T0…T9 in the other case: RPN(N) is done while PFE(N+1) runs."""
    rig = Rig(Mode.BALANCED)
    rig.send(range(2))
    rig.send([2], [30 * MS])
    rig.run()
    assert rig.moments("RPN 0", "RPN 1") == [
        "RPN 0",
        "PFE 1",
        "RPN 0 done",
        "PFE 1 done",
        "post 0",
        "post 0 done",
        "scatter 1",
        "scatter 1 done",
        "RPN 1",
    ]


@pytest.mark.parametrize("durations", [ORIGIN, EVEN], ids=["origin", "even"])
@pytest.mark.parametrize("slow_down", [1.0, 1.5, 2.0, 3.0])
def test_balanced_never_starts_a_pfe_before_the_rpn_of_the_older_frame(durations: object, slow_down: float) -> None:
    rig = Rig(Mode.BALANCED, durations=durations, slow_down=slow_down)  # type: ignore[arg-type]
    rig.send(range(30))
    rig.run()
    pfe, rpn = rig.spans_ns(Stage.PFE), rig.spans_ns(Stage.RPN)
    assert all(pfe[n + 1][0] >= rpn[n][0] for n in range(29))


def test_throughput_starts_the_next_pfe_before_any_other_work() -> None:
    """T0…T9: PFE(N), scatter(N-1), RPN(N-1), post(N-2), pre(N+1)."""
    rig = Rig(Mode.THROUGHPUT)
    rig.send(range(20))
    rig.run()
    for n in range(2, 17):
        assert rig.moments(f"PFE {n - 1} done", f"PFE {n} done") == [
            f"PFE {n - 1} done",
            f"PFE {n}",
            f"scatter {n - 1}",
            f"scatter {n - 1} done",
            f"RPN {n - 2} done",
            f"RPN {n - 1}",
            f"post {n - 2}",
            f"post {n - 2} done",
            f"pre {n + 1}",
            f"pre {n + 1} done",
            f"PFE {n} done",
        ]


@pytest.mark.parametrize("durations", [ORIGIN, EVEN], ids=["origin", "even"])
def test_throughput_always_overlaps_pfe_and_rpn(durations: object) -> None:
    rig = Rig(Mode.THROUGHPUT, durations=durations, slow_down=2.0)  # type: ignore[arg-type]
    rig.send(range(30))
    rig.run()
    rpn = rig.spans_ns(Stage.RPN).values()
    for number, (begin, end) in rig.spans_ns(Stage.PFE).items():
        beside = sum(max(0, min(end, until) - max(begin, since)) for since, until in rpn)
        assert number < 3 or beside > 0.85 * (end - begin)


@every_mode
def test_what_ends_while_the_host_works_is_seen_before_the_next_job_is_chosen(mode: Mode) -> None:
    """Frame 0's PFE ends while the host prepares frame 1: then scatter(0) goes before pre(2)."""
    rig = Rig(mode, durations=ORIGIN, slow_down=2.0)
    rig.send(range(4))
    rig.run()
    assert rig.spans_ns(Stage.SCATTER)[0][0] < rig.spans_ns(Stage.PILLARS)[2][0]


@pytest.mark.parametrize(("before", "after"), itertools.permutations(Mode, 2))
def test_the_mode_changes_while_running_and_no_cloud_is_lost(before: Mode, after: Mode) -> None:
    rig = Rig(before)
    rig.send(range(40))
    old = list(rig.slots)
    new = [*old, *(RigSlot(rig) for _ in range(3))][: SCHEDULES[after].slots]

    def change() -> None:
        assert rig.pipeline.counts.pending > 0
        rig.pipeline.set_mode(after, new)

    rig.clock.call_at(1_000 * MS, change)
    rig.run()
    assert rig.numbers() == list(range(40))
    assert [result.sequence for result in rig.results] == list(range(40))
    assert rig.pipeline.counts == Counts(submitted=40, completed=40)
    changed = next(n for n, (begin, _) in rig.spans_ns(Stage.PILLARS).items() if begin > 1_000 * MS)
    for slot in old:
        assert slot in new or all(number < changed for number in slot.prepared)
    assert all(any(number > changed for number in slot.prepared) for slot in new)
    assert frames_at_once(rig, since=changed + 3) == SCHEDULES[after].slots


def frames_at_once(rig: Rig, since: int) -> int:
    """Return the maximum number of frames in flight, from frame `since` on."""
    begins, ends = rig.spans_ns(Stage.PILLARS), rig.spans_ns(Stage.DECODE)
    spans = [(begins[n][0], ends[n][1]) for n in ends if n >= since]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def test_the_mode_may_be_changed_back_and_forth_at_once() -> None:
    rig = Rig(Mode.THROUGHPUT)
    rig.send(range(30))
    for at in range(0, 1_000, 7):
        mode = list(Mode)[at % 3]
        rig.clock.call_at(at * MS, lambda m=mode: rig.pipeline.set_mode(m, rig.slots[: SCHEDULES[m].slots]))
    rig.run()
    assert rig.numbers() == list(range(30))
    assert rig.pipeline.counts == Counts(submitted=30, completed=30)


@pytest.mark.parametrize(("mode", "slots"), [(Mode.LATENCY, 2), (Mode.BALANCED, 3), (Mode.THROUGHPUT, 2)])
def test_a_mode_is_refused_another_number_of_slots_than_it_has(mode: Mode, slots: int) -> None:
    rig = Rig(Mode.THROUGHPUT)
    with pytest.raises(ConfigError, match=f"slots: {slots}"):
        rig.pipeline.set_mode(mode, [RigSlot(rig) for _ in range(slots)])


def test_throughput_takes_more_slots_than_three() -> None:
    rig = Rig(Mode.LATENCY)
    rig.send(range(30))
    rig.pipeline.set_mode(Mode.THROUGHPUT, [RigSlot(rig) for _ in range(5)])
    rig.run()
    assert rig.numbers() == list(range(30))
    assert frames_at_once(rig, since=5) == 5


@every_mode
@pytest.mark.parametrize("stage", [Stage.PFE, Stage.RPN])
@pytest.mark.parametrize("fault", [Fault.RAISES, Fault.SILENT, Fault.HANGS])
def test_a_request_that_fails_or_times_out_costs_its_frame_only(mode: Mode, stage: Stage, fault: Fault) -> None:
    rig = Rig(mode, faults={Faulty(5, stage): fault}, stage_timeout_s=0.5)
    rig.send(range(12))
    rig.run()
    assert rig.numbers() == [0, 1, 2, 3, 4, -1, *range(6, 12)]
    assert [result.sequence for result in rig.results] == list(range(12))
    assert rig.pipeline.counts == Counts(submitted=12, completed=11, failed=1)
    errors = {Fault.RAISES: "failed", Fault.SILENT: "failed: silently", Fault.HANGS: "did not end within 0.5 s"}
    assert rig.results[5].error == f"{stage.name} {errors[fault]}"
    assert rig.results[5].token == "token 5"


@every_mode
@pytest.mark.parametrize("stage", [Stage.PFE, Stage.RPN])
def test_the_slot_of_a_hung_request_is_used_again_when_the_device_gives_it_back(mode: Mode, stage: Stage) -> None:
    """`RigSlot.prepare` asserts that it is not before; the others go on meanwhile."""
    rig = Rig(mode, faults={Faulty(3, stage): Fault.HANGS}, stage_timeout_s=0.3)
    rig.send(range(60))
    (begun,) = [slot for slot in rig.slots if run_until_prepared(rig, slot, 3)]
    rig.run(until_ns=rig.clock.now_ns() + 1_000 * MS)
    assert rig.pipeline.hung_slots == [begun]
    done = len(rig.results)
    assert (done == 4) if mode is Mode.LATENCY else (done > 7)
    rig.run()
    assert rig.pipeline.hung_slots == []
    assert rig.numbers() == [0, 1, 2, -1, *range(4, 60)]
    assert begun.prepared[-1] > 40


def run_until_prepared(rig: Rig, slot: RigSlot, number: int) -> bool:
    while all(number not in s.prepared for s in rig.slots):
        rig.pipeline.turn()
    return number in slot.prepared


def test_a_hung_slot_that_the_mode_no_longer_needs_is_not_used_again() -> None:
    rig = Rig(Mode.THROUGHPUT, faults={Faulty(0, Stage.PFE): Fault.HANGS}, stage_timeout_s=0.3)
    rig.send(range(60))
    rig.run(until_ns=500 * MS)
    (hung,) = rig.pipeline.hung_slots
    rig.pipeline.set_mode(Mode.BALANCED, [slot for slot in rig.slots if slot is not hung])
    rig.run()
    assert rig.numbers() == [-1, *range(1, 60)]
    assert rig.pipeline.hung_slots == []
    assert hung.prepared == [0]  # type: ignore[attr-defined]


@every_mode
@pytest.mark.parametrize("stage", [Stage.PFE, Stage.RPN])
def test_the_mode_has_its_number_of_slots_while_one_hangs_and_when_it_is_back(mode: Mode, stage: Stage) -> None:
    rig = Rig(mode, faults={Faulty(3, stage): Fault.HANGS}, replaces=True, stage_timeout_s=0.3)
    rig.send(range(60))
    (hung,) = [slot for slot in list(rig.slots) if run_until_prepared(rig, slot, 3)]
    rig.run(until_ns=rig.clock.now_ns() + 400 * MS)
    begin_ns, end_ns = rig.clock.now_ns(), rig.clock.now_ns() + 1_000 * MS
    rig.run(until_ns=end_ns)
    assert rig.pool.hung == rig.pipeline.hung_slots == [hung]
    rig.run()
    assert rig.pool.hung == rig.pipeline.hung_slots == []
    assert rig.numbers() == [0, 1, 2, -1, *range(4, 60)]
    assert hung.prepared[-1] > 40, "it was not used again"
    assert len(rig.pool.slots) == SCHEDULES[mode].slots + 1
    before = Rig(mode)
    before.send(range(60))
    before.run()
    rate = len(frames_begun(rig, begin_ns, end_ns)) / len(frames_begun(before, begin_ns, end_ns))
    assert rate == pytest.approx(1.0, abs=0.1), "the mode runs slower while a slot hangs"
    assert frames_at_once(rig, since=50) == SCHEDULES[mode].slots


def frames_begun(rig: Rig, begin_ns: int, end_ns: int) -> list[int]:
    """Return the frames started in a span of time."""
    return [n for n, (at_ns, _) in rig.spans_ns(Stage.PILLARS).items() if begin_ns <= at_ns < end_ns]


@every_mode
def test_a_device_that_hangs_at_everything_gets_twice_the_slots_and_no_more(mode: Mode) -> None:
    hangs = {Faulty(number, Stage.RPN): Fault.HANGS for number in range(30)}
    rig = Rig(mode, faults=hangs, replaces=True, stage_timeout_s=0.1)
    rig.hang_ns = 10_000 * MS
    rig.send(range(60))
    rig.run(until_ns=8_000 * MS)
    slots = SCHEDULES[mode].slots
    assert len(rig.pool.slots) == len(rig.pool.hung) == 2 * slots
    assert rig.refusals
    assert rig.numbers() == [-1] * 2 * slots
    rig.run()
    assert rig.numbers() == [*[-1] * 30, *range(30, 60)]
    rig.run_until_none_hangs()
    assert len(rig.pool.slots) == 2 * slots
    assert rig.pool.hung == []
    assert frames_at_once(rig, since=50) == slots


@pytest.mark.parametrize(("before", "after"), itertools.permutations(Mode, 2))
def test_a_change_of_mode_while_a_slot_hangs_gives_the_full_number(before: Mode, after: Mode) -> None:
    rig = Rig(before, faults={Faulty(0, Stage.RPN): Fault.HANGS}, replaces=True, stage_timeout_s=0.3)
    rig.hang_ns = 6_000 * MS
    rig.send(range(90))
    rig.clock.call_at(1_000 * MS, lambda: rig.set_mode(after))
    rig.run(until_ns=4_000 * MS)
    assert len(rig.pool.hung) == 1
    done = len(rig.results)
    assert frames_at_once(rig, since=done - 10) == SCHEDULES[after].slots
    rig.run()
    assert rig.numbers() == [-1, *range(1, 90)]
    assert rig.refusals == []


def test_slow_is_not_hung() -> None:
    rig = Rig(Mode.THROUGHPUT, slow_down=4.0, stage_timeout_s=0.3)
    rig.send(range(20))
    rig.run()
    assert rig.numbers() == list(range(20))


@every_mode
@pytest.mark.parametrize("stage", [Stage.PFE, Stage.RPN])
@pytest.mark.parametrize("stage_timeout_s", [None, 0.2])
def test_close_neither_hangs_on_a_hung_request_nor_loses_finished_frames(
    mode: Mode, stage: Stage, stage_timeout_s: float | None
) -> None:
    rig = Rig(mode, faults={Faulty(1, stage): Fault.HANGS}, stage_timeout_s=stage_timeout_s, close_timeout_s=0.5)
    rig.hang_ns = 10**15
    rig.send(range(10))
    rig.run(until_ns=150 * MS)
    rig.close()
    assert rig.clock.now_ns() < 1_200 * MS
    counts = rig.pipeline.counts
    assert counts.pending == 0
    assert counts.failed == 1
    assert len(rig.results) == counts.submitted - counts.dropped
    assert rig.numbers() == [0, -1, *range(2, len(rig.results))]
    assert len(rig.pipeline.hung_slots) == 1


@every_mode
def test_frames_finished_behind_a_hung_one_leave_when_the_pipeline_is_closed(mode: Mode) -> None:
    rig = Rig(mode, faults={Faulty(0, Stage.RPN): Fault.HANGS}, close_timeout_s=0.5)
    rig.hang_ns = 10**15
    rig.send(range(3))
    rig.run(until_ns=1_000 * MS)
    assert rig.results == []
    rig.close()
    assert rig.results[0].error == "RPN did not end within 0.5 s after the pipeline was closed"
    assert rig.numbers() == [-1, *range(1, len(rig.results))]
    assert rig.pipeline.counts.pending == 0


@pytest.mark.parametrize(
    ("name", "value"), [("stage_timeout_s", 0.0), ("stage_timeout_s", -1.0), ("close_timeout_s", -0.1)]
)
def test_a_limit_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: {value}"):
        Rig(Mode.LATENCY, **{name: value})


@every_mode
def test_live_takes_the_newest_cloud_when_a_slot_is_free(mode: Mode) -> None:
    rig = Rig(mode, DropPolicy.LIVE)
    rig.send(range(200), [number * 7 * MS for number in range(200)])
    rig.run()
    counts = rig.pipeline.counts
    assert counts.submitted == 200
    assert counts.completed + counts.dropped == 200
    assert counts.dropped > 0
    assert all(result.times.duration_ms(Stage.QUEUE) < 7.0 for result in rig.results[:-3])

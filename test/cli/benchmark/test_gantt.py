# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bars from traces: those of the simulated machine in every mode, and small ones written by hand."""

from __future__ import annotations

import itertools
import random

import pytest

from pointpillars_ov_ros.cli.benchmark.gantt import ROWS, Bar, TimelineRow, Trace
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageEvent
from pointpillars_ov_ros.inference.simulation.simulate import SimulationProfile, StageMilliseconds, run_simulation

PROFILE = SimulationProfile("a machine", "this test", StageMilliseconds(8, 5, 3, 20, 4), "GPU", "GPU", 2.0)
ALONE_MS = {Stage.PILLARS: 8, Stage.PFE: 5, Stage.SCATTER: 3, Stage.RPN: 20, Stage.DECODE: 4}
MS = 1_000_000


def simulate(mode: Mode) -> list[StageEvent]:
    events: list[StageEvent] = []
    run_simulation(PROFILE, mode, frames=10, on_event=events.append)
    return events


@pytest.mark.parametrize("mode", Mode)
def test_every_frame_has_a_bar_for_each_stage_but_the_wait(mode: Mode) -> None:
    trace = Trace.of(simulate(mode))
    by_frame = {frame: [bar for bar in trace.bars if bar.sequence == frame] for frame in range(25)}
    for bars in by_frame.values():
        assert [bar.stage for bar in bars] == list(ALONE_MS)
        for bar in bars:
            is_host = ROWS[bar.stage] is TimelineRow.HOST
            assert bar.end_ms - bar.begin_ms == pytest.approx(ALONE_MS[bar.stage]) or (
                not is_host and bar.end_ms - bar.begin_ms > ALONE_MS[bar.stage]
            )
    assert min(bar.begin_ms for bar in trace.bars) == 0.0


@pytest.mark.parametrize("mode", Mode)
def test_the_host_does_one_thing_at_a_time(mode: Mode) -> None:
    trace = Trace.of(simulate(mode))
    assert len(trace.lanes(TimelineRow.HOST)) == 1
    host = trace.lanes(TimelineRow.HOST)[0]
    assert len(host) == sum(ROWS[bar.stage] is TimelineRow.HOST for bar in trace.bars)


@pytest.mark.parametrize("mode", Mode)
def test_the_order_in_which_events_were_reported_does_not_matter(mode: Mode) -> None:
    events = simulate(mode)
    mixed = random.Random(0).sample(events, len(events))
    assert Trace.of(mixed) == Trace.of(events)


def test_networks_overlap_where_the_mode_says_so() -> None:
    def overlap(mode: Mode) -> bool:
        lanes = [Trace.of(simulate(mode)).lanes(row)[0] for row in (TimelineRow.PFE, TimelineRow.RPN)]
        pairs = itertools.product(*lanes)
        return any(a.begin_ms < b.end_ms and b.begin_ms < a.end_ms for a, b in pairs)

    assert [overlap(mode) for mode in (Mode.LATENCY, Mode.BALANCED, Mode.THROUGHPUT)] == [False, True, True]


def test_a_stage_that_did_not_end_or_begin_has_no_bar() -> None:
    events = [
        StageEvent(0, Stage.RPN, False, 5 * MS),
        StageEvent(1, Stage.DECODE, True, 6 * MS),
        StageEvent(1, Stage.PILLARS, False, 7 * MS),
        StageEvent(1, Stage.PILLARS, True, 9 * MS),
    ]
    assert Trace.of(events).bars == [Bar(1, Stage.PILLARS, 2.0, 4.0)]
    assert Trace.of([]).bars == []


def test_a_stage_of_no_length_has_a_bar() -> None:
    events = [StageEvent(0, Stage.PFE, False, MS), StageEvent(0, Stage.PFE, True, MS)]
    assert Trace.of(events).bars == [Bar(0, Stage.PFE, 0.0, 0.0)]


TRACE = Trace(
    [
        Bar(0, Stage.RPN, 0.0, 40.0),
        Bar(1, Stage.PILLARS, 10.0, 20.0),
        Bar(1, Stage.RPN, 30.0, 60.0),
        Bar(2, Stage.RPN, 40.0, 90.0),
        Bar(3, Stage.RPN, 100.0, 120.0),
    ]
)


def test_what_overlaps_goes_into_lanes_of_its_own() -> None:
    lanes = TRACE.lanes(TimelineRow.RPN)
    assert [[bar.sequence for bar in lane] for lane in lanes] == [[0, 2, 3], [1]]
    for lane in lanes:
        assert all(a.end_ms <= b.begin_ms for a, b in itertools.pairwise(lane))
    assert TRACE.lanes(TimelineRow.PFE) == []


def test_a_cut_begins_with_a_frame_and_cuts_off_what_reaches_beyond() -> None:
    assert TRACE.cut(1, 60.0).bars == [
        Bar(0, Stage.RPN, 0.0, 30.0),
        Bar(1, Stage.PILLARS, 0.0, 10.0),
        Bar(1, Stage.RPN, 20.0, 50.0),
        Bar(2, Stage.RPN, 30.0, 60.0),
    ]


@pytest.mark.parametrize(("first", "frames", "duration_ms"), [(1, 1, 50.0), (1, 2, 80.0), (2, 2, 80.0), (0, 9, 120.0)])
def test_the_duration_of_frames_is_from_their_first_bar_to_their_last(
    first: int, frames: int, duration_ms: float
) -> None:
    assert TRACE.duration_ms(first, frames) == duration_ms

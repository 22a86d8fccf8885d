# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of rounds written by hand, and the picture's parts."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.cli.benchmark.figures import (
    WORK,
    busy_percent,
    cpu_percent,
    durations_ms,
    total_medians_ms,
)
from pointpillars_ov_ros.cli.benchmark.gantt import TimelineRow
from pointpillars_ov_ros.cli.benchmark.plot import FRAMES, make_group
from pointpillars_ov_ros.cli.measurement.workloads import FinishedFrame, Round
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, Stage, StageEvent, StageTimes

MS = 1_000_000
LENGTHS_MS = {
    Stage.CONVERT: 1,
    Stage.QUEUE: 10,
    Stage.PILLARS: 2,
    Stage.PFE: 20,
    Stage.SCATTER: 3,
    Stage.RPN: 40,
    Stage.DECODE: 4,
}
"""They follow each other without a gap: 80 ms, and the message takes another 5."""


def frame(begin_ms: int) -> FinishedFrame:
    times, now_ns = StageTimes(), begin_ms * MS
    for stage, length_ms in LENGTHS_MS.items():
        times.begin(stage, now_ns)
        now_ns += length_ms * MS
        times.end(stage, now_ns)
    result = FrameResult(0, None, Detections.empty(), "", 1, 1, times, Counts())
    return FinishedFrame(result, 5.0, now_ns + 5 * MS, 0)


def measured(begins_ms: list[int], counted: slice, begin_ms: int, end_ms: int, cpu_ms: int) -> Round:
    frames = [frame(begin) for begin in begins_ms]
    return Round(frames[counted], begin_ms * MS, end_ms * MS, cpu_ms * MS, [left.result.times for left in frames])


def test_stages_add_up_to_host_in_flight_and_total() -> None:
    durations = durations_ms([measured([0, 100], slice(None), 0, 200, 0)])
    assert {name: values["p50"] for name, values in durations.items()} == {
        **{stage.name.lower(): length for stage, length in LENGTHS_MS.items()},
        "message": 5,
        "host": 1 + 2 + 3 + 4 + 5,
        "in flight": 2 + 20 + 3 + 40 + 4,
        "total": 85,
    }
    assert set(WORK) <= set(durations)


def test_only_the_frames_that_count_are_summarized() -> None:
    rounds = [measured([0, 100, 900], slice(1, 2), 85, 185, 0)]
    rounds[0].around[2].end(Stage.RPN, 5000 * MS)
    assert durations_ms(rounds)["rpn"]["max"] == 40
    assert total_medians_ms(rounds) == [85]
    assert rounds[0].fps == 10


def test_cpu_is_of_one_core_over_all_rounds() -> None:
    rounds = [measured([0], slice(None), 0, 100, 150), measured([200], slice(None), 200, 400, 0)]
    assert cpu_percent(rounds) == pytest.approx(50)


def test_busy_is_within_the_rounds_and_overlaps_count_once() -> None:
    # Each frame has its PFE from 13 to 33 and its RPN from 36 to 76 ms; the second one begins 20 ms later.
    alone = busy_percent([measured([0], slice(None), 0, 100, 0)])
    assert (alone["pfe"], alone["rpn"], alone["either"]) == (20, 40, 60)
    both = busy_percent([measured([0, 20], slice(None), 0, 100, 0)])
    assert (both["pfe"], both["rpn"], both["either"]) == (40, 60, 20 + 63)
    cut = busy_percent([measured([0, 20], slice(None), 50, 60, 0)])
    assert (cut["pfe"], cut["rpn"], cut["either"]) == (30, 100, 100)
    twice = busy_percent([measured([0], slice(None), 0, 100, 0), measured([900], slice(None), 0, 100, 0)])
    assert (twice["pfe"], twice["rpn"], twice["either"]) == (10, 20, 30)


def trace(period_ms: int, frames: int) -> list[StageEvent]:
    """Return frames whose RPN takes the whole period, one after the other."""
    return [
        StageEvent(number, Stage.RPN, is_end, (number + is_end) * period_ms * MS)
        for number in range(frames)
        for is_end in (False, True)
    ]


def test_all_modes_are_drawn_over_the_time_that_the_slowest_takes_for_a_few_frames() -> None:
    group = make_group("title", ("CPU", "GPU"), {"slow": trace(40, 9), "fast": trace(10, 40)}, first=2)
    assert group.span_ms == FRAMES * 40
    slow, fast = group.panels
    assert [bar.sequence for bar in slow.trace.bars] == [2, 3, 4]
    assert [bar.sequence for bar in fast.trace.bars] == list(range(2, 2 + FRAMES * 4))
    assert all(0 <= bar.begin_ms <= bar.end_ms <= group.span_ms for panel in group.panels for bar in panel.trace.bars)
    assert group.rows == {TimelineRow.HOST: "host", TimelineRow.PFE: "PFE on CPU", TimelineRow.RPN: "RPN on GPU"}


def test_no_time_is_drawn_of_which_one_trace_knows_nothing() -> None:
    group = make_group("title", ("CPU", "CPU"), {"slow": trace(40, 9), "short": trace(10, 6)}, first=2)
    assert group.span_ms == 4 * 10


def test_where_the_host_encodes_there_is_no_row_for_the_pfe() -> None:
    group = make_group("title", ("host", "CPU"), {"mode": trace(40, 9)}, first=0)
    assert list(group.rows) == [TimelineRow.HOST, TimelineRow.RPN]

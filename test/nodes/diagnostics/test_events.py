# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events noticed between consecutive frames, and how long they are kept."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from pointpillars_ov_ros.nodes.diagnostics.events import DetectorEvents, EventKind
from pointpillars_ov_ros.ros.timing_message import FrameTiming

BEFORE = FrameTiming(
    run=1, mode="latency", pfe_device="CPU", pfe_precision="f32", rpn_device="CPU", rpn_precision="f32", parity="ok"
)


def events_of(*timings: FrameTiming, keep: int = 100) -> DetectorEvents:
    """Return the events of frames that arrive at 1 s, 2 s, …"""
    seconds = itertools.count(1.0)
    events = DetectorEvents(keep, lambda: next(seconds))
    for timing in timings:
        events.watch(timing)
    return events


def test_frames_of_one_kind_are_no_event() -> None:
    events = events_of(BEFORE, replace(BEFORE, received=9, failed=2, error="RPN failed"), BEFORE)
    assert not events.last
    assert set(events.counts.values()) == {0}


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"mode": "balanced"}, EventKind.MODE, "mode changed from latency to balanced"),
        ({"rpn_device": "GPU.0"}, EventKind.DEVICE, "RPN moved from CPU in f32 to GPU.0 in f32"),
        ({"rpn_device": "GPU.0", "rpn_precision": ""}, EventKind.DEVICE, "RPN moved from CPU in f32 to GPU.0"),
        ({"pfe_precision": "f16"}, EventKind.DEVICE, "PFE moved from CPU in f32 to CPU in f16"),
        ({"parity": "boxes: NaN"}, EventKind.PARITY, "parity: boxes: NaN"),
        ({"parity": "fell back to CPU in f32: NaN"}, EventKind.PARITY, "parity: fell back to CPU in f32: NaN"),
        ({"run": 2}, EventKind.RESTART, "the detector was restarted or configured again"),
    ],
)
def test_a_change_is_one_event(change: dict[str, str | int], kind: EventKind, text: str) -> None:
    after = replace(BEFORE, **change)  # type: ignore[arg-type]
    events = events_of(BEFORE, after, after)
    assert [(event.number, event.at_s, event.text) for event in events.last] == [(1, 1.0, text)]
    assert events.counts == {**dict.fromkeys(EventKind, 0), kind: 1}


@pytest.mark.parametrize("parity", ["ok", "not checked", ""])
def test_a_mismatch_that_is_over_is_no_event(parity: str) -> None:
    amiss = replace(BEFORE, parity="boxes: NaN")
    assert events_of(amiss, replace(BEFORE, parity=parity)).counts[EventKind.PARITY] == 1


def test_a_device_that_is_not_reached_is_an_event_once_and_other_warnings_are_none() -> None:
    left = "rpn_device: AUTO:GPU,CPU stays on CPU, since GPU.0 was not reached: no driver"
    warned = replace(BEFORE, warnings=f"performance_hint: slow; {left}")
    events = events_of(BEFORE, warned, warned)
    assert [event.text for event in events.last] == [left]
    assert events.counts[EventKind.DEVICE] == 1
    # One that was there before the first cloud is news, too.
    assert [event.text for event in events_of(warned, warned).last] == [left]


def test_a_mismatch_that_was_there_first_and_one_after_a_restart_are_both_events() -> None:
    amiss = replace(BEFORE, parity="boxes: NaN")
    events = events_of(amiss, amiss, replace(amiss, run=2))
    assert events.counts[EventKind.PARITY] == 2
    assert events.counts[EventKind.RESTART] == 1


@pytest.mark.parametrize("keep", [1, 3, 10])
def test_the_last_ones_are_kept_and_all_are_counted(keep: int) -> None:
    modes = [replace(BEFORE, mode=f"mode {k}") for k in range(8)]
    events = events_of(*modes, keep=keep)
    assert [event.number for event in events.last] == list(range(1, 8))[-keep:]
    assert events.last[-1].text == "mode changed from mode 6 to mode 7"
    assert events.counts[EventKind.MODE] == 7

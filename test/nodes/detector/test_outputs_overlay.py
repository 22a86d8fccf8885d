# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The line above the sensor, against figures made by hand."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.nodes.detector.outputs import Overlay
from pointpillars_ov_ros.ros.timing_message import FrameTiming


def filled(count: int, rate: float = 10.0, **values: int) -> tuple[Overlay, FrameTiming]:
    """Return an overlay after frames of 1, 2, 3, … ms at `rate` (Hz), the last one at 100 s, and that last frame."""
    overlay = Overlay()
    for k in range(count):
        timing = FrameTiming(total_ms=k + 1.0, **values)
        overlay.add(timing, 100.0 - (count - 1 - k) / rate)
    return overlay, timing


def test_it_says_median_p90_rate_and_dropped() -> None:
    overlay, timing = filled(100)
    assert overlay.text(timing, 100.0) == "latency 50 ms, p90 90 ms, 10.0 Hz, 0 dropped"


def test_what_else_went_amiss_is_said_where_it_did() -> None:
    overlay, timing = filled(3, dropped=2, failed=1)
    assert overlay.text(timing, 100.0).endswith("Hz, 2 dropped, 1 failed")


def test_it_looks_back_over_a_hundred_frames() -> None:
    overlay, timing = filled(300)
    assert overlay.text(timing, 100.0).startswith("latency 250 ms, p90 290 ms")


def test_it_is_made_anew_once_a_second_and_when_the_clock_goes_back() -> None:
    overlay, timing = filled(2)
    first = overlay.text(timing, 100.0)
    overlay.add(FrameTiming(total_ms=500.0), 100.1)
    assert overlay.text(timing, 100.9) == first
    assert overlay.text(timing, 101.0) != first
    overlay.add(FrameTiming(total_ms=7.0), 3.0)
    assert overlay.text(timing, 3.0).startswith("latency 7 ms")


@pytest.mark.parametrize("error", ["the device is gone", ""])
def test_a_frame_that_failed_has_no_latency(error: str) -> None:
    overlay = Overlay()
    timing = FrameTiming(error=error, total_ms=30.0, failed=bool(error))
    overlay.add(timing, 1.0)
    assert overlay.text(timing, 1.0) == ("" if error else "latency 30 ms, p90 30 ms, 0.0 Hz, 0 dropped")


@pytest.mark.parametrize(("rate", "lifetime_s"), [(10.0, 0.3), (100.0, 0.03), (0.6, 2.0)])
def test_markers_outlive_three_clouds_and_two_seconds_at_most(rate: float, lifetime_s: float) -> None:
    assert filled(10, rate)[0].lifetime_s == pytest.approx(lifetime_s)


def test_the_first_markers_stay_for_two_seconds() -> None:
    assert filled(1)[0].lifetime_s == 2.0

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statuses of the last frames, compared with NumPy and calculations by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from pointpillars_ov_ros.nodes.diagnostics.health import DetectorHealth
from pointpillars_ov_ros.ros.frame_window import DURATIONS
from pointpillars_ov_ros.ros.settings import DiagnosticsConfig
from pointpillars_ov_ros.ros.timing_message import FrameTiming

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
CONFIG = DiagnosticsConfig(
    window=50, stale_after=2.0, warn_latency_ms=100.0, error_latency_ms=400.0, error_failures=3, recovery=1
)
STAMP_S = 1_700_000_000.5
TROUBLES = ("dropped", "refused", "failed", "lost")


def report(health: DetectorHealth, now_s: float) -> dict[str, DiagnosticStatus]:
    """Return the statuses by the last word of their names."""
    return {status.name.removeprefix("pointpillars_detector: "): status for status in health.statuses(now_s)}


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def filled(count: int = 20, begin_s: float = 100.0, rate: float = 10.0, **values: Any) -> DetectorHealth:
    """Return a window after `count` frames at `rate`; `values` are those of every frame."""
    health = DetectorHealth(CONFIG, lambda: STAMP_S)
    for k in range(count):
        health.add(FrameTiming(received=k + 1, completed=k + 1, **values), begin_s + k / rate)
    return health


def random_timing(rng: np.random.Generator) -> FrameTiming:
    numbers = {
        field.name: float(rng.gamma(2.0, 20.0))
        for field in dataclasses.fields(FrameTiming)
        if isinstance(field.default, float)
    }
    return FrameTiming(**numbers)


def test_what_is_odd_about_the_clouds_is_a_warning_as_long_as_it_is() -> None:
    clouds = report(filled(sensor="the ground is 0.9 m below the sensor"), 102.0)["clouds"]
    assert clouds.level == DiagnosticStatus.WARN
    assert clouds.message.endswith("Hz, the ground is 0.9 m below the sensor")


@pytest.mark.parametrize("now_s", [0.0, 1.0, 1e9])
def test_all_is_stale_before_the_first_frame(now_s: float) -> None:
    statuses = report(DetectorHealth(CONFIG, lambda: STAMP_S), now_s)
    assert list(statuses) == ["latency", "clouds", "device", "events"]
    assert {status.level for status in statuses.values()} == {STALE}


@pytest.mark.parametrize(("silence_s", "level"), [(0.0, OK), (1.9, OK), (2.0, OK), (2.1, STALE), (600.0, STALE)])
def test_all_is_stale_after_a_silence(silence_s: float, level: bytes) -> None:
    health = filled(1, begin_s=100.0)
    assert {status.level for status in report(health, 100.0 + silence_s).values()} == {level}


def test_a_stale_status_says_for_how_long() -> None:
    assert "7.5 s" in report(filled(1, begin_s=100.0), 107.5)["clouds"].message


def test_the_first_frame_after_a_silence_ends_it() -> None:
    health = filled(1, begin_s=100.0)
    report(health, 200.0)
    health.add(FrameTiming(received=2, completed=2), 200.0)
    assert {status.level for status in report(health, 200.5).values()} == {OK}


@pytest.mark.parametrize(
    ("total_ms", "level"), [(0.0, OK), (100.0, OK), (100.1, WARN), (400.0, WARN), (400.1, ERROR), (1e5, ERROR)]
)
def test_latency_is_judged_by_its_bounds(total_ms: float, level: bytes) -> None:
    assert report(filled(total_ms=total_ms), 102.0)["latency"].level == level


@pytest.mark.parametrize(("slow", "level"), [(1, OK), (4, OK), (6, WARN)])
def test_latency_is_judged_by_its_p90(slow: int, level: bytes) -> None:
    health = DetectorHealth(CONFIG, lambda: STAMP_S)
    for k in range(50):
        health.add(FrameTiming(total_ms=200.0 if k < slow else 10.0), 100.0 + k / 10)
    assert report(health, 105.0)["latency"].level == level


@pytest.mark.parametrize("count", [1, 2, 49, 50, 80])
def test_percentiles_are_those_of_numpy_over_the_window(count: int) -> None:
    rng, health = np.random.default_rng(count), DetectorHealth(CONFIG, lambda: STAMP_S)
    timings = [random_timing(rng) for _ in range(count)]
    for k, timing in enumerate(timings):
        health.add(timing, 100.0 + k / 10)
    shown = values(report(health, 100.0 + count / 10)["latency"])
    for name in DURATIONS:
        kept = [getattr(timing, f"{name}_ms") for timing in timings[-50:]]
        for label, at in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
            assert float(shown[f"{name} {label} (ms)"]) == pytest.approx(np.percentile(kept, at), abs=0.005001)


@pytest.mark.parametrize(("count", "rate"), [(2, 10.0), (20, 12.5), (120, 20.0)])
def test_the_rate_is_that_of_the_frames(count: int, rate: float) -> None:
    status = report(filled(count, rate=rate), 100.0 + count / rate)["clouds"]
    assert float(values(status)["rate (Hz)"]) == pytest.approx(rate, abs=1e-3)
    assert f"{rate:.1f} Hz" in status.message


def test_one_frame_has_no_rate() -> None:
    assert float(values(report(filled(1), 100.5)["clouds"])["rate (Hz)"]) == 0


def test_frames_at_one_instant_have_no_rate() -> None:
    health = DetectorHealth(CONFIG, lambda: STAMP_S)
    for _ in range(3):
        health.add(FrameTiming(), 100.0)
    assert float(values(report(health, 100.0)["clouds"])["rate (Hz)"]) == 0


@pytest.mark.parametrize("trouble", TROUBLES)
def test_clouds_that_were_lost_since_the_last_report_are_a_warning_once(trouble: str) -> None:
    health = filled(20)
    assert report(health, 102.0)["clouds"].level == OK
    health.add(FrameTiming(received=30, **{trouble: 3}), 102.1)
    status = report(health, 102.2)["clouds"]
    assert status.level == WARN
    assert f"3 {trouble}" in status.message
    health.add(FrameTiming(received=31, **{trouble: 3}), 102.3)
    assert report(health, 102.4)["clouds"].level == OK
    health.add(FrameTiming(received=33, **{trouble: 4}), 102.5)
    assert f"1 {trouble}" in report(health, 102.6)["clouds"].message


def test_several_troubles_are_all_named() -> None:
    health = filled(1)
    health.add(FrameTiming(received=20, **{trouble: k + 1 for k, trouble in enumerate(TROUBLES)}), 100.1)
    message = report(health, 100.2)["clouds"].message
    assert all(f"{k + 1} {trouble}" in message for k, trouble in enumerate(TROUBLES))


def test_the_counters_are_those_of_the_latest_frame() -> None:
    health = filled(5)
    latest = FrameTiming(received=40, completed=30, dropped=4, refused=3, failed=2, lost=1)
    health.add(latest, 101.0)
    shown = values(report(health, 101.1)["clouds"])
    for name in ("received", "completed", *TROUBLES):
        assert shown[name] == str(getattr(latest, name))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_losses_while_silent_are_reported_when_it_ends(trouble: str) -> None:
    health = filled(5)
    report(health, 101.0)
    health.add(FrameTiming(received=9, **{trouble: 2}), 101.1)
    assert report(health, 110.0)["clouds"].level == STALE
    health.add(FrameTiming(received=10, **{trouble: 2}), 111.0)
    assert f"2 {trouble}" in report(health, 111.1)["clouds"].message


@pytest.mark.parametrize(
    "received",
    [
        1,
        19,
        20,
        30,
    ],
)
@pytest.mark.parametrize("dropped", [0, 1])
def test_after_a_restart_of_the_detector_its_own_losses_count(received: int, dropped: int) -> None:
    health = DetectorHealth(CONFIG, lambda: STAMP_S)
    health.add(FrameTiming(received=20, completed=15, dropped=5), 100.0)
    report(health, 100.5)
    health.add(FrameTiming(received=received, completed=received - dropped, dropped=dropped), 101.0)
    status = report(health, 101.5)["clouds"]
    assert status.level == (WARN if dropped else OK)
    assert "-" not in status.message
    assert (f"{dropped} dropped" in status.message) == bool(dropped)


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        (
            {"dropped": 3, "lost": 2},
            ", 3 dropped, 2 lost: clouds arrive faster than they are processed: send fewer, or see docs/tuning.md",
        ),
        ({"lost": 2}, ", 2 lost: sent but not received, see docs/troubleshooting.md"),
        ({"failed": 1}, ", 1 failed"),
    ],
)
def test_it_says_what_to_do_against_losses_until_there_are_none(trouble: dict[str, int], advice: str) -> None:
    health = filled(5)
    report(health, 101.0)
    health.add(FrameTiming(received=10, completed=5, **trouble), 101.1)
    clouds = report(health, 101.2)["clouds"]
    assert (clouds.level, clouds.message) == (WARN, f"{values(clouds)['rate (Hz)'][:3]} Hz{advice}")
    health.add(FrameTiming(received=11, completed=6, **trouble), 101.3)
    clouds = report(health, 101.4)["clouds"]
    assert (clouds.level, "see" in clouds.message) == (OK, False)


@pytest.mark.parametrize(
    ("level", "shown", "status"),
    [
        ("", "off", OK),
        ("levelled by +1.0 deg along x", "levelled by +1.0 deg along x", OK),
        ("not levelled: no ground was found yet", "not levelled: no ground was found yet", WARN),
    ],
)
def test_levelling_is_shown_and_a_warning_where_it_is_wanted_and_not_done(
    level: str, shown: str, status: bytes
) -> None:
    clouds = report(filled(3, level=level), 100.4)["clouds"]
    assert (values(clouds)["level"], clouds.level) == (shown, status)
    assert ("not levelled" in clouds.message) == (status == WARN)


def test_frames_that_failed_are_in_no_percentile_but_in_the_last_error() -> None:
    health = filled(3, total_ms=10.0)
    health.add(FrameTiming(error="cloud refused: data: 7 bytes", received=4, refused=1), 100.3)
    statuses = report(health, 100.4)
    assert values(statuses["latency"])["total max (ms)"] == "10.00"
    assert values(statuses["clouds"])["last error"] == "cloud refused: data: 7 bytes"


def test_a_detector_that_refuses_everything_is_a_warning_and_not_stale() -> None:
    health = DetectorHealth(CONFIG, lambda: STAMP_S)
    health.add(FrameTiming(error="cloud refused", received=1, refused=1), 100.0)
    statuses = report(health, 100.1)
    assert (statuses["latency"].level, statuses["clouds"].level) == (WARN, WARN)
    assert float(values(statuses["clouds"])["rate (Hz)"]) == 0


def test_a_clock_that_jumps_back_begins_a_new_window() -> None:
    health = filled(20, begin_s=100.0, total_ms=300.0)
    for k in range(5):
        health.add(FrameTiming(received=21 + k, total_ms=10.0), 50.0 + k / 5)
    statuses = report(health, 51.0)
    assert {status.level for status in statuses.values()} == {OK}
    assert values(statuses["latency"])["total max (ms)"] == "10.00"
    assert float(values(statuses["clouds"])["rate (Hz)"]) == pytest.approx(5.0)


def test_a_clock_that_jumped_back_is_a_silence_only_from_then_on() -> None:
    health = filled(20, begin_s=100.0, mode="latency")
    statuses = report(health, 50.0)
    assert STALE not in {status.level for status in statuses.values()}
    assert statuses["events"].message == "the clock went back by 51.9 s"
    assert STALE not in {status.level for status in report(health, 52.0).values()}
    statuses = report(health, 52.1)
    assert {status.level for status in statuses.values()} == {STALE}
    assert statuses["clouds"].message == "no frame for 2.1 s"


def test_a_clock_that_stands_still_is_no_silence_and_no_garbage() -> None:
    health = filled(20, begin_s=100.0, rate=10.0, total_ms=30.0)
    for _ in range(3):
        statuses = report(health, 101.9)
    assert {status.level for status in statuses.values()} == {OK}
    assert float(values(statuses["clouds"])["rate (Hz)"]) == pytest.approx(10.0)


def test_a_clock_that_jumps_ahead_is_in_no_rate() -> None:
    health = filled(20, begin_s=100.0, rate=10.0)
    for k in range(5):
        health.add(FrameTiming(received=21 + k), 1000.0 + k / 5)
    statuses = report(health, 1001.0)
    assert float(values(statuses["clouds"])["rate (Hz)"]) == pytest.approx(5.0)
    assert statuses["events"].message == "frames arrive again after 898.1 s without any"


@pytest.mark.parametrize("back_s", [0.001, 0.3, 0.9])
def test_a_clock_that_jitters_is_no_event(back_s: float) -> None:
    health = filled(20, begin_s=100.0, rate=10.0)
    health.add(FrameTiming(received=21), 101.9 - back_s)
    statuses = report(health, 102.0)
    assert values(statuses["events"])["breaks in time"] == "0"
    assert float(values(statuses["clouds"])["rate (Hz)"]) == pytest.approx(20 / 1.9, abs=1e-3)


@pytest.mark.parametrize(("limit", "rate", "level"), [(0.0, 1.0, OK), (9.9, 10.0, OK), (10.1, 10.0, WARN)])
def test_a_rate_below_its_bound_is_a_warning(limit: float, rate: float, level: bytes) -> None:
    health = DetectorHealth(dataclasses.replace(CONFIG, min_rate=limit), lambda: STAMP_S)
    for k in range(20):
        health.add(FrameTiming(), 100.0 + k / rate)
    status = report(health, 100.0 + 19 / rate)["clouds"]
    assert status.level == level
    assert (f"below {limit:g} Hz" in status.message) == (level == WARN)


@pytest.mark.parametrize(("limit_ms", "level"), [(0.0, OK), (300.0, OK), (299.9, WARN)])
def test_an_age_above_its_bound_is_a_warning(limit_ms: float, level: bytes) -> None:
    health = DetectorHealth(dataclasses.replace(CONFIG, warn_age_ms=limit_ms), lambda: STAMP_S)
    health.add(FrameTiming(age_ms=300.0), 100.0)
    assert report(health, 100.1)["latency"].level == level


def test_a_level_is_left_after_as_many_better_messages_as_asked_for() -> None:
    health = DetectorHealth(dataclasses.replace(CONFIG, recovery=3), lambda: STAMP_S)
    health.add(FrameTiming(error="RPN failed", failing=3, failed=3), 100.0)
    seen = [report(health, 100.0)["device"]]
    for k in range(4):
        health.add(FrameTiming(failed=3, mode="latency"), 100.1 + k / 10)
        seen.append(report(health, 100.1 + k / 10)["device"])
    assert [status.level for status in seen] == [ERROR, ERROR, ERROR, OK, OK]
    assert seen[1].message == "PFE on , RPN on , latency (better in 1 of 3 messages)"
    assert seen[3].message == "PFE on , RPN on , latency"


def test_after_a_silence_no_level_is_held() -> None:
    health = DetectorHealth(dataclasses.replace(CONFIG, recovery=3), lambda: STAMP_S)
    health.add(FrameTiming(total_ms=1e4), 100.0)
    assert report(health, 100.0)["latency"].level == ERROR
    assert report(health, 110.0)["latency"].level == STALE
    health.add(FrameTiming(total_ms=1.0), 111.0)
    assert report(health, 111.0)["latency"].level == OK


def test_events_between_two_messages_are_all_kept_through_a_silence() -> None:
    health = filled(1, mode="latency", rpn_device="(CPU)", rpn_precision="f32")
    for mode in ("balanced", "latency"):
        health.add(FrameTiming(mode=mode, rpn_device="GPU.0", rpn_precision="f16"), 100.1)
    for now_s, level in ((100.2, OK), (200.0, STALE)):
        status = report(health, now_s)["events"]
        assert (status.level, status.message) == (level, "mode changed from balanced to latency")
        assert values(status) == {
            "changes of device": "1",
            "changes of mode": "2",
            "parity mismatches": "0",
            "restarts": "0",
            "breaks in time": "0",
            "event 1": "1700000000.500 mode changed from latency to balanced",
            "event 2": "1700000000.500 RPN moved from (CPU) in f32 to GPU.0 in f16",
            "event 3": "1700000000.500 mode changed from balanced to latency",
        }


def test_the_device_status_says_where_the_networks_run() -> None:
    names = {"mode": "balanced", "pfe_device": "CPU", "rpn_device": "GPU.0", "pfe_precision": "f32"}
    status = report(filled(1, rpn_precision="f16", **names), 100.1)["device"]
    assert {**names, "rpn_precision": "f16"}.items() <= values(status).items()
    assert all(word in status.message for word in ("CPU", "GPU.0", "balanced"))


@pytest.mark.parametrize(("failing", "level"), [(1, OK), (2, OK), (3, ERROR), (4, ERROR), (700, ERROR)])
def test_frames_that_fail_in_a_row_are_an_error_of_the_device(failing: int, level: bytes) -> None:
    health = filled(5)
    for k in range(failing):
        health.add(FrameTiming(error=f"RPN failed: lost {k}", failing=k + 1, failed=k + 1), 101.0 + k / 100)
    status = report(health, 101.0 + failing / 100)["device"]
    assert status.level == level
    expected = f"failing for {failing} frames: RPN failed: lost {failing - 1}"
    assert (status.message == expected) == (level == ERROR)
    assert values(status)["failing"] == str(failing)


def test_the_first_frame_that_succeeds_ends_the_error() -> None:
    health = filled(1)
    health.add(FrameTiming(error="RPN failed", failing=9, failed=9), 100.1)
    assert report(health, 100.2)["device"].level == ERROR
    health.add(FrameTiming(failed=9), 100.3)
    assert report(health, 100.4)["device"].level == OK


def test_a_refused_cloud_neither_ends_nor_names_the_failure_of_a_device() -> None:
    health = filled(1)
    health.add(FrameTiming(error="RPN failed", failing=3, failed=3), 100.1)
    health.add(FrameTiming(error="cloud refused: no x", failing=3, failed=3, refused=1), 100.2)
    statuses = report(health, 100.3)
    assert statuses["device"].message == "failing for 3 frames: RPN failed"
    assert values(statuses["clouds"])["last error"] == "cloud refused: no x"


@pytest.mark.parametrize("hung", [1, 4])
def test_an_inference_that_hangs_is_an_error_of_the_device_until_it_ends(hung: int) -> None:
    health = filled(1)
    health.add(FrameTiming(error="RPN did not end", failing=1, failed=1, hung=hung), 100.1)
    health.add(FrameTiming(failed=1, hung=hung), 100.2)
    status = report(health, 100.3)["device"]
    assert (status.level, status.message) == (ERROR, f"inferences that hang: {hung}")
    assert values(status)["hung"] == str(hung)
    health.add(FrameTiming(failed=1), 100.4)
    assert report(health, 100.5)["device"].level == OK


def test_a_silence_while_an_inference_hangs_remains_an_error_of_the_device() -> None:
    health = filled(1)
    health.add(FrameTiming(error="RPN did not end", failing=1, failed=1, hung=1), 100.0)
    statuses = report(health, 107.0)
    assert (statuses["clouds"].level, statuses["latency"].level) == (STALE, STALE)
    assert statuses["device"].level == ERROR
    assert statuses["device"].message == "inferences that hang: 1, no frame for 7.0 s"


def test_a_device_that_hangs_and_fails_is_both() -> None:
    health = filled(1)
    health.add(FrameTiming(error="RPN did not end", failing=3, failed=3, hung=2), 100.1)
    assert report(health, 100.2)["device"].message == ("inferences that hang: 2, failing for 3 frames: RPN did not end")


@pytest.mark.parametrize("parity", ["", "ok", "not checked"])
def test_parity_that_is_not_amiss_is_shown_and_no_warning(parity: str) -> None:
    status = report(filled(1, parity=parity, pfe_device="CPU", rpn_device="GPU"), 100.1)["device"]
    assert (status.level, status.message) == (OK, "PFE on CPU, RPN on GPU, ")
    assert values(status)["parity"] == parity


@pytest.mark.parametrize("parity", ["boxes: correlation 0.5 is below 0.98", "fell back to CPU in f32: boxes: NaN"])
def test_a_parity_mismatch_is_a_warning_of_the_device_that_says_it(parity: str) -> None:
    status = report(filled(3, parity=parity), 100.3)["device"]
    assert (status.level, status.message) == (WARN, f"parity: {parity}")
    assert values(status)["parity"] == parity


def test_a_detector_configured_anew_without_the_mismatch_ends_the_warning() -> None:
    health = filled(1, parity="boxes: correlation 0.5 is below 0.98")
    assert report(health, 100.1)["device"].level == WARN
    health.add(FrameTiming(received=1, completed=1, parity="ok"), 100.2)
    assert report(health, 100.3)["device"].level == OK


def test_what_the_detector_warns_of_is_a_warning_of_the_device_that_says_it() -> None:
    text = "rpn_device: 'AUTO:GPU,CPU' is reduced to 'AUTO:CPU': GPU is not available here"
    status = report(filled(3, warnings=text), 100.3)["device"]
    assert (status.level, status.message, values(status)["warnings"]) == (WARN, text, text)


def test_a_mismatch_does_not_hide_that_frames_fail() -> None:
    health = filled(1, parity="boxes: NaN")
    health.add(FrameTiming(error="RPN failed", failing=3, failed=3, parity="boxes: NaN"), 100.1)
    status = report(health, 100.2)["device"]
    assert (status.level, status.message) == (ERROR, "failing for 3 frames: RPN failed, parity: boxes: NaN")

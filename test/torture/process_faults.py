# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process is stopped, ended, killed, or runs out of memory: the detector, its diagnostics, or who listens."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from test.torture.arena import DETECTOR, DIAGNOSTICS, Arena
from test.torture.journal import Stamp
from test.torture.scenario import Scenario, scenario
from test.torture.stage import STREETS, WATCHFUL, real_clouds, save_clouds, settle, toy_detector, wait_for_level

SCENARIOS: list[Scenario] = []
_OK = 0
_MODES = ("latency", "balanced", "throughput")
_GROWTH_MB = 60.0
_MOST_END_S = 1.0


@scenario(
    SCENARIOS,
    "SIGSTOP of the detector for 5 s while clouds come at 20 Hz, then SIGCONT",
    "it goes on with the newest, and every cloud is accounted for",
)
def detector_stopped(folder: Path, pause_s: float = 5.0, after_s: float = 5.0) -> str:
    with toy_detector(folder) as arena:
        arena.start_sender(save_clouds(folder), f"20:{2 + pause_s + after_s:g}")
        arena.wait_until(lambda: len(arena.account().detections) > 10, "the first detections")
        pid = arena.nodes.pid(DETECTOR)
        os.kill(pid, signal.SIGSTOP)
        stopped_ns = time.time_ns()
        time.sleep(pause_s)
        continued_ns = time.time_ns()
        os.kill(pid, signal.SIGCONT)
        arena.wait_until(lambda: arena.has_ended("sender"), "the end of sending")
        settle(arena)
        account = arena.account()
        complaints = account.disorder() + account.complaints()
        assert not complaints, complaints[0]
        answered = set(account.answered)
        stopped = [stamp for stamp in account.sent if stopped_ns < _ns(stamp) < continued_ns]
        late = [stamp for stamp in stopped if stamp in answered]
        assert len(late) <= 3, f"{len(late)} clouds of the stop were still processed"
        assert any(_ns(stamp) > continued_ns for stamp in answered), "no detections afterwards"
        amiss, counted = len(account.missing()), account.counted()
        assert amiss == counted, f"{amiss} clouds had no detections, but {counted} are counted"
        ages_ms = account.ages_ms(from_ns=continued_ns)
        return (
            f"{len(late)} of the {len(stopped)} clouds of the stop processed; {amiss} without detections, all counted; "
            f"age afterwards {np.median(ages_ms):.0f} ms in the median"
        )


@scenario(
    SCENARIOS,
    "a reliable subscriber of the detections that is stopped and never reads",
    "rate and memory of the detector as before, and it still ends in order",
)
def subscriber_never_reads(folder: Path, seconds: float = 20.0) -> str:
    with toy_detector(folder) as arena:
        arena.start_checker("sleeper")
        arena.start_sender(save_clouds(folder), f"20:{2 * seconds:g}")
        arena.wait_until(lambda: len(arena.account().detections) > 50, "the first detections")
        os.kill(arena.pid("sleeper"), signal.SIGSTOP)
        before, begin = arena.look_at(), len(arena.account().detections)
        begin_s = time.monotonic()
        arena.wait_until(lambda: len(arena.account().detections) > begin + 20 * seconds * 0.5, "detections to go on")
        rate_hz = (len(arena.account().detections) - begin) / (time.monotonic() - begin_s)
        growth_mb = arena.look_at().rss_mb - before.rss_mb
        assert growth_mb < _GROWTH_MB, f"the detector grew by {growth_mb:.0f} MB"
        took_s = arena.end_node()
        os.kill(arena.pid("sleeper"), signal.SIGCONT)
        return f"{rate_hz:.1f} Hz to the other one, memory {growth_mb:+.1f} MB, ended in {took_s:.1f} s with code 0"


def play_end(folder: Path, mode: str, clouds: list[Path], parameters: dict[str, object]) -> tuple[float, int]:
    """End a detector with frames in flight; return how long it took (s), and how many detections arrived meanwhile."""
    with Arena(folder) as arena:
        arena.start_checker()
        arena.nodes.start(DETECTOR, {**parameters, "mode": mode})
        arena.connect(clouds[0])
        arena.start_sender(clouds, "20:600")
        arena.wait_until(lambda: len(arena.account().detections) > 5, "the first detections", 120.0)
        signal_ns = time.time_ns()
        took_s = arena.end_node()
        arena.wait_until(lambda: _is_complete(arena), f"the detections that were finished in {mode} mode")
        after = [line for line in arena.account().detections if line["at_ns"] > signal_ns]
        return took_s, len(after)


def _is_complete(arena: Arena) -> bool:
    account = arena.account()
    return len(account.detections) == account.timings[-1]["completed"]


@scenario(
    SCENARIOS,
    "SIGTERM with frames in flight, in each mode",
    "what is finished is published, code 0, within 1 s",
)
def ended_with_frames_in_flight(folder: Path, times: int = 10, most_s: float = _MOST_END_S) -> str:
    found = {}
    parameters = {"model_dir": str(STREETS), "cache_dir": str(folder / "cache"), "parity_check": False}
    for mode in _MODES:
        ends = [play_end(folder / f"{mode}_{i}", mode, real_clouds(), parameters) for i in range(times)]
        found[mode] = [took_s for took_s, _ in ends]
        assert any(after for _, after in ends), f"nothing was in flight in {mode} mode"
    said = ", ".join(f"{mode} {np.median(each):.2f} s, at most {max(each):.2f}" for mode, each in found.items())
    assert max(map(max, found.values())) <= most_s, said
    return f"code 0 and nothing lost {times} times each: {said}"


def _ns(stamp: Stamp) -> int:
    return stamp[0] * 1_000_000_000 + stamp[1]


@scenario(
    SCENARIOS,
    "the diagnostics node is killed, as by the kernel when memory runs out, and is started again",
    "the detector goes on meanwhile; then statuses are back",
)
def diagnostics_killed(folder: Path) -> str:
    with toy_detector(folder) as arena:
        arena.start_sender(save_clouds(folder), "20:600")
        wait_for_level(arena, "device", _OK, "PFE on CPU")
        os.kill(arena.nodes.pid(DIAGNOSTICS), signal.SIGKILL)
        arena.wait_for_code(DIAGNOSTICS)
        dead = len(arena.account().diagnostics)
        begin, begin_s = len(arena.account().detections), time.monotonic()
        arena.wait_until(lambda: len(arena.account().detections) > begin + 40, "detections to go on")
        rate_hz = (len(arena.account().detections) - begin) / (time.monotonic() - begin_s)
        arena.nodes.start(DIAGNOSTICS, WATCHFUL)
        arena.wait_until(lambda: len(arena.account().diagnostics) > dead + 5, "diagnostics again")
        wait_for_level(arena, "device", _OK, "PFE on CPU")
        return f"detections went on at {rate_hz:.1f} Hz; statuses again OK"

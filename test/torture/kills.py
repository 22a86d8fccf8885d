# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector is killed, again and again, while clouds come."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.torture.arena import DETECTOR, Arena
from test.torture.scenario import Scenario, scenario
from test.torture.stage import STREETS, TOY, real_clouds

SCENARIOS: list[Scenario] = []
_KILLS = 30


@scenario(SCENARIOS, "kill -9 of the detector, 30 times, while 2 MB clouds come at 20 Hz", "each one after it is heard")
def killed_again_and_again(folder: Path, kills: int = _KILLS) -> str:
    with Arena(folder) as arena:
        model = save_toy_bundle(folder / "toy").folder
        cloud = folder / "cloud.bin"
        # Many points, nearly all out of the toy network's range, so that sharing memory is most of the work.
        np.concatenate([toy_cloud(0), np.full((120_000, 4), 500, np.float32)]).tofile(cloud)
        parameters = {"model_dir": str(model), **TOY}
        arena.start_checker()
        arena.nodes.start(DETECTOR, parameters)
        arena.start_sender([cloud], "20:3000")
        delays_s = []
        for number in range(kills):
            heard = len(arena.account().detections)
            begin_s = time.monotonic()
            arena.wait_until(
                lambda before=heard: len(arena.account().detections) > before + 5, f"detections after {number} kills"
            )
            delays_s.append(time.monotonic() - begin_s)
            os.kill(arena.nodes.pid(DETECTOR), signal.SIGKILL)
            arena.nodes.start(DETECTOR, parameters)
        return f"detections again after {np.median(delays_s):.1f} s in the median, {max(delays_s):.1f} s at most"


@scenario(
    SCENARIOS,
    "kill -9 and a new start with a warm compile cache, 10 times, the network in FP16 of the box",
    "detections within 3 s of the start",
)
def killed_and_started_again(folder: Path, times: int = 10, most_s: float = 3.0) -> str:
    with Arena(folder) as arena:
        parameters = {"model_dir": str(STREETS), "cache_dir": str(folder / "cache")}
        arena.start_checker()
        arena.nodes.start(DETECTOR, parameters)
        arena.start_sender(real_clouds(), "10:3000")
        stages_s: list[list[float]] = []
        for _ in range(times + 1):
            begin_ns = time.time_ns()
            if stages_s or arena.account().detections:
                arena.nodes.start(DETECTOR, parameters)
            before = len(arena.account().detections)
            arena.wait_until(lambda before=before: len(arena.account().detections) > before, "detections", 120.0)
            heard_ns = arena.account().detections[before]["at_ns"]
            logged_ns = [log_time_ns(arena.log_of(), words) for words in ("loading and compiling", "waiting for")]
            stages_s.append([(at_ns - begin_ns) / 1e9 for at_ns in (*logged_ns, heard_ns)])
            os.kill(arena.nodes.pid(DETECTOR), signal.SIGKILL)
            arena.wait_for_code()
        # The first has filled the cache.
        median, most = np.median(stages_s[1:], axis=0), np.max(stages_s[1:], axis=0)
        said = (
            f"{median[2]:.1f} s in the median, {most[2]:.1f} at most; median of the stages: {median[0]:.1f} s to load "
            f"Python's modules, {median[1] - median[0]:.1f} to configure, {median[2] - median[1]:.1f} to the detections"
        )
        assert median[2] <= most_s, said
        return said


def log_time_ns(log: str, words: str) -> int:
    """Give when a line with these words was logged, the last time."""
    lines = [line for line in log.splitlines() if words in line]
    assert lines, f"{words!r} is not in the log"
    return int(float(lines[-1].split("[")[2].partition("]")[0]) * 1e9)

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
from test.torture.account import Account, stamp_of
from test.torture.arena import DETECTOR, Arena
from test.torture.clouds import simulated_clouds
from test.torture.scenario import Scenario, scenario
from test.torture.stage import STREETS, TOY, real_clouds, settle

SCENARIOS: list[Scenario] = []
_KILLS = 30


@scenario(
    SCENARIOS,
    "kill -9 of the detector, 30 times, while 2 MB clouds come at 20 Hz",
    "each one after it is heard, and its counters are right",
)
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
            arena.wait_for_code()
            arena.nodes.start(DETECTOR, parameters)
        account = arena.account()
        complaints = account.disorder() + account.complaints()
        assert not complaints, complaints[0]
        runs = len({line["run"] for line in account.timings})
        return (
            f"detections again after {np.median(delays_s):.1f} s in the median, {max(delays_s):.1f} s at most; "
            f"the clouds of {runs} runs are accounted for"
        )


@scenario(
    SCENARIOS,
    "~/reload of the bundled network, 5 times, while more clouds come than it can do",
    "nothing is refused or failed, every cloud is accounted for, and the same cloud has the same detections",
)
def reloaded_under_load(folder: Path, times: int = 5, rate_hz: float = 40.0) -> str:
    with Arena(folder) as arena:
        clouds = simulated_clouds(folder, 4)
        arena.start_checker()
        arena.nodes.start(DETECTOR, {"cache_dir": str(folder / "cache"), "parity_check": False})
        arena.connect(clouds[0])
        arena.start_sender(clouds, f"{rate_hz:g}:600", name="sender")
        seen = []
        for number in range(times + 1):
            before = len(arena.account().detections)
            arena.wait_until(
                lambda before=before: len(arena.account().detections) > before + 12,
                f"detections after {number} reloads",
            )
            seen.append(scores_by_cloud(arena.account(), len(clouds), before))
            if number < times:
                answer = arena.trigger("/pointpillars_detector/reload")
                assert not answer.startswith("refused"), answer
        arena.end("sender")
        settle(arena)
        account = arena.account()
        complaints = account.disorder() + account.complaints()
        assert not complaints, complaints[0]
        assert not any(line["error"] for line in account.timings), "clouds were refused, or failed"
        for found in seen[1:]:
            for cloud in found.keys() & seen[0].keys():
                assert found[cloud] <= seen[0][cloud], f"cloud {cloud} has other detections after a reload"
        sent, detected = len(account.sent), len(account.detections)
        return f"{sent} sent, {detected} detected, the others counted; the same detections after {times} reloads"


def scores_by_cloud(account: Account, clouds: int, begin: int) -> dict[int, set[tuple[float, ...]]]:
    """Return the scores that were published for each of the clouds, from the detections `begin` on."""
    number_of = {stamp: index % clouds for index, stamp in enumerate(account.sent)}
    found: dict[int, set[tuple[float, ...]]] = {}
    for line in account.detections[begin:]:
        found.setdefault(number_of[stamp_of(line)], set()).add(tuple(line["scores"]))
    return found


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
    """Return the time at which a line with these words was last logged."""
    lines = [line for line in log.splitlines() if words in line]
    assert lines, f"{words!r} is not in the log"
    return int(float(lines[-1].split("[")[2].partition("]")[0]) * 1e9)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clock jumps, stands still, or is that of a bag that begins again."""

from __future__ import annotations

from pathlib import Path

from test.inference.toy_bundle import save_toy_bundle
from test.torture.account import Account
from test.torture.arena import DETECTOR, DIAGNOSTICS, Arena
from test.torture.scenario import Scenario, scenario
from test.torture.stage import TOY, WATCHFUL, play_out, save_clouds

SCENARIOS: list[Scenario] = []
_OK = 0
_ABSURD_MS = 60_000.0


def play_times(folder: Path, schedule: str, parameters: dict[str, object], *options: str) -> Account:
    """Send clouds whose stamps jump, reliably and in replay: each is to be answered, in the order of sending."""
    with Arena(folder) as arena:
        model, simulated = save_toy_bundle(folder / "toy").folder, {"use_sim_time": "--clock" in options}
        settings = {"model_dir": str(model), "drop_policy": "replay", **TOY, **simulated, **parameters}
        arena.start_checker()
        arena.nodes.start(DETECTOR, settings)
        arena.nodes.start(DIAGNOSTICS, {**WATCHFUL, **simulated})
        clouds = save_clouds(folder)
        arena.connect(clouds[0], *options)
        account = play_out(arena, clouds, schedule, "--reliable", "--depth", "1000", *options)
        arena.wait_until(lambda: len(arena.account().detections) == len(account.sent), "detections of every cloud")
        account = arena.account()
        assert account.answered == account.sent, "detections are not in the order of the clouds"
        log = arena.log_of() + arena.log_of(DIAGNOSTICS)
        assert "Traceback" not in log and "[ERROR]" not in log, "an error in the log"
        return account


def describe(account: Account) -> str:
    """Describe how many clouds were detected."""
    return f"{len(account.detections)} of {len(account.sent)} clouds detected"


def last_levels(account: Account) -> str:
    """Return the worst of the last levels of clouds and device; AssertionError unless they are OK."""
    for task in ("clouds", "device"):
        level, message = account.levels(task)[-1][1:]
        assert level == _OK, f"{task} is at level {level} at last: {message}"
    return "OK"


@scenario(
    SCENARIOS,
    "/clock jumps an hour ahead, back by two, and stands still for 3 s (use_sim_time)",
    "every cloud is detected, no age is absurd, statuses end OK",
)
def simulated_clock_jumps(folder: Path, seconds: float = 5.0, most_absurd: int = 4) -> str:
    parts = f"10:{seconds:g}:0,10:{seconds:g}:3600,10:{seconds:g}:-3600,0:3,10:{seconds:g}:-3600"
    account = play_times(folder, parts, {}, "--clock")
    ages_ms = [line["age_ms"] for line in account.timings]
    # Of the clouds that are in flight while the clock jumps.
    absurd = [age_ms for age_ms in ages_ms if abs(age_ms) > _ABSURD_MS]
    assert len(absurd) <= most_absurd, f"{len(absurd)} ages of more than a minute"
    return f"{describe(account)}, {len(absurd)} absurd ages, {last_levels(account)}"


@scenario(
    SCENARIOS,
    "a bag that is played three times: stamps and /clock begin again",
    "every cloud is detected, in the order of playing; the jump back is an event, statuses end OK",
)
def looped_bag(folder: Path, seconds: float = 5.0) -> str:
    begins = ",".join(f"10:{seconds:g}:{-seconds * turn:g}" for turn in range(3))
    account = play_times(folder, begins, {"sweeps": 3, "sweep_age": 0.5, "odom_frame": "velodyne"}, "--clock")
    events = {message for _, _, message in account.levels("events")}
    assert any("clock went back" in message for message in events), f"no event of it: {events}"
    return f"{describe(account)} in order, {last_levels(account)}"


@scenario(
    SCENARIOS,
    "the sensor's clock is set back by an hour, and ahead by a day, while the node's is not",
    "every cloud is detected; the age says how far the clocks are apart",
)
def sensor_clock_jumps(folder: Path, seconds: float = 5.0) -> str:
    parts = f"10:{seconds:g}:0,10:{seconds:g}:-3600,10:{seconds:g}:86400"
    account = play_times(folder, parts, {})
    offsets_s = [0.0, -3600.0, 86400.0]
    per_part = len(account.sent) // len(offsets_s)
    for index, line in enumerate(account.timings):
        apart_s = line["age_ms"] / 1e3 + offsets_s[index // per_part]
        assert -1.0 < apart_s < _ABSURD_MS / 1e3, f"cloud {index} is said to be {line['age_ms']:.0f} ms old"
    return f"{describe(account)}, ages off by the jumps alone, {last_levels(account)}"

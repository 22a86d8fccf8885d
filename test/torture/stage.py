# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common start of scenarios: clouds in files, and a detector with toy networks that answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from test.inference.toy_bundle import Weakness, save_toy_bundle, toy_cloud
from test.torture.account import Account
from test.torture.arena import DETECTOR, DIAGNOSTICS, ROOT, Arena

STREETS = ROOT / "models" / "streets_fp16"
KITTI = ROOT.parent / "shared" / "data" / "kitti" / "training" / "velodyne"
TOY = {"encoder": "openvino", "lean_rpn": False, "parity_check": False, "precision": "f32"}
"""Settings of the detector for toy networks."""
WATCHFUL = {"period": 0.2, "stale_after": 2.0, "recovery": 1}
"""Settings of the diagnostics node: it reports promptly."""


def save_clouds(folder: Path, count: int = 4, bright: bool = False) -> list[Path]:
    """Write toy clouds, each another one; bright ones are those that a weak network does not bear."""
    paths = []
    for number in range(count):
        paths.append(folder / f"{'bright' if bright else 'cloud'}_{number}.bin")
        cloud = toy_cloud(number, bright)
        # As sensors have them: what is below 0 is odd, and said.
        cloud[1:, 3] = np.clip(cloud[1:, 3], 0.0, 1.0)
        cloud.tofile(paths[-1])
    return paths


def real_clouds(count: int = 8) -> list[Path]:
    """Return clouds of streets; needs KITTI."""
    found = sorted(KITTI.glob("*.bin"))[:count]
    assert found, f"no clouds in {KITTI}"
    return found


@contextmanager
def toy_detector(folder: Path, weakness: Weakness | None = None, **parameters: object) -> Iterator[Arena]:
    """Start a checker, a detector of toy networks and its diagnostics."""
    with Arena(folder) as arena:
        model = save_toy_bundle(folder / "toy", weakness).folder
        arena.start_checker()
        arena.nodes.start(DETECTOR, {"model_dir": str(model), **TOY, **parameters})
        arena.nodes.start(DIAGNOSTICS, WATCHFUL)
        arena.connect(*save_clouds(folder, 1))
        yield arena


def play_out(arena: Arena, clouds: list[Path], schedule: str, *options: str) -> Account:
    """Send clouds, and return the account when all are sent and the last one has no more outputs."""
    arena.start_sender(clouds, schedule, *options)
    arena.wait_until(lambda: arena.has_ended("sender"), "the end of sending", 120.0)
    settle(arena)
    return arena.account()


def settle(arena: Arena) -> None:
    """Wait until the detector has said what became of the last cloud that it got."""

    def is_settled() -> bool:
        timings = arena.account().timings
        # And a second later still: clouds may be on their way of which it has not said anything.
        if not timings or time.time_ns() - timings[-1]["at_ns"] < 1_000_000_000:
            return False
        last = timings[-1]
        return bool(last["received"] == last["completed"] + last["failed"] + last["dropped"] + last["refused"])

    arena.wait_until(is_settled, "the result of the last cloud")


def wait_for_level(arena: Arena, task: str, level: int, begin: str, patience_s: float = 180.0) -> str:
    """Wait until the last diagnostics have this level; return the message."""

    def said() -> str:
        levels = arena.account().levels(task)
        return levels[-1][2] if levels and levels[-1][1] == level and levels[-1][2].startswith(begin) else ""

    arena.wait_until(lambda: bool(said()), f"level {level} and {begin!r} of {task!r} in /diagnostics", patience_s)
    return said()

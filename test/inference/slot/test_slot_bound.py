# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number requested by a device is bounded by use and by memory, and the bound is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.inference.device.properties import MOST_AT_ONCE
from pointpillars_ov_ros.inference.slot import slot_bound
from pointpillars_ov_ros.inference.slot.slot_bound import bound_slots, free_bytes

GB = 1_000_000_000


class Rpn:
    """The part of a network that is used."""

    execution_devices = ("GPU.0",)

    def __init__(self, optimal_requests: int) -> None:
        self.optimal_requests = optimal_requests


@pytest.mark.parametrize(
    ("asked", "slot_bytes", "free", "taken", "why"),
    [
        (4, 60_000_000, 8 * GB, 4, ""),
        (1, 60_000_000, 0, 1, ""),
        (
            1024,
            5_000_000,
            8 * GB,
            MOST_AT_ONCE,
            "at most 16 RPNs run at a time, though GPU.0 asks for 1024: more",
        ),
        (1024, 60_000_000, GB, 8, "at most 8 RPNs run at a time, though GPU.0 asks for 1024: 60 MB each fill"),
        (4, 60_000_000, 0, 1, "60 MB each fill the memory"),
        (4, 60_000_000, None, 4, ""),
    ],
)
def test_slots_are_bounded(
    asked: int, slot_bytes: int, free: int | None, taken: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_bound, "free_bytes", lambda: free)
    network: Any = Rpn(asked)
    bound = bound_slots(network, slot_bytes)
    assert bound.at_once == taken
    assert why in bound.reason and bool(why) == bool(bound.reason)


def test_the_memory_that_is_free_is_the_least_that_is_told(tmp_path: Path) -> None:
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    cgroup.mkdir()
    assert free_bytes(meminfo, cgroup) is None
    meminfo.write_text("MemTotal:  4000 kB\nMemAvailable:   3000 kB\n")
    assert free_bytes(meminfo, cgroup) == 3000 * 1024
    (cgroup / "memory.current").write_text("1000\n")
    (cgroup / "memory.max").write_text("max\n")
    assert free_bytes(meminfo, cgroup) == 3000 * 1024
    (cgroup / "memory.max").write_text("5000\n")
    assert free_bytes(meminfo, cgroup) == 4000
    assert free_bytes() is not None

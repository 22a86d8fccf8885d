# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many RPNs run at a time: as many as the device asks for, within what helps and what fits into memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import MOST_AT_ONCE

_SHARE = 2
"""Slots may take one part in so many of the memory that is free: networks and clouds need some, too."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class SlotBound(NamedTuple):
    """RPNs at a time, and why they are not as many as the device asks for."""

    at_once: int
    reason: str
    """A sentence; empty where they are."""


def bound_slots(rpn: Network, slot_bytes: int) -> SlotBound:
    """Bound the number of RPNs at a time; a slot takes `slot_bytes`."""
    asked, free = rpn.optimal_requests, free_bytes()
    fitting = asked if free is None else max(1, free // _SHARE // max(1, slot_bytes))
    at_once = min(asked, MOST_AT_ONCE, fitting)
    if at_once == asked:
        return SlotBound(asked, "")
    where = ", ".join(rpn.execution_devices)
    is_full = at_once < MOST_AT_ONCE
    why = f"{slot_bytes / 1e6:.0f} MB each fill the memory" if is_full else "more would only wait for the host"
    return SlotBound(at_once, f"at most {at_once} RPNs run at a time, though {where} asks for {asked}: {why}")


def free_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Return the memory that can still be had, also in a container with a limit; None where nobody tells."""
    found = []
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit != "max":
            found.append(max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        pass
    return min(found, default=None)

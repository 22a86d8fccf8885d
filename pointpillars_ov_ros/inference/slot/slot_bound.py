# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bound on the number of concurrent RPNs: what the device asks for, limited by use and memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import MOST_AT_ONCE

_SHARE = 2
"""Slots may use one part in this many of the free memory: networks and clouds need some, too."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class SlotBound(NamedTuple):
    """Number of concurrent RPNs, and why it is not what the device asks for."""

    at_once: int
    reason: str
    """A sentence; empty if it is what the device asks for."""


def bound_slots(rpn: Network, slot_bytes: int) -> SlotBound:
    """Bound the number of concurrent RPNs; a slot takes `slot_bytes`."""
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
    """Return the available memory, also in a container with a limit; None if it is unknown."""
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

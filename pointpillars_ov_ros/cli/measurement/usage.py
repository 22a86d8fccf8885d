# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resource usage of a measurement: memory of the process, and how long its devices were busy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Span = tuple[int, int]
"""Begin and end, in nanoseconds of one clock."""


class Memory(NamedTuple):
    """Resident memory of this process, in MB."""

    now: float
    peak: float


def read_memory() -> Memory:
    """Read the memory from /proc; getrusage would report a peak inherited from the parent process."""
    kilobytes = {}
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            kilobytes[name] = int(value.split()[0])
    return Memory(kilobytes["VmRSS"] / 1024, kilobytes["VmHWM"] / 1024)


def busy_ns(spans: Iterable[Span], begin_ns: int, end_ns: int) -> int:
    """Return how long at least one of `spans` was active between `begin_ns` and `end_ns`; overlaps count once."""
    total, until_ns = 0, begin_ns
    for span_begin_ns, span_end_ns in sorted(spans):
        span_end_ns = min(span_end_ns, end_ns)
        total += max(0, span_end_ns - max(span_begin_ns, until_ns))
        until_ns = max(until_ns, span_end_ns)
    return total

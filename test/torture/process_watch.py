# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a process holds: memory, threads, file descriptors, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple


class Reading(NamedTuple):
    """Of one moment."""

    at_s: float
    """time.monotonic()."""
    rss_mb: float
    threads: int
    descriptors: int


def look_at(pid: int) -> Reading:
    """Read; FileNotFoundError or ProcessLookupError where the process is gone."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    if "VmRSS" not in status:
        raise ProcessLookupError(f"process {pid} has ended")
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Reading(time.monotonic(), int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), descriptors)

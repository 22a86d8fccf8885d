# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resources of a process: memory, threads, file descriptors, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Reading(NamedTuple):
    """Reading at one moment."""

    at_s: float
    """time.time()."""
    rss_mb: float
    threads: int
    descriptors: int


def look_at(pid: int) -> Reading:
    """Take a reading; FileNotFoundError or ProcessLookupError if the process is gone."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    if "VmRSS" not in status:
        raise ProcessLookupError(f"process {pid} has ended")
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Reading(time.time(), int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), descriptors)


def growth_mb(readings: list[Reading], from_s: float = 0.0) -> float:
    """Return the growth of memory from then on, by a line fitted through the readings."""
    kept = [reading for reading in readings if reading.at_s >= from_s]
    at_s = np.array([reading.at_s - kept[0].at_s for reading in kept])
    slope = np.polyfit(at_s, [reading.rss_mb for reading in kept], 1)[0]
    return float(slope * at_s[-1])

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Machine and versions of a measurement: the head of every report."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import openvino as ov

from pointpillars_ov_ros import __version__
from pointpillars_ov_ros.config.errors import count_of


@dataclass(frozen=True)
class Surroundings:
    """Head of a report."""

    date: str
    processor: str
    cores: int
    """Number of cores that this process may use."""
    system: str
    versions: dict[str, str]
    model: str

    def line(self) -> str:
        """Return the main facts in one line."""
        return f"{self.processor}, {count_of(self.cores, 'core')}; OpenVINO {self.versions['openvino']}; {self.model}"


def look_around(model: str) -> Surroundings:
    """Describe this machine, on which the network called `model` is measured."""
    return Surroundings(
        date=time.strftime("%Y-%m-%d"),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        system=platform.platform(),
        versions={
            "pointpillars_ov_ros": __version__,
            "openvino": ov.__version__,
            "numpy": np.__version__,
            "numba": numba.__version__,
            "python": platform.python_version(),
        },
        model=model,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()

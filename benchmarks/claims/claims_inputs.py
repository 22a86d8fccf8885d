# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every claim is measured with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.model.bundle import ModelBundle


@dataclass(frozen=True)
class Inputs:
    """Model, clouds, and how often."""

    bundle: ModelBundle
    data: Path
    clouds: list[PointCloud2]
    rounds: int

    def cycle(self) -> Iterator[PointCloud2]:
        """Give the clouds again and again."""
        return itertools.cycle(self.clouds)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mounting errors of a sensor on its vehicle: not quite level, and not quite at its height."""

from __future__ import annotations

from dataclasses import dataclass

from pointpillars_ov_ros.config.errors import require


@dataclass(frozen=True)
class MountModel:
    """Deviation of the mounting from level and from the nominal height, drawn for each drive."""

    pitch_deg: float = 0.0
    """Mean pitch; positive if the front of the sensor points up, so that the ground falls ahead."""
    pitch_spread_deg: float = 0.0
    """Deviation from drive to drive."""
    roll_deg: float = 0.0
    """Mean roll; positive if the left side of the sensor is higher, so that the ground falls to the left."""
    roll_spread_deg: float = 0.0
    height_spread: float = 0.0
    """(m)"""

    def __post_init__(self) -> None:
        for name in ("pitch_deg", "roll_deg"):
            require(abs(getattr(self, name)) <= 10.0, f"mount.{name}", getattr(self, name), "in -10..10 (deg)")
        for name in ("pitch_spread_deg", "roll_spread_deg"):
            require(0.0 <= getattr(self, name) <= 3.0, f"mount.{name}", getattr(self, name), "in 0..3 (deg)")
        require(0.0 <= self.height_spread <= 0.2, "mount.height_spread", self.height_spread, "in 0..0.2 (m)")

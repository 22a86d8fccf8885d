# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detection head of a network: anchors, box coder, direction bins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.grid_config import FARTHEST


class AngleConvention(str, Enum):
    """How the network's box angle relates to yaw about +z (0 = +x, counter-clockwise)."""

    YAW = "yaw"
    """The angle is the yaw (OpenPCDet, mmdet3d since 1.0)."""
    ROTATION_Y = "rotation_y"
    """The angle is KITTI's rotation about the camera's y axis: yaw = -angle - pi/2 (SECOND, SmallMunich)."""


class BoxOrigin(str, Enum):
    """Which point of the box the z residual refers to."""

    BOTTOM = "bottom"
    CENTER = "center"


class SizeOrder(str, Enum):
    """In which order the size residuals come."""

    WIDTH_FIRST = "wlh"
    """SECOND, SmallMunich."""
    LENGTH_FIRST = "lwh"
    """OpenPCDet, mmdet3d since 1.0."""


@dataclass(frozen=True)
class AnchorConfig:
    """The anchors of one class; the same in every output cell but for their centre."""

    class_name: str
    size: tuple[float, float, float]
    """Length, width, height."""
    bottom_z: float
    angles: tuple[float, ...]
    """In the network's own angle convention."""

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        require(all(0 < side <= FARTHEST for side in self.size), "anchors.size", list(self.size), "positive")
        require(len(self.angles) > 0, "anchors.angles", list(self.angles), "a list of at least one")
        for value in (self.bottom_z, *self.angles):
            require(abs(value) <= FARTHEST, "anchors", value, f"finite and within {FARTHEST:g}")


@dataclass(frozen=True)
class AnchorGridConfig:
    """Where the anchors stand: centre of output cell (0, 0) and the step to the next one."""

    offset: tuple[float, float]
    step: tuple[float, float]

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        for name in ("offset", "step"):
            values = getattr(self, name)
            is_near = all(abs(value) <= FARTHEST for value in values)
            require(is_near, f"anchor_grid.{name}", list(values), f"a pair of numbers within {FARTHEST:g} m")


@dataclass(frozen=True)
class BoxCoderConfig:
    """The SECOND box coder: residuals scaled by the anchor's diagonal (x, y) and height (z), log sizes."""

    angle: AngleConvention
    z_origin: BoxOrigin
    size_order: SizeOrder


@dataclass(frozen=True)
class DirectionConfig:
    """The direction classifier: bin k says that the angle lies in [offset + k*pi, offset + (k+1)*pi)."""

    offset: float
    first_bin: int = 0
    """The bin that begins at `offset`; 1 where bin 1 means 'angle > 0' (SmallMunich)."""

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        require(abs(self.offset) <= FARTHEST, "direction.offset", self.offset, f"finite and within {FARTHEST:g}")
        require(self.first_bin in (0, 1), "direction.first_bin", self.first_bin, "0 or 1")


@dataclass(frozen=True)
class AnchorMaskConfig:
    """An anchor counts only where its footprint holds more than `min_pillars` occupied pillars."""

    min_pillars: int

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        require(self.min_pillars >= 0, "anchor_mask.min_pillars", self.min_pillars, "0 or more")

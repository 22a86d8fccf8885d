# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pillar grid of a network."""

from __future__ import annotations

from dataclasses import dataclass

from pointpillars_ov_ros.config.errors import require

FARTHEST = 1e6
"""Of anything from the sensor (m): the arithmetic is in float32."""
MOST_CELLS, MOST_PILLARS, MOST_POINTS = 2**24, 1_000_000, 1000
"""More than any network has by a factor of 20: what a broken description asks for is not to be allocated."""
_FEW_CELLS = f"that of a grid of {MOST_CELLS} cells at most"


@dataclass(frozen=True)
class GridConfig:
    """The pillar grid: detection range, pillar size and limits."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    z_range: tuple[float, float]
    pillar_size: tuple[float, float]
    max_pillars: int
    max_points_per_pillar: int
    pillar_center_offset: tuple[float, float]
    """Centre of pillar (0, 0) as the network was trained with; not always the geometric one."""

    def __post_init__(self) -> None:
        """Check that there is a grid at all; ConfigError names field and value."""
        for name in ("x_range", "y_range", "z_range"):
            low, high = getattr(self, name)
            is_range = -FARTHEST <= low < high <= FARTHEST
            require(is_range, f"grid.{name}", [low, high], f"an increasing pair of numbers within {FARTHEST:g} m")
        for name, most in (("max_pillars", MOST_PILLARS), ("max_points_per_pillar", MOST_POINTS)):
            require(1 <= getattr(self, name) <= most, f"grid.{name}", getattr(self, name), f"within 1 and {most}")
        for extent, size in (
            (self.x_range[1] - self.x_range[0], self.pillar_size[0]),
            (self.y_range[1] - self.y_range[0], self.pillar_size[1]),
        ):
            require(0 < size <= extent, "grid.pillar_size", list(self.pillar_size), "positive and within the range")
            cells = extent / size
            require(cells <= MOST_CELLS, "grid.pillar_size", list(self.pillar_size), _FEW_CELLS)
            require(
                abs(cells - round(cells)) < 1e-3, "grid.pillar_size", list(self.pillar_size),
                f"such that {extent:g} m are a whole number of pillars",
            )  # fmt: skip
        require(self.nx * self.ny <= MOST_CELLS, "grid.pillar_size", list(self.pillar_size), _FEW_CELLS)
        for offset in self.pillar_center_offset:
            is_near = abs(offset) <= FARTHEST
            require(is_near, "grid.pillar_center_offset", list(self.pillar_center_offset), f"within {FARTHEST:g} m")

    @property
    def nx(self) -> int:
        """Columns of the canvas (cells along x)."""
        return round((self.x_range[1] - self.x_range[0]) / self.pillar_size[0])

    @property
    def ny(self) -> int:
        """Rows of the canvas (cells along y)."""
        return round((self.y_range[1] - self.y_range[0]) / self.pillar_size[1])

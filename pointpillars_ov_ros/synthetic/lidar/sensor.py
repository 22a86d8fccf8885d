# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models of spinning LiDARs, and their descriptions in sensors/*.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.config.documents import MOST_YAML_BYTES, parse_yaml, read_text
from pointpillars_ov_ros.config.errors import ConfigError, require
from pointpillars_ov_ros.config.mapping import from_mapping
from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.synthetic.world.mount import MountModel

_FOLDER = Path(__file__).parents[1] / "sensors"
SENSORS = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Names of the sensors included in this package."""


@dataclass(frozen=True)
class BeamBlock:
    """Lasers that share an optical centre."""

    elevations_deg: tuple[float, ...]
    """Elevation of each beam above the horizontal, highest first."""
    height: float = 0.0
    """Height of the optical centre above the origin of the lidar frame (m)."""

    def __post_init__(self) -> None:
        pairs = zip(self.elevations_deg, self.elevations_deg[1:], strict=False)
        require(all(a > b for a, b in pairs), "blocks.elevations_deg", list(self.elevations_deg), "highest first")
        for elevation in self.elevations_deg:
            require(-89.0 <= elevation <= 89.0, "blocks.elevations_deg", elevation, "in -89..89 (deg)")
        require(abs(self.height) <= 1.0, "blocks.height", self.height, "in -1..1 (m)")


@dataclass(frozen=True)
class BlindSector:
    """Sector in which the vehicle that carries the sensor blocks the view."""

    azimuth_deg: tuple[float, float]
    """Start and end of the sector, counter-clockwise, 0 = forward."""
    below_deg: float
    """Beams below this elevation end at the vehicle."""

    def __post_init__(self) -> None:
        for azimuth in self.azimuth_deg:
            require(-180.0 <= azimuth <= 360.0, "blind.azimuth_deg", azimuth, "in -180..360 (deg)")
        require(-90.0 <= self.below_deg <= 90.0, "blind.below_deg", self.below_deg, "in -90..90 (deg)")


@dataclass(frozen=True)
class DropoutModel:
    """Model of the rays that do not return."""

    dark_range: float = 220.0
    """Range (m) at which half of the rays return from a surface of reflectivity 0.1 met head-on.

    The returned light is reflectivity * cos(incidence) / range^2.
    """
    share: float = 0.02
    """Ratio of rays that are lost regardless."""

    def __post_init__(self) -> None:
        require(0.0 < self.dark_range <= 1e4, "dropout.dark_range", self.dark_range, "in 0..10000 (m), 0 excluded")
        require(0.0 <= self.share < 1.0, "dropout.share", self.share, "in 0..1, 1 excluded")


@dataclass(frozen=True)
class IntensityModel:
    """Model of the reported intensity: gain * reflectivity * cos(incidence)^exponent / (1 + (range / fading)^2)."""

    gain: float = 1.0
    incidence_exponent: float = 0.3
    """0 for a sensor that corrects for incidence, 1 for an uncorrected matt surface."""
    fading_range: float = 200.0
    """Range at which half the intensity is left (m); far beyond max_range for a sensor that corrects for range."""
    noise: float = 0.15
    """Deviation between rays, as a ratio of the value."""
    beam_spread: float = 0.0
    """Deviation of the gain between beams."""
    step: float = 0.01
    """Resolution of the reported values."""
    dark_from: float = 15.0
    """Range (m) from which on `dark_per_metre` applies."""
    dark_per_metre: float = 0.0
    """Decrease of the value per metre beyond `dark_from`, where the returned light is almost lost in noise."""
    floor: float = 0.0
    """Values below this are reported as 0."""
    zeros: float = 0.0
    """Ratio of the returns that are reported as 0 regardless of what they hit."""

    def __post_init__(self) -> None:
        require(0.0 < self.gain <= 100.0, "intensity.gain", self.gain, "in 0..100, 0 excluded")
        require(0.0 < self.fading_range <= 1e4, "intensity.fading_range", self.fading_range, "in 0..10000 (m)")
        require(0.0 < self.step <= 0.5, "intensity.step", self.step, "in 0..0.5, 0 excluded")
        require(0.0 <= self.dark_from <= 1e4, "intensity.dark_from", self.dark_from, "in 0..10000 (m)")
        for name in ("incidence_exponent", "noise", "beam_spread"):
            value = getattr(self, name)
            require(0.0 <= value <= 2.0, f"intensity.{name}", value, "in 0..2")
        for name in ("dark_per_metre", "floor", "zeros"):
            value = getattr(self, name)
            require(0.0 <= value <= 1.0, f"intensity.{name}", value, "in 0..1")


@dataclass(frozen=True)
class EdgeModel:
    """Model of beams that hit an edge with one half and the background with the other."""

    share: float = 0.3
    """Ratio of the rays next to an edge that report a range between the two."""
    max_gap: float = 2.0
    """Distance (m) above which the two are told apart."""

    def __post_init__(self) -> None:
        require(0.0 <= self.share <= 1.0, "edges.share", self.share, "in 0..1")
        require(0.0 <= self.max_gap <= 50.0, "edges.max_gap", self.max_gap, "in 0..50 (m)")


@dataclass(frozen=True)
class Sensor:
    """A spinning LiDAR with a vertical axis; the defaults describe a sensor without notable faults."""

    name: str
    beams: int
    """Number of beams, which the tables of `blocks` must add up to."""
    blocks: tuple[BeamBlock, ...]
    azimuth_step_deg: float
    """Angle between two firings of a beam."""
    spin_rate_hz: float
    min_range: float
    max_range: float
    """Upper limit of the ranges reported (m)."""
    mounting_height: float
    """Height of the origin of the lidar frame above the road (m)."""
    mount: MountModel = field(default_factory=MountModel)
    range_noise: float = 0.02
    """Deviation of a range (m)."""
    dropout: DropoutModel = field(default_factory=DropoutModel)
    intensity: IntensityModel = field(default_factory=IntensityModel)
    edges: EdgeModel = field(default_factory=EdgeModel)
    rolling_shutter: bool = False
    """Whether the vehicle moves during the sweep; the stamp is then the moment when the beams point forward."""
    blind: tuple[BlindSector, ...] = ()

    def __post_init__(self) -> None:
        entries = sum(len(block.elevations_deg) for block in self.blocks)
        require(1 <= self.beams <= 256, "beams", self.beams, "in 1..256")
        require(entries == self.beams, "beams", self.beams, f"the number of elevations in blocks, {entries}")
        require(0.02 <= self.azimuth_step_deg <= 5.0, "azimuth_step_deg", self.azimuth_step_deg, "in 0.02..5 (deg)")
        require(0.5 <= self.spin_rate_hz <= 50.0, "spin_rate_hz", self.spin_rate_hz, "in 0.5..50 (Hz)")
        require(self.min_range > 0.0, "min_range", self.min_range, "positive (m)")
        require(self.min_range < self.max_range <= 400.0, "max_range", self.max_range, "in min_range..400 (m)")
        require(0.2 <= self.mounting_height <= 10.0, "mounting_height", self.mounting_height, "in 0.2..10 (m)")
        require(0.0 <= self.range_noise <= 0.5, "range_noise", self.range_noise, "in 0..0.5 (m)")

    @cached_property
    def columns(self) -> int:
        """Number of firings of a beam per revolution."""
        return round(360.0 / self.azimuth_step_deg)

    @cached_property
    def elevations(self) -> DoubleArray:
        """Elevation of each beam (rad), (beams,)."""
        return np.radians([elevation for block in self.blocks for elevation in block.elevations_deg])

    @cached_property
    def heights(self) -> DoubleArray:
        """Height of each beam's optical centre above the origin (m), (beams,)."""
        return np.array([block.height for block in self.blocks for _ in block.elevations_deg])

    @cached_property
    def stagger(self) -> DoubleArray:
        """Azimuth of each beam's firings relative to the column's (rad), (beams,): lasers fire one after the other."""
        step = 2.0 * math.pi / self.columns
        order = np.arange(self.beams, dtype=np.float64) * ((math.sqrt(5.0) - 1.0) / 2.0) % 1.0
        return (order - 0.5) * step

    @cached_property
    def blind_below(self) -> DoubleArray:
        """Elevation below which rays of a column end at the vehicle (rad), (columns,); -pi if none does."""
        azimuths = np.arange(self.columns) * (360.0 / self.columns)
        below = np.full(self.columns, -math.pi)
        for sector in self.blind:
            start, end = sector.azimuth_deg
            inside = (azimuths - start) % 360.0 <= (end - start) % 360.0
            below[inside] = np.maximum(below[inside], math.radians(sector.below_deg))
        return below


def load_sensor(name: str | Path) -> Sensor:
    """Read a sensor of this package by its name, or the description in a YAML file by its path.

    Raises ConfigError naming the file, the field and the value.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = _FOLDER / f"{name}.yaml"
    try:
        values = parse_yaml(read_text(path, MOST_YAML_BYTES), str(path))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(SENSORS)
        raise ConfigError(f"{name}: neither one of {known} nor a readable YAML file ({error})") from None
    try:
        return from_mapping(Sensor, values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in cloud: road users on flat ground as seen by a spinning LiDAR with 64 beams; always the same."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray

Doubles = npt.NDArray[np.float64]

_BEAMS = 64
_ELEVATIONS_DEG = (2.0, -24.8)
_STEP_DEG = 0.2
_MAX_DISTANCE = 80.0
_NOISE = 0.015
"""Standard deviation of the measured distance (m)."""
_GROUND = 0.3
"""Intensity."""
_CLUTTER = 200
"""Number of points spread over the whole range of the network, so that a cloud of any range has some."""
_SEED = 20_260


class ScenePart(NamedTuple):
    """A box of an object: in the object's frame, x along its length, z from the ground (m)."""

    x: float
    y: float
    length: float
    width: float
    bottom: float
    top: float
    intensity: float


class Placed(NamedTuple):
    """An object on the ground of the lidar frame; yaw in degrees about +z."""

    parts: tuple[ScenePart, ...]
    x: float
    y: float
    yaw: float


# Found by search: the SmallMunich network detects these as cars at every distance used here. Paint and glass, met at a
# slant, reflect little.
CAR = (
    ScenePart(0.0, 0.0, 3.4, 1.55, 0.12, 0.90, 0.05),
    ScenePart(0.0, 0.0, 3.9, 1.05, 0.12, 0.70, 0.05),
    ScenePart(-0.70, 0.0, 2.1, 1.40, 0.90, 1.27, 0.05),
    ScenePart(-0.70, 0.0, 1.45, 1.20, 1.27, 1.64, 0.05),
)
PERSON = (
    ScenePart(0.05, 0.12, 0.20, 0.18, 0.0, 0.85, 0.35),
    ScenePart(-0.10, -0.12, 0.20, 0.18, 0.0, 0.85, 0.35),
    ScenePart(0.0, 0.0, 0.28, 0.50, 0.85, 1.45, 0.40),
    ScenePart(0.0, 0.0, 0.20, 0.20, 1.50, 1.75, 0.30),
)
CYCLIST = (
    ScenePart(0.0, 0.0, 1.70, 0.08, 0.10, 0.75, 0.25),
    ScenePart(0.0, 0.0, 0.30, 0.35, 0.40, 0.95, 0.35),
    ScenePart(0.10, 0.0, 0.35, 0.50, 0.95, 1.50, 0.40),
    ScenePart(0.20, 0.0, 0.20, 0.20, 1.50, 1.75, 0.30),
)
WALL = (ScenePart(0.0, 0.0, 30.0, 0.3, 0.0, 4.0, 0.25),)

SCENE = (
    Placed(CAR, 8.0, -3.2, 2.0),
    Placed(CAR, 11.5, 3.6, 178.0),
    Placed(CAR, 17.0, -3.4, 0.0),
    Placed(CAR, 21.0, 5.5, 40.0),
    Placed(CAR, 26.0, 0.5, 3.0),
    Placed(CAR, 31.0, -8.0, 90.0),
    Placed(CAR, 38.0, 4.0, 181.0),
    Placed(CAR, 46.0, -4.5, -20.0),
    Placed(CAR, -12.0, 3.4, 180.0),
    Placed(CAR, -22.0, -3.6, 5.0),
    Placed(CAR, 3.0, 14.0, 95.0),
    Placed(CAR, 1.0, -16.0, 70.0),
    Placed(PERSON, 9.0, 6.5, 90.0),
    Placed(PERSON, 14.5, -7.0, -60.0),
    Placed(PERSON, 24.0, -6.0, 10.0),
    Placed(PERSON, -9.0, -7.0, 0.0),
    Placed(CYCLIST, 13.0, 0.2, 0.0),
    Placed(CYCLIST, 19.0, 8.5, 120.0),
    Placed(CYCLIST, 33.0, -2.0, 176.0),
    Placed(CYCLIST, -15.0, 7.0, 30.0),
    Placed(WALL, 40.0, 19.0, 2.0),
    Placed(WALL, 15.0, -21.0, 0.0),
)


def built_in_cloud(config: ModelConfig) -> FloatArray:
    """Return the cloud (N, 4) float32, x y z (m, lidar frame) and intensity 0..1, for the sensor height of `config`.

    Ring after ring from the top, as such a sensor numbers them; then the clutter.
    """
    height = config.sensor.height
    azimuths = np.radians(np.arange(-180.0, 180.0, _STEP_DEG))
    elevations = np.radians(np.linspace(*_ELEVATIONS_DEG, _BEAMS))
    distances, intensities = _see_ground(elevations, len(azimuths), height)
    for placed in SCENE:
        for part in placed.parts:
            _see_part(placed, part, height, azimuths, elevations, distances, intensities)
    random = np.random.default_rng(_SEED)
    distances += random.normal(0.0, _NOISE, distances.shape)
    seen = distances < _MAX_DISTANCE
    distances[~seen] = 0.0
    level, upwards = np.cos(elevations)[:, None], np.sin(elevations)[:, None]
    scan = np.stack(
        [
            distances * level * np.cos(azimuths),
            distances * level * np.sin(azimuths),
            distances * upwards,
            np.clip(intensities + random.uniform(-0.03, 0.03, distances.shape), 0.0, 1.0),
        ],
        axis=-1,
    )
    cloud = np.concatenate([scan[seen], _clutter(config, random)])
    return cloud.astype(np.float32)


def _see_ground(elevations: Doubles, columns: int, height: float) -> tuple[Doubles, Doubles]:
    """Return distance (beams, columns) and intensity of the ground `height` below the sensor; inf if not hit."""
    sines = np.sin(elevations)
    distances = np.where(sines < 0, height / np.maximum(-sines, 1e-9), np.inf)
    distances = np.where(distances > 0, distances, np.inf)
    shape = (len(elevations), columns)
    return np.broadcast_to(distances[:, None], shape).copy(), np.full(shape, _GROUND)


def _see_part(
    placed: Placed,
    part: ScenePart,
    height: float,
    azimuths: Doubles,
    elevations: Doubles,
    distances: Doubles,
    intensities: Doubles,
) -> None:
    """Shorten the rays that hit the part; only columns that can hit it are visited."""
    yaw = math.radians(placed.yaw)
    ahead = np.array([math.cos(yaw), math.sin(yaw)])
    aside = np.array([-math.sin(yaw), math.cos(yaw)])
    centre = np.array([placed.x, placed.y]) + part.x * ahead + part.y * aside
    away = math.hypot(*centre)
    half_view = math.asin(min(1.0, math.hypot(part.length, part.width) / 2 / away))
    turned = np.abs((azimuths - math.atan2(centre[1], centre[0]) + math.pi) % (2 * math.pi) - math.pi)
    columns = np.flatnonzero(turned <= half_view)
    level = np.stack([np.cos(azimuths[columns]), np.sin(azimuths[columns])])
    shape = (len(elevations), len(columns))
    across = np.cos(elevations)[:, None]
    slabs = (
        (ahead @ level * across, -centre @ ahead, -part.length / 2, part.length / 2),
        (aside @ level * across, -centre @ aside, -part.width / 2, part.width / 2),
        (np.broadcast_to(np.sin(elevations)[:, None], shape), height, part.bottom, part.top),
    )
    entry, leave = np.zeros(shape), np.full(shape, np.inf)
    for direction, origin, low, high in slabs:
        # A ray parallel to a slab never meets its planes; a tiny direction component yields that without division by 0.
        steps = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
        near, far = (low - origin) / steps, (high - origin) / steps
        entry = np.maximum(entry, np.minimum(near, far))
        leave = np.minimum(leave, np.maximum(near, far))
    met = (entry <= leave) & (entry < distances[:, columns]) & (entry > 0)
    distances[:, columns] = np.where(met, entry, distances[:, columns])
    intensities[:, columns] = np.where(met, part.intensity, intensities[:, columns])


def _clutter(config: ModelConfig, random: np.random.Generator) -> Doubles:
    """Return points (_CLUTTER, 4) spread over the range of the network."""
    grid = config.grid
    low = np.array([grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0])
    high = np.array([grid.x_range[1], grid.y_range[1], grid.z_range[1], 0.5])
    return random.uniform(low, high, (_CLUTTER, 4))

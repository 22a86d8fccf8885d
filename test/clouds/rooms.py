# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds of spinning LiDARs in places that are no streets."""

from __future__ import annotations

import numpy as np


def room(seed: int, sides: tuple[float, float, float] = (8.0, 6.0, 3.0), height: float = 1.0) -> np.ndarray:
    """Return a VLP-16's turn (N, 4) in the middle of a room of `sides` (m), `height` above its floor."""
    rng = np.random.default_rng(seed)
    elevations = np.radians(np.arange(-15.0, 16.0, 2.0))
    azimuths = np.radians(np.arange(0.0, 360.0, 0.2))
    el, az = (a.ravel() for a in np.meshgrid(elevations, azimuths, indexing="ij"))
    rays = np.column_stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)])
    high = np.array([sides[0] / 2, sides[1] / 2, sides[2] - height])
    low = np.array([-sides[0] / 2, -sides[1] / 2, -height])
    rays = np.where(rays == 0.0, 1e-9, rays)
    depth = np.min(np.where(rays > 0, high / rays, low / rays), axis=1)
    depth += rng.normal(0.0, 0.02, len(depth))
    return np.column_stack([rays * depth[:, None], rng.uniform(0.1, 0.5, len(depth))]).astype(np.float32)

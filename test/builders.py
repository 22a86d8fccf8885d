# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny configurations and clouds, small enough for the slow twins and with no two numbers alike by chance."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.mapping import from_mapping
from pointpillars_ov_ros.config.model_config import GridConfig, ModelConfig
from pointpillars_ov_ros.core.pillars import Pillars

Points = npt.NDArray[np.float32]


def tiny_document() -> dict[str, Any]:
    """Return the plain form of a model of 24 x 16 cells, two classes and three anchors per output cell."""
    return {
        "format": 1,
        "name": "tiny",
        "grid": {
            "x_range": [0.0, 3.84],
            "y_range": [-1.6, 1.6],
            "z_range": [-3.0, 1.0],
            "pillar_size": [0.16, 0.2],
            "max_pillars": 60,
            "max_points_per_pillar": 5,
            "pillar_center_offset": [0.1, -1.55],
        },
        "pfe": {
            "file": "pfe.xml",
            "inputs": {
                "x": "px",
                "y": "py",
                "z": "pz",
                "intensity": "pi",
                "num_points": "count",
                "center_x": "cx",
                "center_y": "cy",
                "mask": "mask",
            },
            "output": "features",
        },
        "rpn": {
            "file": "rpn.xml",
            "input": "canvas",
            "boxes": "boxes",
            "scores": "scores",
            "directions": "directions",
            "channels": 3,
            "stride": 2,
        },
        "anchors": [
            {"class_name": "Car", "size": [0.83, 0.37, 0.31], "bottom_z": -1.7, "angles": [0.0, 1.57]},
            {"class_name": "Pedestrian", "size": [0.29, 0.23, 0.43], "bottom_z": -1.5, "angles": [0.3]},
        ],
        "anchor_grid": {"offset": [0.17, -1.41], "step": [0.32, 0.4]},
        "box_coder": {"angle": "yaw", "z_origin": "bottom", "size_order": "wlh"},
        "direction": {"offset": 0.0, "first_bin": 0},
        "anchor_mask": {"min_pillars": 1},
        "postprocess": {
            "score_threshold": 0.3,
            "nms_threshold": 0.1,
            "max_detections": 50,
            "max_candidates": 100,
        },
        "sensor": {"height": 1.73},
    }


def tiny_config(**changes: Any) -> ModelConfig:
    """Return the tiny model; `changes` are top-level fields, and dicts change parts of a field."""
    document = tiny_document()
    for name, value in changes.items():
        merge = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = {**document[name], **value} if merge else value
    return from_mapping(ModelConfig, document)


def tiny_grid(**changes: Any) -> GridConfig:
    """Return the tiny model's grid with `changes`."""
    return dataclasses.replace(tiny_config().grid, **changes)


def random_cloud(rng: np.random.Generator, count: int, grid: GridConfig) -> Points:
    """Return points (count, 4) spread over the range and a little around it."""
    low = np.array([grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0]) - 0.3
    high = np.array([grid.x_range[1], grid.y_range[1], grid.z_range[1], 1.0]) + 0.3
    return rng.uniform(low, high, (count, 4)).astype(np.float32)


def grouped(points: Points, grid: GridConfig) -> Pillars:
    """Group a cloud with fresh buffers."""
    pillars = Pillars(grid)
    pillars.group(points)
    return pillars

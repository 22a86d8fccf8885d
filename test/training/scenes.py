# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny scenes: boxes full of points on a thin floor."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.training.augmentation import Augmentation
from pointpillars_ov_ros.training.scenes import LabelledScene
from pointpillars_ov_ros.training.settings import TrainingSettings
from test.builders import tiny_config

PASTE = Augmentation(paste=(2, 2))
SETTINGS = TrainingSettings(
    steps=12, batch=2, seed=5, crop=(16, 16), samples_per_scene=2, bank_scenes=2, augmentation=PASTE
)


def trainable_config() -> ModelConfig:
    """Return a network of 48 x 32 cells, two classes of two angles each, with the coder of our own networks."""
    sizes = {"Car": [0.9, 0.5, 0.5], "Pedestrian": [0.4, 0.35, 0.6]}
    return tiny_config(
        name="trainable",
        grid={
            "x_range": [0.0, 7.68],
            "y_range": [-2.56, 2.56],
            "pillar_size": [0.16, 0.16],
            "max_pillars": 1536,
            "max_points_per_pillar": 8,
            "pillar_center_offset": [0.08, -2.48],
        },
        rpn={"channels": 8, "stride": 2},
        anchors=[
            {"class_name": name, "size": size, "bottom_z": -1.7, "angles": [0.0, 1.57]} for name, size in sizes.items()
        ],
        anchor_grid={"offset": [0.16, -2.4], "step": [0.32, 0.32]},
        anchor_mask=None,
        box_coder={"angle": "yaw", "z_origin": "center", "size_order": "lwh"},
        direction={"offset": 0.78539, "first_bin": 0},
    )


def small_architecture(config: ModelConfig) -> Architecture:
    """Return two blocks of a few channels."""
    return Architecture(
        point_features=9,
        channels=config.rpn.channels,
        convolutions=(2, 2),
        filters=(8, 16),
        strides=(2, 2),
        upsample_filters=(16, 16),
        upsample_strides=(1, 2),
        anchors=config.anchors_per_cell,
        classes=len(config.classes),
    )


class TinyScenes:
    """A source of scenes of three objects that do not touch."""

    name = "tiny scenes"

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or trainable_config()

    def scene(self, seed: int) -> LabelledScene:
        random = np.random.default_rng(seed)
        boxes, labels, clouds = [], [], []
        grid = self.config.grid
        for k in range(3):
            label = int(random.integers(len(self.config.classes)))
            size = np.array(self.config.anchors[label].size) * random.uniform(0.9, 1.1, 3)
            center = [1.2 + 2.4 * k + random.uniform(-0.3, 0.3), random.uniform(-1.8, 1.8), -1.7 + size[2] / 2]
            boxes.append([*center, *size, random.uniform(-np.pi, np.pi)])
            labels.append(label)
            clouds.append(points_in(np.array(boxes[-1]), 60, random))
        floor = np.empty((300, 4))
        for axis, (low, high) in enumerate((grid.x_range, grid.y_range, (-1.8, -1.75), (0.0, 0.3))):
            floor[:, axis] = random.uniform(low, high, len(floor))
        points = np.concatenate([*clouds, floor]).astype(np.float32)
        return LabelledScene(points, np.array(boxes, np.float32), np.array(labels, np.int32))


def points_in(box: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return points (count, 4) inside of a box (7,)."""
    local = random.uniform(-0.49, 0.49, (count, 3)) * box[3:6]
    cos, sin = np.cos(box[6]), np.sin(box[6])
    x = box[0] + cos * local[:, 0] - sin * local[:, 1]
    y = box[1] + sin * local[:, 0] + cos * local[:, 1]
    return np.stack([x, y, box[2] + local[:, 2], random.uniform(0.5, 1.0, count)], axis=1)

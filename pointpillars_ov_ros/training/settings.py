# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, and the configuration of the network that it makes."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.training.augmentation import Augmentation

_LANES = 8
"""Numbers of channels are multiples of this, which suits vector units."""


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that determines the result: on one CPU equal settings give equal networks, unless `minutes` is set.

    They are stored in checkpoints, so that a run resumes as it was started.
    """

    steps: int = 20000
    minutes: float = 0.0
    """Above 0: train for this long instead of for `steps`."""
    batch: int = 4
    seed: int = 0
    learning_rate: float = 3e-3
    """The highest of the one-cycle schedule."""
    weight_decay: float = 0.01
    crop: tuple[int, int] = (216, 248)
    """Columns and rows of the canvas that a sample shows; (0, 0): all."""
    samples_per_scene: int = 4
    """How often a scene is used, each time augmented and cropped differently: simulating one takes as long as a step.
    """
    bank_scenes: int = 24
    """Number of scenes whose objects are pasted into others."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        for name in ("steps", "batch", "samples_per_scene"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("minutes", "seed", "bank_scenes", "weight_decay"):
            require(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "0 or more")
        require(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "in 0..1, 0 excluded")
        require(min(self.crop) >= 0, "crop", list(self.crop), "two numbers of 0 or more")


def configure(
    preset: ModelConfig, width: float, sensor_height: float | None, provenance: str, beams: int = 0
) -> ModelConfig:
    """Describe the network to train: that of `preset`, with `width` times its channels.

    `sensor_height` is that of the sensor above the ground (m); heights of the preset are shifted to it. `beams` is the
    number of beams of the sensor; 0: as in the preset. Anchors are in the middle of their cells, so that a cell of a
    crop learns the same wherever it is.
    """
    require(0.1 <= width <= 4.0, "width", width, "in 0.1..4")
    height = preset.sensor.height if sensor_height is None else sensor_height
    rise = preset.sensor.height - height
    low, high = (round(z + rise, 3) for z in preset.grid.z_range)
    grid = dataclasses.replace(preset.grid, z_range=(low, high))
    anchors = tuple(dataclasses.replace(anchor, bottom_z=round(anchor.bottom_z + rise, 3)) for anchor in preset.anchors)
    step = (grid.pillar_size[0] * preset.rpn.stride, grid.pillar_size[1] * preset.rpn.stride)
    offset = (grid.x_range[0] + step[0] / 2, grid.y_range[0] + step[1] / 2)
    return dataclasses.replace(
        preset,
        name="pointpillars_trained",
        grid=grid,
        rpn=dataclasses.replace(preset.rpn, channels=scale_channels(preset.rpn.channels, width)),
        anchors=anchors,
        anchor_grid=dataclasses.replace(preset.anchor_grid, offset=offset, step=step),
        sensor=dataclasses.replace(preset.sensor, height=height, beams=beams or preset.sensor.beams),
        provenance=provenance,
        licence="",
        sha256={},
    )


def choose_architecture(config: ModelConfig, width: float) -> Architecture:
    """Return the sizes of the layers: those of the paper, with channels times `width`."""
    return Architecture(
        point_features=9,
        channels=config.rpn.channels,
        convolutions=(4, 6, 6),
        filters=tuple(scale_channels(filters, width) for filters in (64, 128, 256)),
        strides=(2, 2, 2),
        upsample_filters=(scale_channels(128, width),) * 3,
        upsample_strides=(1, 2, 4),
        anchors=config.anchors_per_cell,
        classes=len(config.classes),
    )


def scale_channels(channels: int, width: float) -> int:
    """Return the number of channels times `width`, as a multiple of _LANES."""
    return channels if width == 1.0 else max(1, round(channels * width / _LANES)) * _LANES

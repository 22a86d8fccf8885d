# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network is: the frozen description that lies as YAML beside its IR files.

Lengths are metres, angles radians, positions in the lidar frame (REP-103: x forward, y left, z up).
Everything that follows from these values is a property here and a literal nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.grid_config import FARTHEST, GridConfig
from pointpillars_ov_ros.config.head_config import (
    AnchorConfig,
    AnchorGridConfig,
    AnchorMaskConfig,
    BoxCoderConfig,
    DirectionConfig,
)

MOST_VALUES, MOST_BOXES = 2**28, 1_000_000
"""In a tensor, and out of NMS: what a broken description asks for is not to be allocated."""


def _require_ir(name: str, file: str) -> None:
    """Refuse what OpenVINO would not read as IR: other formats may take their weights from any file."""
    require(file.endswith(".xml"), name, file, "the name of an .xml file")


@dataclass(frozen=True)
class PfeInputs:
    """Names of the eight input tensors of a SmallMunich-style pillar feature encoder."""

    x: str
    y: str
    z: str
    intensity: str
    num_points: str
    center_x: str
    center_y: str
    mask: str


@dataclass(frozen=True)
class PfeConfig:
    """The pillar feature encoder (PFE): IR file and tensor names."""

    file: str
    inputs: PfeInputs
    output: str

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        _require_ir("pfe.file", self.file)


@dataclass(frozen=True)
class RpnConfig:
    """The backbone and detection head (RPN): IR file, tensor names and size of the output grid."""

    file: str
    input: str
    boxes: str
    scores: str
    directions: str
    channels: int
    stride: int
    """Canvas cells per output cell, along x and along y."""

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        _require_ir("rpn.file", self.file)
        for name in ("channels", "stride"):
            require(1 <= getattr(self, name) <= 4096, f"rpn.{name}", getattr(self, name), "within 1 and 4096")


@dataclass(frozen=True)
class PostprocessConfig:
    """Default thresholds; the first three can be overridden at run time."""

    score_threshold: float
    nms_threshold: float
    max_detections: int
    max_candidates: int
    """Best-scored boxes that enter NMS."""
    nms_per_class: bool = False

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        for name in ("score_threshold", "nms_threshold"):
            require(0.0 < getattr(self, name) <= 1.0, f"postprocess.{name}", getattr(self, name), "in (0, 1]")
        for name in ("max_detections", "max_candidates"):
            value = getattr(self, name)
            require(1 <= value <= MOST_BOXES, f"postprocess.{name}", value, f"within 1 and {MOST_BOXES}")


@dataclass(frozen=True)
class SensorConfig:
    """The sensor that the network was trained with."""

    height: float
    """Of the sensor above the ground."""
    intensity_max: float = 1.0

    def __post_init__(self) -> None:
        """Check; ConfigError names field and value."""
        require(abs(self.height) <= FARTHEST, "sensor.height", self.height, f"finite and within {FARTHEST:g} m")
        require(0 < self.intensity_max <= FARTHEST, "sensor.intensity_max", self.intensity_max, "positive")


@dataclass(frozen=True)
class ModelConfig:
    """Everything the pipeline must know of a network; one YAML file, `bundle.yaml`, beside its IR files."""

    format: int
    name: str
    grid: GridConfig
    pfe: PfeConfig
    rpn: RpnConfig
    anchors: tuple[AnchorConfig, ...]
    anchor_grid: AnchorGridConfig
    box_coder: BoxCoderConfig
    direction: DirectionConfig
    postprocess: PostprocessConfig
    sensor: SensorConfig
    anchor_mask: AnchorMaskConfig | None = None
    provenance: str = ""
    licence: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Of every file of the bundle, by file name."""

    def __post_init__(self) -> None:
        """Check what lies between the parts; ConfigError names field and value."""
        require(self.format == 1, "format", self.format, "1, the one this version reads")
        require(len(self.anchors) > 0, "anchors", list(self.anchors), "a list of at least one class")
        for cells in (self.grid.nx, self.grid.ny):
            require(cells % self.rpn.stride == 0, "rpn.stride", self.rpn.stride, f"a divisor of {cells} cells")
        for name, values in (
            ("rpn.channels", math.prod(self.canvas_shape)),
            ("anchors.angles", 7 * self.anchors_per_cell * math.prod(self.output_shape)),
        ):
            require(values <= MOST_VALUES, name, values, f"{MOST_VALUES} values of a tensor at most")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return tuple(anchor.class_name for anchor in self.anchors)

    @property
    def anchors_per_cell(self) -> int:
        """Anchors of all classes and angles in one output cell."""
        return sum(len(anchor.angles) for anchor in self.anchors)

    @property
    def output_shape(self) -> tuple[int, int]:
        """Rows (y) and columns (x) of the RPN's output grid."""
        return self.grid.ny // self.rpn.stride, self.grid.nx // self.rpn.stride

    @property
    def canvas_shape(self) -> tuple[int, int, int, int]:
        """The RPN's input, NCHW."""
        return 1, self.rpn.channels, self.grid.ny, self.grid.nx

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Description of a network: the frozen dataclasses stored as YAML beside its IR files.

Lengths are metres, angles radians, positions in the lidar frame (REP-103: x forward, y left, z up). Everything that
follows from these values is a property here and a literal nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pointpillars_ov_ros.config.errors import require

FARTHEST = 1e6
"""Maximum distance of anything from the sensor (m), since the arithmetic is in float32."""
MOST_CELLS, MOST_PILLARS, MOST_POINTS = 2**24, 1_000_000, 1000
"""More than any network has by a factor of 20, so that a broken description does not exhaust the memory."""
_FEW_CELLS = f"that of a grid of {MOST_CELLS} cells at most"
MOST_BEAMS = 4096
MOST_VALUES, MOST_BOXES = 2**28, 1_000_000
"""Maximum size of a tensor, and of the output of NMS, so that a broken description does not exhaust the memory."""


def _require_ir(name: str, file: str) -> None:
    """Refuse files that OpenVINO would not read as IR: other formats may take their weights from any file."""
    require(file.endswith(".xml"), name, file, "the name of an .xml file")


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
    """Centre of pillar (0, 0) as in training; not always the geometric centre."""

    def __post_init__(self) -> None:
        """Check that the values form a grid; ConfigError names field and value."""
        for name in ("x_range", "y_range", "z_range"):
            low, high = getattr(self, name)
            is_range = -FARTHEST <= low < high <= FARTHEST
            require(is_range, f"grid.{name}", [low, high], f"an increasing pair of numbers within {FARTHEST:g} m")
        for name, most in (("max_pillars", MOST_PILLARS), ("max_points_per_pillar", MOST_POINTS)):
            require(1 <= getattr(self, name) <= most, f"grid.{name}", getattr(self, name), f"between 1 and {most}")
        for extent, size in (
            (self.x_range[1] - self.x_range[0], self.pillar_size[0]),
            (self.y_range[1] - self.y_range[0], self.pillar_size[1]),
        ):
            require(0 < size <= extent, "grid.pillar_size", list(self.pillar_size), "positive and within the range")
            cells = extent / size
            require(cells <= MOST_CELLS, "grid.pillar_size", list(self.pillar_size), _FEW_CELLS)
            require(
                abs(cells - round(cells)) < 1e-3, "grid.pillar_size", list(self.pillar_size),
                f"such that {extent:g} m is a whole number of pillars",
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
        """Check the values; ConfigError names field and value."""
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
        """Check the values; ConfigError names field and value."""
        _require_ir("rpn.file", self.file)
        for name in ("channels", "stride"):
            require(1 <= getattr(self, name) <= 4096, f"rpn.{name}", getattr(self, name), "between 1 and 4096")


class AngleConvention(str, Enum):
    """Relation of the network's box angle to yaw about +z (0 = +x, counter-clockwise)."""

    YAW = "yaw"
    """The angle is the yaw (OpenPCDet, mmdet3d since 1.0)."""
    ROTATION_Y = "rotation_y"
    """The angle is KITTI's rotation about the camera's y axis: yaw = -angle - pi/2 (SECOND, SmallMunich)."""


class BoxOrigin(str, Enum):
    """The point of the box that the z residual refers to."""

    BOTTOM = "bottom"
    CENTER = "center"


class SizeOrder(str, Enum):
    """The order of the size residuals."""

    WIDTH_FIRST = "wlh"
    """Used by SECOND and SmallMunich."""
    LENGTH_FIRST = "lwh"
    """Used by OpenPCDet, and mmdet3d since 1.0."""


@dataclass(frozen=True)
class AnchorConfig:
    """Anchors of one class; identical in every output cell except for their centre."""

    class_name: str
    size: tuple[float, float, float]
    """Length, width, height."""
    bottom_z: float
    angles: tuple[float, ...]
    """In the network's own angle convention."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        is_name = (
            self.class_name.isprintable() and bool(self.class_name.strip()) and not set(",=") & set(self.class_name)
        )
        require(is_name, "anchors.class_name", self.class_name, "a name without commas and equals signs")
        require(all(0 < side <= FARTHEST for side in self.size), "anchors.size", list(self.size), "positive")
        require(len(self.angles) > 0, "anchors.angles", list(self.angles), "a list of at least one")
        for value in (self.bottom_z, *self.angles):
            require(abs(value) <= FARTHEST, "anchors", value, f"finite and within {FARTHEST:g}")


@dataclass(frozen=True)
class AnchorGridConfig:
    """Positions of the anchors: the centre of output cell (0, 0) and the step to the next one."""

    offset: tuple[float, float]
    step: tuple[float, float]

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        for name in ("offset", "step"):
            values = getattr(self, name)
            is_near = all(abs(value) <= FARTHEST for value in values)
            require(is_near, f"anchor_grid.{name}", list(values), f"a pair of numbers within {FARTHEST:g} m")
        require(
            all(value > 0 for value in self.step), "anchor_grid.step", list(self.step), "a pair of numbers above 0 m"
        )


@dataclass(frozen=True)
class BoxCoderConfig:
    """SECOND box coder: residuals scaled by the anchor's diagonal (x, y) and height (z), log sizes."""

    angle: AngleConvention
    z_origin: BoxOrigin
    size_order: SizeOrder


@dataclass(frozen=True)
class DirectionConfig:
    """Direction classifier: bin k means that the angle lies in [offset + k*pi, offset + (k+1)*pi)."""

    offset: float
    first_bin: int = 0
    """The bin that begins at `offset`; 1 if bin 1 means 'angle > 0' (SmallMunich)."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        require(abs(self.offset) <= FARTHEST, "direction.offset", self.offset, f"finite and within {FARTHEST:g}")
        require(self.first_bin in (0, 1), "direction.first_bin", self.first_bin, "0 or 1")


@dataclass(frozen=True)
class AnchorMaskConfig:
    """Anchor mask: an anchor counts only if its footprint holds more than `min_pillars` occupied pillars."""

    min_pillars: int

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        require(self.min_pillars >= 0, "anchor_mask.min_pillars", self.min_pillars, "0 or more")


@dataclass(frozen=True)
class ClassThreshold:
    """Minimum score at which boxes of a class are published."""

    class_name: str
    score: float
    far_score: float = 0.0
    """Minimum score beyond `far_from`, where objects with few points score lower; 0: same as `score`."""
    far_from: float = 35.0
    """Horizontal distance from the sensor (m)."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        require(0.0 < self.score <= 1.0, f"publish.{self.class_name}.score", self.score, "in (0, 1]")
        require(0.0 <= self.far_score <= 1.0, f"publish.{self.class_name}.far_score", self.far_score, "in 0..1")
        require(0.0 < self.far_from <= FARTHEST, f"publish.{self.class_name}.far_from", self.far_from, "above 0 m")

    @property
    def score_beyond(self) -> float:
        """Minimum score beyond `far_from`."""
        return self.far_score or self.score


@dataclass(frozen=True)
class PostprocessConfig:
    """How boxes are selected and placed; all but `nms_per_class` can be overridden at run time."""

    score_threshold: float
    """Minimum score of a box that is kept at all; low, as evaluation needs them."""
    nms_threshold: float
    max_detections: int
    max_candidates: int
    """Maximum number of boxes, best scores first, that enter NMS."""
    nms_per_class: bool = False
    publish: tuple[ClassThreshold, ...] = ()
    """Minimum scores for publishing; a class that is not listed has `score_threshold`."""
    ground_clearance: float | None = None
    """Height of a box's bottom above the ground around it (m); None: boxes are left where the network puts them."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        named = [threshold.class_name for threshold in self.publish]
        require(len(set(named)) == len(named), "postprocess.publish", named, "a list of distinct classes")
        for name in ("score_threshold", "nms_threshold"):
            require(0.0 < getattr(self, name) <= 1.0, f"postprocess.{name}", getattr(self, name), "in (0, 1]")
        for name in ("max_detections", "max_candidates"):
            value = getattr(self, name)
            require(1 <= value <= MOST_BOXES, f"postprocess.{name}", value, f"between 1 and {MOST_BOXES}")
        if self.ground_clearance is not None:
            clearance = self.ground_clearance
            require(abs(clearance) <= 1.0, "postprocess.ground_clearance", clearance, "within 1 m of the ground")


@dataclass(frozen=True)
class SensorConfig:
    """The sensor that the network was trained with."""

    height: float
    """Height of the sensor above the ground."""
    intensity_max: float = 1.0
    beams: int = 0
    """Number of beams of a spinning LiDAR; 0: not stated."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        require(abs(self.height) <= FARTHEST, "sensor.height", self.height, f"finite and within {FARTHEST:g} m")
        require(0 < self.intensity_max <= FARTHEST, "sensor.intensity_max", self.intensity_max, "positive")
        require(0 <= self.beams <= MOST_BEAMS, "sensor.beams", self.beams, f"between 0 and {MOST_BEAMS}")


@dataclass(frozen=True)
class ModelConfig:
    """Everything the pipeline needs to know about a network, stored as `bundle.yaml` beside its IR files."""

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
    """SHA-256 of every file of the bundle, by file name."""

    def __post_init__(self) -> None:
        """Check the parts against each other; ConfigError names field and value."""
        require(self.format == 1, "format", self.format, "1, the format that this version reads")
        require(len(self.anchors) > 0, "anchors", list(self.anchors), "a list of at least one class")
        for threshold in self.postprocess.publish:
            known = threshold.class_name in self.classes
            require(known, "postprocess.publish", threshold.class_name, f"one of {', '.join(self.classes)}")
        for cells in (self.grid.nx, self.grid.ny):
            require(cells % self.rpn.stride == 0, "rpn.stride", self.rpn.stride, f"a divisor of {cells} cells")
        for name, values in (
            ("rpn.channels", math.prod(self.canvas_shape)),
            ("anchors.angles", 7 * self.anchors_per_cell * math.prod(self.output_shape)),
        ):
            require(values <= MOST_VALUES, name, values, f"at most {MOST_VALUES} values of a tensor")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return tuple(anchor.class_name for anchor in self.anchors)

    @property
    def anchors_per_cell(self) -> int:
        """Number of anchors of all classes and angles in one output cell."""
        return sum(len(anchor.angles) for anchor in self.anchors)

    @property
    def output_shape(self) -> tuple[int, int]:
        """Rows (y) and columns (x) of the RPN's output grid."""
        return self.grid.ny // self.rpn.stride, self.grid.nx // self.rpn.stride

    @property
    def canvas_shape(self) -> tuple[int, int, int, int]:
        """Shape of the RPN's input, NCHW."""
        return 1, self.rpn.channels, self.grid.ny, self.grid.nx

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a detector at run time, with meaning, unit and bounds beside each default.

The ROS parameters and the command-line flags are generated from these fields; there is no second list.
"""

from __future__ import annotations

import dataclasses
import math
import os.path
import typing
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import convert

T = TypeVar("T")


class Mode(str, Enum):
    """Number of frames in flight, and priority of the jobs that are ready."""

    LATENCY = "latency"
    BALANCED = "balanced"
    THROUGHPUT = "throughput"


class DropPolicy(str, Enum):
    """What happens to a cloud that arrives while no frame slot is free."""

    LIVE = "live"
    """The cloud waits in a single place, where a newer cloud replaces it; replaced clouds are counted."""
    REPLAY = "replay"
    """The sender waits; every cloud is processed."""


class EncoderChoice(str, Enum):
    """Where pillars are encoded."""

    AUTO = "auto"
    """Both encoders are measured once, and the faster one is used."""
    OPENVINO = "openvino"
    """The PFE network on pfe_device."""
    HOST = "host"
    """The exact encoder on the host."""


class PfeShape(str, Enum):
    """Shapes that the PFE network is compiled for."""

    STATIC = "static"
    """pfe_block pillars per request, the last request padded."""
    DYNAMIC = "dynamic"
    """As many pillars as the frame has."""


class Precision(str, Enum):
    """Inference precision requested from the device (INFERENCE_PRECISION_HINT)."""

    DEFAULT = "default"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"


class OnMismatch(str, Enum):
    """Reaction if the answer to the built-in cloud differs from that of the original networks on CPU in f32."""

    WARN = "warn"
    """Report it in the log and in diagnostics, and go on."""
    ERROR = "error"
    """Refuse to start."""
    FALLBACK_CPU = "fallback_cpu"
    """Run the original graphs on CPU in f32, and report it."""


class LevelChoice(str, Enum):
    """Levelling of clouds, so that their ground lies where the network expects it."""

    OFF = "off"
    ESTIMATE = "estimate"
    """Find the ground in the clouds, and follow it slowly."""


class BottomChoice(str, Enum):
    """Where the bottoms of boxes come from."""

    MODEL = "model"
    """As the bundle says, in `postprocess.ground_clearance`."""
    GROUND = "ground"
    """The ground found in the cloud around each box."""
    NETWORK = "network"


class SensorKind(str, Enum):
    """Make of the sensor, which determines the intensity field and its range."""

    AUTO = "auto"
    """Detected by the field names of the first cloud."""
    VELODYNE = "velodyne"
    OUSTER = "ouster"
    HESAI = "hesai"
    ROBOSENSE = "robosense"
    LIVOX = "livox"
    AUTOWARE = "autoware"
    NUSCENES = "nuscenes"
    KITTI = "kitti"


class PerformanceHint(str, Enum):
    """OpenVINO's PERFORMANCE_HINT."""

    AUTO = "AUTO"
    """THROUGHPUT if the detector starts in throughput mode, LATENCY otherwise."""
    LATENCY = "LATENCY"
    THROUGHPUT = "THROUGHPUT"
    CUMULATIVE_THROUGHPUT = "CUMULATIVE_THROUGHPUT"
    """All devices in the list of AUTO or MULTI work at the same time; a network on another kind gets THROUGHPUT."""


class TextKind(Enum):
    """Kind of a text setting."""

    PATH = "path"
    """File or folder: a leading ~ is the user's home, which a shell does not expand within name:=value."""
    FRAME = "frame"
    """Frame of TF, without a leading slash."""


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    is_fixed: bool = False,
    kind: TextKind | None = None,
    takes_list: bool = False,
) -> Any:  # Any: the declared type of the field is what counts
    """Declare a field: default, description (with unit), inclusive bounds, and whether it is fixed after the start.

    `kind` is what a text names. With `takes_list`, the ROS parameter may also be a list of texts, which commas join.
    """
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "is_fixed": is_fixed,
        "kind": kind,
        "takes_list": takes_list,
    }
    return dataclasses.field(default=default, metadata=metadata)


def validate(settings: object) -> None:
    """Check every field of a dataclass of `setting`s against its bounds; ConfigError names field and value."""
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value, low, high = getattr(settings, field.name), field.metadata["low"], field.metadata["high"]
        if low is not None and not value >= low:
            raise ConfigError(f"{field.name}: {value} is below its minimum, {low:g}")
        if high is not None and not value <= high:
            raise ConfigError(f"{field.name}: {value} is above its maximum, {high:g}")


def from_plain(cls: type[T], values: dict[str, Any]) -> T:
    """Build a dataclass of `setting`s from plain values (ROS parameters, flags); enums are given as their strings."""
    hints = typing.get_type_hints(cls)
    given = [field for field in dataclasses.fields(cls) if field.name in values]  # type: ignore[arg-type]
    return cls(**{f.name: _tidy(convert(hints[f.name], values[f.name], f.name), f.metadata["kind"]) for f in given})


def _tidy(value: Any, kind: TextKind | None) -> Any:
    """Normalize the value of a text setting according to its kind."""
    if kind is TextKind.PATH:
        return os.path.expanduser(value)
    return value.lstrip("/") if kind is TextKind.FRAME else value


@dataclass(frozen=True)
class RuntimeConfig:
    """Settings of the detector."""

    model_dir: str = setting(
        "", "Folder of the model bundle (with bundle.yaml); empty: the bundled model", kind=TextKind.PATH
    )
    pfe_device: str = setting("CPU", "OpenVINO device of the pillar feature encoder (PFE); see rpn_device")
    rpn_device: str = setting(
        "CPU", "OpenVINO device of the backbone and head (RPN), e.g. CPU, GPU, AUTO, AUTO:GPU,CPU, BATCH:GPU(4)"
    )
    encoder: EncoderChoice = setting(
        EncoderChoice.AUTO, "Where pillars are encoded; auto: measure both encoders at configure and use the faster one"
    )
    pfe_shape: PfeShape = setting(
        PfeShape.STATIC, "Shapes that the PFE network is compiled for: static (padded blocks) or dynamic"
    )
    pfe_block: int = setting(
        2000,
        "Number of pillars per PFE request; 0: all max_pillars in one request, padding included",
        low=0,
        high=1_000_000,
    )
    lean_rpn: bool = setting(
        True, "Rewrite the RPN's graph into what the CPU runs fastest; other devices run the original graph"
    )
    num_streams: int = setting(0, "OpenVINO NUM_STREAMS of both networks; 0: chosen by the hint", low=0, high=256)
    num_requests: int = setting(
        0, "OpenVINO PERFORMANCE_HINT_NUM_REQUESTS of both networks; 0: not set", low=0, high=256
    )
    num_threads: int = setting(
        0, "CPU threads that each network may use (INFERENCE_NUM_THREADS); 0: all", low=0, high=1024
    )
    allow_auto_batching: bool = setting(
        False, "Let the device batch requests automatically; with BATCH:GPU(4) as the device it always does"
    )
    auto_batch_timeout_ms: int = setting(
        20, "How long a request waits to be batched with others, if batching is on (ms)", low=0, high=60_000
    )
    device_properties: str = setting(
        "", "Further OpenVINO properties, as NAME=VALUE, e.g. ENABLE_STARTUP_FALLBACK=false MODEL_PRIORITY=HIGH"
    )
    precision: Precision = setting(
        Precision.DEFAULT,
        "Inference precision of both networks; default: f32 for the PFE and an INT8 RPN on CPUs, else the device's own",
    )
    mode: Mode = setting(
        Mode.LATENCY, "Pipeline mode: one frame in flight (latency), two (balanced), three or more (throughput)"
    )
    performance_hint: PerformanceHint = setting(
        PerformanceHint.AUTO, "OpenVINO performance hint for both networks; AUTO: chosen by the mode at configure"
    )
    cache_dir: str = setting(
        "", "Folder for compiled networks (OpenVINO CACHE_DIR); empty: no cache", kind=TextKind.PATH
    )
    drop_policy: DropPolicy = setting(
        DropPolicy.LIVE,
        "live: the newest cloud replaces the one that waits; replay: the sender waits, no cloud is dropped",
    )
    parity_check: bool = setting(
        True,
        "At configure, compare the detections of a built-in cloud with those of the original networks on CPU in f32",
    )
    on_mismatch: OnMismatch = setting(
        OnMismatch.WARN,
        "What to do if the parity check fails: warn and continue, refuse to configure, or fall back to CPU in f32",
    )
    parity_min_correlation: float = setting(
        0.98, "Minimum concordance correlation of a network's outputs with those on CPU in f32", low=0.0, high=1.0
    )
    parity_max_shift: float = setting(
        0.5, "Maximum distance between a box's corners and those on CPU in f32 (m)", low=0.0, high=100.0
    )
    parity_max_score_change: float = setting(
        0.15, "Maximum difference between a score and the one on CPU in f32", low=0.0, high=1.0
    )
    inference_timeout: float = setting(
        10.0,
        "An inference that takes longer (s) is reported as failed, and the pipeline continues; 0: no limit",
        low=0.0,
        high=3600.0,
    )
    score_threshold: float = setting(
        0.0, "Minimum score of a detection of any class; 0: the model's own thresholds, one per class",
        low=0.0, high=1.0,
    )  # fmt: skip
    class_score_thresholds: str = setting(
        "", "Minimum scores of single classes, which override score_threshold, e.g. 'Car=0.5 Pedestrian=0.4'"
    )
    nms_threshold: float = setting(
        0.0, "Rotated BEV IoU above which the box with the lower score is dropped; 0: the model's own threshold",
        low=0.0, high=1.0,
    )  # fmt: skip
    max_points: int = setting(
        2_000_000, "Maximum number of points per cloud; larger clouds are refused before memory is allocated",
        low=1, high=1_000_000_000,
    )  # fmt: skip
    sensor: SensorKind = setting(
        SensorKind.AUTO,
        "Make of the sensor, which determines the intensity field and its range; auto: by the names of the fields",
    )
    intensity_field: str = setting("", "Field of the cloud with the intensity; empty: the usual one of the sensor")
    intensity_scale: float = setting(
        0.0, "Factor that brings the cloud's intensity to 0..1, e.g. 0.0039216 (1/255); 0: the usual one of the sensor",
        low=0.0, high=1e9,
    )  # fmt: skip
    coordinate_scale: float = setting(
        1.0, "Factor that converts the cloud's coordinates to metres, e.g. 0.001 for a driver that sends millimetres",
        low=1e-9, high=1e9,
    )  # fmt: skip

    level: LevelChoice = setting(
        LevelChoice.OFF,
        "Level each cloud by the ground found in it (estimate), if no TF provides the sensor's tilt; boxes are in "
        "the cloud's own frame",
    )
    box_bottoms: BottomChoice = setting(
        BottomChoice.MODEL,
        "Where the bottoms of boxes come from: the network, or the ground found in the cloud around each box; model: "
        "as the bundle says",
    )

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)
        _ = self.class_scores

    @property
    def class_scores(self) -> dict[str, float]:
        """`class_score_thresholds` as a dict; ConfigError if it is not a list of names and scores."""
        scores = {}
        for word in self.class_score_thresholds.replace(",", " ").split():
            name, _, number = word.partition("=")
            try:
                scores[name] = float(number)
            except ValueError:
                scores[name] = math.nan
            if not name or not 0.0 < scores[name] <= 1.0:
                raise ConfigError(f"class_score_thresholds: {word!r} is not NAME=SCORE with a score in (0, 1]")
        return scores

    @property
    def effective_hint(self) -> PerformanceHint:
        """The performance hint passed to OpenVINO."""
        if self.performance_hint is not PerformanceHint.AUTO:
            return self.performance_hint
        return PerformanceHint.THROUGHPUT if self.mode is Mode.THROUGHPUT else PerformanceHint.LATENCY

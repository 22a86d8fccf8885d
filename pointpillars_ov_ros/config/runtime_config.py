# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a network is run: the settings of a detector, with meaning, unit and bounds beside each default.

The ROS parameters and the command-line flags are made from these fields; there is no second list.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import convert

T = TypeVar("T")


class Mode(str, Enum):
    """How many frames are in flight, and which ready job goes first."""

    LATENCY = "latency"
    BALANCED = "balanced"
    THROUGHPUT = "throughput"


class DropPolicy(str, Enum):
    """What happens to a cloud that arrives while no frame slot is free."""

    LIVE = "live"
    """It waits in one place, from which a newer cloud displaces it; the displaced one is counted."""
    REPLAY = "replay"
    """The sender waits; every cloud is processed."""


class EncoderChoice(str, Enum):
    """Where pillars are encoded."""

    AUTO = "auto"
    """Both ways are measured once, and the faster one taken."""
    OPENVINO = "openvino"
    """By the PFE network on pfe_device."""
    HOST = "host"
    """By the exact encoder on the host."""


class PfeShape(str, Enum):
    """Shapes that the PFE network is compiled for."""

    STATIC = "static"
    """pfe_block pillars a request, the last ones padded."""
    DYNAMIC = "dynamic"
    """As many pillars as the frame has."""


class Precision(str, Enum):
    """Inference precision asked of the device (INFERENCE_PRECISION_HINT)."""

    DEFAULT = "default"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"


class OnMismatch(str, Enum):
    """What a detector does whose answer to the built-in cloud is not that of the untouched networks on CPU in f32."""

    WARN = "warn"
    """It says so, in the log and in diagnostics, and goes on."""
    ERROR = "error"
    """It does not start."""
    FALLBACK_CPU = "fallback_cpu"
    """It starts on CPU in f32 with the graphs as they are, and says so."""


class SensorKind(str, Enum):
    """Whose clouds they are: which field is the intensity, and of which range."""

    AUTO = "auto"
    """By the names of the fields of the first cloud."""
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
    """THROUGHPUT where the detector starts in throughput mode, LATENCY otherwise."""
    LATENCY = "LATENCY"
    THROUGHPUT = "THROUGHPUT"
    CUMULATIVE_THROUGHPUT = "CUMULATIVE_THROUGHPUT"
    """All devices in the list of AUTO or MULTI work at a time; a network on another kind gets THROUGHPUT."""


def setting(
    default: Any, description: str, *, low: float | None = None, high: float | None = None, is_fixed: bool = False
) -> Any:  # Any: the declared type of the field is what counts
    """Declare a field: its default, what it means (with unit), its bounds (inclusive), whether it stays as it began."""
    metadata = {"description": description, "low": low, "high": high, "is_fixed": is_fixed}
    return dataclasses.field(default=default, metadata=metadata)


def validate(settings: object) -> None:
    """Check every field of a dataclass made of `setting`s against its bounds; ConfigError names field and value."""
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value, low, high = getattr(settings, field.name), field.metadata["low"], field.metadata["high"]
        if low is not None and not value >= low:
            raise ConfigError(f"{field.name}: {value} is below {low:g}, its least value")
        if high is not None and not value <= high:
            raise ConfigError(f"{field.name}: {value} is above {high:g}, its greatest value")


def from_plain(cls: type[T], values: dict[str, Any]) -> T:
    """Build a dataclass of `setting`s from plain values (ROS parameters, flags); enums come as their strings."""
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls) if field.name in values]  # type: ignore[arg-type]
    return cls(**{name: convert(hints[name], values[name], name) for name in names})


@dataclass(frozen=True)
class RuntimeConfig:
    """Settings of the detector."""

    model_dir: str = setting("", "Folder of the model bundle (holding bundle.yaml); empty: the one in the box")
    pfe_device: str = setting("CPU", "OpenVINO device of the pillar feature encoder; see rpn_device")
    rpn_device: str = setting(
        "CPU", "OpenVINO device of the backbone and head, e.g. CPU, GPU, AUTO, AUTO:GPU,CPU, BATCH:GPU(4)"
    )
    encoder: EncoderChoice = setting(
        EncoderChoice.AUTO, "Where pillars are encoded; auto measures both ways at configure and takes the faster one"
    )
    pfe_shape: PfeShape = setting(
        PfeShape.STATIC, "Shapes the PFE network is compiled for: static (blocks, padded) or dynamic"
    )
    pfe_block: int = setting(
        2000,
        "Pillars encoded in one PFE request; 0: all max_pillars in one, padding included",
        low=0,
        high=1_000_000,
    )
    lean_rpn: bool = setting(
        True, "Rewrite the RPN's graph into what the CPU runs fastest; other devices get it as it is"
    )
    num_streams: int = setting(0, "OpenVINO NUM_STREAMS of both networks; 0: by the hint", low=0, high=256)
    num_requests: int = setting(
        0, "OpenVINO PERFORMANCE_HINT_NUM_REQUESTS of both networks; 0: not given", low=0, high=256
    )
    num_threads: int = setting(
        0, "Threads of the CPU that each network may use (INFERENCE_NUM_THREADS); 0: all", low=0, high=1024
    )
    allow_auto_batching: bool = setting(
        False, "Let the device join requests into batches as it likes; BATCH:GPU(4) as the device always does"
    )
    auto_batch_timeout_ms: int = setting(
        20, "How long a request waits for others to be joined with (ms), where they are", low=0, high=60_000
    )
    device_properties: str = setting(
        "", "Further OpenVINO properties by their own names, e.g. ENABLE_STARTUP_FALLBACK=false MODEL_PRIORITY=HIGH"
    )
    precision: Precision = setting(
        Precision.DEFAULT,
        "Inference precision asked of both networks; default: f32 for the PFE and an INT8 RPN, else the device's own",
    )
    mode: Mode = setting(
        Mode.LATENCY, "Pipeline mode: one frame in flight (latency), two (balanced), three (throughput)"
    )
    performance_hint: PerformanceHint = setting(
        PerformanceHint.AUTO, "OpenVINO performance hint for both networks; AUTO: by the mode at configure"
    )
    cache_dir: str = setting("", "Folder for compiled networks (OpenVINO CACHE_DIR); empty: no cache")
    drop_policy: DropPolicy = setting(
        DropPolicy.LIVE,
        "live: the newest cloud displaces the one waiting; replay: the sender waits, none is dropped",
    )
    parity_check: bool = setting(
        True, "At configure compare the answer to a built-in cloud with that of the untouched networks on CPU in f32"
    )
    on_mismatch: OnMismatch = setting(
        OnMismatch.WARN, "What to do where they differ: go on and warn, fail to configure, or start on CPU in f32"
    )
    parity_min_correlation: float = setting(
        0.98, "Least concordance correlation of a network's output with the one on CPU in f32", low=0.0, high=1.0
    )
    parity_max_shift: float = setting(
        0.5, "Greatest distance between a box's corners and those on CPU in f32 (m)", low=0.0, high=100.0
    )
    parity_max_score_change: float = setting(
        0.15, "Greatest difference between a score and the one on CPU in f32", low=0.0, high=1.0
    )
    inference_timeout: float = setting(
        10.0,
        "An inference that runs for longer is reported failed (s), and the pipeline goes on; 0: no limit",
        low=0.0,
        high=3600.0,
    )
    score_threshold: float = setting(
        0.0, "Least score of a detection of any class; 0: the model's own, which has one for each class",
        low=0.0, high=1.0,
    )  # fmt: skip
    class_score_thresholds: str = setting(
        "", "Least scores of single classes, which go before score_threshold, e.g. 'Car=0.5 Pedestrian=0.4'"
    )
    nms_threshold: float = setting(
        0.0, "Rotated BEV IoU above which the lower-scored of two boxes is dropped; 0: the model's own",
        low=0.0, high=1.0,
    )  # fmt: skip
    max_points: int = setting(
        2_000_000, "Points of a cloud at most; a larger one is refused before anything is allocated for it",
        low=1, high=1_000_000_000,
    )  # fmt: skip
    sensor: SensorKind = setting(
        SensorKind.AUTO,
        "Whose clouds they are, which tells where their intensity is; auto: by the names of their fields",
    )
    intensity_field: str = setting("", "Field of the cloud that holds the intensity; empty: the one of the sensor")
    intensity_scale: float = setting(
        0.0, "Factor that brings the cloud's intensity to 0..1, e.g. 0.0039216 (1/255); 0: the one of the sensor",
        low=0.0, high=1e9,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)
        _ = self.class_scores

    @property
    def class_scores(self) -> dict[str, float]:
        """`class_score_thresholds` by class; ConfigError where it is no list of names and scores."""
        scores = {}
        for word in self.class_score_thresholds.replace(",", " ").split():
            name, _, number = word.partition("=")
            try:
                scores[name] = float(number)
            except ValueError:
                scores[name] = math.nan
            if not name or not 0.0 < scores[name] <= 1.0:
                raise ConfigError(f"class_score_thresholds: {word!r} is no NAME=SCORE with a score above 0, 1 at most")
        return scores

    @property
    def effective_hint(self) -> PerformanceHint:
        """What is asked of OpenVINO."""
        if self.performance_hint is not PerformanceHint.AUTO:
            return self.performance_hint
        return PerformanceHint.THROUGHPUT if self.mode is Mode.THROUGHPUT else PerformanceHint.LATENCY

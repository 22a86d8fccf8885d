# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the nodes beyond those of the detector itself; ROS parameters are generated from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from pointpillars_ov_ros.config.ego_box import check_ego_box
from pointpillars_ov_ros.config.errors import require
from pointpillars_ov_ros.config.runtime_config import TextKind, setting, validate
from pointpillars_ov_ros.core.detection_filter import check_range, parse_class_names

Pose = tuple[float, float, float, float, float, float]
"""x y z (m), roll pitch yaw (rad)."""
Box = tuple[float, float, float, float, float, float]
"""Minimum x y z, maximum x y z (m)."""


class InputReliability(str, Enum):
    """Reliability requested from the cloud's publisher."""

    AUTO = "auto"
    """Best effort in live mode; in replay mode reliable, unless a publisher offers best effort only."""
    BEST_EFFORT = "best_effort"
    RELIABLE = "reliable"


class ClassIds(str, Enum):
    """Content of a detection's class_id, which vision_msgs leaves open."""

    NAME = "name"
    """Name of the class, as RViz and Foxglove show it."""
    INDEX = "index"
    """Index of the class in label_info, as digits, for programs that look up the name there."""


@dataclass(frozen=True)
class DetectorNodeConfig:
    """Settings of `pointpillars_detector` in addition to those of `RuntimeConfig`."""

    input_reliability: InputReliability = setting(
        InputReliability.AUTO,
        "Reliability of the cloud subscription; auto: best effort if live, in replay reliable if publishers offer it",
    )
    input_depth: int = setting(0, "Queue depth of the cloud subscription; 0: 1 if live, 32 in replay", low=0, high=1000)
    model_public_key: str = setting(
        "",
        "Ed25519 public key (PEM file) that the model bundle must be signed with; empty: no signature needed",
        # Otherwise anyone who can set parameters could switch it off.
        is_fixed=True,
        kind=TextKind.PATH,
    )
    classes: str = setting("", "Classes to publish, separated by commas; empty: all classes of the network")
    class_ids: ClassIds = setting(
        ClassIds.NAME, "The class_id of a detection: the name of its class, or its index in label_info"
    )
    class_names: str = setting(
        "",
        "New class names to publish, such as 'Car=vehicle, Truck=vehicle' or a list of such words; classes with the "
        "same new name are merged. All other parameters use the network's names",
        takes_list=True,
    )
    min_range: float = setting(
        0.0, "Minimum horizontal distance of a detection from the origin of the network's frame (m)", low=0.0, high=1e6
    )
    max_range: float = setting(
        0.0,
        "Maximum horizontal distance of a detection from the origin of the network's frame (m); 0: no limit",
        low=0.0,
        high=1e6,
    )
    ego_box: Box = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "Minimum x y z, then maximum x y z (m) of a box around the own vehicle, in the frame that detections are "
        "published in; points inside are dropped before detection. All 0: no box",
    )
    sensor_pose: Pose = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "Pose of the sensor (of target_frame, if set) in the frame that the network was trained in: "
        "x y z (m) roll pitch yaw (rad)",
    )
    target_frame: str = setting(
        "",
        "Frame that clouds are transformed to by TF and detections are published in; empty: the cloud's frame",
        kind=TextKind.FRAME,
    )
    tf_timeout_ms: int = setting(
        200, "How long a cloud waits for its transform before it is refused (ms)", low=0, high=60_000
    )
    sweeps: int = setting(
        1, "Number of clouds to accumulate, including the newest, for sparse LiDARs; 1: no accumulation", low=1, high=10
    )
    sweep_age: float = setting(0.5, "Maximum age of accumulated clouds relative to the newest (s)", low=0.0, high=10.0)
    odom_frame: str = setting("odom", "Fixed frame of TF that clouds are accumulated in", kind=TextKind.FRAME)
    record_trace: str = setting(
        "",
        "File that every frame's stages are recorded to, as a Perfetto trace, from the next activate on; empty: none",
        kind=TextKind.PATH,
    )
    autostart: bool = setting(True, "Configure and activate at start; false: leave that to a lifecycle manager")

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)
        require(all(map(math.isfinite, self.sensor_pose)), "sensor_pose", list(self.sensor_pose), "six finite numbers")
        check_range(self.min_range, self.max_range)
        parse_class_names(self.class_names)
        check_ego_box(self.ego_box)

    @property
    def needs_tf(self) -> bool:
        """Whether TF must say where clouds were taken."""
        return bool(self.target_frame) or self.sweeps > 1


@dataclass(frozen=True)
class DiagnosticsConfig:
    """Settings of `pointpillars_diagnostics`."""

    period: float = setting(1.0, "Time between two diagnostics messages (s)", low=0.1, high=60.0)
    window: int = setting(200, "Number of frames that percentiles and rates are computed over", low=2, high=100_000)
    stale_after: float = setting(1.5, "Time without a frame after which the detector is STALE (s)", low=0.1, high=600.0)
    recovery: int = setting(
        3, "Number of consecutive better messages before a status leaves WARN or ERROR", low=1, high=1000
    )
    warn_latency_ms: float = setting(
        200.0, "p90 of the time from reception to detections above which to WARN (ms)", low=0.0, high=1e6
    )
    error_latency_ms: float = setting(
        1000.0, "p90 of the time from reception to detections above which it is an ERROR (ms)", low=0.0, high=1e6
    )
    warn_age_ms: float = setting(
        0.0,
        "p90 of the time from a cloud's stamp to its detections above which to WARN (ms); 0: no limit",
        low=0.0,
        high=1e9,
    )
    min_rate: float = setting(
        0.0, "Rate of processed clouds (Hz) below which to WARN; 0: no limit", low=0.0, high=1000.0
    )
    error_failures: int = setting(3, "Number of consecutive failed frames that are an ERROR", low=1, high=1_000_000)
    events: int = setting(20, "Number of events to keep: changes of device and mode, mismatches, …", low=1, high=1000)

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)


@dataclass(frozen=True)
class PlayerConfig:
    """Settings of `kitti_player`."""

    data_dir: str = setting(
        "", "KITTI folder: the object set, a split, a raw drive or any folder of .bin clouds", kind=TextKind.PATH
    )
    frames: str = setting("", "Names of the frames to play, separated by commas; empty: all")
    rate: float = setting(10.0, "Rate of the clouds (Hz)", low=0.01, high=1000.0)
    loop: bool = setting(False, "Start again after the last frame")
    max_frames: int = setting(0, "Number of clouds to play; 0: no limit", low=0, high=1_000_000_000)
    crop_to_image: bool = setting(
        False, "Publish only the points that the camera sees, for networks trained on such clouds; needs calibration"
    )
    frame_id: str = setting("velodyne", "Frame of the clouds", kind=TextKind.FRAME)
    base_frame_id: str = setting("base_link", "Parent of frame_id in the static transform", kind=TextKind.FRAME)
    sensor_height: float = setting(
        1.73, "Height of the sensor above base_frame_id (m), for the static transform", low=-100.0, high=100.0
    )
    wait_for_subscribers: int = setting(
        1, "Number of cloud subscribers to wait for before the first cloud", low=0, high=100
    )
    max_outstanding: int = setting(
        0,
        "Maximum number of clouds sent but not yet reported on the timing topic; 0: no limit",
        low=0,
        high=1000,
    )

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)

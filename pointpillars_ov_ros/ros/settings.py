# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the nodes that are not settings of the detector itself; parameters are made of them."""

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
"""Least x y z, greatest x y z (m)."""


class InputReliability(str, Enum):
    """Reliability asked of the cloud's publisher."""

    AUTO = "auto"
    """Best effort in live mode; in replay mode reliable, unless a publisher offers best effort only."""
    BEST_EFFORT = "best_effort"
    RELIABLE = "reliable"


class ClassIds(str, Enum):
    """What the class_id of a detection is, which vision_msgs leaves open."""

    NAME = "name"
    """The name of the class, as RViz and Foxglove show it."""
    INDEX = "index"
    """Its class_id in label_info, in digits: for whoever looks the name up there."""


@dataclass(frozen=True)
class DetectorNodeConfig:
    """Settings of `pointpillars_detector` beside those of `RuntimeConfig`."""

    input_reliability: InputReliability = setting(
        InputReliability.AUTO,
        "Reliability of the cloud subscription; auto: best effort live, in replay reliable where publishers offer it",
    )
    input_depth: int = setting(0, "Queue depth of the cloud subscription; 0: 1 live, 32 in replay", low=0, high=1000)
    model_public_key: str = setting(
        "",
        "File of the Ed25519 key (PEM) whose owner must have signed the model bundle; empty: it need not be signed",
        # Or whoever can set parameters would do without.
        is_fixed=True,
        kind=TextKind.PATH,
    )
    classes: str = setting("", "Classes to publish, separated by commas; empty: all that the network knows")
    class_ids: ClassIds = setting(
        ClassIds.NAME, "The class_id of a detection: the name of its class, or the index that label_info has for it"
    )
    class_names: str = setting(
        "",
        "Names to publish classes under, as in 'Car=vehicle, Truck=vehicle' or a list of such words; classes of one "
        "name become one. All other parameters name classes as the network does",
        takes_list=True,
    )
    min_range: float = setting(
        0.0, "Least horizontal distance of a detection from the origin of the network's frame (m)", low=0.0, high=1e6
    )
    max_range: float = setting(
        0.0,
        "Greatest horizontal distance of a detection from the origin of the network's frame (m); 0: no limit",
        low=0.0,
        high=1e6,
    )
    ego_box: Box = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "Least x y z, then greatest x y z (m) of a box around the own vehicle, in the frame that detections are "
        "published in; points inside are left out before detection. All 0: none",
    )
    sensor_pose: Pose = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        "Pose of the sensor (of target_frame, where there is one) in the frame that the network was trained in: "
        "x y z (m) roll pitch yaw (rad)",
    )
    target_frame: str = setting(
        "",
        "Frame that TF takes clouds to, at their stamps, and detections are published in; empty: the cloud's own",
        kind=TextKind.FRAME,
    )
    tf_timeout_ms: int = setting(
        200, "How long a cloud waits for its transform before it is refused (ms)", low=0, high=60_000
    )
    sweeps: int = setting(
        1, "Clouds that are joined, the newest included, for sparse LiDARs; 1: each by itself", low=1, high=10
    )
    sweep_age: float = setting(
        0.5, "Clouds older than the newest by more than this are not joined with it (s)", low=0.0, high=10.0
    )
    odom_frame: str = setting(
        "odom", "Frame that stands still, in which TF says where each sweep was taken", kind=TextKind.FRAME
    )
    record_trace: str = setting(
        "",
        "File to record every frame's stages to, as a trace for Perfetto, from the next activate on; empty: none",
        kind=TextKind.PATH,
    )
    autostart: bool = setting(True, "Configure and activate at start; false leaves that to a lifecycle manager")

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

    period: float = setting(1.0, "Between two diagnostics messages (s)", low=0.1, high=60.0)
    window: int = setting(200, "Frames that percentiles and rates are taken over", low=2, high=100_000)
    stale_after: float = setting(1.5, "Without a frame for so long the detector is STALE (s)", low=0.1, high=600.0)
    recovery: int = setting(
        3, "Messages in a row that must be better before a status leaves WARN or ERROR", low=1, high=1000
    )
    warn_latency_ms: float = setting(200.0, "p90 from reception to detections that is a WARN (ms)", low=0.0, high=1e6)
    error_latency_ms: float = setting(
        1000.0, "p90 from reception to detections that is an ERROR (ms)", low=0.0, high=1e6
    )
    warn_age_ms: float = setting(
        0.0, "p90 from the stamp of a cloud to its detections that is a WARN (ms); 0: none", low=0.0, high=1e9
    )
    min_rate: float = setting(0.0, "Processed clouds a second below which it is a WARN; 0: none", low=0.0, high=1000.0)
    error_failures: int = setting(3, "Frames failed in a row that are an ERROR", low=1, high=1_000_000)
    events: int = setting(20, "Events that are kept: changes of device and mode, mismatches, …", low=1, high=1000)

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)


@dataclass(frozen=True)
class PlayerConfig:
    """Settings of `kitti_player`."""

    data_dir: str = setting(
        "", "KITTI folder: the object set, a split, a raw drive or any folder of .bin clouds", kind=TextKind.PATH
    )
    frames: str = setting("", "Names of the frames to play, separated by commas; empty: all of them")
    rate: float = setting(10.0, "Clouds a second", low=0.01, high=1000.0)
    loop: bool = setting(False, "Begin again after the last frame")
    max_frames: int = setting(0, "Stop after so many clouds; 0: no limit", low=0, high=1_000_000_000)
    crop_to_image: bool = setting(
        False, "Publish only what the camera sees, for networks trained on such clouds; needs calibration"
    )
    frame_id: str = setting("velodyne", "Frame of the clouds", kind=TextKind.FRAME)
    base_frame_id: str = setting("base_link", "Parent of frame_id in the static transform", kind=TextKind.FRAME)
    sensor_height: float = setting(
        1.73, "Of the sensor above base_frame_id (m), for the static transform", low=-100.0, high=100.0
    )
    wait_for_subscribers: int = setting(
        1, "Subscribers of the clouds to wait for before the first one", low=0, high=100
    )
    max_outstanding: int = setting(
        0,
        "Clouds sent and not yet reported on the timing topic; more are held back. 0: no limit",
        low=0,
        high=1000,
    )

    def __post_init__(self) -> None:
        """Check the bounds."""
        validate(self)

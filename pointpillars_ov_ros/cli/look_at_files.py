# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the clouds given to a tool, before it works on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pointpillars_ov_ros.clouds.oddities import FILE_CURES, OddityWatch
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE
from pointpillars_ov_ros.kitti.frames import Frame

_LOOKED_AT = 3
"""Number of frames checked, spread evenly."""
_MIN_SEEN = 0.02
"""Minimum ratio of points in the camera's view; KITTI's camera sees 0.15 of a revolution."""


def look_at_frames(frames: Sequence[Frame], config: ModelConfig, crop: bool = False) -> list[str]:
    """Return sentences on how the files are read, and on anything odd about their clouds for the network `config`.

    With `crop`, this includes calibrations with which the camera sees next to nothing.
    """
    files = next((frame.files for frame in frames if frame.files is not None), None)
    notes = [] if files is None else files.notes()
    watch = OddityWatch(config, FILE_CURES)
    some = frames[:: -(-len(frames) // _LOOKED_AT)]
    for frame in some:
        watch.look(frame.read_points())
    notes += watch.found.values()
    blind = next((sentence for frame in some if (sentence := say_blind(frame))), "") if crop else ""
    return [*notes, blind] if blind else notes


def say_blind(frame: Frame) -> str:
    """Explain that by its calibration the camera sees next to nothing of a frame's cloud; empty if it sees enough."""
    calibration, points = frame.read_calibration(), frame.read_points()
    if calibration is None or frame.is_cropped or not len(points):
        return ""
    seen = float(calibration.in_image(points, frame.read_image_size() or IMAGE_SIZE).mean())
    if seen >= _MIN_SEEN:
        return ""
    is_identity = np.allclose(calibration.T_camera_lidar[:3, :3], np.eye(3), atol=0.1)
    why = ", whose rotation from lidar to camera is the identity" if is_identity else ""
    return (
        f"according to {frame.calibration}{why}, the camera sees only {seen:.1%} of the points, and only "
        "those are used: correct the calibration, or set --no-crop to use whole clouds"
    )

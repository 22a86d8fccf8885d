# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of KITTI's raw set: calibration of the day, and a time for every frame."""

from __future__ import annotations

from calendar import timegm
from pathlib import Path
from time import strptime

import numpy as np

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import DatasetError, shown
from pointpillars_ov_ros.kitti.calibration import MOST_BYTES, Calibration, make_calibration, read_rows

CAMERAS, LIDAR = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
"""Files of a day's calibration, beside its drives."""
_MOST_S = 2**33
"""Of a time; in nanoseconds it fits into 64 bits."""
TIMES = "timestamps.txt"
"""Beside the data/ of a sensor: a line for each frame."""


def read_raw_calibration(cameras: Path) -> Calibration:
    """Read the two files of a day, given `CAMERAS`; DatasetError names file and line."""
    projections = read_rows(cameras, {"P_rect_02": 12, "R_rect_00": 9})
    lidar = read_rows(cameras.with_name(LIDAR), {"R": 9, "T": 3})
    lidar_to_camera = np.hstack([lidar["R"].reshape(3, 3), lidar["T"].reshape(3, 1)])
    return make_calibration(cameras, projections["P_rect_02"], projections["R_rect_00"], lidar_to_camera)


def read_times(path: Path) -> list[int]:
    """Read a timestamps.txt: ns since 1970 of each line, whose time zone KITTI does not say, so UTC is taken."""
    try:
        lines = read_text(path, MOST_BYTES, "ascii").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as times of a KITTI drive ({error})") from None
    times = []
    for number, line in enumerate(lines, start=1):
        seconds, _, fraction = line.strip().partition(".")
        if not seconds:
            continue
        try:
            if fraction and not fraction.isdecimal():
                raise ValueError(fraction)
            time_s = timegm(strptime(seconds, "%Y-%m-%d %H:%M:%S"))
            if not 0 <= time_s < _MOST_S:
                raise ValueError(seconds)
            times.append(time_s * 1_000_000_000 + int(f"{fraction:0<9.9}"))
        except ValueError:
            given = shown(line.strip())
            raise DatasetError(f"{path}:{number}: {given} is no time as in 2011-09-26 13:02:25.9") from None
    return times

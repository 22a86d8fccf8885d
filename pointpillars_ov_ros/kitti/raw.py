# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of KITTI's raw set: the calibration of the day, and a time for every frame."""

from __future__ import annotations

import re
from calendar import timegm
from pathlib import Path
from time import strptime

import numpy as np

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import DatasetError, shown
from pointpillars_ov_ros.kitti.calibration import MOST_BYTES, Calibration, make_calibration, read_rows

CAMERAS, LIDAR = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
"""Calibration files of a day, beside its drives."""
_MOST_S = 2**33
"""Maximum time (s); in nanoseconds it fits into 64 bits."""
TIMES = "timestamps.txt"
"""File beside the data/ of a sensor, with a line per frame."""
START_NS = 1_316_995_200 * 1_000_000_000
"""2011-09-26, the day of KITTI's first drives: the start for frames without a date, so that bags are reproducible."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")


def read_raw_calibration(cameras: Path) -> Calibration:
    """Read the two calibration files of a day, given `CAMERAS`; DatasetError names file and line."""
    projections = read_rows(cameras, {"P_rect_02": 12, "R_rect_00": 9})
    lidar = read_rows(cameras.with_name(LIDAR), {"R": 9, "T": 3})
    lidar_to_camera = np.hstack([lidar["R"].reshape(3, 3), lidar["T"].reshape(3, 1)])
    return make_calibration(cameras, projections["P_rect_02"], projections["R_rect_00"], lidar_to_camera)


def read_times(path: Path) -> list[int | None]:
    """Read the times of scans (ns since 1970), one per line; None for an empty line, as lost scans have.

    Lines are dates (timestamps.txt of a raw drive; KITTI gives no time zone, so UTC is assumed) or seconds (times.txt
    of the odometry set, counted from `START_NS`). DatasetError names file and line.
    """
    try:
        lines = read_text(path, MOST_BYTES, "ascii").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as times of a KITTI drive ({error})") from None
    times = [_read_time(path, number, line.strip()) for number, line in enumerate(lines, start=1)]
    while times and times[-1] is None:
        times.pop()
    return times


def find_time(path: Path, scan: str, known: dict[Path, list[int | None]]) -> int:
    """Return the time of a scan (ns since 1970), whose name is the number of its line in `path`, from 0.

    `known` holds the files that were read before. Raises DatasetError if there is no such line or it is empty.
    """
    if path not in known:
        known[path] = read_times(path)
    times = known[path]
    time_ns = times[int(scan)] if scan.isdecimal() and int(scan) < len(times) else None
    if time_ns is None:
        raise DatasetError(f"{path}: none of the {len(times)} lines is that of frame {scan}")
    return time_ns


def _read_time(path: Path, number: int, line: str) -> int | None:
    if not line:
        return None
    try:
        if _SECONDS.fullmatch(line):
            return _in_bounds(START_NS + round(float(line) * 1e9))
        seconds, _, fraction = line.partition(".")
        if fraction and not fraction.isdecimal():
            raise ValueError(fraction)
        return _in_bounds(timegm(strptime(seconds, "%Y-%m-%d %H:%M:%S")) * 1_000_000_000 + int(f"{fraction:0<9.9}"))
    except (ValueError, OverflowError):
        raise DatasetError(f"{path}:{number}: {shown(line)} is not a time such as 2011-09-26 13:02:25.9") from None


def _in_bounds(time_ns: int) -> int:
    if not 0 <= time_ns < _MOST_S * 1_000_000_000:
        raise ValueError(time_ns)
    return time_ns

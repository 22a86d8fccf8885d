# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of the raw set: the calibration of their day, and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.calibration import read_calibration
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.kitti.raw import START_NS, find_time, read_times
from test.kitti.files import AXES, MOUNTING, calibration_text, turn
from test.kitti.raw_drive import RECTIFICATION, write_drive

SECOND = 1_000_000_000


def test_a_raw_calibration_is_that_of_the_object_set_in_other_files(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, clouds=1)
    path = tmp_path / "object.txt"
    path.write_text(calibration_text(RECTIFICATION, np.hstack([AXES @ turn(2, 0.01), MOUNTING])))
    given, wanted = find_frames(drive)[0].read_calibration(), read_calibration(path)
    assert given is not None
    np.testing.assert_allclose(given.projection, wanted.projection)
    np.testing.assert_allclose(given.T_camera_lidar, wanted.T_camera_lidar)


def test_a_drive_without_calibration_has_none(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, clouds=1)
    (tmp_path / "calib_cam_to_cam.txt").unlink()
    assert find_frames(drive)[0].read_calibration() is None


@pytest.mark.parametrize("name", ["calib_cam_to_cam.txt", "calib_velo_to_cam.txt"])
def test_a_broken_raw_calibration_is_named(tmp_path: Path, name: str) -> None:
    drive = write_drive(tmp_path, clouds=1)
    (tmp_path / name).write_text("S_00: 1 2\n")
    with pytest.raises(DatasetError, match=rf"{name}: \w+ must have \d+ numbers, but has 0$"):
        find_frames(drive)[0].read_calibration()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1970-01-01 00:00:01.000000002", SECOND + 2),
        ("1970-01-02 00:00:00.5", 86_400 * SECOND + SECOND // 2),
        ("2011-09-26 13:02:25.951199337", 1_317_042_145 * SECOND + 951_199_337),
        ("2011-09-26 13:02:25", 1_317_042_145 * SECOND),
        ("2011-09-26 13:02:25.951199337\r", 1_317_042_145 * SECOND + 951_199_337),
    ],
)
def test_times_are_read_to_the_nanosecond(tmp_path: Path, line: str, expected: int) -> None:
    path = tmp_path / "timestamps.txt"
    path.write_text(f"{line}\n{line}\n\n")
    assert read_times(path) == [expected, expected]


def test_an_empty_line_is_a_scan_that_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "timestamps.txt"
    path.write_text("\n1970-01-01 00:00:01\n\n \n1970-01-01 00:00:04.5\n\n")
    assert read_times(path) == [None, SECOND, None, None, 4 * SECOND + SECOND // 2]
    assert find_time(path, "0000000004", {}) == 4 * SECOND + SECOND // 2
    for scan in ("0", "2", "0000000005", "-1", "best"):
        with pytest.raises(DatasetError, match=rf"none of the 5 lines is that of frame {scan}$"):
            find_time(path, scan, {})


def test_seconds_are_counted_from_the_day_of_the_first_drives(tmp_path: Path) -> None:
    path = tmp_path / "times.txt"
    path.write_text("0.000000e+00\n1.036224e-01\n2\n")
    assert [time_ns - START_NS for time_ns in read_times(path) if time_ns is not None] == [0, 103_622_400, 2 * SECOND]


@pytest.mark.parametrize(
    "line", ["soon", "-1.5", "1e400", "nan", "2011-09-26", "2011-13-26 13:02:25.9", "2011-09-26 13:02:25.9x"]
)
def test_what_is_no_time_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "timestamps.txt"
    path.write_text(f"2011-09-26 13:02:25.9\n{line}\n")
    with pytest.raises(DatasetError) as refusal:
        read_times(path)
    assert str(refusal.value).startswith(f"{path}:2: {line!r} is not a time")


@pytest.mark.parametrize("time", ["9999-12-31 23:59:61.9", "0001-01-01 00:00:00", "2011-09-26 13:02:25.-5"])
def test_times_that_no_stamp_holds_are_refused(tmp_path: Path, time: str) -> None:
    path = tmp_path / "timestamps.txt"
    path.write_text(f"2011-09-26 13:02:25.9\n{time}\n")
    with pytest.raises(DatasetError, match=r"timestamps\.txt:2: .* is not a time"):
        read_times(path)

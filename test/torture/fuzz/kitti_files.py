# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: KITTI's files."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.clouds.files import SUFFIXES, read_cloud_file
from pointpillars_ov_ros.clouds.intensity import find_scale
from pointpillars_ov_ros.clouds.oddities import NODE_CURES, find_oddities
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.kitti.calibration import (
    Calibration,
    format_calibration,
    make_calibration,
    read_calibration,
    read_rows,
)
from pointpillars_ov_ros.kitti.frames import read_png_size, read_points
from pointpillars_ov_ros.kitti.labels import format_label, format_result, lidar_boxes, read_labels, read_results
from pointpillars_ov_ros.kitti.raw import CAMERAS, LIDAR, read_raw_calibration, read_times
from pointpillars_ov_ros.kitti.results import read_split
from test.clouds.cloud_files import pcd_bytes, ply_bytes
from test.torture.fuzz.draws import Draws, as_file, edit

LABEL = b"Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
RESULT = LABEL[:-1] + b" 0.93\n"
_LIDAR_TO_CAMERA = np.array([[0.0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]])
_PROJECTION = np.array([721.5, 0, 609.6, 44.9, 0, 721.5, 172.9, 0.2, 0, 0, 1, 0.003])
UPRIGHT = make_calibration(Path("calib.txt"), _PROJECTION, np.eye(3).reshape(-1), _LIDAR_TO_CAMERA)
_POINTS = np.array([[10.0, 1.0, -1.0, 0.5], [-5.0, 2.0, 0.0, 0.1]], np.float32)
_DATES = b"2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.06\n"


def labels(data: bytes) -> None:
    """Read labels, write them and read them again; their boxes are finite."""
    objects = read_labels(as_file(data, "label.txt"))
    text = "".join(f"{format_label(item)}\n" for item in objects)
    assert read_labels(as_file(text.encode(), "again.txt")) == objects
    assert np.isfinite(lidar_boxes(objects, UPRIGHT)).all()


def results(data: bytes) -> None:
    """Read results, write them and read them again."""
    objects = read_results(as_file(data, "result.txt"))
    text = "".join(f"{format_result(item)}\n" for item in objects)
    assert read_results(as_file(text.encode(), "again.txt")) == objects
    assert all(math.isfinite(item.score or 0.0) for item in objects)


def check_calibration(found: Calibration) -> None:
    """Use a calibration that was accepted for what it is for."""
    assert np.isfinite(found.projection).all()
    assert np.isfinite(found.T_camera_lidar).all()
    assert np.isfinite(found.to_lidar(np.array([[1.0, 2.0, 3.0]]))).all()
    found.in_image(_POINTS)
    assert all(np.isfinite(matrix).all() for matrix in found.pinhole())


def calibration(data: bytes) -> None:
    """Read a calibration; what is accepted can be used, written and read again."""
    found = read_calibration(as_file(data, "calib.txt"))
    check_calibration(found)
    again = read_calibration(as_file(format_calibration(found).encode(), "again.txt"))
    np.testing.assert_array_equal(again.projection, found.projection)
    np.testing.assert_array_equal(again.T_camera_lidar, found.T_camera_lidar)


def calibration_seeds() -> tuple[bytes, ...]:
    """Return a valid file, and one with KITTI's further lines."""
    valid = format_calibration(UPRIGHT).encode()
    return valid, b"calib_time: 09-Jan-2012 13:57:47\n" + valid.replace(b"721.5", b"1e200"), b"P2: nan\n"


def raw_calibration(data: bytes) -> None:
    """Read the two files of a raw drive, with a few bytes of both changed."""
    draws = Draws(data)
    numbers = " ".join(str(value) for value in _PROJECTION)
    turn = " ".join(str(value) for value in _LIDAR_TO_CAMERA[:, :3].flat)
    cameras = f"calib_time: 09-Jan-2012\nP_rect_02: {numbers}\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
    path = as_file(edit(cameras.encode(), draws), CAMERAS)
    as_file(edit(f"R: {turn}\nT: 0.1 0.2 0.3\n".encode(), draws), LIDAR)
    check_calibration(read_raw_calibration(path))


def times(data: bytes) -> None:
    """Read the times of a raw drive."""
    for time_ns in read_times(as_file(data, "timestamps.txt")):
        assert time_ns is None or (type(time_ns) is int and 0 <= time_ns < 2**63)


_CONFIG = read_preset("smallmunich_car")


def cloud_file(data: bytes) -> None:
    """Read a cloud in a file of any kind, with the columns found out; what is read can be looked at."""
    draws = Draws(data)
    suffix = SUFFIXES[draws.below(len(SUFFIXES))]
    points = read_cloud_file(as_file(draws.rest(), f"file{suffix}"))
    assert points.shape[1:] == (4,) and points.dtype == np.float32
    with np.errstate(all="ignore"):
        kept, _ = clean_points(points.copy(), find_scale(np.nan_to_num(points[:, 3])))
        find_oddities(kept, _CONFIG, NODE_CURES)


def cloud_file_seeds() -> tuple[bytes, ...]:
    """Return a valid file of each kind."""
    points = np.random.default_rng(0).uniform(-20, 20, (30, 4)).astype(np.float32)
    array = io.BytesIO()
    np.save(array, points)
    files = (
        points.tobytes(),
        np.hstack([points, points[:, :1]]).tobytes(),
        pcd_bytes(points.tolist()),
        pcd_bytes(points.tolist(), form="binary"),
        pcd_bytes(points.tolist(), form="binary_compressed"),
        array.getvalue(),
        ply_bytes(points.tolist(), extra=True),
        ply_bytes(points.tolist(), form="binary_big_endian", extra=True),
    )
    return tuple(bytes([kind]) + file for kind, file in zip((0, 0, 1, 1, 1, 2, 3, 3), files, strict=True))


def other_files(data: bytes) -> None:
    """Read clouds, the size of an image, a list of frames, and rows of no known file."""
    draws = Draws(data)
    kind, path = draws.below(4), as_file(draws.rest(), "file")
    if kind == 0:
        assert read_points(path).shape[1:] == (4,)
    elif kind == 1:
        width, height = read_png_size(path)
        assert width >= 0 <= height
    elif kind == 2:
        assert all(name.isascii() for name in read_split(path))
    else:
        assert all(row.dtype == np.float64 for row in read_rows(path, {}).values())


OTHER_SEEDS = (
    b"\0" + struct.pack("<4f", 1, 2, 3, 4),
    b"\1\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1242, 375),
    b"\2" + b"000001\n000002\n",
    b"\3" + b"P2: 1 2 3\n",
)
TIME_SEEDS = (_DATES, b"0001-01-01 00:00:00.0\n9999-12-31 23:59:61.9\n", b"2011-09-26 13:02:25.-5\n")

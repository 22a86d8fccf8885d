# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A made-up drive of KITTI's raw set."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from test.kitti.files import AXES, MOUNTING, PROJECTION, numbers, turn

RECTIFICATION = turn(1, 0.02)
IMAGE_SIZE = (800, 360)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", *IMAGE_SIZE) + b"and so on"
MISSING = 1
"""Number of the frame that has no cloud, as happens in KITTI."""


def write_drive(day: Path, clouds: int) -> Path:
    """Write a day with one drive of `clouds` clouds and as many images; return the drive's folder."""
    drive = day / "2011_09_26_drive_0001_sync"
    drive.mkdir(parents=True)
    (day / "calib_cam_to_cam.txt").write_text(
        f"calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.95e-02\nR_rect_00: {numbers(RECTIFICATION)}\n"
        f"P_rect_00: {numbers(PROJECTION - 1)}\nP_rect_02: {numbers(PROJECTION)}\n"
    )
    (day / "calib_velo_to_cam.txt").write_text(
        f"calib_time: 15-Mar-2012 11:37:16\nR: {numbers(AXES @ turn(2, 0.01))}\nT: {numbers(MOUNTING)}\ndelta_f: 0 0\n"
    )
    for sensor, content, late_us in (("velodyne_points", None, 30), ("image_02", PNG, 0)):
        folder = drive / sensor / "data"
        folder.mkdir(parents=True)
        times = [f"2011-09-26 13:02:25.{k:01}000{late_us:02}337" for k in range(clouds + 1)]
        (drive / sensor / "timestamps.txt").write_text("\n".join(times) + "\n")
        for number in range(clouds + 1):
            if content is not None:
                (folder / f"{number:010}.png").write_bytes(content)
            elif number != MISSING:
                points = np.random.default_rng(number).uniform(0, 1, (50 + number, 4)).astype(np.float32)
                points.tofile(folder / f"{number:010}.bin")
    return drive

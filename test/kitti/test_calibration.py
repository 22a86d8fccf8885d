# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files, and the way from lidar to camera and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration, format_calibration, read_calibration
from test.kitti.files import AXES, MOUNTING, PROJECTION, Array, calibration_text, turn


def calibrated(folder: Path, rectification: Array | None = None, velo_to_cam: Array | None = None) -> Calibration:
    path = folder / "calib.txt"
    path.write_text(calibration_text(rectification, velo_to_cam))
    return read_calibration(path)


def turned(folder: Path) -> tuple[Calibration, Array, Array]:
    rectification = turn(0, 0.02) @ turn(2, -0.03)
    velo_to_cam = np.hstack([turn(1, 0.05) @ AXES, MOUNTING])
    return calibrated(folder, rectification, velo_to_cam), rectification, velo_to_cam


def test_the_matrices_are_those_of_the_file(tmp_path: Path) -> None:
    calibration, rectification, velo_to_cam = turned(tmp_path)
    np.testing.assert_allclose(calibration.projection, PROJECTION)
    np.testing.assert_allclose(calibration.T_camera_lidar[:3, :3], rectification @ velo_to_cam[:, :3])
    np.testing.assert_allclose(calibration.T_camera_lidar[:3, 3], rectification @ velo_to_cam[:, 3])
    assert calibration.T_camera_lidar[3].tolist() == [0, 0, 0, 1]


def test_camera_positions_come_back_to_the_lidar_frame(tmp_path: Path) -> None:
    calibration, rectification, velo_to_cam = turned(tmp_path)
    positions = np.random.default_rng(0).uniform(-50, 50, (40, 3))
    in_camera = [rectification @ (velo_to_cam @ np.append(p, 1.0)) for p in positions]
    np.testing.assert_allclose(calibration.to_lidar(np.array(in_camera)), positions, atol=1e-8)


def test_no_position_stays_no_position(tmp_path: Path) -> None:
    assert calibrated(tmp_path).to_lidar(np.zeros((0, 3))).shape == (0, 3)


def test_points_are_in_the_image_where_the_slow_projection_says_so(tmp_path: Path) -> None:
    calibration, rectification, velo_to_cam = turned(tmp_path)
    points = np.random.default_rng(1).uniform(-40, 40, (2000, 4)).astype(np.float32)
    expected = []
    for point in points:
        camera = rectification @ (velo_to_cam @ np.append(point[:3], 1.0))
        u, v, depth = PROJECTION @ np.append(camera, 1.0)
        expected.append(depth > 0.1 and 0 <= u / depth < IMAGE_SIZE[0] and 0 <= v / depth < IMAGE_SIZE[1])
    found = calibration.in_image(points)
    assert found.tolist() == expected
    assert 50 < found.sum() < 1000


@pytest.mark.parametrize(
    ("point", "seen"),
    [((20, 0, 0), True), ((-20, 0, 0), False), ((20, 40, 0), False), ((20, 0, 30), False), ((0, 0, 0), False)],
)
def test_only_what_is_ahead_and_within_the_frame_is_seen(
    tmp_path: Path, point: tuple[float, float, float], seen: bool
) -> None:
    points = np.array([(*point, 0)], np.float32)
    assert calibrated(tmp_path).in_image(points).tolist() == [seen]


def test_a_smaller_image_sees_less(tmp_path: Path) -> None:
    points = np.random.default_rng(2).uniform(1, 40, (500, 3)).astype(np.float32)
    calibration = calibrated(tmp_path)
    small, whole = calibration.in_image(points, (300, 100)), calibration.in_image(points)
    assert small.sum() < whole.sum()
    assert (whole | ~small).all()


@pytest.mark.parametrize(("key", "size"), [("P2", 12), ("R0_rect", 9), ("Tr_velo_to_cam", 12)])
def test_a_missing_key_raises_naming_file_and_key(tmp_path: Path, key: str, size: int) -> None:
    lines = calibration_text().splitlines()
    path = tmp_path / "calib.txt"
    path.write_text("\n".join(line for line in lines if not line.startswith(key)))
    with pytest.raises(DatasetError) as raised:
        read_calibration(path)
    assert str(raised.value) == f"{path}: {key} must have {size} numbers, but has 0"


@pytest.mark.parametrize(("key", "size"), [("P2", 12), ("R0_rect", 9), ("Tr_velo_to_cam", 12)])
def test_a_truncated_line_raises_naming_file_and_key(tmp_path: Path, key: str, size: int) -> None:
    lines = calibration_text().splitlines()
    path = tmp_path / "calib.txt"
    path.write_text("\n".join(line.rsplit(" ", 1)[0] if line.startswith(key) else line for line in lines))
    with pytest.raises(DatasetError, match=f"{key} must have {size} numbers, but has {size - 1}$"):
        read_calibration(path)


def test_what_is_no_number_raises_naming_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "calib.txt"
    path.write_text("P0: 1 2 3\n\nP1: 1 two 3\n")
    with pytest.raises(DatasetError) as raised:
        read_calibration(path)
    assert str(raised.value) == f"{path}:3: P1 is not a list of numbers"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00binary"])
def test_what_cannot_be_read_as_text_raises_naming_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calib.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        read_calibration(path)
    assert str(raised.value).startswith(f"{path}: cannot be read as a KITTI calibration")


def test_a_calibration_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made, _, _ = turned(tmp_path)
    (tmp_path / "written.txt").write_text(format_calibration(made))
    again = read_calibration(tmp_path / "written.txt")
    np.testing.assert_array_equal(again.projection, made.projection)
    np.testing.assert_array_equal(again.T_camera_lidar, made.T_camera_lidar)


@pytest.mark.parametrize(
    ("row", "numbers", "expected"),
    [
        ("P2", "nan 0 0 0 0 1 0 0 0 0 1 0", "P2 contains a number that is not finite"),
        ("R0_rect", "inf 0 0 0 1 0 0 0 1", "R0_rect contains a number that is not finite"),
        ("Tr_velo_to_cam", "1 0 0 1e300 0 1 0 0 0 0 1 0", r"beyond 1e\+09"),
        ("P2", "0 0 0 0 0 0 0 0 0 0 0 0", r"the projection is invalid \(its determinant is 0\)"),
        ("Tr_velo_to_cam", "1 0 0 0 1 0 0 0 0 0 1 0", r"the rotation is invalid \(its determinant is 0\)"),
        ("R0_rect", "9 0 0 0 9 0 0 0 9", r"the rotation is invalid \(its determinant is 729\)"),
    ],
)
def test_what_nothing_can_be_taken_to_the_camera_with_is_refused(
    tmp_path: Path, row: str, numbers: str, expected: str
) -> None:
    rows = {"P2": "700 0 600 0 0 700 170 0 0 0 1 0", "R0_rect": "1 0 0 0 1 0 0 0 1"}
    rows |= {"Tr_velo_to_cam": "0 -1 0 0 0 0 -1 0 1 0 0 0"}
    path = tmp_path / "calib.txt"
    path.write_text("".join(f"{key}: {value}\n" for key, value in rows.items()))
    read_calibration(path)
    path.write_text("".join(f"{key}: {value}\n" for key, value in {**rows, row: numbers}.items()))
    with pytest.raises(DatasetError, match=expected) as raised:
        read_calibration(path)
    assert str(raised.value).startswith(str(path))


def test_a_file_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "calib.txt"
    with path.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(DatasetError, match="more than 16000000 bytes"):
        read_calibration(path)

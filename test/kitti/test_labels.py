# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label files, and their boxes in the lidar frame and back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.calibration import Calibration, read_calibration
from pointpillars_ov_ros.kitti.labels import KittiObject, lidar_boxes, read_labels
from test.kitti.files import calibration_text, label_line


def written(folder: Path, *lines: str) -> Path:
    path = folder / "000000.txt"
    path.write_text("\n".join(lines))
    return path


def calibration(folder: Path) -> Calibration:
    path = folder / "calib.txt"
    path.write_text(calibration_text())
    return read_calibration(path)


def to_label(box: npt.NDArray[np.float32], T_camera_lidar: npt.NDArray[np.float64]) -> str:
    """Return the KITTI label of a lidar box, by the definitions of the development kit."""
    x, y, z, length, width, height, yaw = (float(value) for value in box)
    bottom = T_camera_lidar @ np.array([x, y, z - height / 2, 1.0])
    return label_line("Car", (height, width, length), tuple(bottom[:3]), -yaw - math.pi / 2)


def test_every_field_is_read_into_its_place(tmp_path: Path) -> None:
    assert read_labels(written(tmp_path, label_line())) == [
        KittiObject("Car", 0.25, 1, -1.5, (100.0, 110.0, 200.0, 210.0), 1.5, 1.6, 3.9, (2.0, 1.7, 20.0), 0.1)
    ]


def test_blank_lines_are_passed_over_and_a_score_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, "", label_line("Car"), "  ", label_line("Van") + " 0.93", "")
    assert [label.type for label in read_labels(path)] == ["Car", "Van"]


def test_an_empty_file_has_no_labels(tmp_path: Path) -> None:
    assert read_labels(written(tmp_path)) == []


@pytest.mark.parametrize("kept", [1, 8, 14])
def test_a_short_line_raises_naming_file_and_line(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path, label_line(), "", " ".join(label_line().split()[:kept]))
    with pytest.raises(DatasetError) as raised:
        read_labels(path)
    assert str(raised.value) == f"{path}:3: a label has 15 fields, but this line has {kept}"


@pytest.mark.parametrize("place", [1, 2, 8, 11, 14])
@pytest.mark.parametrize("word", ["x", "1,5", "nan", "inf"])
def test_what_is_no_finite_number_raises_naming_file_and_line(tmp_path: Path, place: int, word: str) -> None:
    words = label_line().split()
    words[place] = word
    path = written(tmp_path, label_line(), " ".join(words))
    with pytest.raises(DatasetError) as raised:
        read_labels(path)
    assert str(raised.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_cannot_be_read_as_text_raises_naming_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "000000.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        read_labels(path)
    assert str(raised.value).startswith(f"{path}: cannot be read as KITTI labels")


def test_lidar_boxes_survive_the_way_to_labels_and_back(tmp_path: Path) -> None:
    rng, T_camera_lidar = np.random.default_rng(0), calibration(tmp_path).T_camera_lidar
    boxes = np.hstack(
        [rng.uniform(-40, 40, (50, 3)), rng.uniform(0.5, 5, (50, 3)), rng.uniform(-3.1, 3.1, (50, 1))]
    ).astype(np.float32)
    path = written(tmp_path, *(to_label(box, T_camera_lidar) for box in boxes))
    found = lidar_boxes(read_labels(path), calibration(tmp_path))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, boxes, rtol=1e-5, atol=1e-5)


def test_a_car_straight_ahead_lies_where_one_would_draw_it(tmp_path: Path) -> None:
    """Location is the middle of the bottom face; rotation -pi/2 is driving away from the camera."""
    line = label_line(size=(1.5, 1.6, 3.9), location=(0.0, 1.7, 20.0), rotation_y=-math.pi / 2)
    box = lidar_boxes(read_labels(written(tmp_path, line)), calibration(tmp_path))[0]
    expected = [20.0 + 0.29, -0.004, -1.7 - 0.072 + 0.75, 3.9, 1.6, 1.5, 0.0]
    np.testing.assert_allclose(box, expected, atol=1e-5)


@pytest.mark.parametrize("rotation_y", [*np.linspace(-7.0, 7.0, 29).tolist(), math.pi / 2, -math.pi / 2])
def test_yaw_is_wrapped_and_points_where_the_rotation_says(tmp_path: Path, rotation_y: float) -> None:
    labels = read_labels(written(tmp_path, label_line(rotation_y=rotation_y)))
    yaw = float(lidar_boxes(labels, calibration(tmp_path))[0, 6])
    assert -math.pi <= yaw < math.pi + 1e-6
    assert math.cos(yaw - (-rotation_y - math.pi / 2)) == pytest.approx(1.0)


def test_no_label_is_no_box(tmp_path: Path) -> None:
    assert lidar_boxes([], calibration(tmp_path)).shape == (0, 7)


@pytest.mark.parametrize("number", ["1e10", "-1e300", "nan", "inf"])
def test_places_beyond_any_lidar_are_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "label.txt"
    path.write_text(f"Car 0 0 0 1 2 3 4 1.5 1.6 3.9 {number} 1.7 20 0\n")
    with pytest.raises(DatasetError, match=r"label\.txt:1: .*a number that is not finite or beyond 1e\+09"):
        read_labels(path)


def test_one_endless_line_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "label.txt"
    with path.open("wb") as stream:
        stream.truncate(10**11)
    with pytest.raises(DatasetError, match="more than 16000000 bytes"):
        read_labels(path)


def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "000000.txt"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(DatasetError, match=r"a Git LFS pointer.*`git lfs pull`"):
        read_labels(path)

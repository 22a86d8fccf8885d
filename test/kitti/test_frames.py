# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds on disk: reading them, and finding them in every layout of KITTI."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.frames import find_frames, read_png_size, read_points
from test.kitti.files import calibration_text, label_line
from test.shared_data import KITTI, needs_shared_data


def write(path: Path, content: str | bytes = b"\0" * 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_points_are_read_as_written(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    read = read_points(write(tmp_path / "a.bin", points.tobytes()))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, points)


def test_an_empty_file_is_an_empty_cloud(tmp_path: Path) -> None:
    assert read_points(write(tmp_path / "a.bin", b"")).shape == (0, 4)


@pytest.mark.parametrize("size", [1, 3, 4, 15, 17, 18, 19, 20, 28, 31, 33, 1599])
def test_a_truncated_file_raises_naming_it_and_its_size(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.bin", b"\0" * size)
    with pytest.raises(DatasetError) as raised:
        read_points(path)
    assert str(raised.value) == f"{path}: {size} bytes are no whole number of 16-byte points"


def test_a_missing_file_raises_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.bin: cannot be read \(No such file or directory\)$"):
        read_points(tmp_path / "a.bin")


def test_a_folder_in_place_of_a_file_raises(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_points(tmp_path)


@pytest.mark.parametrize(
    ("clouds", "folder"),
    [
        ("training/velodyne", "."),
        ("training/velodyne", "training"),
        ("training/velodyne", "training/velodyne"),
        ("training/velodyne_reduced", "."),
        ("training/velodyne_reduced", "training/velodyne_reduced"),
        ("testing/velodyne", "."),
        ("drive/velodyne_points/data", "drive"),
        ("drive/velodyne_points/data", "drive/velodyne_points/data"),
        ("any", "any"),
    ],
)
def test_clouds_are_found_by_name_in_every_layout(tmp_path: Path, clouds: str, folder: str) -> None:
    for name in ("000010", "000002", "000001"):
        write(tmp_path / clouds / f"{name}.bin")
    write(tmp_path / clouds / "readme.txt")
    frames = find_frames(tmp_path / folder)
    assert [frame.name for frame in frames] == ["000001", "000002", "000010"]
    assert frames[0].cloud == tmp_path / clouds / "000001.bin"
    assert frames[0].read_points().shape == (1, 4)


@pytest.mark.parametrize("folder", [".", "training", "training/velodyne"])
def test_labels_and_calibration_beside_the_clouds_are_found(tmp_path: Path, folder: str) -> None:
    for name in ("000000", "000001", "000002"):
        write(tmp_path / "training/velodyne" / f"{name}.bin")
    write(tmp_path / "training/label_2/000000.txt", label_line())
    write(tmp_path / "training/label_2/000001.txt", "")
    write(tmp_path / "training/calib/000000.txt", calibration_text())
    full, empty, bare = find_frames(tmp_path / folder)
    assert [label.type for label in full.read_labels() or []] == ["Car"]
    assert full.read_calibration() is not None
    assert empty.read_labels() == []
    assert empty.read_calibration() is None
    assert bare.read_labels() is None


def test_a_cropped_cloud_is_taken_only_where_there_is_no_whole_one(tmp_path: Path) -> None:
    for name in ("000001", "000003"):
        write(tmp_path / "training/velodyne" / f"{name}.bin")
    for name in ("000001", "000002"):
        write(tmp_path / "training/velodyne_reduced" / f"{name}.bin")
    folders = {frame.name: frame.cloud.parent.name for frame in find_frames(tmp_path)}
    assert folders == {"000001": "velodyne", "000002": "velodyne_reduced", "000003": "velodyne"}


@pytest.mark.parametrize("folder", ["", "not/there"])
def test_a_folder_without_clouds_raises_naming_it(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DatasetError, match=r"^\S+: no \.bin cloud there"):
        find_frames(tmp_path / folder)


@needs_shared_data
def test_the_shared_frames_are_complete() -> None:
    frames = find_frames(KITTI / "training" / "velodyne")
    assert len(frames) == 15
    for frame in frames:
        assert frame.labels is not None
        assert frame.calibration is not None


def png_head(width: int, height: int) -> bytes:
    """Give the first bytes of a PNG file."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\0\0\0"


def test_the_size_of_an_image_beside_the_clouds_is_read(tmp_path: Path) -> None:
    for name in ("000000", "000001"):
        write(tmp_path / "training/velodyne" / f"{name}.bin")
    write(tmp_path / "training/image_2/000000.png", png_head(1224, 370))
    seen, unseen = find_frames(tmp_path)
    assert seen.read_image_size() == (1224, 370)
    assert unseen.read_image_size() is None


@pytest.mark.parametrize("content", [b"", png_head(1, 1)[:23], b"\xff\xd8\xff\xe0" + b"\0" * 40])
def test_what_is_no_png_raises_naming_it(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "a.png", content)
    with pytest.raises(DatasetError) as raised:
        read_png_size(path)
    assert str(raised.value) == f"{path}: does not begin as a PNG image does"


def test_a_missing_image_raises_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.png: cannot be read \(No such file or directory\)$"):
        read_png_size(tmp_path / "a.png")

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds on disk: reading them, and finding them in every layout of KITTI."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.files import FileReading
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.calibration import read_calibration
from pointpillars_ov_ros.kitti.frames import find_frames, read_png_size, read_points
from pointpillars_ov_ros.kitti.raw import find_time
from test.kitti.files import AXES, MOUNTING, calibration_text, label_line
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
    assert str(raised.value) == f"{path}: {size} bytes are not a whole number of 16-byte points"
    with pytest.raises(DatasetError, match=rf"a\.bin: {size} bytes are not a whole number of 16-byte points"):
        find_frames(tmp_path)[0].read_points()


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


def test_a_folder_without_clouds_raises_naming_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^\S+: no cloud \(\.bin, .*\) there, .*; files there: none$"):
        find_frames(tmp_path)
    for name in ("a.las", "deep/b.LAS", "readme"):
        write(tmp_path / name)
    with pytest.raises(DatasetError, match=r"; files there: 2 \.las, 1 without suffix$"):
        find_frames(tmp_path)


def test_a_folder_that_is_not_there_raises_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"not/there: there is no such folder$"):
        find_frames(tmp_path / "not/there")


@needs_shared_data
def test_the_shared_frames_are_complete() -> None:
    frames = find_frames(KITTI / "training" / "velodyne")
    assert len(frames) == 15
    for frame in frames:
        assert frame.labels is not None
        assert frame.calibration is not None


def png_head(width: int, height: int) -> bytes:
    """Return the first bytes of a PNG file."""
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
    assert str(raised.value) == f"{path}: does not begin with the header of a PNG image"


def test_a_missing_image_raises_naming_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.png: cannot be read \(No such file or directory\)$"):
        read_png_size(tmp_path / "a.png")


TRACKING_CALIBRATION = calibration_text().replace("R0_rect:", "R_rect").replace("Tr_velo_to_cam:", "Tr_velo_cam")


def write_tracking(split: Path, sequences: dict[str, tuple[str, ...]]) -> None:
    """Write a split of the tracking set: scan k of sequence s has k cars."""
    for sequence, scans in sequences.items():
        lines = []
        for scan in scans:
            write(split / "velodyne" / sequence / f"{scan}.bin")
            lines += [f"{int(scan)} {track} {label_line()}" for track in range(int(scan))]
        write(split / "label_02" / f"{sequence}.txt", "\n".join(lines) + "\n")
        write(split / "calib" / f"{sequence}.txt", TRACKING_CALIBRATION)


@pytest.mark.parametrize("folder", [".", "training"])
def test_sequences_of_the_tracking_set_are_read(tmp_path: Path, folder: str) -> None:
    write_tracking(tmp_path / "training", {"0001": ("000000", "000002"), "0000": ("000001",)})
    frames = find_frames(tmp_path / folder)
    assert [frame.name for frame in frames] == ["0000_000001", "0001_000000", "0001_000002"]
    assert [len(frame.read_labels() or []) for frame in frames] == [1, 0, 2]
    wanted = tmp_path / "object.txt"
    wanted.write_text(calibration_text())
    calibration = frames[0].read_calibration()
    assert calibration is not None
    np.testing.assert_array_equal(calibration.T_camera_lidar, read_calibration(wanted).T_camera_lidar)


def test_one_sequence_of_the_tracking_set_is_read(tmp_path: Path) -> None:
    write_tracking(tmp_path / "training", {"0000": ("000001",), "0007": ("000003",)})
    (frame,) = find_frames(tmp_path / "training" / "velodyne" / "0007")
    assert frame.name == "0007_000003"
    assert len(frame.read_labels() or []) == 3


def test_a_line_of_a_tracking_label_that_has_no_scan_is_named(tmp_path: Path) -> None:
    write_tracking(tmp_path, {"0000": ("000001",)})
    write(tmp_path / "label_02" / "0000.txt", label_line() + "\n")
    with pytest.raises(DatasetError, match=r"0000\.txt:1: .* must begin with the number of its scan"):
        find_frames(tmp_path)[0].read_labels()


def test_a_sequence_of_the_odometry_set_has_times_and_calibration(tmp_path: Path) -> None:
    for scan in ("000000", "000002"):
        write(tmp_path / "velodyne" / f"{scan}.bin")
    text = calibration_text().replace("Tr_velo_to_cam:", "Tr:")
    write(tmp_path / "calib.txt", "\n".join(line for line in text.splitlines() if line[:1] in ("P", "T")))
    write(tmp_path / "times.txt", "0.000000e+00\n1.037359e-01\n2.075338e-01\n")
    first, last = find_frames(tmp_path)
    assert first.times == tmp_path / "times.txt"
    known: dict[Path, list[int | None]] = {}
    assert find_time(last.times or Path(), last.scan, known) - find_time(tmp_path / "times.txt", "000000", known) == (
        207_533_800
    )
    calibration = last.read_calibration()
    assert calibration is not None
    np.testing.assert_array_equal(calibration.T_camera_lidar[:3], np.hstack([AXES, MOUNTING]))


def test_scans_of_nuscenes_are_found_in_its_root(tmp_path: Path) -> None:
    write(tmp_path / "samples/LIDAR_TOP/n015__1.pcd.bin")
    write(tmp_path / "samples/CAM_FRONT/n015__1.jpg")
    assert [frame.name for frame in find_frames(tmp_path)] == ["n015__1.pcd"]


def test_an_array_in_the_root_of_a_set_is_no_cloud(tmp_path: Path) -> None:
    write(tmp_path / "training/velodyne/000000.bin")
    write(tmp_path / "poses.npy")
    assert [frame.name for frame in find_frames(tmp_path)] == ["000000"]


@pytest.mark.parametrize("suffix", [".bin", ".npy"])
def test_intensities_of_a_folder_are_scaled_by_those_of_all_its_clouds(tmp_path: Path, suffix: str) -> None:
    dark, bright = [(1.0, 2.0, 0.5, 1.0), (2.0, 2.0, 0.5, 0.0)], [(1.0, 2.0, 0.5, 51.0), (2.0, 2.0, 0.5, 255.0)]
    for name, points in (("0", dark), ("1", bright), ("2", dark)):
        array = np.array(points, np.float32)
        if suffix == ".bin":
            write(tmp_path / f"{name}.bin", array.tobytes())
        else:
            np.save(tmp_path / f"{name}.npy", array)
    read = [frame.read_points()[:, 3] for frame in find_frames(tmp_path)]
    np.testing.assert_allclose(read, [[1 / 255, 0], [0.2, 1.0], [1 / 255, 0]], rtol=1e-6)
    told = find_frames(tmp_path, FileReading(intensity_scale=1.0))
    assert told[1].read_points()[:, 3].tolist() == [51.0, 255.0]


def test_coordinates_are_scaled_as_told(tmp_path: Path) -> None:
    write(tmp_path / "0.bin", np.array([(1000.0, 2000.0, 500.0, 0.5)], np.float32).tobytes())
    (frame,) = find_frames(tmp_path, FileReading(coordinate_scale=0.001))
    np.testing.assert_allclose(frame.read_points(), [(1.0, 2.0, 0.5, 0.5)], rtol=1e-6)

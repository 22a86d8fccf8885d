# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds in every kind of file that is read, and files that are something else than their name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.clouds.files import CloudFiles, FileReading, read_cloud_file
from pointpillars_ov_ros.config.errors import DatasetError
from test.clouds.cloud_files import pcd_bytes, ply_bytes, street

# Exact in float32, and no two alike.
POINTS = [(1.5, -2.25, 0.5, 0.25), (-10.0, 20.5, -1.75, 1.0), (69.0, 0.125, 0.375, 0.75), (-3.0, 5.5, -0.5, 0.125)]
ARRAY = np.array(POINTS, np.float32)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("codes", ["ffff", "ffdf", "dddd"])
def test_pcd_files_are_read(tmp_path: Path, form: str, codes: str) -> None:
    path = write(tmp_path / "a.pcd", pcd_bytes(POINTS, form=form, codes=codes))
    assert read_cloud_file(path).tolist() == ARRAY.tolist()
    assert read_cloud_file(path).dtype == np.float32


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_fields_of_pcd_files_are_found_by_name(tmp_path: Path, form: str) -> None:
    rows = [(7.0, z, y, x, 3.0, 255 * i) for x, y, z, i in POINTS]
    path = write(tmp_path / "a.pcd", pcd_bytes(rows, "_ z y x ring reflectivity", form, "HfffHB"))
    wanted = ARRAY * [1, 1, 1, 255]
    np.testing.assert_array_equal(read_cloud_file(path), wanted.astype(int) * [0, 0, 0, 1] + ARRAY * [1, 1, 1, 0])


def test_a_pcd_file_without_counts_is_read(tmp_path: Path) -> None:
    content = pcd_bytes(POINTS, form="binary").replace(b"COUNT 1 1 1 1\n", b"")
    assert read_cloud_file(write(tmp_path / "a.pcd", content)).tolist() == ARRAY.tolist()


def test_a_pcd_file_without_intensity_has_0(tmp_path: Path) -> None:
    path = write(tmp_path / "a.PCD", pcd_bytes([point[:3] for point in POINTS], "x y z"))
    np.testing.assert_array_equal(read_cloud_file(path), ARRAY * [1, 1, 1, 0])


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("name", ["intensity", "scalar_Intensity", "reflectance"])
def test_ply_files_are_read(tmp_path: Path, form: str, extra: bool, name: str) -> None:
    path = write(tmp_path / "a.ply", ply_bytes(POINTS, f"x y z {name}", form, extra))
    assert read_cloud_file(path).tolist() == ARRAY.tolist()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read(tmp_path: Path, dtype: str, order: str) -> None:
    np.save(tmp_path / "a.npy", np.asarray(ARRAY.astype(dtype), order=order))  # type: ignore[call-overload]
    read = read_cloud_file(tmp_path / "a.npy")
    assert read.tolist() == ARRAY.tolist() and read.dtype == np.float32


def test_arrays_with_more_and_fewer_values_are_read(tmp_path: Path) -> None:
    cloud = street(100)
    np.save(tmp_path / "six.npy", np.hstack([cloud, cloud[:, :2]]))
    np.save(tmp_path / "three.npy", cloud[:, :3])
    np.save(tmp_path / "rows.npy", cloud.T)
    np.testing.assert_array_equal(read_cloud_file(tmp_path / "six.npy"), cloud)
    np.testing.assert_array_equal(read_cloud_file(tmp_path / "three.npy"), cloud * [1, 1, 1, 0])
    np.testing.assert_array_equal(read_cloud_file(tmp_path / "rows.npy"), cloud)
    columns = ("z", "y", "x", "i", "a", "b")
    told = read_cloud_file(tmp_path / "six.npy", columns)
    np.testing.assert_array_equal(told, cloud[:, [2, 1, 0, 3]])


def test_arrays_with_names_are_read(tmp_path: Path) -> None:
    records = np.zeros(len(POINTS), [("ring", "u2"), ("intensity", "f4"), ("x", "f8"), ("y", "f8"), ("z", "f8")])
    for name, column in zip(("x", "y", "z", "intensity"), ARRAY.T, strict=True):
        records[name] = column
    np.save(tmp_path / "a.npy", records)
    assert read_cloud_file(tmp_path / "a.npy").tolist() == ARRAY.tolist()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n"
BAD = {
    "no pcd": ("a.pcd", b"hello", "does not begin with the header of a PCD file"),
    "cut pcd": ("a.pcd", pcd_bytes(POINTS, form="binary")[:-5], "PCD|truncated"),
    "cut compressed pcd": ("a.pcd", pcd_bytes(POINTS, form="binary_compressed")[:-5], "cannot be read as PCD"),
    "cut ascii pcd": ("a.pcd", pcd_bytes(POINTS)[:-60], "truncated: it has 2 of 4|cannot be read as PCD"),
    "pcd without z": ("a.pcd", pcd_bytes(POINTS, "x y a intensity"), "no field 'z' among x, y, a, intensity"),
    "no ply": ("a.ply", b"hello", "does not begin with the header of a PLY file"),
    "cut ply": ("a.ply", ply_bytes(POINTS, form="binary_little_endian")[:-1], "truncated"),
    "cut ascii ply": ("a.ply", ply_bytes(POINTS)[:-30], "4 lines of 4 numbers"),
    "ply without vertices": ("a.ply", ply_bytes(POINTS).replace(b"element vertex", b"element corner"), "vertex"),
    "ply of an unknown type": ("a.ply", ply_bytes(POINTS).replace(b"property float x", b"property half x"), "half x"),
    "no npy": ("a.npy", b"hello", "cannot be read as a NumPy array"),
    "bin that is pcd": ("a.bin", pcd_bytes(POINTS), r"is a PCL point cloud \(\.pcd\)"),
    "pointer": ("a.pcd", POINTER, "`git lfs pull`"),
    "pointer of a bin": (
        "a.bin",
        POINTER,
        "git lfs pull",
    ),
    "zstd": ("a.bin", b"\x28\xb5\x2f\xfd" + b"\0" * 60, "a file compressed with zstd: `zstd -d FILE` unpacks it"),
    "web page": ("a.ply", b"<!DOCTYPE html><html>login</html>", "is a web page"),
    "bag": ("a.bin", b"#ROSBAG V2.0\n" + b"\0" * 51, "is a ROS 1 bag"),
    "unknown": ("a.las", b"LASF", r"clouds are read from \.bin, \.pcd, \.npy, \.ply files"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_read_says_why_in_one_line(tmp_path: Path, case: str) -> None:
    name, content, reason = BAD[case]
    with pytest.raises(DatasetError, match=reason) as refusal:
        read_cloud_file(write(tmp_path / name, content))
    assert str(refusal.value).startswith(str(tmp_path / name))
    assert "\n" not in str(refusal.value)


def test_arrays_that_are_no_points_are_named(tmp_path: Path) -> None:
    for array in (np.zeros(4), np.zeros((4, 2)), np.zeros((2, 3, 4)), np.array(["a"] * 4), np.zeros((4, 4), complex)):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(DatasetError, match=r"is not \(N, 4\) numbers"):
            read_cloud_file(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([object()], object), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read as a NumPy array"):
        read_cloud_file(tmp_path / "a.npy")


def test_bins_of_five_floats_are_read_as_such_and_said(tmp_path: Path) -> None:
    cloud = street()
    rows = np.column_stack([cloud * np.array([1, 1, 1, 255], np.float32), np.tile(np.arange(64), 63)[: len(cloud)]])
    path = write(tmp_path / "a.bin", rows.astype(np.float32).tobytes())
    files = CloudFiles([path])
    np.testing.assert_allclose(files.read(path), cloud, rtol=1e-5)
    columns, intensity = files.notes()
    assert "5 values per point" in columns and "--columns" in columns
    assert "0 to 255" in intensity and "--intensity-scale" in intensity
    told = CloudFiles([path], FileReading(("x", "y", "z", "ring", "intensity"), 1.0))
    np.testing.assert_array_equal(told.read(path)[:, 3], rows[:, 4].astype(np.float32))
    assert told.notes() == []


def test_files_of_kitti_say_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", street().tobytes())
    files = CloudFiles([path])
    np.testing.assert_array_equal(files.read(path), street())
    assert files.notes() == []

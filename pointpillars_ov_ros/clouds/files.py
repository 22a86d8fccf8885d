# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cloud files: .bin of bare floats, .pcd, .npy and .ply, all read as x y z (m) and an intensity from 0 to 1."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.clouds.columns import (
    KITTI,
    MAX_COLUMNS,
    MIN_COLUMNS,
    Columns,
    guess_columns,
    name_columns,
    take_columns,
)
from pointpillars_ov_ros.clouds.intensity import INTENSITY_NAMES, find_scale
from pointpillars_ov_ros.clouds.pcd import read_pcd
from pointpillars_ov_ros.clouds.ply import read_ply
from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import DatasetError, list_names
from pointpillars_ov_ros.config.first_bytes import Content, identify_bytes
from pointpillars_ov_ros.core.arrays import FloatArray

SUFFIXES = (".bin", ".pcd", ".npy", ".ply")
"""Suffixes of the files that are read; of two files with the same stem, the earlier suffix wins."""
_OWN = {".bin": None, ".pcd": Content.PCD, ".npy": Content.NUMPY, ".ply": Content.PLY}
_FOREIGN = (
    Content.GIT_LFS, Content.MCAP, Content.SQLITE, Content.ROSBAG1, Content.ROSBAG1_OLD, Content.ZIP, Content.ZSTD,
    Content.XZ, Content.LZ4, Content.WEB_PAGE, Content.PCD, Content.PLY, Content.NUMPY, Content.LAS, Content.HDF5,
    Content.PCAP,
)  # fmt: skip
"""Kinds whose first bytes are so distinctive that coordinates cannot be mistaken for them."""
_SAMPLED = 5
"""Number of files in a folder that the range of the intensities is determined from."""


@dataclass(frozen=True)
class FileReading:
    """How to read the files, as far as the user says; by default nothing."""

    columns: Columns = ()
    """Columns of .bin files, and of .npy files without names; empty: guessed."""
    intensity_scale: float = 0.0
    """Factor that brings intensities to 0..1; 0: guessed."""
    coordinate_scale: float = 1.0
    """Factor that brings coordinates to metres."""


AS_FOUND = FileReading()
"""Everything is guessed."""


class CloudFiles:
    """Clouds of one sensor; the range of the intensities is determined over all of them, not for each."""

    def __init__(self, paths: Sequence[Path], reading: FileReading = AS_FOUND) -> None:
        """Remember the paths; no file is opened yet."""
        self._paths, self._reading = paths, reading
        self._scale = reading.intensity_scale

    @property
    def intensity_scale(self) -> float:
        """Factor to 0..1, determined from some of the files unless the user set it."""
        if not self._scale:
            # A pipe can be read only once.
            files = [path for path in self._paths if path.is_file()]
            some = files[:: -(-len(files) // _SAMPLED) or 1]
            scales = [find_scale(_finite(read_cloud_file(path, self._reading.columns))[:, 3]) for path in some]
            self._scale = min(scales, default=1.0)
        return self._scale

    def read(self, path: Path) -> FloatArray:
        """Return the points of a file, (N, 4) float32: x y z (m), intensity 0..1. Raises DatasetError."""
        points = read_cloud_file(path, self._reading.columns)
        scales = (*[self._reading.coordinate_scale] * 3, self.intensity_scale)
        return points if set(scales) == {1.0} else points * np.array(scales, np.float32)

    def notes(self) -> list[str]:
        """Describe what was guessed, each with the flag that overrides it."""
        notes = []
        if self._paths and self._paths[0].suffix.lower() == ".bin" and not self._reading.columns:
            columns = find_columns(self._paths[0])
            if columns != KITTI:
                notes.append(f"{len(columns)} values per point, guessed; x y z intensity first (--columns overrides)")
        if self.intensity_scale != 1.0 and not self._reading.intensity_scale:
            notes.append("intensities range from 0 to 255 and are multiplied by 1/255 (--intensity-scale overrides)")
        return notes


def read_cloud_file(path: Path, columns: Columns = ()) -> FloatArray:
    """Return the points of a file unscaled, (N, 4) float32: x y z and the intensity, 0 where it has none.

    `columns` are those of a .bin, or of a .npy without names; empty: guessed. Raises DatasetError.
    """
    suffix, data = path.suffix.lower(), _read_bytes(path)
    if suffix not in SUFFIXES:
        raise DatasetError(f"{path}: clouds are read from {', '.join(SUFFIXES)} files")
    content = identify_bytes(data[:512])
    if content in _FOREIGN and content is not _OWN[suffix]:
        raise DatasetError(f"{path} is {content.value}")
    if suffix == ".bin":
        return _from_floats(path, data, columns)
    if suffix == ".npy":
        return _from_array(path, data, columns)
    return _from_records(path, read_pcd(path, data) if suffix == ".pcd" else read_ply(path, data))


def find_columns(path: Path) -> Columns:
    """Return the columns of a .bin file, guessed from its values."""
    return _columns_of(path, np.frombuffer(_read_bytes(path), "<f4"))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None


def _from_floats(path: Path, data: bytes, columns: Columns) -> FloatArray:
    size = 4 * len(columns or KITTI)
    if len(data) % (size if columns else 4):
        raise DatasetError(f"{path}: {len(data)} bytes are not a whole number of {size}-byte points")
    values = np.frombuffer(data, "<f4")
    columns = columns or _columns_of(path, values)
    return take_columns(values.reshape(-1, len(columns)), columns)


def _columns_of(path: Path, values: FloatArray) -> Columns:
    guessed = guess_columns(values)
    if guessed is None and len(values) % len(KITTI):
        raise DatasetError(
            f"{path}: {4 * len(values)} bytes are not a whole number of 16-byte points; if a point has more values "
            "than x y z intensity, set --columns, e.g. --columns 5 or --columns x,y,z,intensity,ring"
        )
    return guessed or KITTI


def _from_array(path: Path, data: bytes, columns: Columns) -> FloatArray:
    try:
        # Pickled data may run code.
        array = np.load(io.BytesIO(data), allow_pickle=False)
    # A damaged header makes NumPy raise almost any exception.
    except Exception as error:
        raise DatasetError(f"{path}: cannot be read as a NumPy array ({one_line(error)})") from None
    if array.dtype.names is not None:
        return _from_records(path, array.reshape(-1))
    if array.ndim == 2 and array.shape[0] < MIN_COLUMNS * 4 <= array.shape[1]:
        # One row per coordinate, as nuScenes' toolkit stores clouds.
        array = array.T
    is_numeric = np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)
    if array.ndim != 2 or not is_numeric or not MIN_COLUMNS <= array.shape[1] <= MAX_COLUMNS:
        raise DatasetError(f"{path}: {array.dtype} of shape {array.shape} is not (N, 4) numbers")
    columns = columns or name_columns(array.shape[1])
    if len(columns) != array.shape[1]:
        raise DatasetError(f"{path}: {array.shape[1]} values per point, but --columns names {len(columns)}")
    return take_columns(array.astype(np.float32), columns)


def _from_records(path: Path, records: npt.NDArray[np.void]) -> FloatArray:
    """Return x y z intensity of structured records; case and CloudCompare's prefix `scalar_` are ignored."""
    names = {name.lower().removeprefix("scalar_"): name for name in reversed(records.dtype.names or ())}
    missing = [axis for axis in "xyz" if axis not in names]
    if missing:
        there = list_names(list(records.dtype.names or ())) or "none"
        raise DatasetError(f"{path}: no field {missing[0]!r} among {there}")
    points = np.zeros((len(records), 4), np.float32)
    chosen = ["x", "y", "z", *(name for name in INTENSITY_NAMES if name in names)][:4]
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate(chosen):
            points[:, column] = records[names[name]]
    return points


def _finite(points: FloatArray) -> FloatArray:
    return points[np.isfinite(points).all(axis=1)]

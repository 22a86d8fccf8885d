# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader for PCD files (PCL's format): ascii, binary or binary_compressed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import DatasetError

_MAX_HEADER = 65_536
_MAX_RATIO = 100
"""Maximum ratio of points to bytes: LZF decompresses one byte to at most 88."""


def read_pcd(path: Path, data: bytes) -> npt.NDArray[np.void]:
    """Return the points of the PCD file at `path`, whose bytes are `data`, as records. Raises DatasetError."""
    from pypcd4 import PointCloud

    if b"DATA" not in data[:_MAX_HEADER]:
        raise DatasetError(f"{path}: does not begin with the header of a PCD file")
    # Before reading: a damaged file may claim any number of points, and memory would be allocated for them.
    claimed = re.search(rb"^POINTS\s+(\d+)", data[:_MAX_HEADER], re.MULTILINE)
    if claimed is not None and int(claimed[1][:20]) > _MAX_RATIO * len(data):
        raise DatasetError(f"{path} is truncated: {int(claimed[1][:20])} points exceed its size")
    try:
        cloud = PointCloud.from_fileobj(io.BytesIO(_with_counts(data)))  # type: ignore[arg-type]
        points: npt.NDArray[np.void] = np.asarray(cloud.pc_data)
        stated = int(cloud.metadata.points)
    # A damaged file makes the library, and what it builds on, raise almost any exception.
    except Exception as error:
        raise DatasetError(f"{path}: cannot be read as PCD ({one_line(error)})") from None
    if len(points.reshape(-1)) != stated:
        raise DatasetError(f"{path} is truncated: it has {len(points.reshape(-1))} of {stated} points")
    return points.reshape(-1)


def _with_counts(data: bytes) -> bytes:
    """Add the line COUNT, which older writers omit and newer readers require; it is 1 for every field then."""
    at = data.find(b"DATA", 0, _MAX_HEADER)
    lines = data[:at].splitlines()
    fields = next((line.split()[1:] for line in lines if line.startswith((b"FIELDS", b"COLUMNS"))), [])
    if any(line.startswith(b"COUNT") for line in lines) or not fields:
        return data
    return data[:at] + b"COUNT" + b" 1" * len(fields) + b"\n" + data[at:]

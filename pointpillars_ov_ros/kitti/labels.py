# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI object labels (label_2/*.txt) and results, and their boxes in the lidar frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.calibration import MOST, MOST_BYTES, Calibration

_FIELDS = 15
RESULT_FIELDS = _FIELDS + 1
"""A result is a label followed by a score."""


class KittiObject(NamedTuple):
    """One labelled object; metres, radians, rectified camera coordinates (x right, y down, z forward)."""

    type: str
    truncated: float
    occluded: int
    alpha: float
    bbox: tuple[float, float, float, float]
    """Left, top, right, bottom in the image (pixels)."""
    height: float
    width: float
    length: float
    location: tuple[float, float, float]
    """Centre of the bottom face."""
    rotation_y: float
    score: float | None = None
    """Score of a detection; None in labels."""


def read_labels(path: Path) -> list[KittiObject]:
    """Read a label file, ignoring scores; DatasetError names file and line."""
    return _read(path, _FIELDS, "label")


def read_tracking_labels(path: Path, scan: str) -> list[KittiObject]:
    """Read the labels of one scan from a file of the tracking set, whose lines begin with scan and track.

    DatasetError names file and line.
    """
    by_scan = _read_sequence(path, path.stat().st_mtime_ns)
    return by_scan.get(int(scan), []) if scan.isdecimal() else []


@lru_cache(maxsize=4)
def _read_sequence(path: Path, _changed_ns: int) -> dict[int, list[KittiObject]]:
    """Read a file of the tracking set, once for all scans requested."""
    by_scan: dict[int, list[KittiObject]] = {}
    for number, words in _lines(path, "label"):
        if len(words) < 2 or not words[0].isdecimal():
            raise DatasetError(f"{path}:{number}: a label of the tracking set must begin with the number of its scan")
        by_scan.setdefault(int(words[0]), []).append(_parse(words[2:], _FIELDS, "label", f"{path}:{number}"))
    return by_scan


def read_results(path: Path) -> list[KittiObject]:
    """Read a result file, whose lines end in a score; DatasetError names file and line."""
    return _read(path, RESULT_FIELDS, "result")


def format_label(label: KittiObject) -> str:
    """Return the line of a label file, without newline; floats are written so that they read back unchanged."""
    numbers = (
        *(label.truncated, label.occluded, label.alpha, *label.bbox),
        *(label.height, label.width, label.length, *label.location, label.rotation_y),
    )
    return " ".join([label.type, *(str(number) for number in numbers)])


def format_result(result: KittiObject) -> str:
    """Return the line of a result file, without newline: a label and a score."""
    return f"{format_label(result)} {0.0 if result.score is None else result.score}"


def _read(path: Path, fields: int, what: str) -> list[KittiObject]:
    return [_parse(words, fields, what, f"{path}:{number}") for number, words in _lines(path, what)]


def _lines(path: Path, what: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-empty lines as lists of words, with their numbers from 1."""
    try:
        lines = read_text(path, MOST_BYTES, "ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as KITTI {what}s ({error})") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.split()


def _parse(words: list[str], fields: int, what: str, where: str) -> KittiObject:
    if len(words) < fields:
        raise DatasetError(f"{where}: a {what} has {fields} fields, but this line has {len(words)}")
    try:
        n = [float(word) for word in words[1:fields]]
    except ValueError:
        raise DatasetError(f"{where}: this line contains something that is not a number") from None
    if not all(abs(value) <= MOST for value in n):
        raise DatasetError(f"{where}: this line contains a number that is not finite or beyond {MOST:g}")
    return KittiObject(
        type=words[0],
        truncated=n[0],
        occluded=int(n[1]),
        alpha=n[2],
        bbox=(n[3], n[4], n[5], n[6]),
        height=n[7],
        width=n[8],
        length=n[9],
        location=(n[10], n[11], n[12]),
        rotation_y=n[13],
        score=n[14] if fields == RESULT_FIELDS else None,
    )


def lidar_boxes(objects: list[KittiObject], calibration: Calibration) -> FloatArray:
    """Return the boxes of `objects`, (K, 7) float32: geometric centre x y z, l, w, h (m), yaw (rad), lidar frame."""
    if not objects:
        return np.zeros((0, 7), np.float32)
    bottoms = calibration.to_lidar(np.array([o.location for o in objects]))
    sizes = np.array([(o.length, o.width, o.height) for o in objects])
    yaws = np.array([-o.rotation_y - math.pi / 2 for o in objects])
    yaws = (yaws + math.pi) % (2 * math.pi) - math.pi
    bottoms[:, 2] += sizes[:, 2] / 2
    return np.hstack([bottoms, sizes, yaws[:, None]]).astype(np.float32)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of labelled clouds, simulated beside real: `python -m benchmarks.cloud_statistics KITTI_FOLDER …`.

A network trained on simulated clouds is as good on real ones as these figures agree. Only what the camera sees is
counted, since KITTI has no other labels. One column per folder.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.training.geometry import find_owners
from pointpillars_ov_ros.training.scenes import KittiScenes

CLASSES = ("Car", "Pedestrian", "Cyclist")
_RANGES = (0, 5, 10, 20, 30, 40, 60, 80)
"""Bins (m) of the points by range."""
_CELL, _ROUGH = 0.5, 0.15
"""Edge of a cell of low ground, and range of heights above which it counts as rough (m)."""
_END_ON, _BODY, _WINDOWS = 0.95, (0.2, 0.62), (0.65, 0.95)
"""Cosine above which a car is seen end-on; heights of its body and of its windows, as ratios."""

Values = defaultdict[str, list[float]]


def main() -> int:
    """Measure the folders of the command line, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="KITTI_FOLDER", help="velodyne, label_2 and calib")
    folders = parser.parse_args().folders
    columns = [summarise(measure_folder(folder)) for folder in folders]
    names = list(dict.fromkeys(name for column in columns for name in column))
    wide = max(map(len, names))
    print(" " * wide, *(f"{folder.name[-22:]:>22}" for folder in folders))
    for name in names:
        print(f"{name:{wide}}", *(f"{column.get(name, '-'):>22}" for column in columns))
    return 0


def measure_folder(folder: Path) -> Values:
    """Measure all labelled frames of a KITTI folder; return the values of each figure, by its name."""
    count = sum(1 for frame in find_frames(folder) if frame.labels and frame.calibration)
    scenes = KittiScenes(folder, CLASSES)
    values: Values = defaultdict(list)
    for number in range(count):
        points, boxes, labels = scenes.scene(number)
        measure(points, boxes, [CLASSES[label] for label in labels], values)
    return values


def measure(points: FloatArray, boxes: FloatArray, names: Sequence[str], values: Values) -> None:
    """Add the measurements of one frame of `points` (N, 4), with the objects `boxes` (M, 7) of classes `names`."""
    plane = fit_ground(points)
    height, slope, roll = plane
    values["ground height (m)"].append(height)
    values["ground slope (rad)"].append(slope)
    values["ground roll (rad)"].append(roll)
    above = points[:, 2] - (height + slope * points[:, 0] + roll * points[:, 1])
    far = np.hypot(points[:, 0], points[:, 1])
    ahead = (points[:, 0] > 45.0) & (points[:, 0] < 55.0) & (np.abs(points[:, 1]) < 8.0)
    if ahead.sum() > 20:
        values["low points at 50 m, p20 z (m)"].append(float(np.percentile(points[ahead, 2], 20)))
    for low, high in itertools.pairwise(_RANGES):
        values[f"points at {low}-{high} m"].append(float(((far >= low) & (far < high)).sum()))
    values["points > 0.3 m above ground (%)"].append(100.0 * float((above > 0.3).mean()))
    owners = find_owners(points, boxes, 0.0)
    measure_intensity(points, owners, np.append(names, "")[owners], np.abs(above) < 0.1, values)
    measure_objects(far, boxes, names, owners, values)
    for k in [k for k, name in enumerate(names) if name == "Car"]:
        measure_windows(points[owners == k], boxes[k], values)
    measure_roughness(points[(owners < 0) & (far < 25.0)], values)


def fit_ground(points: FloatArray) -> tuple[float, float, float]:
    """Fit a plane to the lowest points of cells of 1 m; return its height at the sensor (m), rise along x and y."""
    near = points[(points[:, 0] > 4.0) & (points[:, 0] < 40.0) & (np.abs(points[:, 1]) < 12.0)].astype(np.float64)
    cells = np.floor(near[:, 0]).astype(int) * 1000 + np.floor(near[:, 1]).astype(int)
    order = np.lexsort((near[:, 2], cells))
    _, first = np.unique(cells[order], return_index=True)
    lowest = near[order][first]
    kept = np.abs(lowest[:, 2] + 1.7) < 0.8
    rows = np.column_stack([np.ones(len(lowest)), lowest[:, :2]])
    solution: DoubleArray = np.zeros(3)
    for tolerance in (0.4, 0.2, 0.12, 0.12):
        solution = np.linalg.lstsq(rows[kept], lowest[kept, 2], rcond=None)[0]
        kept = np.abs(lowest[:, 2] - rows @ solution) < tolerance
    return float(solution[0]), float(solution[1]), float(solution[2])


def measure_intensity(
    points: FloatArray, owners: np.ndarray, names: np.ndarray, is_low: np.ndarray, values: Values
) -> None:
    """Add ratios of zeros, and means of cars and road."""
    intensities = points[:, 3]
    road = is_low & (np.abs(points[:, 1]) < 2.5) & (points[:, 0] > 5.0) & (points[:, 0] < 25.0) & (owners < 0)
    values["intensity 0: all (%)"].append(100.0 * float((intensities == 0.0).mean()))
    values["intensity 0: road (%)"].append(100.0 * float((intensities[road] == 0.0).mean()))
    values["intensity of the road"].append(float(intensities[road].mean()))
    cars = np.flatnonzero(np.bincount(owners[names == "Car"] + 1, minlength=1)[1:] >= 50)
    for k in cars:
        values["intensity 0: a car (%)"].append(100.0 * float((intensities[owners == k] == 0.0).mean()))
        values["intensity of a car"].append(float(intensities[owners == k].mean()))
    people = intensities[(names == "Pedestrian") | (names == "Cyclist")]
    if len(people):
        values["intensity 0: people (%)"].append(100.0 * float((people == 0.0).mean()))
        values["intensity of people"].append(float(people.mean()))
        values["people's points > 0.5 (%)"].append(100.0 * float((people > 0.5).mean()))


def measure_objects(
    far: FloatArray, boxes: FloatArray, names: Sequence[str], owners: np.ndarray, values: Values
) -> None:
    """Add sizes of objects, and the number of points on them."""
    counts = np.bincount(owners + 1, minlength=len(boxes) + 1)[1:]
    for box, name, count in zip(boxes, names, counts, strict=True):
        distance = float(np.hypot(box[0], box[1]))
        for axis, size in zip(("length", "width", "height"), box[3:6], strict=True):
            values[f"{name} {axis} (m)"].append(float(size))
        if name == "Car" and count:
            for low, high in ((5, 20), (20, 40), (40, 55), (55, 70)):
                if low <= distance < high:
                    values[f"points on a car x r^2 / 1000, {low}-{high} m"].append(count * distance**2 / 1000.0)
        elif name != "Car" and count:
            for low, high in ((5, 20), (20, 30)):
                if low <= distance < high:
                    values[f"points on a {name} x r^2 / 1000, {low}-{high} m"].append(count * distance**2 / 1000.0)


def measure_windows(points: FloatArray, box: FloatArray, values: Values) -> None:
    """Add the ratio of points at the height of the windows to those on the body, for a car `box` (7,) seen end-on.

    `points` (K, 4) are those of the car; one of which most of the end is hidden is left out.
    """
    distance, forward = float(np.hypot(box[0], box[1])), np.array([np.cos(box[6]), np.sin(box[6])])
    ahead = float(forward @ box[:2]) / distance
    heights = (points[:, 2] - box[2]) / box[5] + 0.5
    across = (points[:, :2] - box[:2]) @ np.array([-forward[1], forward[0]])
    body = (heights > _BODY[0]) & (heights < _BODY[1])
    if abs(ahead) < _END_ON or body.sum() < 4 or np.ptp(across[body]) < 0.75 * box[4]:
        return
    windows = (heights > _WINDOWS[0]) & (heights < _WINDOWS[1])
    for low, high in ((5, 30), (30, 60)):
        if low <= distance < high:
            seen = "rear" if ahead > 0.0 else "front"
            values[f"window / body points, {seen} at {low}-{high} m"].append(float(windows.sum() / body.sum()))


def measure_roughness(points: FloatArray, values: Values) -> None:
    """Add the roughness of the low ground, from points (N, 4) on no object."""
    cells = np.floor(points[:, 0] / _CELL).astype(int) * 10000 + np.floor(points[:, 1] / _CELL).astype(int)
    order = np.argsort(cells, kind="stable")
    _, first, counts = np.unique(cells[order], return_index=True, return_counts=True)
    heights = points[order, 2]
    low, high = np.minimum.reduceat(heights, first), np.maximum.reduceat(heights, first)
    is_ground = (counts >= 4) & (high - low < 0.5)
    values["rough cells of low ground (%)"].append(100.0 * float((high - low > _ROUGH)[is_ground].mean()))


def summarise(values: Values) -> dict[str, str]:
    """Return mean, deviation and number of each figure as text, in the order of first use."""
    robust: Callable[[list[float]], str] = lambda some: f"{np.mean(some):.4g} +-{np.std(some):.2g} ({len(some)})"  # noqa: E731
    return {name: robust(some) for name, some in values.items()}


if __name__ == "__main__":
    sys.exit(main())

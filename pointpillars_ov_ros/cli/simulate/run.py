# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov simulate`, once its arguments are known."""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pointpillars_ov_ros.cli.patience import FIRST_TIME, said_if_slow
from pointpillars_ov_ros.config.errors import PointPillarsError, count_of
from pointpillars_ov_ros.config.files import write_whole
from pointpillars_ov_ros.kitti.calibration import Calibration, format_calibration
from pointpillars_ov_ros.kitti.labels import KittiObject, format_label
from pointpillars_ov_ros.synthetic import Drive, Labels, Sensor, SimulatedFrame, load_sensor, simulate
from pointpillars_ov_ros.synthetic.camera import PROJECTION, T_CAMERA_LIDAR, alpha_of

_FOLDERS = ("velodyne", "label_2", "calib")
_DECIMALS = 4


def run_simulate(options: argparse.Namespace) -> int:
    """Simulate, write, and print what was written; PointPillarsError if the folder already has frames."""
    write_frames(options.out, load_sensor(options.sensor), options.frames, options.seed, options.drive, options.picture)
    return 0


def write_frames(out: Path, sensor: Sensor, count: int, seed: int, is_drive: bool, picture: Path | None = None) -> None:
    """Write `count` frames to the KITTI folder `out`, with a progress bar, and print a summary."""
    for name in _FOLDERS:
        if (out / name).exists():
            raise PointPillarsError(f"{out} already holds {name}; it is left unchanged")
    for name in _FOLDERS:
        (out / name).mkdir(parents=True)
    counts: Counter[str] = Counter()
    points, times_ms = 0, []
    source = iter(Drive(sensor, seed, count)) if is_drive else (simulate(sensor, seed + k) for k in range(count))
    frames = tqdm(_timed(source), total=count, unit="frame", desc="simulating")
    for number, (frame, time_ms) in enumerate(frames):
        objects = to_kitti(frame.labels)
        write_frame(out, f"{number:06d}", frame, objects)
        if number == 0 and picture is not None:
            from pointpillars_ov_ros.cli.simulate.plot import draw_frame

            draw_frame(picture, frame, f"{sensor.name}, seed {seed}: {len(frame.points)} points")
        counts.update(one.type for one in objects)
        points += len(frame.points)
        times_ms.append(time_ms)
    seen = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
    print(f"{sensor.name}: {count_of(count, 'frame')} of {points // count} points")
    print(f"in view  {seen}")
    print(f"time     {statistics.median(times_ms):.0f} ms to simulate a frame (median), {times_ms[0]:.0f} ms the first")
    print(f"frames   {out}")
    if picture is not None:
        print(f"picture  {picture}")


def _timed(frames: Iterator[SimulatedFrame]) -> Iterator[tuple[SimulatedFrame, float]]:
    """Yield each frame and how long it took (ms)."""
    patience: AbstractContextManager[None] = said_if_slow(f"still simulating the first frame: {FIRST_TIME}")
    while True:
        begin_ns = time.perf_counter_ns()
        with patience:
            frame = next(frames, None)
        patience = nullcontext()
        if frame is None:
            return
        yield frame, (time.perf_counter_ns() - begin_ns) / 1e6


def write_frame(folder: Path, name: str, frame: SimulatedFrame, objects: list[KittiObject]) -> None:
    """Write cloud, labels and calibration of one frame into the folders of a KITTI split."""
    cloud = frame.points.tobytes()
    write_whole(folder / "velodyne" / f"{name}.bin", lambda fresh: fresh.write_bytes(cloud))
    text = "".join(f"{format_label(one)}\n" for one in objects)
    (folder / "label_2" / f"{name}.txt").write_text(text, encoding="ascii")
    calibration = format_calibration(Calibration(PROJECTION, T_CAMERA_LIDAR))
    (folder / "calib" / f"{name}.txt").write_text(calibration, encoding="ascii")


def to_kitti(labels: Labels) -> list[KittiObject]:
    """Return the objects with points that are visible in the image, as KITTI labels."""
    boxes = labels.boxes.astype(np.float64)
    bottoms = boxes[:, :3] - boxes[:, 5:6] * (0.0, 0.0, 0.5)
    locations = bottoms @ T_CAMERA_LIDAR[:3, :3].T + T_CAMERA_LIDAR[:3, 3]
    rotations = (-boxes[:, 6:] - math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
    rows = np.hstack(
        [
            *(labels.truncation[:, None], alpha_of(boxes)[:, None], labels.image_boxes),
            *(boxes[:, 5:2:-1], locations, rotations),
        ]
    )
    return [
        KittiObject(
            type=labels.names[i],
            truncated=row[0],
            occluded=int(labels.occlusion[i]),
            alpha=row[1],
            bbox=(row[2], row[3], row[4], row[5]),
            height=row[6],
            width=row[7],
            length=row[8],
            location=(row[9], row[10], row[11]),
            rotation_y=row[12],
        )
        for i, row in enumerate(rows.round(_DECIMALS).tolist())
        if labels.points[i] > 0 and labels.truncation[i] < 1.0
    ]

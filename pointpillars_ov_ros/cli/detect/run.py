# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov detect`, once its arguments are known."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pointpillars_ov_ros.cli.detect.rerun_recording import RerunRecording, check_rerun
from pointpillars_ov_ros.cli.detect.sources import NamedCloud, check_inputs, read_inputs
from pointpillars_ov_ros.cli.patience import said_if_slow
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.clouds.ground import find_ground
from pointpillars_ov_ros.clouds.oddities import FILE_CURES, OddityWatch, share_in_range
from pointpillars_ov_ros.clouds.points import clean_points, drop_inside
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.ego_box import check_ego_box
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detection_filter import DetectionFilter, check_filter, check_range, parse_class_names
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from pointpillars_ov_ros.inference.api import Detector

_TABLES = 5
"""Maximum number of clouds that get a table each; with more, each has a line."""
_MAX_HEIGHT_ERROR_M = 0.25
_PATIENCE_S = 5.0
"""Time of loading after which the reason for the wait is printed."""
_LOADING = "still loading: the first run compiles kernels for this machine, which takes about 10 seconds"
_CURES = FILE_CURES._replace(pose="set --sensor-pose {numbers}")


class DetectedCloud(NamedTuple):
    """A cloud and its detections, all in the sensor's frame."""

    cloud: NamedCloud
    points: FloatArray
    """Points with an echo, (N, 4)."""
    detections: Detections
    inside: tuple[int, ...]
    """Number of points in each box."""
    share_in_range: float
    """Ratio of the points, 0 to 1."""
    notes: tuple[str, ...]


def run_detect(options: argparse.Namespace) -> int:
    """Detect, print, and write the requested outputs."""
    check_inputs(options)
    if options.rerun is not None:
        check_rerun()
    check_ego_box(options.ego_box)
    check_range(options.min_range, options.max_range)
    parse_class_names(options.class_names)
    begin = time.monotonic()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        detector = stack.enter_context(_open_detector(options, scratch))
        recording = None if options.rerun is None else stack.enter_context(RerunRecording(options.rerun))
        load_s, begin = time.monotonic() - begin, time.monotonic()
        found: list[dict[str, Any]] = []
        total: Counter[str] = Counter()
        for detected in _detect(options, detector):
            counts = Counter(detected.detections.class_names)
            total.update(counts)
            found.append(_plain(detected))
            _show(detected, len(found), counts)
            if options.picture is not None:
                _draw(options, detected, detector.config, len(found))
            if recording is not None:
                recording.log(len(found) - 1, detected.points, detected.detections, detected.cloud.truth)
        detect_s = time.monotonic() - begin
        if not found:
            raise PointPillarsError(f"{', '.join(map(str, options.inputs))}: no clouds found")
        clouds = f"{len(found)} cloud{'s' if len(found) > 1 else ''}"
        print(f"\n{_name_counts(total)} in {clouds}; {detect_s:.1f} s, and {load_s:.1f} s to load the networks")
        if options.json is not None:
            write_json(options.json, _report(options, detector.config, found))
            print(f"boxes    {options.json}")
    if options.rerun is not None:
        print(f"rerun    {options.rerun} (open it with: rerun {options.rerun})")
    return 0


def _open_detector(options: argparse.Namespace, scratch: Path) -> Detector:
    settings = {"score_threshold": options.score_threshold, "device_properties": " ".join(options.set)}
    # On the CPU the networks run as tested; other devices are checked first.
    settings.update(level=options.level, box_bottoms=options.box_bottoms)
    settings["parity_check"] = options.device != "CPU"
    with said_if_slow(_LOADING, _PATIENCE_S):
        return Detector(
            open_model(options.model, scratch / "bundle"),
            device=options.device,
            **settings,
        )


def _detect(options: argparse.Namespace, detector: Detector) -> Iterator[DetectedCloud]:
    """Yield the clouds in order, with their detections."""
    T_model_sensor, chosen = Transform.from_pose(*options.sensor_pose), choose_detections(options, detector)
    watch, waiting = OddityWatch(detector.config, _CURES), deque[tuple[NamedCloud, FloatArray, FloatArray]]()

    def place() -> Iterator[FloatArray]:
        for cloud in islice(read_inputs(options), options.frames or None):
            points, _ = clean_points(np.array(cloud.points, np.float32, order="C"), 1.0)
            points = drop_inside(points, options.ego_box, Transform.identity())
            moved = points.copy()
            T_model_sensor.move(moved)
            waiting.append((cloud, points, moved))
            if not cloud.follows:
                detector.reset_level()
            yield moved

    for found in detector.stream(place()):
        cloud, points, moved = waiting.popleft()
        kept = chosen.apply(found)
        oddities = [oddity.sentence for oddity in watch.look(moved)]
        notes = (*cloud.notes, *oddities, *([] if watch.found else _look_at_ground(moved, options, detector.config)))
        boxes = move_boxes(kept.boxes, T_model_sensor.inverse)
        yield DetectedCloud(
            cloud,
            points,
            replace(kept, boxes=boxes),
            count_inside(points, boxes),
            share_in_range(moved, detector.config),
            notes if len(points) else (cloud.notes or ("the cloud contains no valid point",)),
        )


def _look_at_ground(points: FloatArray, options: argparse.Namespace, config: ModelConfig) -> list[str]:
    """Report a ground that is not at the height where the network expects it."""
    ground_z = find_ground(points)
    if ground_z is None or abs(ground_z + config.sensor.height) <= _MAX_HEIGHT_ERROR_M:
        return []
    x, y, z, *angles = options.sensor_pose
    better = " ".join(f"{value:g}" for value in (x, y, round(z - config.sensor.height - ground_z, 2), *angles))
    return [
        f"the ground is {z - ground_z:.2f} m below the sensor, but the network expects it "
        f"{z + config.sensor.height:.2f} m below: set --sensor-pose {better}"
    ]


def move_boxes(boxes: FloatArray, T_target_box: Transform) -> FloatArray:
    """Return boxes (M, 7) in another frame: centres are transformed, headings rotated about the target's z."""
    moved = boxes.copy()
    if T_target_box.is_identity or not len(boxes):
        return moved
    moved[:, :3] = boxes[:, :3] @ T_target_box.rotation.T + T_target_box.translation
    ahead = np.column_stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(len(boxes))])
    ahead = ahead @ T_target_box.rotation.T
    moved[:, 6] = np.arctan2(ahead[:, 1], ahead[:, 0])
    return moved


def choose_detections(options: argparse.Namespace, detector: Detector) -> DetectionFilter:
    """Return which detections are shown, and under which names; ConfigError if the network lacks a class."""
    check_filter(detector.classes, options.classes, options.class_names)
    ranges = (options.min_range, options.max_range)
    return DetectionFilter.make(detector.classes, options.classes, options.class_names, *ranges)


def count_inside(points: FloatArray, boxes: FloatArray) -> tuple[int, ...]:
    """Return the number of `points` (N, 4) in each of `boxes` (M, 7)."""
    return tuple(int(np.count_nonzero(find_boxes(points, boxes[k : k + 1]) == 0)) for k in range(len(boxes)))


def _show(detected: DetectedCloud, number: int, counts: Counter[str]) -> None:
    """Print a table of the boxes, or a line if there were many clouds before."""
    name, points = detected.cloud.name, detected.points
    if number <= _TABLES:
        print(f"\n{name}: {len(points):,} points, {detected.share_in_range:.0%} of them in the network's range")
        if detected.inside:
            print(format_boxes(detected))
        else:
            print("nothing found")
    else:
        print(f"{name}: {_name_counts(counts)}")
    for note in detected.notes:
        print(f"note: {note}")


def format_boxes(detected: DetectedCloud) -> str:
    """Tabulate the boxes of a cloud, best score first."""
    header = ["object", "score", "distance (m)", "ahead", "left", "up", "length x width x height", "heading", "points"]
    rows = []
    found = detected.detections
    for name, score, box, inside in zip(found.class_names, found.scores, found.boxes, detected.inside, strict=True):
        x, y, z, length, width, height, yaw = (float(value) for value in box)
        size = f"{length:.2f} x {width:.2f} x {height:.2f}"
        place = [f"{np.hypot(x, y):.1f}", f"{x:.1f}", f"{y:.1f}", f"{z:.1f}"]
        rows.append([name, f"{score:.2f}", *place, size, f"{round(np.degrees(yaw)) % 360}°", str(inside)])
    return format_table(header, rows)


def _name_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"


def _draw(options: argparse.Namespace, detected: DetectedCloud, config: ModelConfig, number: int) -> None:
    """Plot a cloud to --picture, or to a file in that folder if there are several."""
    from pointpillars_ov_ros.cli.birds_eye_view import draw_birds_eye_view

    path: Path = options.picture
    if path.suffix.lower() != ".png":
        path.mkdir(parents=True, exist_ok=True)
        name = detected.cloud.name.replace("/", "_")
        # Files of different folders or types may have the same name.
        is_taken = number > 1 and (path / f"{name}.png").exists()
        path = path / (f"{name} ({number}).png" if is_taken else f"{name}.png")
    elif number > 1:
        if number == 2:
            print(f"note: {path} shows only the first cloud; pass a folder to --picture for all of them")
        return
    title = f"{detected.cloud.name}: {_name_counts(Counter(detected.detections.class_names))}"
    classes = detected.detections.classes
    arguments = (detected.points, detected.detections, detected.cloud.truth, classes, config.grid, title)
    draw_birds_eye_view(path, *arguments)
    print(f"picture  {path}")


def _report(options: argparse.Namespace, config: ModelConfig, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": config.name,
        "device": options.device,
        "score_threshold": options.score_threshold or "the model's own",
        "frame": "the sensor's: x forward, y left, z up (m); yaw about z (rad)",
        "clouds": found,
    }


def _plain(detected: DetectedCloud) -> dict[str, Any]:
    found = detected.detections
    boxes = zip(found.class_names, found.scores.tolist(), found.boxes.tolist(), detected.inside, strict=True)
    return {
        "name": detected.cloud.name,
        "points": len(detected.points),
        "share_in_range": round(detected.share_in_range, 4),
        "notes": list(detected.notes),
        "detections": [
            {"class": name, "score": score, "center": box[:3], "size": box[3:6], "yaw": box[6], "points": inside}
            for name, score, box, inside in boxes
        ],
    }

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs of `pointpillars_ov evaluate`: a model on labelled frames, or result files."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from pointpillars_ov_ros.cli.arguments import device_settings, file_reading
from pointpillars_ov_ros.cli.look_at_files import look_at_frames
from pointpillars_ov_ros.config.errors import DatasetError, InferenceError, count_of
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.model_config import ClassThreshold
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig, from_plain
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.thresholds import keep_all
from pointpillars_ov_ros.inference.detect_all import detect_all
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays, pack_lidar_boxes, pack_objects
from pointpillars_ov_ros.kitti.evaluation_rules import (
    ANY_DIFFICULTY,
    CLASS_RULES,
    DIFFICULTIES,
    DONT_CARE,
    ClassRule,
    Difficulty,
    Metric,
    find_rule,
)
from pointpillars_ov_ros.kitti.frames import Frame, open_frames
from pointpillars_ov_ros.kitti.labels import KittiObject, lidar_boxes, read_labels, read_results
from pointpillars_ov_ros.kitti.projection import to_results
from pointpillars_ov_ros.kitti.results import find_label_files, find_result_files, read_split

SCORED = ", ".join(rule.name for rule in CLASS_RULES)


class ScoredFrames(NamedTuple):
    """Ground truth and detections of the same frames, with remarks."""

    title: str
    frames: int
    truth: ObjectArrays
    found: ObjectArrays
    rules: tuple[ClassRule, ...]
    notes: tuple[str, ...]
    details: dict[str, Any]
    """Details for the report."""
    results: Mapping[str, Sequence[KittiObject]]
    """Detections by frame; empty if they come from files."""
    metrics: tuple[Metric, ...] = tuple(Metric)
    difficulties: tuple[Difficulty, ...] = DIFFICULTIES
    publish: tuple[ClassThreshold, ...] = ()
    """Scores from which the model publishes."""


class CameraView(NamedTuple):
    """A frame to be scored, and its camera."""

    frame: Frame
    calibration: Calibration
    image_size: tuple[int, int]
    """Width, height (pixels)."""


class Labelled(NamedTuple):
    """Frames with their ground truth."""

    views: list[CameraView]
    truth: list[list[KittiObject]]


def read_cloud(view: CameraView, crop: bool) -> FloatArray:
    """Return the points (N, 4) of a frame; with `crop`, only those that the camera sees."""
    points = view.frame.read_points()
    if crop and not view.frame.is_cropped:
        points = points[view.calibration.in_image(points, view.image_size)]
    return points


def score_results(options: argparse.Namespace) -> ScoredFrames:
    """Read --results and the labels of the same frames."""
    labels, results = find_label_files(options.labels), find_result_files(options.results)
    wanted = list(results) if options.split is None else read_split(options.split)
    names = wanted[: options.frames] if options.frames else wanted
    for folder, files in ((options.results, results), (options.labels, labels)):
        missing = [name for name in names if name not in files]
        if missing:
            raise DatasetError(
                f"{folder}: {missing[0]}.txt is missing, but it is one of {count_of(len(names), 'frame')} to score"
            )
    truth, found = [], []
    for name in tqdm(names, unit="frame", desc="reading"):
        truth.append(read_labels(labels[name]))
        found.append(read_results(results[name]))
    rules = tuple(rule for rule in CLASS_RULES if any(find_rule(o.type) is rule for frame in found for o in frame))
    if not rules:
        raise DatasetError(f"{options.results}: no {SCORED} among the detections of {count_of(len(names), 'frame')}")
    notes = []
    if len(rules) < len(CLASS_RULES):
        missing = [rule.name for rule in CLASS_RULES if rule not in rules]
        notes.append(f"no detections of {', '.join(missing)}, so it is not scored (as in the development kit)")
    if len(names) < len(labels):
        notes.append(f"{len(labels) - len(names)} of {len(labels)} label files are not among the frames scored")
    details = {"results": str(options.results), "labels": str(options.labels)}
    title = f"results in {options.results}"
    return ScoredFrames(title, len(names), pack_objects(truth), pack_objects(found), rules, tuple(notes), details, {})


def score_model(options: argparse.Namespace) -> ScoredFrames:
    """Run --model over the labelled frames of --data."""
    # First, since a bad file is found at once, while a network takes time to load.
    labelled = read_labelled(options)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(open_model(options.model, Path(scratch) / "bundle"), runtime_of(options))
    return score_engine(engine, options, labelled)


def runtime_of(options: argparse.Namespace) -> RuntimeConfig:
    """Return the settings of the flags; ConfigError names a bad value."""
    values = {
        **device_settings(options),
        "precision": options.precision,
        "encoder": options.encoder,
        "level": options.level,
        "box_bottoms": options.box_bottoms,
        "score_threshold": options.score_threshold,
        "drop_policy": DropPolicy.REPLAY.value,
    }
    return from_plain(RuntimeConfig, values)


def read_labelled(options: argparse.Namespace) -> Labelled:
    """Read labels and calibrations of the frames of --data; DatasetError names file and line."""
    frames = labelled_frames(options)
    return Labelled([_view(frame) for frame in frames], [frame.read_labels() or [] for frame in frames])


def score_engine(engine: Engine, options: argparse.Namespace, labelled: Labelled) -> ScoredFrames:
    """Detect in all frames; DatasetError if the model has no class that KITTI scores."""
    views, truth = labelled
    frames = [view.frame for view in views]
    classes = engine.config.classes
    rules = tuple(rule for rule in (find_rule(name) for name in classes) if rule is not None)
    if not rules:
        raise DatasetError(f"{engine.config.name} detects {', '.join(classes)}, but KITTI scores {SCORED}")
    if not options.score_threshold:
        # AP is the area below a curve, to which boxes too weak to be published contribute.
        engine.settings = keep_all(engine.settings)
    detected = _detect(engine, views, crop=not options.no_crop)
    found = [
        to_results(detections, classes, view.calibration, view.image_size)
        for detections, view in zip(detected, views, strict=True)
    ]
    settings, threshold = engine.effective_settings(), engine.settings.score_threshold
    encoder = engine.encoders.kind.value
    how = ", ".join(f"{n.upper()} {s.get('INFERENCE_PRECISION_HINT')}" for n, s in settings.items())
    details = {
        "model": engine.config.name,
        "data": str(options.data),
        "settings": to_mapping(dataclasses.replace(engine.runtime, model_dir="")),
        "encoder": encoder,
        "effective settings": settings,
        "score threshold": threshold,
        "cropped to the camera's view": not options.no_crop,
    }
    scored = ScoredFrames(
        title=f"{engine.config.name} on {options.device} ({how}, encoder {encoder}), scores of {threshold:g} or more",
        frames=len(frames),
        truth=pack_objects(truth),
        found=pack_objects(found),
        rules=rules,
        notes=(
            *look_at_frames(frames, engine.config, crop=not options.no_crop),
            *_notes(frames, classes, options.no_crop),
        ),
        details=details,
        results={frame.name: objects for frame, objects in zip(frames, found, strict=True)},
        publish=engine.config.postprocess.publish,
    )
    return _without_image(scored, labelled, detected, classes) if options.no_image_filter else scored


def _without_image(
    scored: ScoredFrames, labelled: Labelled, detected: Sequence[Detections], classes: tuple[str, ...]
) -> ScoredFrames:
    """Count every labelled object, and every detection: BEV and 3D, in the lidar frame."""
    truth = [[o for o in objects if o.type != DONT_CARE] for objects in labelled.truth]
    boxes = [lidar_boxes(objects, view.calibration) for objects, view in zip(truth, labelled.views, strict=True)]
    return scored._replace(
        truth=pack_lidar_boxes(boxes, [[o.type for o in objects] for objects in truth], [o[:, 0] * 0 for o in boxes]),
        found=pack_lidar_boxes(
            [detections.boxes for detections in detected],
            [[classes[label] for label in detections.labels] for detections in detected],
            [detections.scores for detections in detected],
        ),
        metrics=(Metric.BEV, Metric.BOX_3D),
        difficulties=(ANY_DIFFICULTY,),
        notes=(*scored.notes, "without the image filter: every labelled object counts, regardless of its 2D box"),
    )


def labelled_frames(options: argparse.Namespace) -> list[Frame]:
    """List the labelled frames of --data; those named by --split must all exist."""
    every = {frame.name: frame for frame in open_frames(options.data, reading=file_reading(options))}
    if options.split is not None:
        names = read_split(options.split)
        for name in names:
            if name not in every or every[name].labels is None:
                raise DatasetError(f"{options.data}: frame {name} of {options.split} lacks its cloud or its labels")
        every = {name: every[name] for name in names}
    frames = [frame for frame in every.values() if frame.labels is not None]
    if not frames:
        raise DatasetError(f"{options.data}: none of {count_of(len(every), 'frame')} has labels (label_2/NAME.txt)")
    return frames[: options.frames] if options.frames else frames


def _detect(engine: Engine, views: list[CameraView], crop: bool) -> list[Detections]:
    """Detect in every frame, in order."""
    found: list[Detections] = []

    def clouds() -> Iterator[tuple[FloatArray, CameraView]]:
        for view in views:
            if engine.leveller is not None:
                # Each frame is of another place.
                engine.leveller.reset()
            yield read_cloud(view, crop), view

    for result in tqdm(detect_all(engine, clouds()), total=len(views), unit="frame", desc="detecting"):
        view: CameraView = result.token
        if result.error:
            raise InferenceError(f"frame {view.frame.name}: {result.error}")
        found.append(result.detections)
    return found


def _view(frame: Frame) -> CameraView:
    calibration = frame.read_calibration()
    if calibration is None:
        path = frame.cloud.parent.parent / "calib" / f"{frame.name}.txt"
        raise DatasetError(f"{path} is missing, and frame {frame.name} cannot be scored without it")
    return CameraView(frame, calibration, frame.read_image_size() or IMAGE_SIZE)


def _notes(frames: list[Frame], classes: tuple[str, ...], no_crop: bool) -> list[str]:
    notes = []
    foreign = [name for name in classes if find_rule(name) is None]
    if foreign:
        notes.append(f"not scored: {', '.join(foreign)}; KITTI scores {SCORED}")
    unknown = sum(frame.image is None for frame in frames)
    if unknown:
        width, height = IMAGE_SIZE
        notes.append(
            f"image size of {count_of(unknown, 'frame')} assumed to be {width} x {height}: there is no image_2/NAME.png"
        )
    if no_crop:
        notes.append("whole clouds were used; detections outside the image are ignored")
    return notes

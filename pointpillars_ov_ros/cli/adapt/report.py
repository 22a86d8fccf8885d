# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of before and after: on simulated streets with known truth, and on the user's clouds without labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.cli.birds_eye_view import draw_birds_eye_view
from pointpillars_ov_ros.cli.evaluate.command import add_arguments
from pointpillars_ov_ros.cli.evaluate.sources import ScoredFrames, read_labelled, runtime_of, score_engine
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.clouds.ground import fit_ground
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.inference.api import Detector
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.counting import count_found
from pointpillars_ov_ros.kitti.evaluation import evaluate
from pointpillars_ov_ros.kitti.evaluation_rules import Metric
from pointpillars_ov_ros.model.bundle import ModelBundle

_SCORE, _MIN_OVERLAP = 0.5, 0.3
_MAX_TILT = 0.2


class OnClouds(NamedTuple):
    """Figures of detections without labels."""

    boxes: int
    """Number of boxes above the bundle's score thresholds."""
    score: float
    """Median score; nan without boxes."""
    height: float
    """Median height of the boxes' undersides above the ground (m); nan if there is none."""


def score_streets(bundle: ModelBundle, folder: Path) -> ScoredFrames:
    """Score a bundle on simulated frames, a KITTI folder."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(["--data", str(folder), "--model", str(bundle.folder), "--no-crop"])
    return score_engine(Engine(bundle, runtime_of(options)), options, read_labelled(options))


def compare_on_streets(scored: Sequence[ScoredFrames], frames: int) -> str:
    """Format a table of the objects found in simulated streets."""
    rows = []
    for name, source in zip(("before", "after"), scored, strict=True):
        hardest = source.difficulties[-1]
        counts = count_found(source.truth, source.found, source.rules, (_SCORE,), _MIN_OVERLAP, hardest)
        curves = evaluate(
            source.truth, source.found, source.rules, metrics=(Metric.BOX_3D,), difficulties=source.difficulties[1:2]
        )
        for count, curve in zip(counts, curves, strict=True):
            shares = [f"{100 * share:.0f}" if share == share else "-" for share in (count.precision, count.recall)]
            ap = f"{curve.ap_r40:.1f}" if curve.objects else "-"
            rows.append([count.class_name, name, str(count.found + count.missed), *shares, ap])
    rows.sort(key=lambda row: row[0])
    header = ["class", "model", "objects", f"right at {_SCORE} (%)", f"found at {_SCORE} (%)", "3D AP R40 moderate"]
    return f"On {frames} simulated streets of this sensor, none trained on:\n\n" + format_table(header, rows)


def compare_on_clouds(bundles: Sequence[ModelBundle], clouds: Sequence[FloatArray]) -> str:
    """Format a table of the detections in unlabelled clouds."""
    rows = []
    for name, bundle in zip(("before", "after"), bundles, strict=True):
        with Detector(bundle, parity_check=False) as detector:
            found = list(detector.stream(clouds))
        for label, class_name in enumerate(bundle.config.classes):
            told = _describe(found, clouds, label)
            figures = [f"{value:.2f}" if value == value else "-" for value in (told.score, told.height)]
            rows.append([class_name, name, f"{told.boxes / len(clouds):.1f}", *figures])
    rows.sort(key=lambda row: row[0])
    header = ["class", "model", "boxes per cloud", "median score", "underside above ground (m)"]
    return (
        f"On your {len(clouds)} clouds, which have no labels, so it is unknown how many boxes are right:\n\n"
        + format_table(header, rows)
    )


def _describe(found: Sequence[Detections], clouds: Sequence[FloatArray], label: int) -> OnClouds:
    scores: list[float] = []
    heights: list[float] = []
    for detections, cloud in zip(found, clouds, strict=True):
        mine = detections.labels == label
        scores += detections.scores[mine].tolist()
        ground = fit_ground(cloud, _MAX_TILT)
        if ground is not None:
            boxes = detections.boxes[mine]
            below = ground.rise_x * boxes[:, 0] + ground.rise_y * boxes[:, 1] + ground.z
            heights += (boxes[:, 2] - boxes[:, 5] / 2 - below).tolist()
    return OnClouds(
        len(scores),
        float(np.median(scores)) if scores else float("nan"),
        float(np.median(heights)) if heights else float("nan"),
    )


def draw_both(folder: Path, bundles: Sequence[ModelBundle], cloud: FloatArray) -> None:
    """Draw one cloud with the boxes of both models to before.png and after.png."""
    for name, bundle in zip(("before", "after"), bundles, strict=True):
        with Detector(bundle, parity_check=False) as detector:
            detections = detector(cloud)
        title = f"{name}: {len(detections)} boxes"
        draw_birds_eye_view(
            folder / f"{name}.png", cloud, detections, None, bundle.config.classes, bundle.config.grid, title
        )


def write_report(path: Path, tables: Sequence[str], notes: Sequence[str], options: argparse.Namespace) -> None:
    """Print the tables, and write them to a file."""
    said = [*tables, *(f"note: {note}" for note in notes)]
    text = "\n\n".join(said)
    print(f"\n{text}\n")
    length = f"{options.minutes:g} minutes" if options.minutes else f"{options.steps or 'the default number of'} steps"
    begin = f"# Adapted to {', '.join(path.name for path in options.inputs)}\n\nTrained for {length}."
    blocks = "\n\n".join(f"```\n{block}\n```" for block in said)
    write_text(path, f"{begin}\n\n{blocks}\n")

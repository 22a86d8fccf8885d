# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov evaluate`: compute KITTI AP of a model, of result files, or of a bag with ground truth."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_ground_arguments,
    add_input_arguments,
    add_precision_arguments,
    output_file,
    positive,
)
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="score these KITTI result files instead of a model"
    )
    parser.add_argument("--labels", type=Path, metavar="FOLDER", help="KITTI label files of the same frames")
    parser.add_argument(
        "--bag", type=Path, metavar="FOLDER", help="score /detections of a bag against its /ground_truth"
    )
    parser.add_argument("--split", type=Path, metavar="FILE", help="use the frames listed in this file, one per line")
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N labelled frames")
    add_device_arguments(parser)
    add_precision_arguments(parser)
    add_ground_arguments(parser)
    parser.add_argument(
        "--score-threshold", type=float, default=0.0, metavar="S", help="minimum score (default: the model's own)"
    )
    parser.add_argument(
        "--no-crop", action="store_true", help="use whole clouds instead of only the points that the camera sees"
    )
    parser.add_argument(
        "--thresholds",
        metavar="f1|P",
        type=threshold_goal,
        help="propose thresholds by class: with the best F1, or above which a ratio P (0..1) of the boxes is right",
    )
    parser.add_argument(
        "--write-thresholds",
        action="store_true",
        help="write the thresholds of --thresholds into the bundle of --model",
    )
    add_file_arguments(parser)
    parser.add_argument(
        "--no-image-filter",
        action="store_true",
        help="score BEV and 3D of every labelled object, regardless of its 2D box: for labels made from lidar only",
    )
    parser.add_argument(
        "--loose", action="store_true", help="also score BEV and 3D with the milder IoU: 0.5, 0.25, 0.25"
    )
    parser.add_argument(
        "--write-results", type=Path, metavar="FOLDER", help="write KITTI result files, replacing existing ones"
    )
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the report to this file")
    parser.add_argument("--picture", type=output_file, metavar="FILE", help="plot precision over recall to this PNG")


def run(options: argparse.Namespace) -> int:
    """Score, print, and write the requested outputs."""
    _check(options)
    from pointpillars_ov_ros.cli.evaluate.run import run_evaluate

    return run_evaluate(options)


def threshold_goal(text: str) -> float:
    """Parse the flag --thresholds: 0 for f1, or the wanted precision."""
    if text == "f1":
        return 0.0
    try:
        precision = float(text)
    except ValueError:
        precision = math.nan
    if not 0.0 < precision <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'f1' nor a precision in (0, 1]")
    return precision


def _check(options: argparse.Namespace) -> None:
    """Raise PointPillarsError unless the flags name exactly one thing to score."""
    pairs = {
        "--data": (options.model or options.data, options.data),
        "--results with --labels": (options.results, options.labels),
        "--bag": (options.bag, options.bag),
    }
    begun = [name for name, pair in pairs.items() if any(pair)]
    whole = [name for name, pair in pairs.items() if all(pair)]
    if len(begun) != 1 or begun != whole:
        raise PointPillarsError(
            "evaluate needs one thing to score: --data KITTI_FOLDER (with the bundled model, or --model BUNDLE), "
            "--results FOLDER --labels FOLDER, or --bag FOLDER"
        )
    if options.thresholds is not None and options.score_threshold:
        raise PointPillarsError("--thresholds needs all boxes, so it cannot be combined with --score-threshold")
    if options.write_thresholds and (options.thresholds is None or options.model is None):
        raise PointPillarsError("--write-thresholds needs --thresholds, and --model with the bundle to write to")
    if options.write_results is not None and options.data is None:
        raise PointPillarsError("--write-results writes the detections of a model, so it needs --data")

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov quantize`: make an INT8 bundle from a float one, calibrated with clouds."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_file_arguments,
    add_input_arguments,
    add_intensity_arguments,
    positive,
)
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument(
        "--bag", type=Path, metavar="FOLDER", help="calibrate with the clouds of a bag instead of --data"
    )
    parser.add_argument("--topic", default="points", help="topic of --bag, with or without namespace (%(default)s)")
    add_intensity_arguments(parser)
    add_file_arguments(parser, with_intensity=False)
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder of the bundle to write")
    parser.add_argument(
        "--networks", default="rpn", choices=("rpn", "pfe", "both"), help="networks to quantize (default: %(default)s)"
    )
    parser.add_argument(
        "--preset",
        default="performance",
        choices=("performance", "mixed"),
        help="ranges of activations: symmetric (performance, the default) or from minimum to maximum (mixed)",
    )
    parser.add_argument(
        "--ranges",
        default="widest",
        choices=("widest", "mean"),
        help="ranges of activations: from the maximum over all clouds (widest, the default), or from the mean of "
        "each cloud's maximum (mean)",
    )
    parser.add_argument(
        "--subset", type=positive, default=300, metavar="N", help="number of clouds to calibrate with (default: 300)"
    )
    parser.add_argument(
        "--check",
        type=positive,
        default=100,
        metavar="N",
        help="number of clouds to compare detections on (default: 100)",
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        default=[],
        metavar="NAME",
        help="layers that stay float, by name or by the name of their output",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="X",
        help="return layers of the RPN to float until at most this ratio of the detections (0..1) differs; "
        "refuse if that does not help",
    )
    parser.add_argument(
        "--no-crop", action="store_true", help="use whole clouds instead of only the points that the camera sees"
    )


def run(options: argparse.Namespace) -> int:
    """Quantize, compare, and write the bundle."""
    if (options.data is None) == (options.bag is None):
        raise PointPillarsError("quantize needs clouds: one of --data KITTI_FOLDER and --bag FOLDER")
    if options.model is None:
        from pointpillars_ov_ros.model.shipped import FLOAT, shipped_model

        options.model = shipped_model(FLOAT)
    from pointpillars_ov_ros.cli.model.quantize import run_quantize

    return run_quantize(options)

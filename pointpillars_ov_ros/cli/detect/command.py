# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect`: boxes of any file, folder or bag of clouds, as a table, a picture and JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_level_argument,
    add_model_argument,
    add_selection_arguments,
    positive,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Clouds are read as x forward, y left, z up in metres around the sensor; what looks otherwise is said, with "
        "the flag that mends it. ROS is not needed. Example: pointpillars_ov detect scan.pcd --picture scan.png"
    )
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=".bin, .pcd, .npy or .ply file, a folder of them, a KITTI folder, or a bag",
    )
    add_model_argument(parser)
    add_device_arguments(parser)
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.0,
        metavar="S",
        help="least score of a box (default: the model's own)",
    )
    add_selection_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="take only the first N clouds")
    parser.add_argument("--topic", metavar="NAME", help="topic of the clouds of a bag (default: the only one)")
    add_level_argument(parser)
    add_file_arguments(parser)
    parser.add_argument(
        "--sensor-pose",
        type=float,
        nargs=6,
        default=[0.0] * 6,
        metavar=("X", "Y", "Z", "ROLL", "PITCH", "YAW"),
        help="pose of the sensor in the frame that the network was trained in (m, rad); boxes stay in the sensor's",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PNG", help="draw a bird's-eye view; of several clouds, a folder of them"
    )
    parser.add_argument(
        "--rerun", type=Path, metavar="FILE.rrd", help="record clouds and boxes for Rerun's viewer (the extra [rerun])"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the boxes of all clouds to this file")


def run(options: argparse.Namespace) -> int:
    """Detect, print, and write what was asked for."""
    from pointpillars_ov_ros.cli.detect.run import run_detect

    return run_detect(options)

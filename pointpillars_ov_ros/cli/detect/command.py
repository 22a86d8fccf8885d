# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect`: detect objects in any file, folder or bag of clouds; table, picture and JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_ground_arguments,
    add_model_argument,
    add_selection_arguments,
    finite_number,
    output_file,
    positive,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Clouds are expected with x forward, y left, z up in metres around the sensor; deviations are reported with "
        "the flag that corrects them. ROS is not needed. Example: pointpillars_ov detect scan.pcd --picture scan.png"
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
        help="minimum score of a box (default: the model's own)",
    )
    add_selection_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N clouds")
    parser.add_argument("--topic", metavar="NAME", help="topic of the clouds in a bag (default: the only one)")
    add_ground_arguments(parser)
    add_file_arguments(parser)
    parser.add_argument(
        "--sensor-pose",
        type=finite_number,
        nargs=6,
        default=[0.0] * 6,
        metavar=("X", "Y", "Z", "ROLL", "PITCH", "YAW"),
        help="pose of the sensor in the frame that the network was trained in (m, rad); boxes stay in the sensor frame",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="PNG", help="draw a bird's-eye view; for several clouds, a folder"
    )
    parser.add_argument(
        "--rerun",
        type=Path,
        metavar="FILE.rrd",
        help="record clouds and boxes for Rerun's viewer (extra [rerun])",
    )
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write the boxes of all clouds to this file")


def run(options: argparse.Namespace) -> int:
    """Detect, print, and write the requested outputs."""
    from pointpillars_ov_ros.cli.detect.run import run_detect

    return run_detect(options)

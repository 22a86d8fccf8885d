# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov doctor`: why there are no boxes, no clouds or too few of them, and what mends it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_model_argument,
    finite_number,
    positive_number,
)
from pointpillars_ov_ros.cli.doctor.page import STDOUT
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Without an input it looks at the machine, the model and ROS. Exit code: 0 where every line is OK or a NOTE, 1 "
        "where one is a WARN or a FAULT (each names its cure), or where it could not look. "
        "Example: pointpillars_ov doctor --topic /lidar/points"
    )
    parser.add_argument(
        "inputs", type=Path, nargs="*", metavar="FILE", help="clouds: .bin, .pcd, .npy, .ply, a folder of them, a bag"
    )
    parser.add_argument("--bag", type=Path, metavar="PATH", help="bag of clouds, as FILE")
    parser.add_argument(
        "--topic", metavar="NAME", help="topic of clouds to listen to; with a bag, the one of it (default: the only)"
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=5.0,
        metavar="S",
        help="how long to listen at most (default: %(default)g)",
    )
    parser.add_argument("--target-frame", default="", metavar="FRAME", help="the detector's parameter target_frame")
    parser.add_argument(
        "--input-reliability",
        choices=("auto", "best_effort", "reliable"),
        default="auto",
        help="the detector's parameter of that name (default: %(default)s)",
    )
    parser.add_argument(
        "--sensor-pose",
        type=finite_number,
        nargs=6,
        default=[0.0] * 6,
        metavar=("X", "Y", "Z", "ROLL", "PITCH", "YAW"),
        help="the detector's parameter sensor_pose (m, rad): examine the clouds as they are once moved by it",
    )
    parser.add_argument("--intensity-field", default="", metavar="NAME", help="the detector's parameter of that name")
    add_file_arguments(parser)
    add_model_argument(parser)
    add_device_arguments(parser)
    parser.add_argument(
        "--no-model", action="store_true", help="load no networks: a quick look without parity and speed"
    )
    parser.add_argument("--cache-dir", default="", metavar="FOLDER", help="the detector's parameter cache_dir")
    parser.add_argument(
        "--rate", type=positive_number, metavar="HZ", help="clouds a second that are to be detected (default: as seen)"
    )
    parser.add_argument(
        "--json",
        type=json_file,
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        help="write the findings to this .json file, too; without one, print them, and the page to stderr",
    )


def json_file(text: str) -> Path:
    """Read the flag of a file that is written: no cloud or bag that was meant to be read is written over."""
    path = Path(text)
    if path != STDOUT and path.suffix != ".json":
        raise argparse.ArgumentTypeError(f"{text} is no .json file; what is to be looked at comes before --json")
    return path


def run(options: argparse.Namespace) -> int:
    """Look, print, and return the exit code."""
    if options.bag is not None:
        options.inputs = [*options.inputs, options.bag]
    for path in options.inputs:
        if not path.exists():
            raise PointPillarsError(f"{path}: there is no such file or folder")
    from pointpillars_ov_ros.cli.doctor.run import run_doctor

    return run_doctor(options)

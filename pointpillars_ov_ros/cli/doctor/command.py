# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov doctor`: find out why boxes or clouds are missing, and how to fix it."""

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
        "Without an input it checks the machine, the model and ROS. Exit code: 0 if every line is OK or NOTE, 1 if "
        "one is WARN or FAULT (each names its cure), or if the checks failed. "
        "Example: pointpillars_ov doctor --topic /lidar/points"
    )
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="clouds: .bin, .pcd, .npy, .ply files, a folder of them, a bag",
    )
    parser.add_argument("--bag", type=Path, metavar="PATH", help="bag of clouds, same as FILE")
    parser.add_argument(
        "--topic", metavar="NAME", help="topic of clouds to listen to; with a bag, the topic in it (default: the only)"
    )
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=5.0,
        metavar="S",
        help="maximum time to listen (default: %(default)g)",
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
        help="the detector's parameter sensor_pose (m, rad): check the clouds after applying it",
    )
    parser.add_argument("--intensity-field", default="", metavar="NAME", help="the detector's parameter of that name")
    add_file_arguments(parser)
    add_model_argument(parser)
    add_device_arguments(parser)
    parser.add_argument(
        "--no-model", action="store_true", help="load no networks: a quick check without parity and speed"
    )
    parser.add_argument("--cache-dir", default="", metavar="FOLDER", help="the detector's parameter cache_dir")
    parser.add_argument(
        "--rate", type=positive_number, metavar="HZ", help="rate of clouds to keep up with (default: as observed)"
    )
    parser.add_argument(
        "--json",
        type=json_file,
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        help="also write the findings to this .json file; without FILE, print them, and the report to stderr",
    )


def json_file(text: str) -> Path:
    """Parse the name of the file to write; only .json is accepted, so that no cloud or bag is overwritten."""
    path = Path(text)
    if path != STDOUT and path.suffix != ".json":
        raise argparse.ArgumentTypeError(f"{text} is not a .json file; inputs come before --json")
    return path


def run(options: argparse.Namespace) -> int:
    """Check, print, and return the exit code."""
    if options.bag is not None:
        options.inputs = [*options.inputs, options.bag]
    for path in options.inputs:
        if not path.exists():
            raise PointPillarsError(f"{path}: no such file or folder")
    from pointpillars_ov_ros.cli.doctor.run import run_doctor

    return run_doctor(options)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov demo`: run the three nodes as processes on DDS; record, draw and tabulate the results."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_device_arguments, add_input_arguments, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = "Without --data, a drive through simulated streets is played."
    add_input_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_output"),
        help="folder for picture, bag and logs (default: %(default)s)",
    )
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="play only the first N frames")
    parser.add_argument(
        "--rate", type=float, default=10.0, help="maximum number of clouds per second (default: %(default)s)"
    )
    add_device_arguments(parser)
    parser.add_argument(
        "--mode",
        default="latency",
        choices=("latency", "balanced", "throughput"),
        help="default: %(default)s",
    )
    parser.add_argument(
        "--record-trace", type=Path, metavar="FILE", help="record the stages of every frame as a trace for Perfetto"
    )
    parser.add_argument(
        "--attach", action="store_true", help="start no nodes; record those started by kitti_demo.launch.py"
    )


def run(options: argparse.Namespace) -> int:
    """Play, record, draw, print."""
    # ROS is only needed from here on, so that --help and a forgotten argument cost nothing.
    from pointpillars_ov_ros.cli.demo.run import run_demo

    return run_demo(options)

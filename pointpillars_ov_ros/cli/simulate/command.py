# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov simulate`: write frames of a simulated lidar as a KITTI folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import output_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder for velodyne/, label_2/ and calib/"
    )
    parser.add_argument(
        "--sensor",
        default="hdl_64e",
        metavar="NAME_OR_FILE",
        help="hdl_64e, vlp_32c, vlp_16, generic, or the YAML file of another sensor (default: %(default)s)",
    )
    parser.add_argument(
        "--frames", type=positive, default=10, metavar="N", help="number of frames (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of the first street (default: %(default)s)"
    )
    parser.add_argument(
        "--drive",
        action="store_true",
        help="write consecutive frames of one drive at 10 Hz; otherwise each frame has its own street",
    )
    parser.add_argument(
        "--picture", type=output_file, metavar="FILE", help="draw the first frame in bird's-eye view to this PNG"
    )


def run(options: argparse.Namespace) -> int:
    """Simulate, write, and print what was written."""
    from pointpillars_ov_ros.cli.simulate.run import run_simulate

    return run_simulate(options)

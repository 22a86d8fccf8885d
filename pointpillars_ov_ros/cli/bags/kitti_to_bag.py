# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov kitti_to_bag`: a KITTI folder as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_storage_argument, positive, positive_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Topics are those of kitti_player: /points, /ground_truth, /tf_static; beside them /camera/camera_info and "
        "/camera/image_rect/compressed (the PNG files as they are). No ROS node is started."
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="KITTI folder: object set, split, raw drive or folder of .bin clouds",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="new folder for the bag")
    add_storage_argument(parser, "mcap")
    parser.add_argument(
        "--rate",
        type=positive_number,
        default=10.0,
        metavar="HZ",
        help="clouds a second, where the folder has no timestamps.txt (default: %(default)g)",
    )
    parser.add_argument("--crop", action="store_true", help="keep only the points that the camera sees")
    parser.add_argument("--frames", type=positive, metavar="N", help="the first N frames only (default: all)")


def run(options: argparse.Namespace) -> int:
    """Write the bag and say what is in it."""
    from pointpillars_ov_ros.bags.from_kitti import run_kitti_to_bag

    return run_kitti_to_bag(options)

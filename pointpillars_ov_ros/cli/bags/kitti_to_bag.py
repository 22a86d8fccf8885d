# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov kitti_to_bag`: write a KITTI folder as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_file_arguments,
    add_storage_argument,
    file_reading,
    positive,
    positive_number,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "The topics are those of kitti_player, /points, /ground_truth, /tf_static, plus /camera/camera_info and "
        "/camera/image_rect/compressed (the unchanged PNG files). No ROS node is started."
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="KITTI folder: object set, split, raw drive, or any folder of clouds",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="new folder for the bag")
    add_storage_argument(parser, "mcap")
    parser.add_argument(
        "--rate",
        type=positive_number,
        default=10.0,
        metavar="HZ",
        help="clouds per second if the folder has no timestamps.txt (default: %(default)g)",
    )
    parser.add_argument("--crop", action="store_true", help="keep only the points that the camera sees")
    add_file_arguments(parser)
    parser.add_argument("--frames", type=positive, metavar="N", help="use only the first N frames (default: all)")


def run(options: argparse.Namespace) -> int:
    """Write the bag and print its contents."""
    from pointpillars_ov_ros.bags.from_kitti import CAMERA_INFO, IMAGES, TYPES, write_kitti_bag
    from pointpillars_ov_ros.config.errors import count_of
    from pointpillars_ov_ros.kitti.frames import open_frames

    frames = open_frames(options.data, options.frames or 0, file_reading(options))
    written = write_kitti_bag(frames, options.out, options.storage, options.rate, options.crop)
    print(f"{options.out}: {count_of(len(frames), 'frame')} of {options.data}")
    for note in frames[0].files.notes() if frames[0].files is not None else ():
        print(f"  {note}")
    for topic, count in written.items():
        print(f"  {count:6}  {topic}  {TYPES[topic]}")
    if CAMERA_INFO in written and IMAGES not in written:
        print("there are no images; /camera/camera_info has KITTI's usual size")
    return 0

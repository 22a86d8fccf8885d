# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect_bag`: add detections to a bag, without a ROS graph."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_ground_arguments,
    add_intensity_arguments,
    add_model_argument,
    add_precision_argument,
    add_selection_arguments,
    add_storage_argument,
    device_settings,
    file_reading,
    finite_number,
    positive,
)

if TYPE_CHECKING:
    from pointpillars_ov_ros.bags.detect import BagOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Every cloud is processed once, in order; its detections have its header and its time in the bag. If killed, "
        "the same command continues where it stopped: the detections so far are kept in BAG.partial. "
        "A bag of ROS 1 becomes one of ROS 2."
    )
    parser.add_argument("source", type=Path, metavar="BAG", help="ROS 2 or ROS 1 bag, or a folder of KITTI frames")
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="new folder for the bag")
    add_detection_arguments(parser)


def add_detection_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags shared with detect_bags."""
    parser.add_argument("--topic", metavar="TOPIC", help="topic of the clouds (default: the only PointCloud2 topic)")
    parser.add_argument(
        "--detections",
        default="/detections",
        metavar="TOPIC",
        help="topic for the detections, with label_info beside it (default: %(default)s)",
    )
    parser.add_argument(
        "--only-detections", action="store_true", help="leave the messages of the input out of the output"
    )
    parser.add_argument(
        "--no-markers", action="store_true", help="write no markers for RViz and Foxglove beside the detections"
    )
    add_selection_arguments(parser)
    _add_placement_arguments(parser)
    add_storage_argument(parser, None)
    add_model_argument(parser)
    add_device_arguments(parser)
    add_precision_argument(parser)
    # Not auto, whose choice may differ when a run is resumed.
    parser.add_argument(
        "--encoder",
        default="host",
        choices=("host", "openvino"),
        help="where pillars are encoded (default: %(default)s)",
    )
    parser.add_argument(
        "--mode",
        default="throughput",
        choices=("latency", "balanced", "throughput"),
        help="number of clouds in flight: 1, 2 or 3 (default: %(default)s)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads for each network")
    parser.add_argument(
        "--score-threshold", type=float, default=0.0, metavar="S", help="minimum score (default: the model's own)"
    )
    add_ground_arguments(parser)
    add_intensity_arguments(parser)
    add_file_arguments(parser, with_intensity=False)


def _add_placement_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags for the pose of the sensor, the frame of the detections, and sweeps."""
    parser.add_argument(
        "--sensor-pose",
        nargs=6,
        type=finite_number,
        default=(0.0,) * 6,
        metavar=("X", "Y", "Z", "ROLL", "PITCH", "YAW"),
        help="pose of the sensor in the frame that the network was trained in, m and rad (default: zeros)",
    )
    parser.add_argument(
        "--target-frame",
        default="",
        metavar="FRAME",
        help="frame that clouds are transformed to by TF of the bag and detections are written in; --sensor-pose is "
        "then the pose of that frame (default: the clouds' frame)",
    )
    parser.add_argument(
        "--sweeps",
        type=positive,
        default=1,
        metavar="N",
        help="number of clouds to accumulate by TF of the bag, including the newest, for sparse LiDARs (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--odom-frame", default="odom", metavar="FRAME", help="fixed frame of TF, for --sweeps (default: odom)"
    )


def run(options: argparse.Namespace) -> int:
    """Detect, and print the outcome of the clouds."""
    from pointpillars_ov_ros.bags.detect import detect_bag, open_engine
    from pointpillars_ov_ros.bags.tally import format_tally

    wanted = bag_options(options)
    tally = detect_bag(options.source, options.out, wanted, lambda: open_engine(wanted))
    print(format_tally(options.out, tally))
    return 0


def bag_options(options: argparse.Namespace) -> BagOptions:
    """Return the options set by the flags of `add_detection_arguments`; ConfigError names a bad value."""
    from pointpillars_ov_ros.bags.detect import BagOptions
    from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
    from pointpillars_ov_ros.ros.settings import DetectorNodeConfig

    names = ["precision", "encoder", "mode", "score_threshold", "level", "box_bottoms"]
    names += ["intensity_field", "intensity_scale"]
    values = {**device_settings(options), **{name: getattr(options, name) for name in names}}
    runtime = from_plain(RuntimeConfig, {**values, "num_threads": options.threads or 0})
    of_node = ("classes", "class_names", "min_range", "max_range", "target_frame", "sweeps", "odom_frame")
    placing = {name: getattr(options, name) for name in of_node}
    placing.update(sensor_pose=tuple(options.sensor_pose), ego_box=tuple(options.ego_box))
    # Intensities are scaled once, like those of messages.
    reading = replace(file_reading(options), intensity_scale=1.0 if options.intensity_scale else 0.0)
    return BagOptions(
        topic=options.topic,
        detections=options.detections,
        only_detections=options.only_detections,
        storage=options.storage,
        markers=not options.no_markers,
        node=from_plain(DetectorNodeConfig, placing),
        model=options.model,
        runtime=runtime,
        reading=reading,
    )

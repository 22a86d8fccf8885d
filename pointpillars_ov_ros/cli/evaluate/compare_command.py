# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov compare`: compare AP, latency and size of bundles and precisions."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_device_arguments, add_file_arguments, output_file, positive
from pointpillars_ov_ros.config.errors import PointPillarsError

PRECISIONS = ("default", "f32", "f16", "bf16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Every model is scored in every precision on the same labelled frames. Latency is measured with all of them "
        "taking turns, cloud by cloud, so that the ratio to the first row holds on a machine whose speed changes."
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="KITTI folder with labels")
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        metavar="BUNDLE",
        help="model bundles, or folders with the IR of PFE and RPN (default: the bundled models)",
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        default=["default"],
        choices=PRECISIONS,
        metavar="PRECISION",
        help=f"inference precisions: {', '.join(PRECISIONS)} (default: default, the device's own)",
    )
    parser.add_argument("--split", type=Path, metavar="FILE", help="use the frames listed in this file, one per line")
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N labelled frames")
    parser.add_argument("--repeat", type=positive, default=3, metavar="N", help="rounds of timing (default: 3)")
    add_device_arguments(parser)
    parser.add_argument(
        "--encoder", default="auto", choices=("auto", "openvino", "host"), help="where pillars are encoded (auto)"
    )
    parser.add_argument(
        "--score-threshold", type=float, default=0.0, metavar="S", help="minimum score (default: the model's own)"
    )
    parser.add_argument(
        "--no-crop", action="store_true", help="use whole clouds instead of only the points that the camera sees"
    )
    add_file_arguments(parser)
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the report to this file")


def run(options: argparse.Namespace) -> int:
    """Score, measure and print."""
    if options.data is None:
        raise PointPillarsError(
            "compare needs labelled frames: --data KITTI_FOLDER (`pointpillars_ov simulate` makes one)"
        )
    from pointpillars_ov_ros.cli.evaluate.compare import run_compare

    return run_compare(options)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov parity`: check that the networks give the same results here as on CPU in f32."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_file_arguments,
    add_model_argument,
    add_precision_arguments,
    add_set_argument,
    output_file,
    positive,
)
from pointpillars_ov_ros.config.errors import PointPillarsError

_EPILOG = (
    "The reference is the same bundle with its original graphs on CPU in f32; for an INT8 bundle that is the INT8 "
    "graph, so the cost of quantization does not show here (see quantize and evaluate). "
    "Exit code: 0 if they agree, 1 if they do not or the check fails. "
    "With AUTO, the device in use at the time is checked."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = _EPILOG
    add_model_argument(parser)
    parser.add_argument("--device", help="OpenVINO device of both networks (default: CPU)")
    parser.add_argument("--pfe-device", metavar="DEVICE", help="OpenVINO device of the PFE alone")
    parser.add_argument("--rpn-device", metavar="DEVICE", help="OpenVINO device of the RPN alone")
    add_set_argument(parser)
    add_precision_arguments(parser)
    parser.add_argument("--no-lean", action="store_true", help="use the original graph of the RPN on CPU, too")
    parser.add_argument(
        "--data", type=Path, help="compare with these clouds of a KITTI folder instead of the built-in one"
    )
    add_file_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N clouds of --data")
    parser.add_argument("--min-correlation", type=float, metavar="R", help="like the parameter parity_min_correlation")
    parser.add_argument("--max-shift", type=float, metavar="M", help="like the parameter parity_max_shift (m)")
    parser.add_argument(
        "--max-score-change", type=float, metavar="S", help="like the parameter parity_max_score_change"
    )
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the figures to this file")


def run(options: argparse.Namespace) -> int:
    """Compare, print, and return the exit code."""
    if options.frames and options.data is None:
        raise PointPillarsError("--frames applies to the clouds of --data, which is not set")
    from pointpillars_ov_ros.cli.model.parity import run_parity

    return run_parity(options)

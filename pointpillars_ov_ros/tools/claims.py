# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov claims`: measures what is claimed of speed, as ratios within one run, and says what is met."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.tools.inputs import add_input_arguments, check_data, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="take only the first N frames")
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="N", help="how often; more, narrower bounds (default: 5)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("claims"),
        metavar="FOLDER",
        help="where claims.json, claims.md and growth.png go (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print a line a claim, write the report."""
    check_data(options, "claims")
    from pointpillars_ov_ros.tools.claims_session import run_claims

    return run_claims(options)

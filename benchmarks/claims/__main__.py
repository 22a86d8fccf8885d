# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: measure the claims on speed as ratios within one run, and report which are met."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_input_arguments, check_data, positive
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N frames")
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="N", help="rounds; more give narrower bounds (default: 5)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("claims"),
        metavar="FOLDER",
        help="folder for claims.json, claims.md and growth.png (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print a line per claim, write the report."""
    check_data(options, "claims")
    from benchmarks.claims.run import run_claims

    return run_claims(options)


def main() -> int:
    """Run from the command line; known errors are one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except (PointPillarsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

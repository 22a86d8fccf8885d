# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov latency_report`: show where the time of every cloud went, as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import output_file, positive
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Reads the detector's topic `timing` from bags or recordings of --json, or listens to it. "
        "Two sources are compared side by side."
    )
    parser.add_argument(
        "source", type=Path, nargs="*", help="bag, or a recording written by --json; one, or two to compare"
    )
    parser.add_argument(
        "--listen", type=positive, metavar="S", help="listen to a running detector for S seconds (or until Ctrl-C)"
    )
    parser.add_argument(
        "--topic",
        default="timing",
        help="topic, with or without namespace (default: %(default)s, in any namespace of a bag)",
    )
    parser.add_argument(
        "--page",
        type=output_file,
        default=Path("latency_report.html"),
        metavar="FILE",
        help="HTML page to write (default: %(default)s)",
    )
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="write the messages received by --listen, to compare later"
    )


def run(options: argparse.Namespace) -> int:
    """Read or listen, print a table, write the page."""
    if not 1 <= len(options.source) + (options.listen is not None) <= 2:
        raise PointPillarsError(
            "latency_report needs one source or two: bags, recordings of --json, or --listen SECONDS"
        )
    if options.json is not None and options.listen is None:
        raise PointPillarsError("--json writes the messages received by --listen, which is not set")
    from pointpillars_ov_ros.cli.latency_report.run import run_latency_report

    return run_latency_report(options)

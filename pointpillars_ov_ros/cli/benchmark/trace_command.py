# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov trace`: draw traces recorded by the detector, `demo` or `benchmark`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import output_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = "The files can also be opened in ui.perfetto.dev and chrome://tracing."
    parser.add_argument(
        "traces", type=Path, nargs="+", metavar="FILE", help="trace written by record_trace; one panel each"
    )
    parser.add_argument(
        "--picture",
        type=output_file,
        default=Path("trace.png"),
        metavar="FILE",
        help="PNG to write (default: %(default)s)",
    )
    parser.add_argument(
        "--first", type=positive, metavar="N", help="start with the N-th recorded frame (default: in the middle)"
    )


def run(options: argparse.Namespace) -> int:
    """Read and draw."""
    from pointpillars_ov_ros.cli.benchmark.trace import run_trace

    return run_trace(options)

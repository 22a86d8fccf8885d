# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov trace`: traces that detector, `demo` or `benchmark` recorded, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = "The files themselves open in ui.perfetto.dev and in chrome://tracing."
    parser.add_argument("traces", type=Path, nargs="+", metavar="FILE", help="what record_trace wrote; a panel of each")
    parser.add_argument(
        "--picture", type=Path, default=Path("trace.png"), metavar="FILE", help="the PNG (default: %(default)s)"
    )
    parser.add_argument(
        "--first", type=positive, metavar="N", help="begin with the N-th frame recorded (default: in the middle)"
    )


def run(options: argparse.Namespace) -> int:
    """Read and draw."""
    from pointpillars_ov_ros.cli.benchmark.trace import run_trace

    return run_trace(options)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov inspect`: describe a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "bundle",
        type=Path,
        nargs="?",
        help="model bundle, or a folder with the IR files of PFE and RPN (default: the bundled model)",
    )
    parser.add_argument(
        "--layers", action="store_true", help="list every layer with weights instead of only their kinds"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Inspect the bundle, whose files are checked against their sha256, and print."""
    from pointpillars_ov_ros.cli.model.inspect_report import run_inspect

    return run_inspect(options)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov convert`: a model bundle out of a pair of IR files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("source", type=Path, help="folder with the IR files of PFE and RPN")
    parser.add_argument("output", type=Path, help="folder of the bundle to make")
    parser.add_argument("--architecture", help="what the networks are (default: the one that fits, if only one does)")


def run(options: argparse.Namespace) -> int:
    """Make the bundle and say what it is."""
    from pointpillars_ov_ros.model.importers import find_preset, import_ir

    preset = options.architecture or find_preset(options.source)
    bundle = import_ir(options.source, preset, options.output)
    print(f"{bundle.folder}: {preset} with {', '.join(bundle.config.classes)}, files under their sha256")
    return 0

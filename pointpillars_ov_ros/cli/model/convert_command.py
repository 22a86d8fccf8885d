# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov convert`: make a model bundle from IR files, ONNX files or a torch checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Neither torch nor the projects that the weights come from are needed. Everything that the source does not "
        "specify is printed with its origin."
    )
    parser.add_argument(
        "source",
        type=Path,
        help="folder with the PFE and RPN as IR (pfe.xml, rpn.xml) or ONNX (*pfe*.onnx, *rpn*.onnx), a bundle, or a "
        "checkpoint (.pth) of OpenPCDet's pointpillar, of zhulf0804/PointPillars or of our own training",
    )
    parser.add_argument("output", type=Path, help="folder of the bundle to write; an existing bundle is replaced")
    parser.add_argument(
        "--preset",
        "--architecture",
        metavar="NAME",
        help="architecture of the networks (default: the one that fits, if only one does)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.yaml",
        help="description of the networks: a bundle.yaml or OpenPCDet's YAML of the model",
    )
    parser.add_argument("--name", help="name of the network (default: that of the source or the preset)")
    parser.add_argument("--licence", metavar="TEXT", help="licence of the weights, stored in bundle.yaml")
    parser.add_argument(
        "--weights",
        default="main",
        choices=("main", "averaged", "last"),
        help="for a checkpoint with an averaged copy (EMA): the averaged weights, or those of the last iteration "
        "(default: main, those that its own project would load)",
    )
    parser.add_argument("--fp16", action="store_true", help="write weights in f16: half the size (default: as is)")


def run(options: argparse.Namespace) -> int:
    """Make the bundle and describe it."""
    if options.preset and options.config:
        raise PointPillarsError("use either --preset or --config, not both")
    from pointpillars_ov_ros.cli.model.convert import run_convert

    return run_convert(options)

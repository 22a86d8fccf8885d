# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov train`: train a network on simulated scenes or KITTI. The only tool that needs PyTorch."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import positive
from pointpillars_ov_ros.config.errors import TrainingError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Writes checkpoint.pth (for --resume), weights.pth (for --from), bundle/ (for the detector), log.json and "
        "curves.png to the folder of --out."
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the results (default: training)")
    scenes = parser.add_mutually_exclusive_group()
    scenes.add_argument(
        "--sensor", default="hdl_64e", metavar="NAME_OR_YAML", help="lidar to simulate (default: %(default)s)"
    )
    scenes.add_argument("--data", type=Path, metavar="FOLDER", help="train on this KITTI object set instead")
    parser.add_argument(
        "--split", type=Path, metavar="FILE", help="train on the frames of --data listed in this file, one per line"
    )
    _add_run_arguments(parser)
    _add_sample_arguments(parser)


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--resume",
        type=Path,
        metavar="CHECKPOINT",
        help="continue a run, up to --steps or --minutes if set; all else except --out and --workers is as before",
    )
    weights.add_argument(
        "--from", dest="weights", type=Path, metavar="CHECKPOINT", help="start with the network of another run"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive, metavar="N", help="number of steps (default: 20000)")
    length.add_argument("--minutes", type=float, default=0.0, metavar="M", help="train for M minutes instead")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="seed of all random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--save-every", type=positive, default=500, metavar="N", help="number of steps between checkpoints"
    )


def _add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch", type=positive, default=4, metavar="N", help="samples per step (default: %(default)s)"
    )
    parser.add_argument(
        "--crop",
        type=cells,
        default=(216, 248),
        metavar="COLUMNSxROWS",
        help="canvas cells per sample, 0x0 for all of them (default: 216x248, a quarter)",
    )
    parser.add_argument(
        "--width", type=float, default=1.0, metavar="F", help="factor for the number of channels in the paper"
    )
    parser.add_argument(
        "--learning-rate", type=float, default=3e-3, metavar="R", help="highest learning rate (default: %(default)s)"
    )
    parser.add_argument(
        "--samples-per-scene",
        type=positive,
        default=4,
        metavar="N",
        help="how often a scene is used, each time augmented and cropped differently (default: %(default)s)",
    )
    parser.add_argument("--no-augmentation", action="store_true", help="use the scenes unchanged")
    parser.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help="number of processes that make samples (default: %(default)s)",
    )


def whole(text: str) -> int:
    """Parse a flag that is a count, or 0."""
    return 0 if text == "0" else positive(text)


def cells(text: str) -> tuple[int, int]:
    """Parse a flag that is columns and rows."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 216x248")
    return int(parts[0]), int(parts[1])


def run(options: argparse.Namespace) -> int:
    """Train; TrainingError without PyTorch, or for a split without --data."""
    if options.split is not None and options.data is None:
        raise TrainingError(f"--split {options.split}: simulated scenes have no names to select by; --data is needed")
    if importlib.util.find_spec("torch") is None:
        raise TrainingError(
            "training needs PyTorch, which is not installed: `pip install torch`, or without an NVIDIA GPU "
            "`pip install torch --index-url https://download.pytorch.org/whl/cpu`"
        )
    from pointpillars_ov_ros.training.session import run_training

    return run_training(options, shlex.join(["pointpillars_ov", *sys.argv[1:]]))

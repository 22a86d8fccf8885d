# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov adapt`: train a model for your own sensor from its unlabelled clouds."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_file_arguments, positive
from pointpillars_ov_ros.cli.train import whole
from pointpillars_ov_ros.config.errors import TrainingError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Writes sensor.yaml (for simulate --sensor and train --sensor), bundle/ (for the detector), weights.pth, "
        "report.md, before.png and after.png to the folder of --out. What needs labels is measured on simulated "
        "streets, and reported as such. Example: pointpillars_ov adapt drive.mcap --out mine --minutes 60"
    )
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        metavar="CLOUDS",
        help="bag, folder or files of clouds of a drive through streets, x forward, y left, z up, as the driver "
        "publishes them",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder for the results")
    parser.add_argument(
        "--from",
        dest="weights",
        type=Path,
        metavar="WEIGHTS",
        help="checkpoint to start from (default: models/streets.pth of this repository)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="BUNDLE", help="bundle to compare with (default: made from --from)"
    )
    parser.add_argument(
        "--sensor-only", action="store_true", help="estimate and write the sensor only; no torch needed"
    )
    parser.add_argument(
        "--sensor",
        metavar="NAME_OR_FILE",
        help="use this sensor, if the clouds do not contradict it, instead of an estimated one",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive, metavar="N", help="training steps (default: 1000)")
    length.add_argument("--minutes", type=float, default=0.0, metavar="M", help="training time instead of steps")
    parser.add_argument("--batch", type=positive, default=4, metavar="N", help="samples a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="maximum (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")
    parser.add_argument(
        "--workers", type=whole, default=1, metavar="N", help="processes that make samples (default: %(default)s)"
    )
    parser.add_argument(
        "--held-out",
        type=positive,
        default=40,
        metavar="N",
        help="simulated frames for choosing thresholds and measuring (default: %(default)s)",
    )
    parser.add_argument(
        "--clouds",
        type=positive,
        default=20,
        metavar="N",
        help="clouds to use, evenly spread (default: %(default)s)",
    )
    parser.add_argument("--topic", metavar="NAME", help="topic of the clouds in a bag (default: the only one)")
    add_file_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Adapt; TrainingError without PyTorch, unless only the sensor is wanted."""
    if not options.sensor_only and importlib.util.find_spec("torch") is None:
        raise TrainingError(
            "adapt trains with PyTorch, which is not installed: `pip install torch`, or without an NVIDIA GPU "
            "`pip install torch --index-url https://download.pytorch.org/whl/cpu`; --sensor-only does not need it"
        )
    from pointpillars_ov_ros.cli.adapt.run import run_adapt

    return run_adapt(options)

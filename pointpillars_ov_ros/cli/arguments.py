# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flags shared by several commands, and their conversion."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pointpillars_ov_ros.config.errors import ConfigError, PointPillarsError

if TYPE_CHECKING:
    from pointpillars_ov_ros.clouds.columns import Columns
    from pointpillars_ov_ros.clouds.files import FileReading


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --data and --model."""
    parser.add_argument("--data", type=Path, help="KITTI folder: object set, split, raw drive, or any folder of clouds")
    add_model_argument(parser)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --model."""
    parser.add_argument(
        "--model",
        type=Path,
        help="model bundle, or a folder with the IR files of PFE and RPN (default: the bundled model)",
    )


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --device and --set."""
    parser.add_argument("--device", default="CPU", help="OpenVINO device of both networks (default: %(default)s)")
    add_set_argument(parser)


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --set."""
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="OpenVINO properties, by the names of the plugin"
    )


def add_precision_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --precision, for a tool that takes a single one."""
    parser.add_argument(
        "--precision",
        default="default",
        choices=("default", "f32", "f16", "bf16"),
        help="inference precision (default: f32 for the PFE and INT8 networks, else the device's own)",
    )


def add_ground_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --level and --box-bottoms."""
    parser.add_argument(
        "--level",
        choices=("off", "estimate"),
        default="off",
        help="estimate: level clouds so that the ground found in them lies where the network expects it; boxes stay in "
        "the cloud's frame (default: %(default)s)",
    )
    parser.add_argument(
        "--box-bottoms",
        choices=("model", "ground", "network"),
        default="model",
        help="where the bottoms of boxes come from: the network, or the ground around each box; model: as the bundle "
        "says (default: %(default)s)",
    )


def add_intensity_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --intensity-field and --intensity-scale, for a tool that reads clouds from bags."""
    parser.add_argument(
        "--intensity-field",
        default="",
        metavar="NAME",
        help="intensity field of the clouds (default: according to their layout)",
    )
    parser.add_argument(
        "--intensity-scale",
        type=positive_number,
        default=0.0,
        metavar="F",
        help="factor that brings intensities to 0..1, e.g. 0.0039216 (default: according to their layout)",
    )


def add_file_arguments(parser: argparse.ArgumentParser, with_intensity: bool = True) -> None:
    """Declare --columns and --coordinate-scale, and --intensity-scale unless the tool has that one already."""
    parser.add_argument(
        "--columns",
        type=columns,
        default=(),
        metavar="N|NAMES",
        help="values of a point in .bin and .npy files: 5, or x,y,z,intensity,ring (default: guessed if certain)",
    )
    parser.add_argument(
        "--coordinate-scale",
        type=positive_number,
        default=1.0,
        metavar="F",
        help="factor that brings the coordinates of files to metres, e.g. 0.001 (default: 1)",
    )
    if with_intensity:
        parser.add_argument(
            "--intensity-scale",
            type=positive_number,
            default=0.0,
            metavar="F",
            help="factor that brings the intensities of files to 0..1, e.g. 0.0039216 (default: guessed)",
        )


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that select detections, name classes and drop points, like the node's parameters."""
    parser.add_argument(
        "--classes", default="", metavar="NAMES", help="classes to keep, such as Car,Cyclist (default: all)"
    )
    parser.add_argument(
        "--class-names",
        default="",
        metavar="NAMES",
        help="new names, such as Car=vehicle,Truck=vehicle; classes with the same name are merged (default: the "
        "network's names)",
    )
    parser.add_argument(
        "--min-range", type=finite_number, default=0.0, metavar="M", help="drop detections nearer than this (m)"
    )
    parser.add_argument(
        "--max-range", type=finite_number, default=0.0, metavar="M", help="drop detections farther than this (m)"
    )
    parser.add_argument(
        "--ego-box",
        nargs=6,
        type=finite_number,
        default=(0.0,) * 6,
        metavar=("X_MIN", "Y_MIN", "Z_MIN", "X_MAX", "Y_MAX", "Z_MAX"),
        help="drop the points in this box around the own vehicle, m, in the frame of the boxes (default: none)",
    )


def file_reading(options: argparse.Namespace) -> FileReading:
    """Return how to read the files according to the flags of `add_file_arguments`."""
    from pointpillars_ov_ros.clouds.files import FileReading

    return FileReading(options.columns, options.intensity_scale, options.coordinate_scale)


def columns(text: str) -> Columns:
    """Parse a flag that names the values of a point."""
    # NumPy is only loaded if there is such a flag.
    from pointpillars_ov_ros.clouds.columns import parse_columns

    try:
        return parse_columns(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_precision_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --precision and --encoder, for a tool that takes one of each."""
    add_precision_argument(parser)
    parser.add_argument(
        "--encoder",
        default="auto",
        choices=("auto", "openvino", "host"),
        help="where pillars are encoded (default: auto)",
    )


def device_settings(options: argparse.Namespace) -> dict[str, str]:
    """Return the settings of a `RuntimeConfig` that the flags of `add_device_arguments` request."""
    return {
        "pfe_device": options.device,
        "rpn_device": options.device,
        "device_properties": " ".join(options.set),
    }


def add_storage_argument(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Declare --storage; `default` None: as in the input."""
    parser.add_argument(
        "--storage",
        choices=("mcap", "sqlite3"),
        default=default,
        help=f"storage of the output bag (default: {default or 'that of the input, mcap if that is not a rosbag2'}); "
        "if killed, mcap remains readable up to that point",
    )


def output_file(text: str) -> Path:
    """Parse a flag that names a file to write, which is written only when all the work is done."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: name a file in it")
    return path


def positive_number(text: str) -> float:
    """Parse a flag that is a quantity."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def finite_number(text: str) -> float:
    """Parse a flag that is a coordinate or an angle."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def positive(text: str) -> int:
    """Parse a flag that is a count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def check_data(options: argparse.Namespace, command: str) -> None:
    """Raise PointPillarsError unless clouds are given: figures are only meaningful for named clouds."""
    if options.data is None:
        raise PointPillarsError(
            f"{command} needs clouds: --data KITTI_FOLDER (`pointpillars_ov simulate` makes one); "
            f"with make: `make bench DATA=…`"
        )

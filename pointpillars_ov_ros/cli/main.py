# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov`: the launcher of all tools, which imports only the requested one."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from pointpillars_ov_ros.config.errors import PointPillarsError, missing_module

_BROKEN_PIPE = 141
"""Exit code of a process ended by SIGPIPE, as shells report it."""


class Command(NamedTuple):
    """A subcommand: its module below `cli` with `add_arguments` and `run`, and its purpose for the help."""

    module: str
    purpose: str


COMMANDS = {
    "detect": Command(
        "detect.command", "detect objects in a .bin, .pcd, .npy or .ply file, a folder or a bag: a table, a picture"
    ),
    "doctor": Command(
        "doctor.command",
        "find out why there are no boxes, or no or too few clouds, on a topic, in a bag or files, and how to fix it",
    ),
    "demo": Command(
        "demo.command", "play a drive through the detector on real ROS 2 topics; leaves a picture, a bag and tables"
    ),
    "benchmark": Command("benchmark.command", "measure every stage from cloud message to detection message"),
    "evaluate": Command("evaluate.command", "score detections as KITTI does: AP in 2D, BEV and 3D, and orientation"),
    "compare": Command("evaluate.compare_command", "compare AP, latency and size of bundles and precisions"),
    "train": Command("train", "train a network on simulated scenes or KITTI; leaves a checkpoint and a model bundle"),
    "adapt": Command("adapt.command", "train a model for your own sensor from its unlabelled clouds"),
    "simulate": Command(
        "simulate.command",
        "write frames of a simulated lidar in simulated streets, with ground truth, as a KITTI folder",
    ),
    "kitti_to_bag": Command(
        "bags.kitti_to_bag", "write a KITTI folder to a rosbag2: clouds, ground truth, transforms, images"
    ),
    "detect_bag": Command(
        "bags.detect_bag", "add detections to a ROS 2 or ROS 1 bag, or to a folder of frames, without a ROS graph"
    ),
    "detect_bags": Command(
        "bags.detect_bags", "run detect_bag on many bags or folders of frames, here or on Ray workers"
    ),
    "convert": Command(
        "model.convert_command", "make a verified model bundle from IR files, ONNX files or a torch checkpoint"
    ),
    "quantize": Command("model.quantize_command", "make an INT8 bundle from a float one, and compare their detections"),
    "sign": Command("model.sign", "sign a model bundle, for detectors that accept no other"),
    "timeline": Command(
        "timeline.command",
        "record and draw when requests start and end: AUTO's change of device, automatic batching",
    ),
    "latency_report": Command(
        "latency_report.command", "show where the time of every cloud went, live or from a bag, as an HTML page"
    ),
    "trace": Command(
        "benchmark.trace_command", "draw recorded pipeline traces: the work of host, PFE and RPN over time"
    ),
    "parity": Command(
        "model.parity_command", "check that the networks give the same results on this device as on CPU in f32"
    ),
    "inspect": Command(
        "model.inspect_command",
        "describe a model bundle: classes, grid, tensors, precision, size, operations, origin",
    ),
    "clean_shm": Command("clean_shm", "free the shared memory (/dev/shm) left by killed DDS participants"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; known errors are one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(
        prog="pointpillars_ov",
        description="PointPillars 3D detection with OpenVINO: tools beside the ROS 2 nodes.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    try:
        _check_working_directory()
        for name, (module, purpose) in COMMANDS.items():
            command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
            if given and given[0] == name:
                tool = importlib.import_module(f"pointpillars_ov_ros.cli.{module}")
                tool.add_arguments(command)
                command.set_defaults(run=tool.run)
        options = parser.parse_args(given)
        code = int(options.run(options))
        # Flushed here, because nobody could catch the error at the end of the process.
        sys.stdout.flush()
        return code
    except PointPillarsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {missing_module(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`. The rest of the output is discarded.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _prepare_streams() -> None:
    """Let anything be printed: on a terminal that is not UTF-8, from files with broken names, and to nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # The shell closed it, as with `>&-`.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_working_directory() -> None:
    """Raise PointPillarsError if the current directory was deleted: many imports need it."""
    try:
        os.getcwd()
    except OSError as error:
        raise PointPillarsError(
            f"the current directory cannot be used ({error.strerror}): was it deleted? `cd` to an existing one"
        ) from None


if __name__ == "__main__":
    sys.exit(main())

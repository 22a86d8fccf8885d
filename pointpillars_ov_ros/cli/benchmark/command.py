# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov benchmark`: measure each processing stage, in this process, without DDS."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_input_arguments,
    check_data,
    output_file,
    positive,
)
from pointpillars_ov_ros.cli.benchmark.matrix import MATRIX
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "If a flag has several values, or `all`, every combination is measured in a process of its own, "
        "together with bare requests of both networks. All take turns within a round, so that ratios hold on a "
        "machine whose speed changes. Without such flags, only the detector's default configuration is measured."
    )
    add_input_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="use only the first N frames")
    parser.add_argument("--repeat", type=positive, default=5, metavar="N", help="rounds over the frames (default: 5)")
    add_file_arguments(parser)
    _add_choices(parser, "--mode", "latency", "pipeline mode")
    _add_choices(parser, "--encoder", "auto", "where pillars are encoded", also=("auto",))
    _add_choices(parser, "--pfe-shape", "static", "input shapes of the PFE network (not for `host`)")
    _add_choices(parser, "--precision", "default", "inference precision of the device, `default`: its own")
    parser.add_argument("--pfe-block", type=int, metavar="N", help="pillars per PFE request; 0: all, with padding")
    add_device_arguments(parser)
    parser.add_argument(
        "--networks", action="store_true", help="measure both networks alone and side by side, without clouds"
    )
    parser.add_argument(
        "--simulate",
        type=Path,
        metavar="PROFILE",
        help="run the scheduler on this simulated machine instead of measuring",
    )
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the report to this file")
    parser.add_argument(
        "--record-trace", type=Path, metavar="FOLDER", help="also write a few frames as Perfetto traces"
    )
    parser.add_argument(
        "--picture",
        type=output_file,
        metavar="FILE",
        help="plot stage times, and a few frames in each mode, to this PNG",
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.simulate is not None:
        _refuse_measuring(options)
        from pointpillars_ov_ros.cli.benchmark.simulated import print_simulation

        return print_simulation(options.simulate, options.picture)
    if options.networks:
        from pointpillars_ov_ros.cli.benchmark.networks import run_networks

        return run_networks(options)
    check_data(options, "benchmark")
    from pointpillars_ov_ros.cli.benchmark.run import run_benchmark

    return run_benchmark(options)


def _add_choices(
    parser: argparse.ArgumentParser, flag: str, default: str, meaning: str, also: tuple[str, ...] = ()
) -> None:
    """Declare a flag that takes one or several values of a setting, or `all`."""
    name = flag.strip("-").replace("-", "_")
    choices = (*MATRIX[name], *also, "all")
    parser.add_argument(
        flag,
        nargs="+",
        default=[default],
        choices=choices,
        metavar=name.rpartition("_")[2].upper(),
        help=f"{meaning}: {', '.join(choices[:-1])} or all (default: {default})",
    )


def _refuse_measuring(options: argparse.Namespace) -> None:
    """Raise PointPillarsError if a flag asks for something that a simulation does not have."""
    for flag in ("model", "data", "json", "record_trace"):
        if getattr(options, flag) is not None:
            raise PointPillarsError(
                f"--simulate does not measure, so it cannot be combined with --{flag.replace('_', '-')}"
            )

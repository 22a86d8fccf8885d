# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov benchmark`: how long each stage of the road takes, in this process, without DDS."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import (
    add_device_arguments,
    add_file_arguments,
    add_input_arguments,
    check_data,
    positive,
)
from pointpillars_ov_ros.cli.benchmark.matrix import MATRIX
from pointpillars_ov_ros.config.errors import PointPillarsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Where a flag takes several values, or `all`, every combination is measured, each in a process of its own, "
        "and beside it the bare requests of both networks: all in turn within a round, so that ratios hold on a "
        "machine whose speed changes. Without such flags one configuration is measured, the detector's default."
    )
    add_input_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="take only the first N frames")
    parser.add_argument("--repeat", type=positive, default=5, metavar="N", help="rounds over them (default: 5)")
    add_file_arguments(parser)
    _add_choices(parser, "--mode", "latency", "pipeline mode")
    _add_choices(parser, "--encoder", "auto", "where pillars are encoded", also=("auto",))
    _add_choices(parser, "--pfe-shape", "static", "input shapes of the PFE network, which `host` does without")
    _add_choices(parser, "--precision", "default", "inference precision asked of the device, `default` being its own")
    parser.add_argument("--pfe-block", type=int, metavar="N", help="pillars of one PFE request; 0: all, with padding")
    add_device_arguments(parser)
    parser.add_argument(
        "--networks", action="store_true", help="measure both networks alone and side by side; needs no clouds"
    )
    parser.add_argument(
        "--simulate", type=Path, metavar="PROFILE", help="measure nothing: run the scheduler on this simulated machine"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file, too")
    parser.add_argument(
        "--record-trace", type=Path, metavar="FOLDER", help="write those few frames as traces for Perfetto, too"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw stage times, and a few frames in each mode, to this PNG"
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
    """Raise one sentence where a flag asks for what a simulation has not got."""
    for flag in ("model", "data", "json", "record_trace"):
        if getattr(options, flag) is not None:
            raise PointPillarsError(f"--simulate measures nothing, so --{flag.replace('_', '-')} does not go with it")

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov benchmark`: how long each stage of the road takes, in this process, without DDS."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.tools.inputs import add_input_arguments, check_inputs, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument("--frames", type=positive, default=0, metavar="N", help="take only the first N frames")
    parser.add_argument("--repeat", type=positive, default=10, help="rounds over the frames (default: %(default)s)")
    parser.add_argument("--device", default="CPU", help="OpenVINO device of both networks (default: %(default)s)")
    parser.add_argument(
        "--precision",
        default="default",
        choices=("default", "f32", "f16", "bf16"),
        help="inference precision asked of the device (default: what the device likes)",
    )
    parser.add_argument(
        "--mode",
        default="latency",
        choices=("latency", "balanced", "throughput"),
        help="default: %(default)s",
    )
    parser.add_argument(
        "--encoder",
        default="auto",
        choices=("auto", "openvino", "host"),
        help="where pillars are encoded (default: auto)",
    )
    parser.add_argument(
        "--pfe-shape", default="static", choices=("static", "dynamic"), help="shapes of the PFE (default: static)"
    )
    parser.add_argument("--pfe-block", type=int, default=None, help="pillars of one PFE request; 0: all, with padding")
    parser.add_argument(
        "--simulate", type=Path, metavar="PROFILE", help="measure nothing: run the scheduler on this simulated machine"
    )
    parser.add_argument("--json", type=Path, help="write the report to this file, too")


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.simulate is not None:
        from pointpillars_ov_ros.tools.simulation_table import print_simulation

        return print_simulation(options.simulate)
    check_inputs(options, "benchmark")
    from pointpillars_ov_ros.tools.benchmark_session import run_benchmark

    return run_benchmark(options)

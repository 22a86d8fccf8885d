# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect_bags`: run detect_bag on many bags, one after the other or on Ray workers."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import positive
from pointpillars_ov_ros.cli.bags.detect_bag import add_detection_arguments, bag_options
from pointpillars_ov_ros.config.errors import PointPillarsError, count_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "FOLDER/manifest.json records for every input whether it is done, or why it failed. An output appears only "
        "when complete, so the same command does what is left, whatever ended it. Workers on other machines need this "
        "package, the inputs and FOLDER at the same paths."
    )
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="INPUT", help="ROS 2 or ROS 1 bags, or folders of KITTI frames"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder for the bags and the manifest"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: one input after the other in this process; ray: Ray workers (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="number of Ray workers (default: %(default)s)"
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="address of a Ray cluster (default: start Ray here)")
    parser.add_argument(
        "--attempts",
        type=positive,
        default=3,
        metavar="N",
        help="attempts at an input whose worker is killed or whose device fails (default: %(default)s)",
    )
    add_detection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Detect in every input, and print the outcomes."""
    if options.engine == "local" and (options.workers > 1 or options.address):
        raise PointPillarsError("--workers and --address are for --engine ray")
    if options.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise PointPillarsError("--engine ray needs Ray: `pip install ray` (the extra [ray])")
    from pointpillars_ov_ros.bags.detect_many import DONE, FAILED, Workers, detect_many, local_workers

    wanted = bag_options(options)
    workers: Workers
    if options.engine == "ray":
        from pointpillars_ov_ros.bags.ray_workers import ray_workers

        workers = ray_workers(wanted, options.attempts, options.workers, options.address)
    else:
        workers = local_workers(wanted, options.attempts)
    done = detect_many(options.sources, options.out, wanted, workers)
    failed = done.count(FAILED)
    print(
        f"{count_of(len(done.reports), 'input')}: {done.count(DONE)} done, {failed} failed, "
        f"{done.done_before} already done before"
    )
    for name, report in done.reports.items():
        if report["state"] == FAILED:
            print(f"  failed: {name}: {report['reason']}")
    print(done.manifest)
    return 1 if failed else 0

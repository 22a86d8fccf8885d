# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov timeline`: show when requests start and end, under AUTO and with automatic batching."""

from __future__ import annotations

import argparse
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import add_set_argument, output_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the studies and their flags."""
    studies = parser.add_subparsers(
        metavar="STUDY", required=True, dest="study", help="what to study; see `timeline STUDY --help`"
    )
    switch = studies.add_parser(
        "auto-switch",
        help="requests from the start on, and which device executes each: AUTO starts on the CPU while another "
        "device compiles",
    )
    _add_recording(switch, device="AUTO", requests=100, interval=100.0, at_once=1)
    switch.add_argument(
        "--cache-dir", type=Path, metavar="FOLDER", help="also record a start with this cache (CACHE_DIR)"
    )
    switch.add_argument(
        "--simulate",
        type=_switching,
        metavar="S:MS",
        help="without a second device: simulate one that compiles for S seconds, then takes MS per request",
    )
    batch = studies.add_parser(
        "auto-batch", help="when each request is submitted, started and done, if requests are batched"
    )
    _add_recording(batch, device="BATCH:CPU(4)", requests=24, interval=50.0, at_once=8)
    batch.add_argument(
        "--timeout",
        type=positive,
        metavar="MS",
        help="AUTO_BATCH_TIMEOUT: how long requests wait for others (default: 1000)",
    )
    draw = studies.add_parser("draw", help="draw a recording again")
    draw.add_argument("recording", type=Path, help="JSON file of a study")
    _add_outputs(draw)


def run(options: argparse.Namespace) -> int:
    """Record and draw."""
    from pointpillars_ov_ros.cli.timeline.run import run_timeline

    return run_timeline(options)


def _add_recording(parser: argparse.ArgumentParser, device: str, requests: int, interval: float, at_once: int) -> None:
    parser.add_argument(
        "--model", type=Path, help="model bundle, folder with IR files, or .xml (default: the bundled model)"
    )
    parser.add_argument(
        "--network", default="rpn", choices=("rpn", "pfe"), help="network of the bundle (default: %(default)s)"
    )
    parser.add_argument("--device", default=device, help="OpenVINO device (default: %(default)s)")
    parser.add_argument(
        "--requests", type=positive, default=requests, metavar="N", help="number of requests (default: %(default)s)"
    )
    parser.add_argument(
        "--interval",
        type=_not_negative,
        default=interval,
        metavar="MS",
        help="interval between requests (default: %(default)s)",
    )
    parser.add_argument(
        "--at-once",
        type=positive,
        default=at_once,
        metavar="N",
        help="maximum number of concurrent requests (default: %(default)s)",
    )
    add_set_argument(parser)
    parser.add_argument(
        "--json",
        type=output_file,
        default=Path("timeline.json"),
        metavar="FILE",
        help="recording to write (default: %(default)s)",
    )
    _add_outputs(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--picture", type=output_file, metavar="FILE", help="draw the recording to this PNG")
    parser.add_argument("--page", type=output_file, metavar="FILE", help="write an interactive HTML page")


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return value


def _switching(text: str) -> tuple[float, float]:
    seconds, _, milliseconds = text.partition(":")
    try:
        return _not_negative(seconds), _not_negative(milliseconds)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not S:MS, such as 3:20") from None

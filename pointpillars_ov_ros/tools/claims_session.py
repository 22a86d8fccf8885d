# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `pointpillars_ov claims` measures. Reference and candidate take turns; figures are ratios of medians."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.core.runtime_config import DropPolicy, Mode, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.nodes.conversions import read_cloud
from pointpillars_ov_ros.nodes.kitti_player_node import FIELDS
from pointpillars_ov_ros.tools.benchmark_session import describe_run
from pointpillars_ov_ros.tools.inputs import open_frames, open_model
from pointpillars_ov_ros.tools.origin import OriginRoad
from pointpillars_ov_ros.tools.tables import format_table
from pointpillars_ov_ros.tools.workloads import (
    Runner,
    frames_per_second,
    optimal_requests,
    run_bare,
    run_in_turn,
    send_all,
)

Clouds = list[PointCloud2]

_FIRST_DETECTIONS = """
from pathlib import Path
from pointpillars_ov_ros.core.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine, warm_up_cloud
from pointpillars_ov_ros.model.bundle import load_bundle

engine = Engine(load_bundle(Path({bundle!r})), RuntimeConfig(cache_dir={cache!r}))
engine.slots[0].detect(warm_up_cloud(engine.config), engine.settings)
"""


class Claim(NamedTuple):
    """One claim with its figure."""

    text: str
    figure: float
    unit: str
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Tell whether the figure is within the limit."""
        return self.figure <= self.limit if self.at_most else self.figure >= self.limit

    def row(self) -> list[str]:
        """Give the line of the table."""
        sign = "<=" if self.at_most else ">="
        return [self.text, f"{self.figure:.3f}{self.unit}", f"{sign} {self.limit:g}", "met" if self.met else "MISSED"]


def run_claims(options: argparse.Namespace) -> int:
    """Measure every claim, print the table, write the report; 0 also where claims are missed: they are findings."""
    clouds = [create_cloud(Header(frame_id="velodyne"), FIELDS, f.read_points()) for f in open_frames(options.data)]
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        claims: list[Claim] = []
        measures: list[Callable[[ModelBundle, Clouds, int], list[Claim]]] = [
            claim_latency, claim_lean_rpn, claim_throughput, claim_origin, claim_growth, claim_start,
        ]  # fmt: skip
        for measure in measures:
            for claim in measure(bundle, clouds, options.rounds):
                print(*claim.row(), sep="   ", flush=True)
                claims.append(claim)
        report = describe_run(bundle, RuntimeConfig())
    report["claims"] = [{**claim._asdict(), "met": claim.met} for claim in claims]
    (options.out / "claims.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n" + format_table(("claim", "figure", "limit", ""), [claim.row() for claim in claims]))
    met = sum(claim.met for claim in claims)
    print(f"\n{met} met, {len(claims) - met} missed")
    return 0


def claim_latency(bundle: ModelBundle, clouds: Clouds, rounds: int) -> list[Claim]:
    """Compare the whole road in latency mode with the bare RPN request of the same compiled graph."""
    engine = Engine(bundle, RuntimeConfig(drop_policy=DropPolicy.REPLAY))
    runner, bare, bare_ms = Runner(engine), engine.rpn.create_request(), []
    run_bare(bare)
    for message in clouds * rounds:
        runner.send(message)
        runner.drain()
        bare_ms.append(run_bare(bare))
    runner.close()
    return [
        Claim("latency mode, end to end / bare RPN request", median(runner.total_ms) / median(bare_ms), "", 1.05),
        Claim("latency mode, host part", median(runner.host_ms), " ms", 4.0),
    ]


def claim_lean_rpn(bundle: ModelBundle, _clouds: Clouds, rounds: int) -> list[Claim]:
    """Compare the rewritten RPN with the one in the file."""
    requests = [Engine(bundle, RuntimeConfig(lean_rpn=lean)).rpn.create_request() for lean in (True, False)]
    times: list[list[float]] = [[], []]
    for _ in range(10 * rounds):
        for index, request in enumerate(requests):
            times[index].append(run_bare(request))
    return [Claim("lean RPN / untouched RPN", median(times[0]) / median(times[1]), "", 0.90)]


def claim_throughput(bundle: ModelBundle, clouds: Clouds, rounds: int) -> list[Claim]:
    """Compare throughput mode with the bare RPN at its optimal number of asynchronous requests."""
    engine = Engine(bundle, RuntimeConfig(mode=Mode.THROUGHPUT, drop_policy=DropPolicy.REPLAY))
    requests = [engine.rpn.create_request() for _ in range(optimal_requests(engine.rpn))]
    runner, ours, bare = Runner(engine), [], []
    for _ in range(rounds):
        ours.append(frames_per_second(lambda: send_all(runner, clouds), len(clouds)))
        bare.append(frames_per_second(lambda: run_in_turn(requests, len(clouds)), len(clouds)))
    runner.close()
    return [Claim("throughput mode / bare RPN, frames per second", median(ours) / median(bare), "", 0.97, False)]


def claim_origin(bundle: ModelBundle, clouds: Clouds, rounds: int) -> list[Claim]:
    """Compare throughput mode with the origin's way."""
    engine = Engine(bundle, RuntimeConfig(mode=Mode.THROUGHPUT, drop_policy=DropPolicy.REPLAY))
    origin, runner, ours, theirs = OriginRoad(bundle), Runner(engine), [], []
    points = [read_cloud(message, "intensity", 1.0).points for message in clouds]
    origin.detect(points[0])
    for _ in range(max(2, rounds // 2)):
        ours.append(frames_per_second(lambda: send_all(runner, clouds), len(clouds)))
        theirs.append(frames_per_second(lambda: [origin.detect(p) for p in points], len(clouds)))
    runner.close()
    return [
        Claim("throughput mode / the origin's way, frames per second", median(ours) / median(theirs), "", 1.8, False)
    ]


def claim_growth(bundle: ModelBundle, _clouds: Clouds, rounds: int) -> list[Claim]:
    """Host time of clouds of 10 000 to 240 000 points, evenly spread; the worst growth per growth of points."""
    engine = Engine(bundle, RuntimeConfig(drop_policy=DropPolicy.REPLAY))
    rng, grid, figures = np.random.default_rng(0), bundle.config.grid, []
    for count in (10_000, 30_000, 60_000, 120_000, 240_000):
        low = (grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0)
        high = (grid.x_range[1], grid.y_range[1], grid.z_range[1], 1.0)
        cloud = create_cloud(Header(), FIELDS, rng.uniform(low, high, (count, 4)).astype(np.float32))
        runner = Runner(engine)
        for _ in range(4 * rounds):
            runner.send(cloud)
            runner.drain()
        runner.close()
        figures.append((count, median(runner.host_ms)))
        print(f"  {count} points: host {figures[-1][1]:.2f} ms")
    worst = max((b[1] / a[1]) / (b[0] / a[0]) for a, b in zip(figures, figures[1:]))  # noqa: B905, RUF007
    return [Claim("growth of host time / growth of points, worst step", worst, "", 1.0)]


def claim_start(bundle: ModelBundle, _clouds: Clouds, _rounds: int) -> list[Claim]:
    """Process start to first detections, with empty caches and with full ones."""
    with tempfile.TemporaryDirectory() as cache:
        program = _FIRST_DETECTIONS.format(bundle=str(bundle.folder), cache=cache)
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        seconds = []
        for _ in range(3):
            begin = time.monotonic()
            subprocess.run([sys.executable, "-c", program], env=environment, check=True)
            seconds.append(time.monotonic() - begin)
    return [
        Claim("process start to first detections, caches empty", seconds[0], " s", 60.0),
        Claim("process start to first detections, caches full", seconds[-1], " s", 3.0),
    ]

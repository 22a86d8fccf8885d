# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The claim that the host's work grows no faster than the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from benchmarks.claims.claim import Claim, ClaimInputs, growth_by_step
from pointpillars_ov_ros.cli.measurement.workloads import Runner
from pointpillars_ov_ros.cli.plotting import GREY, GRID, STAGES, new_figure, save_png
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine, warm_up_cloud
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

SIZES = (10_000, 30_000, 60_000, 120_000, 240_000)
_TIMES, _IN_A_ROW = 4, 3


def measure_growth(inputs: ClaimInputs) -> list[list[float]]:
    """Return the median host time (ms) for clouds of each of `SIZES`, spread evenly over the detection range.

    All sizes take turns within a round; the result holds the medians of every round.
    """
    engine = Engine(inputs.bundle, RuntimeConfig(drop_policy=DropPolicy.REPLAY))
    clouds = [create_cloud(Header(), FIELDS, warm_up_cloud(inputs.bundle.config, size, seed=1)) for size in SIZES]
    runner = Runner(engine)
    rounds_ms: list[list[float]] = []
    for _ in range(1 + _TIMES * inputs.rounds):
        rounds_ms.append([])
        for cloud in clouds:
            runner.left.clear()
            for _ in range(_IN_A_ROW):
                runner.send(cloud)
            # The first cloud of a size finds data of another size in the caches.
            rounds_ms[-1].append(median(frame.host_ms for frame in runner.left[1:]))
    runner.close()
    # Buffers grow in the first round.
    return rounds_ms[1:]


def claim_growth(rounds_ms: Sequence[Sequence[float]]) -> list[Claim]:
    """Compare each size with the next smaller one; the worst step counts."""
    worst = max(growth_by_step(SIZES, rounds_ms), key=lambda step: step.value)
    sizes = ", ".join(f"{size} points {ms:.2f} ms" for size, ms in zip(SIZES, medians_ms(rounds_ms), strict=True))
    how = f"median of the ratios within {worst.count} rounds, for the step with the largest ratio; medians: {sizes}"
    return [Claim.of("growth of host time / growth of points, worst step", worst, 1.0, how)]


def medians_ms(rounds_ms: Sequence[Sequence[float]]) -> list[float]:
    """Return the median over the rounds, for every size."""
    return [median(times) for times in zip(*rounds_ms, strict=True)]


def draw_growth(path: Path, times_ms: Sequence[float], title: str) -> None:
    """Plot host time over `SIZES` to a PNG, both logarithmic, with a line of proportional growth."""
    figure = new_figure(7.5, 5.0)
    axes = figure.subplots()
    proportional = [times_ms[0] * size / SIZES[0] for size in SIZES]
    axes.plot(SIZES, proportional, color=GREY, linestyle="--", linewidth=1.2, label="proportional to the points")
    axes.plot(SIZES, times_ms, color=STAGES["rpn"], marker="o", linewidth=1.8, label="host part, median")
    for size, time_ms in zip(SIZES, times_ms, strict=True):
        axes.annotate(f"{time_ms:.1f}", (size, time_ms), xytext=(0, -13), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(SIZES, [f"{size // 1000} k" for size in SIZES])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("points of the cloud, spread evenly over the detection range")
    axes.set_ylabel("host part, cloud message to detection message (ms)")
    axes.margins(y=0.12)
    axes.set_title(title, fontsize=10)
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(frameon=False)
    save_png(figure, path, 120)

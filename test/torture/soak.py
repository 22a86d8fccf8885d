# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A long run: does anything grow, does anything get slower?

    python -m test.torture.soak [--minutes 30] [--rate HZ] [--out FILE]

The detector gets clouds at 60 % of what the machine can do, live, with its diagnostics beside it. What both hold is
read from /proc, and ages are taken by the checker. As machines get slower and faster by themselves, a piece of work of
always the same size is timed all along: ages are told as they are, and in relation to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.cli.simulate.run import write_frames
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.synthetic.lidar.sensor import load_sensor
from test.shared_data import KITTI
from test.torture.account import Account
from test.torture.arena import DETECTOR, DIAGNOSTICS, ROOT, Arena
from test.torture.process_watch import Reading, growth_mb
from test.torture.stage import settle

MODEL = ROOT / "models" / "streets_fp16"
LIMIT_MB_PER_MIN, LIMIT_DRIFT = 0.5, 0.10
FEWEST_MINUTES = 10.0
"""Minimum length of a run in which growth and drift can be told from a start and from a busy machine."""
_LOAD = 0.6
_LOOK_S = 2.0
_QUIET_NS = 3_000_000_000
_SIMULATED_FRAMES = 12
_CALIBRATING, _FIRST = 65, 5
"""Detections that the rate is measured on, and how many of them are left out, which take longer."""


@dataclass(frozen=True)
class Sample:
    """Sample at one moment."""

    at_ns: int
    """time.time_ns()."""
    nodes: dict[str, Reading]
    yardstick_ms: float
    """Time for a constant amount of work."""


@dataclass(frozen=True)
class Findings:
    """Findings of a whole run."""

    growth_mb_per_min: dict[str, float]
    threads: dict[str, tuple[int, int]]
    descriptors: dict[str, tuple[int, int]]
    """Maximum in the first and the last third, by node."""
    p99_ms: tuple[float, float]
    """Median over minutes of the first third, and of the last."""
    yardstick_ms: tuple[float, float]
    minutes: float
    """That the run took; of few, a drift is the weather of the machine."""
    sent: int
    detected: int
    counted: int
    """Clouds without detections, in the detector's own words."""
    disorder: list[str]

    @property
    def drift(self) -> float:
        """Growth of the p99 of ages relative to the yardstick."""
        return self.p99_ms[1] / self.p99_ms[0] * self.yardstick_ms[0] / self.yardstick_ms[1] - 1.0

    def complaints(self) -> list[str]:
        """Describe what violates the expectations."""
        growths = self.growth_mb_per_min.items()
        is_long = self.minutes >= FEWEST_MINUTES
        found = [f"{node} grows by {mb:.2f} MB/min" for node, mb in growths if is_long and mb >= LIMIT_MB_PER_MIN]
        for what in ("threads", "descriptors"):
            found += [f"{node}: {what} {a} -> {b}" for node, (a, b) in getattr(self, what).items() if b > a]
        if is_long and self.drift > LIMIT_DRIFT:
            found.append(f"the p99 of ages drifts by {self.drift:+.0%}")
        if self.sent != self.detected + self.counted:
            found.append(f"{self.sent} clouds sent, {self.detected} with detections, {self.counted} counted otherwise")
        return found + self.disorder


def take_yardstick() -> float:
    """Time a fixed piece of work (ms) that no memory is asked for."""
    begin_s = time.perf_counter()
    sum(range(200_000))
    return (time.perf_counter() - begin_s) * 1e3


def run(arena: Arena, clouds: Sequence[Path], minutes: float, rate_hz: float | None, model: Path) -> list[Sample]:
    """Run; the journals of `arena` tell what happened, and the samples what it cost."""
    arena.start_checker()
    arena.nodes.start(DETECTOR, {"model_dir": str(model)})
    arena.nodes.start(DIAGNOSTICS, {})
    rate_hz = rate_hz or _LOAD * find_capacity(arena, clouds)
    arena.start_sender(clouds, f"{rate_hz:.2f}:{minutes * 60:.0f}")
    samples = []
    while not arena.has_ended("sender"):
        readings = {node: arena.look_at(node) for node in (DETECTOR, DIAGNOSTICS)}
        samples.append(Sample(time.time_ns(), readings, take_yardstick()))
        time.sleep(_LOOK_S)
    arena.wait_until(lambda: is_quiet(arena.account()), "the last word on a cloud")
    arena.nodes.check()
    return samples


def find_capacity(arena: Arena, clouds: Sequence[Path]) -> float:
    """Send faster than the detector can process, and return the rate (Hz) of its results."""
    arena.start_sender(clouds, "20:600", name="calibration")
    arena.wait_until(
        lambda: len(arena.account("calibration").detections) >= _CALIBRATING, "the rate of detections", 600.0
    )
    arena.end("calibration")
    settle(arena)
    at_s = [line["at_ns"] / 1e9 for line in arena.account("calibration").detections][_FIRST:]
    return (len(at_s) - 1) / (at_s[-1] - at_s[0])


def is_quiet(account: Account) -> bool:
    """Whether nothing has arrived for a while; the last cloud may never be answered if the middleware lost it."""
    return time.time_ns() - account.timings[-1]["at_ns"] > _QUIET_NS


def evaluate(account: Account, samples: Sequence[Sample]) -> Findings:
    """Evaluate a run; messages before it, from the calibration, are ignored."""
    begin_ns, end_ns = samples[0].at_ns, samples[-1].at_ns
    third_ns = (end_ns - begin_ns) / 3
    first = [one for one in samples if one.at_ns <= begin_ns + third_ns]
    last = [one for one in samples if one.at_ns >= end_ns - third_ns]
    own = [line for line in account.detections if line["at_ns"] >= begin_ns]
    timings = [line for line in account.timings if line["at_ns"] >= begin_ns]
    minutes = minute_figures(account, samples)
    size = max(1, len(minutes) // 3)

    def most(what: str, some: Sequence[Sample], node: str) -> int:
        return max(getattr(one.nodes[node], what) for one in some)

    def p99(some: Sequence[dict[str, float]]) -> float:
        return float(np.median([one["p99_ms"] for one in some]))

    nodes = samples[0].nodes
    return Findings(
        growth_mb_per_min={node: growth(samples, node) for node in nodes},
        threads={node: (most("threads", first, node), most("threads", last, node)) for node in nodes},
        descriptors={node: (most("descriptors", first, node), most("descriptors", last, node)) for node in nodes},
        p99_ms=(p99(minutes[:size]), p99(minutes[-size:])),
        yardstick_ms=tuple(float(np.median([one.yardstick_ms for one in some])) for some in (first, last)),  # type: ignore[arg-type]
        minutes=(end_ns - begin_ns) / 6e10,
        sent=len(account.sent),
        detected=len(own),
        counted=account.counted() - account.counted(begin_ns),
        disorder=Account(account.sent, own, [], []).disorder() + replace(account, timings=timings).complaints(),
    )


def growth(samples: Sequence[Sample], node: str) -> float:
    """Return the slope of memory (MB/min) after the first sixth, in which buffers grow."""
    readings = [one.nodes[node] for one in samples[len(samples) // 6 :]]
    return growth_mb(readings) / (readings[-1].at_s - readings[0].at_s) * 60


def minute_figures(account: Account, samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Return a row for each full minute: ages, memory and other figures."""
    begin_ns, rows = samples[0].at_ns, []
    for minute in range(max(1, round((samples[-1].at_ns - begin_ns) / 6e10))):
        from_ns, to_ns = begin_ns + minute * 60_000_000_000, begin_ns + (minute + 1) * 60_000_000_000
        ages = account.ages_ms(from_ns, to_ns)
        within = [one for one in samples if from_ns <= one.at_ns < to_ns]
        if not (ages and within):
            continue
        row = defaultdict(float, minute=minute + 1, clouds=len(ages))
        row["p50_ms"], row["p99_ms"] = np.percentile(ages, (50, 99))
        row["yardstick_ms"] = float(np.median([one.yardstick_ms for one in within]))
        for node in within[-1].nodes:
            row[f"{node}_mb"] = within[-1].nodes[node].rss_mb
        rows.append(dict(row))
    return rows


def report(findings: Findings, rows: Sequence[dict[str, float]]) -> str:
    """Return the findings as Markdown."""
    complaints = findings.complaints()
    lines = [f"Verdict: {'; '.join(complaints) if complaints else 'as it must be'}.", ""]
    if findings.minutes < FEWEST_MINUTES:
        lines += [f"Growth and drift are not judged: that takes {FEWEST_MINUTES:g} minutes.", ""]
    for node, mb in findings.growth_mb_per_min.items():
        (t0, t1), (d0, d1) = findings.threads[node], findings.descriptors[node]
        lines.append(f"* {node}: memory {mb:+.3f} MB/min; threads {t0} -> {t1}; file descriptors {d0} -> {d1}.")
    lines += [
        f"* p99 of ages {findings.p99_ms[0]:.1f} -> {findings.p99_ms[1]:.1f} ms, the yardstick "
        f"{findings.yardstick_ms[0]:.2f} -> {findings.yardstick_ms[1]:.2f} ms: drift {findings.drift:+.1%}.",
        f"* {findings.sent} clouds sent, {findings.detected} with detections, {findings.counted} counted otherwise.",
        "",
        "| minute | clouds | age p50 (ms) | age p99 (ms) | detector (MB) | diagnostics (MB) | yardstick (ms) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['minute']:.0f} | {row['clouds']:.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | "
            f"{row[f'{DETECTOR}_mb']:.1f} | {row[f'{DIAGNOSTICS}_mb']:.1f} | {row['yardstick_ms']:.2f} |"
        )
    return "\n".join(lines)


def find_clouds(data: Path | None, folder: Path) -> list[Path]:
    """Return cloud files; if there are none, streets are simulated into `folder`."""
    if data is None and not KITTI.is_dir():
        write_frames(folder, load_sensor("hdl_64e"), _SIMULATED_FRAMES, seed=0, is_drive=True)
        data = folder
    return [frame.cloud for frame in find_frames(data or KITTI)]


def main() -> int:
    """Run, and report; 1 where anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="test.torture.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, help="clouds a second (default: 60 %% of what the machine can do)")
    parser.add_argument("--model", type=Path, default=MODEL, help="bundle (default: the one in the box)")
    parser.add_argument("--data", type=Path, help="KITTI folder (default: ../shared, or else simulated streets)")
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak_"))
    clouds = find_clouds(options.data, folder / "streets")
    print(f"logs and journals are kept in {folder}", flush=True)
    with Arena(folder / "arena") as arena:
        samples = run(arena, clouds, options.minutes, options.rate, options.model)
        account = arena.account()
        findings = evaluate(account, samples)
    text = report(findings, minute_figures(account, samples))
    text = f"# A run of {options.minutes:g} minutes\n\n{look_around(str(options.model.name)).line()}\n\n{text}\n"
    print(text)
    if options.out:
        options.out.write_text(text)
    return int(bool(findings.complaints()))


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of `pointpillars_ov benchmark --simulate`: the three modes on a simulated machine."""

from __future__ import annotations

from pathlib import Path

from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import StageEvent
from pointpillars_ov_ros.inference.simulation.simulate import (
    WARM_UP_FRAMES,
    SimulationReport,
    load_profile,
    run_simulation,
)


def print_simulation(path: Path, picture: Path | None = None) -> int:
    """Run the real scheduler on the machine described in `path`, in every mode, always with a cloud waiting."""
    profile = load_profile(path)
    reports: list[SimulationReport] = []
    traces: dict[str, list[StageEvent]] = {}
    for mode in Mode:
        events: list[StageEvent] = []
        report = run_simulation(profile, mode, on_event=events.append)
        loads = ", ".join(f"{name} {load:.0f} %" for name, load in report.device_load.items())
        traces[f"{mode.value}: {report.fps:.2f} FPS, latency {report.latency_p50_ms:.1f} ms, {loads}"] = events
        reports.append(report)
    print(f"SIMULATED: {profile.name}\n{profile.source.strip()}\n")
    print(format_table(SimulationReport.COLUMNS, [report.cells() for report in reports]))
    if picture is not None:
        from pointpillars_ov_ros.cli.benchmark.plot import draw_benchmark, make_group

        devices = (profile.pfe_device, profile.rpn_device)
        group = make_group("Modes; the number in a bar is that of its frame", devices, traces, WARM_UP_FRAMES)
        draw_benchmark(picture, f"SIMULATED: {profile.name}", [], [group])
        print(f"\npicture  {picture}")
    return 0

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `pointpillars_ov benchmark --simulate` prints: the three modes on a machine that is only described."""

from __future__ import annotations

from pathlib import Path

from pointpillars_ov_ros.core.runtime_config import Mode
from pointpillars_ov_ros.inference.simulation import SimulationReport, load_profile, run_simulation
from pointpillars_ov_ros.tools.tables import format_table


def print_simulation(path: Path) -> int:
    """Run the real scheduler on the machine described in `path`, in every mode, always with a cloud waiting."""
    profile = load_profile(path)
    reports = [run_simulation(profile, mode) for mode in Mode]
    print(f"SIMULATED: {profile.name}\n{profile.source.strip()}\n")
    print(format_table(SimulationReport.COLUMNS, [report.cells() for report in reports]))
    return 0

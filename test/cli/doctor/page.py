# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs `pointpillars_ov doctor`, and reads its page and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.synthetic import Drive


def doctor(out: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    """Run it; return its exit code and its report."""
    report = out / "report.json"
    code = cli.main(["doctor", *map(str, arguments), "--json", str(report)])
    document: dict[str, Any] = json.loads(report.read_text())
    assert document["exit_code"] == code
    for finding in document["findings"]:
        assert bool(finding["cures"]) == (finding["level"] in ("WARN", "FAULT")), finding
    return code, document


def odd(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the findings that are not OK, by name."""
    return {one["name"]: one for one in document["findings"] if one["level"] != "OK"}


def drive_points(sensor: str = "hdl_64e", seed: int = 3) -> np.ndarray:
    """Return a simulated cloud (N, 4)."""
    return Drive(sensor, seed, 1).frame(0).points


def moved(points: np.ndarray, *pose: float) -> np.ndarray:
    copy = points.copy()
    Transform.from_pose(*pose).move(copy)
    return copy

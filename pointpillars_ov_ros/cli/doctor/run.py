# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Main part of `pointpillars_ov doctor`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.cli.doctor.inputs import MOST_CLOUDS, CloudInput, read_files, topic_cures
from pointpillars_ov_ros.cli.doctor.machine import check_machine, check_model, read_runtime
from pointpillars_ov_ros.cli.doctor.page import STDOUT, exit_code, format_finding, make_report, summarise
from pointpillars_ov_ros.clouds.checks import (
    CloudCures,
    check_echoes,
    check_intensity,
    check_mounting,
    check_pattern,
    check_place,
    check_times,
)
from pointpillars_ov_ros.clouds.sensor_estimate import estimate_sensor
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray

_USUAL_RATE_HZ = 10.0


def run_doctor(options: argparse.Namespace) -> int:
    """Run the checks, print each finding, and write the requested report."""
    is_printed = options.json == STDOUT
    with redirect_stdout(sys.stderr if is_printed else sys.stdout), _without_log():
        page = _look(options)
        print(f"\n{summarise(page.findings)}")
    if options.json is not None:
        subject = {"model": page.model, "device": options.device, "input": page.subject}
        report = make_report(page.findings, subject)
        if is_printed:
            print(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            write_json(options.json, report)
            print(f"report   {options.json}")
    return exit_code(page.findings)


@contextmanager
def _without_log() -> Iterator[None]:
    """Log nothing meanwhile: it is on the page anyway."""
    package = logging.getLogger("pointpillars_ov_ros")
    before = package.level
    package.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        package.setLevel(before)


def _look(options: argparse.Namespace) -> _Page:
    """Run all checks, and print their findings."""
    runtime = read_runtime(options.device, " ".join(options.set), options.cache_dir)
    with tempfile.TemporaryDirectory() as scratch:
        with redirect_stdout(sys.stderr):
            bundle = open_model(options.model, Path(scratch) / "bundle")
        page = _Page(bundle.config.name)
        clouds, rate_hz = _look_at_clouds(options, bundle.config, page)
        page.show("machine", check_machine(bundle.config.name))
        if not options.no_model:
            page.show("machine", check_model(bundle, runtime, clouds, options.rate or rate_hz))
    return page


class _Page:
    """Printed page of findings, grouped under the titles of their parts."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.findings: list[Finding] = []
        self.subject = ""
        """What was checked besides the machine."""
        self._part = ""

    def show(self, part: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if part != self._part:
                print(f"{'' if not self._part else chr(10)}{part}{f' ({self.subject})' if part == 'cloud' else ''}")
                self._part = part
            print(format_finding(finding), flush=True)
            self.findings.append(finding)


def _look_at_clouds(
    options: argparse.Namespace, config: ModelConfig, page: _Page
) -> tuple[list[FloatArray], float | None]:
    """Check ROS and the clouds; return the clouds in the network's frame, and their rate (Hz)."""
    pose = Transform.from_pose(*options.sensor_pose)
    if options.inputs:
        found = read_files(options)
        page.subject = found.name
        page.show("cloud", _check_clouds(found, pose, pose, config))
        stamps = [head.stamp_ns for head in found.heads]
        page.show("cloud", [*check_times(stamps, found.cures), *_check_heads(found)])
    else:
        found = _look_at_ros(options, page, pose, config)
        stamps = [head.stamp_ns for head in found.heads]
    steps = np.diff(np.array(stamps, np.float64)) / 1e9
    usual_s = float(np.median(steps)) if len(steps) >= 2 else 0.0
    rate_hz = 1.0 / usual_s if usual_s > 0.0 else _USUAL_RATE_HZ if stamps else None
    return [_moved(cloud, pose) for cloud in found.clouds if len(cloud)], rate_hz


def _look_at_ros(options: argparse.Namespace, page: _Page, pose: Transform, config: ModelConfig) -> CloudInput:
    """Check ROS and the topic; without ROS, show a single note."""
    nothing = CloudInput("", topic_cures(options.topic or "", ""))
    try:
        from pointpillars_ov_ros.cli.doctor.topic import look_at_topic
    except ModuleNotFoundError as error:
        text = f"not checked, since the Python module {error.name} is missing (source ROS 2 to check topics)"
        level, cures = (Level.FAULT, (_sourcing(),)) if options.topic else (Level.NOTE, ())
        page.show("ROS", [Finding("ros.environment", level, text, cures)])
        return nothing
    if not options.topic and not os.environ.get("ROS_DISTRO"):
        page.show("ROS", [Finding("ros.environment", Level.NOTE, "not checked: ROS is not sourced in this shell")])
        return nothing
    look = look_at_topic(options)
    page.subject = look.clouds.name
    page.show("ROS", look.findings)
    if options.topic and look.clouds.clouds:
        page.show(
            "cloud", _check_clouds(look.clouds, look.T_target_sensor and pose.after(look.T_target_sensor), pose, config)
        )
        # Clouds that DDS has lost are missing from the stamps as well.
        if not any(one.name == "ros.loss" and one.level.needs_cure for one in look.findings):
            page.show("cloud", check_times([head.stamp_ns for head in look.clouds.heads], look.clouds.cures))
    return look.clouds


def _sourcing(root: Path = Path("/opt/ros")) -> str:
    """Return the command that sources ROS in a shell."""
    there = sorted(root.glob("*/setup.bash"))
    return f"source {there[-1]}" if there else "source install/setup.bash   # of your ROS 2; docs/install.md brings one"


def _check_clouds(
    found: CloudInput, T_model_sensor: Transform | None, pose: Transform, config: ModelConfig
) -> Iterator[Finding]:
    """Yield the findings on clouds; `T_model_sensor` is None if TF does not provide it."""
    yield from found.findings
    if not found.clouds:
        if not found.findings:
            yield Finding("cloud.points", Level.FAULT, f"{found.name}: no clouds found", (found.cures.sensor,))
        return
    yield check_echoes(found.clouds, found.sent, found.cures)
    clouds = [cloud for cloud in found.clouds if len(cloud)][:MOST_CLOUDS]
    if not clouds:
        return
    usual = sum(map(len, clouds)) / len(clouds)
    if T_model_sensor is None:
        yield check_pattern(estimate_sensor(clouds), usual, config.sensor, found.cures)
        return
    moved = [_moved(cloud, T_model_sensor) for cloud in clouds]
    placed = check_place(moved, config, found.cures if pose.is_identity else _cures_beyond(found.cures))
    names = {finding.name for finding in (*placed, *found.findings) if finding.level.needs_cure}
    # An earlier finding on the file's frame is kept.
    yield from (one for one in placed if one.level.needs_cure or one.name not in names)
    if "cloud.coordinates" not in names:
        yield check_pattern(estimate_sensor(clouds), usual, config.sensor, found.cures)
        yield check_mounting(moved, pose, config.sensor.height, found.cures, found.frame)
    is_readable = all(one.level is not Level.FAULT for one in placed)
    if is_readable and "cloud.intensity" not in names:
        yield check_intensity(clouds, found.how, found.cures)


def _cures_beyond(cures: CloudCures) -> CloudCures:
    """Return the cures for clouds that are already moved by a pose."""
    pose = "in addition to --sensor-pose, move them by {numbers}"
    return cures._replace(oddities=cures.oddities._replace(pose=pose))


def _check_heads(found: CloudInput) -> list[Finding]:
    """Check frames and stamps of a bag's clouds."""
    if not found.heads:
        return []
    from pointpillars_ov_ros.ros.checks import check_heads

    findings = check_heads(found.heads, found.name, moment="they were recorded")
    return [finding._replace(name=finding.name.replace("ros.", "cloud.")) for finding in findings]


def _moved(points: FloatArray, transform: Transform) -> FloatArray:
    copy = points.copy()
    transform.move(copy)
    return copy

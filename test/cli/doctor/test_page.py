# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page, its exit code and its report, and what is said of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli.doctor.machine import check_devices, check_kernels, check_model, read_runtime
from pointpillars_ov_ros.cli.doctor.page import exit_code, format_finding, make_report, summarise
from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.config.kernel_cache import VARIABLE
from test.inference.device.test_hardware import machine
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

OK = Finding("cloud.points", Level.OK, "1 cloud")
NOTE = Finding("cloud.beams", Level.NOTE, "none")
WARN = Finding("machine.speed", Level.WARN, "slow", ("faster   # or so",))
FAULT = Finding("ros.topic", Level.FAULT, "nobody publishes /points", ("ros2 topic list", "export ROS_DOMAIN_ID=1"))


@pytest.mark.parametrize(
    ("findings", "code", "verdict", "words"),
    [
        ([OK], 0, "OK", "nothing to fix: 1 check passed"),
        ([OK, NOTE], 0, "NOTE", "nothing to fix: 1 check passed"),
        ([OK, WARN], 1, "WARN", "1 warning; start with speed -> faster"),
        ([WARN, FAULT, FAULT, OK], 1, "FAULT", "2 faults and 1 warning; start with topic -> ros2 topic list"),
    ],
)
def test_the_worst_finding_decides(findings: list[Finding], code: int, verdict: str, words: str) -> None:
    assert exit_code(findings) == code
    assert summarise(findings) == words
    report = make_report(findings, {"model": "m"})
    assert (report["verdict"], report["exit_code"], report["model"]) == (verdict, code, "m")
    assert json.loads(json.dumps(report)) == report
    assert [set(one) for one in report["findings"]] == [{"name", "level", "text", "cures"}] * len(findings)


def test_a_cure_stands_below_its_line_and_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    command = "pointpillars_ov detect " + "x" * 100
    lines = format_finding(Finding("cloud.height", Level.FAULT, "word " * 30, (command,))).splitlines()
    assert lines[0].startswith("FAULT  height: word ")
    assert all(len(line) <= 60 for line in lines[:-1]) and len(lines) > 2
    assert lines[-1] == f"       -> {command}"


def test_a_gpu_that_cannot_be_used_is_a_warning_with_its_cure(tmp_path: Path) -> None:
    finding = check_devices(["CPU"], machine(tmp_path, driver=False))
    assert finding.level is Level.WARN
    assert finding.cures == ("sudo apt install intel-opencl-icd",)
    assert check_devices(["CPU"], tmp_path / "none").level is Level.OK


def test_kernels_that_do_not_stay_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert check_kernels().level is Level.OK
    monkeypatch.setenv(VARIABLE, "/tmp/pointpillars_ov_ros-0")
    finding = check_kernels()
    assert finding.level is Level.WARN
    assert finding.cures[0].startswith(f"export {VARIABLE}=")
    monkeypatch.setenv(VARIABLE, "/proc/none")
    assert check_kernels().level is Level.WARN


def test_a_device_that_there_is_not_is_a_fault_and_one_of_no_name_an_error(tmp_path: Path) -> None:
    bundle = save_toy_bundle(tmp_path)
    (finding,) = check_model(bundle, read_runtime("NPU", "", ""), [], None)
    assert (finding.name, finding.level) == ("machine.model", Level.FAULT)
    assert finding.cures[-1] == "pointpillars_ov doctor --device CPU"
    with pytest.raises(ConfigError, match="--device"):
        read_runtime("no device", "", "")


def test_clouds_that_come_faster_than_they_are_detected_are_a_warning(tmp_path: Path) -> None:
    bundle = save_toy_bundle(tmp_path)
    findings = list(check_model(bundle, read_runtime("CPU", "", ""), [toy_cloud(0)], 1e9))
    speed = findings[-1]
    assert (speed.name, speed.level) == ("machine.speed", Level.WARN)
    assert any("mode:=throughput" in cure for cure in speed.cures)
    assert [one.name for one in findings] == ["machine.model", "machine.parity", "machine.speed"]
    assert all(one.level is Level.OK for one in findings[:-1])

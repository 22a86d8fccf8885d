# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parity check of a detector as a process: what its log, `timing` and /diagnostics say of a mismatch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticStatus

from pointpillars_ov_ros.config.runtime_config import OnMismatch
from pointpillars_ov_ros.core.verdict import AGREES, NOT_CHECKED
from pointpillars_ov_ros.ros.timing_message import FrameTiming
from test.dds.peers import PATIENCE_S, nodes, peer
from test.model.float_bundle import save_float_bundle, toy_clouds

pytestmark = pytest.mark.usefixtures("ros")

EXECUTABLE = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_detector"
# The host adds in another order than the network, so no two features are quite the same.
MISMATCH = {"encoder": "host", "parity_min_correlation": 1.0}


def run(folder: Path, **parameters: object) -> tuple[FrameTiming, DiagnosticStatus, str]:
    """Return the timing of a frame, the diagnostics of the device, and the detector's log."""
    model = save_float_bundle(folder, pooling="maximum").folder
    with peer() as sender, nodes(folder / "logs") as processes:
        processes.start("pointpillars_detector", {"model_dir": str(model), **parameters})
        processes.start("pointpillars_diagnostics", {"period": 0.1, "stale_after": 60.0})
        said: list[DiagnosticStatus] = []
        while not said:
            # Until diagnostics have found the detector, too.
            timing = sender.connect(toy_clouds(1)[0], processes)
            statuses = [status for message in sender.diagnostics for status in message.status]
            said = [
                status
                for status in statuses
                if status.name == "pointpillars_detector: device" and status.level != DiagnosticStatus.STALE
            ]
    return timing, said[-1], (folder / "logs" / "pointpillars_detector.log").read_text()


@pytest.mark.parametrize("action", [action for action in OnMismatch if action is not OnMismatch.ERROR])
def test_a_mismatch_is_a_warning_everywhere_and_clouds_are_processed(tmp_path: Path, action: OnMismatch) -> None:
    timing, device, log = run(tmp_path, on_mismatch=action.value, **MISMATCH)
    assert not timing.error
    begin = "features: correlation 1 - "
    if action is OnMismatch.FALLBACK_CPU:
        begin = f"fell back to CPU in f32: {begin}"
        assert (timing.rpn_device, timing.rpn_precision) == ("CPU", "f32")
        assert "; fell back to CPU in f32" in log
    assert timing.parity.startswith(begin)
    assert device.level == DiagnosticStatus.WARN
    assert device.message == f"parity: {timing.parity}"
    warnings = [line for line in log.splitlines() if "parity mismatch of PFE on host in f32" in line]
    assert len(warnings) == 1 and "WARN" in warnings[0]


@pytest.mark.parametrize(
    ("parameters", "text"), [({}, AGREES), ({"parity_check": False, **MISMATCH}, NOT_CHECKED)], ids=["on", "off"]
)
def test_where_nothing_is_amiss_the_log_has_one_line(tmp_path: Path, parameters: dict[str, object], text: str) -> None:
    timing, device, log = run(tmp_path, **parameters)
    assert timing.parity == text
    assert (device.level, {pair.key: pair.value for pair in device.values}["parity"]) == (DiagnosticStatus.OK, text)
    lines = [line for line in log.splitlines() if "parity" in line]
    assert len(lines) == 1 and "INFO" in lines[0]


def test_a_device_list_that_was_reduced_is_a_warning_everywhere_and_what_is_left_is_used(tmp_path: Path) -> None:
    asked = "AUTO:TOASTER,CPU"
    timing, device, log = run(tmp_path, encoder="openvino", pfe_device=asked, rpn_device=asked)
    assert not timing.error and timing.rpn_device == "CPU"
    assert timing.warnings.startswith(f"pfe_device, rpn_device: {asked!r} is reduced to 'AUTO:CPU': TOASTER")
    assert (device.level, device.message) == (DiagnosticStatus.WARN, timing.warnings)
    (line,) = (line for line in log.splitlines() if timing.warnings in line)
    assert "WARN" in line
    assert "RPN as compiled: EXECUTION_DEVICES CPU" in log


def test_on_error_it_ends_with_the_sentence(tmp_path: Path) -> None:
    model = save_float_bundle(tmp_path, pooling="maximum").folder
    command = [sys.executable, str(EXECUTABLE), "--ros-args", "-p", f"model_dir:={model}", "-p", "on_mismatch:=error"]
    for name, value in MISMATCH.items():
        command += ["-p", f"{name}:={value}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=os.environ, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said, said
    (line,) = (line for line in said.splitlines() if "parity" in line)
    assert "parity mismatch of PFE on host in f32" in line and "features: correlation 1 - " in line

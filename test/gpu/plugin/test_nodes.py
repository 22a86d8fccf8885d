# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector as a process on the GPU and on AUTO, with every parameter file, and the tools that open a device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, OnMismatch, RuntimeConfig
from pointpillars_ov_ros.inference.engine import FAILURES_IN_A_ROW, Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.dds.peers import Peer, nodes, peer
from test.gpu.gpu_setup import REPOSITORY
from test.gpu.switches import Switches
from test.gpu.toy import CACHE_DIR, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

CONFIGS = sorted(
    path
    for path in (REPOSITORY / "config").glob("*.yaml")
    if "ros__parameters" in path.read_text() and path.stem not in ("diagnostics_aggregator",)
)
DETECTOR = "pointpillars_detector"
MUCH_MS = 300_000
"""Duration of a build that a test ends."""


def knows_detector(sender: Peer) -> bool:
    """Whether the diagnostics node has received a cloud's timing."""
    statuses = [status for message in sender.diagnostics for status in message.status]
    return any(pair.key == "received" and pair.value not in ("", "0") for each in statuses for pair in each.values)


def device_events(sender: Peer) -> list[str]:
    """Return what /diagnostics keep of the events of the device."""
    statuses = [status for message in sender.diagnostics for status in message.status]
    return [
        pair.value for status in statuses if status.level != DiagnosticStatus.STALE for pair in status.values
        if "moved from" in pair.value
    ]  # fmt: skip


def test_the_detector_detects_on_the_gpu(toy: ModelBundle, tmp_path: Path) -> None:
    settings = {
        "model_dir": str(toy.folder), "rpn_device": "GPU", "pfe_device": "GPU", "encoder": "openvino",
        "cache_dir": CACHE_DIR,
    }  # fmt: skip
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start(DETECTOR, settings)
        timing = sender.connect(toy_cloud(1), processes)
    log = (tmp_path / f"{DETECTOR}.log").read_text()
    assert not timing.error
    assert (timing.pfe_device, timing.pfe_precision) == ("GPU.0", "f32")
    assert (timing.rpn_device, timing.rpn_precision) == ("GPU.0", "f16")
    assert timing.parity == "ok", log
    assert "WARN" not in log, log


def test_on_auto_every_cloud_is_answered_across_the_move_and_diagnostics_tell_of_it(
    toy: ModelBundle, tmp_path: Path, switches: Switches
) -> None:
    switches.turn_on("build_ms", MUCH_MS)
    settings = {
        "model_dir": str(toy.folder), "rpn_device": "AUTO:GPU,CPU", "encoder": "host", "precision": "f32",
        "drop_policy": "replay", "input_reliability": "reliable", "input_depth": 100,
    }  # fmt: skip
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start(DETECTOR, settings)
        processes.start("pointpillars_diagnostics", {"period": 0.1, "stale_after": 60.0})
        first = sender.connect(toy_cloud(0), processes)
        sender.wait_until(lambda: knows_detector(sender), "diagnostics that have heard of the CPU", processes)
        switches.turn_off("build_ms")
        devices = [first.rpn_device]
        while devices[-1] != "GPU.0" or len(devices) < 20:
            timing = sender.connect(toy_cloud(len(devices) % 5), processes)
            assert not timing.error
            devices.append(timing.rpn_device)
        sender.wait_until(lambda: bool(device_events(sender)), "the event", processes)
    assert devices[0] == "(CPU)", "it was slower than the move"
    assert (timing.failed, timing.dropped, timing.refused, timing.lost) == (0, 0, 0, 0)
    assert any("RPN moved from (CPU)" in event and "GPU.0" in event for event in device_events(sender))


@pytest.mark.parametrize("action", [OnMismatch.FALLBACK_CPU, OnMismatch.ERROR])
def test_other_answers_after_the_move_end_in_the_fallback_or_in_no_detections(
    toy: ModelBundle, tmp_path: Path, switches: Switches, action: OnMismatch
) -> None:
    """On the CPU the untouched graphs are the reference to the bit; on the GPU they add in another order."""
    switches.turn_on("build_ms", MUCH_MS)
    settings = {
        "model_dir": str(toy.folder), "rpn_device": "AUTO:GPU,CPU", "encoder": "openvino", "precision": "f32",
        "lean_rpn": False, "parity_min_correlation": 1.0, "on_mismatch": action.value, "drop_policy": "replay",
    }  # fmt: skip
    log = tmp_path / f"{DETECTOR}.log"
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start(DETECTOR, settings)
        timing = sender.connect(toy_cloud(0), processes)
        assert (timing.parity, timing.rpn_device) == ("ok", "(CPU)"), log.read_text()
        switches.turn_off("build_ms")
        if action is OnMismatch.ERROR:
            sender.wait_until(lambda: "(on_mismatch is error)" in log.read_text(), "the end of detections", processes)
            return
        while not timing.parity.startswith("fell back to CPU in f32"):
            timing = sender.connect(toy_cloud(1), processes)
            assert not timing.error
    assert (timing.rpn_device, timing.rpn_precision) == ("CPU", "f32")
    assert (timing.failed, timing.dropped) == (0, 0)


def test_on_auto_from_a_cache_the_detector_goes_on_with_the_cpu_where_the_gpu_fails(
    toy: ModelBundle, tmp_path: Path, switches: Switches
) -> None:
    """The cache is filled by another engine of the same settings."""
    runtime = RuntimeConfig(rpn_device="AUTO:GPU,CPU", encoder=EncoderChoice.HOST, cache_dir=CACHE_DIR)
    moving = Engine(toy, runtime)
    settings = {"model_dir": str(toy.folder), "rpn_device": "AUTO:GPU,CPU", "encoder": "host", "cache_dir": CACHE_DIR}
    log = tmp_path / f"{DETECTOR}.log"
    with peer() as sender, nodes(tmp_path) as processes:
        sender.wait_until(lambda: not moving.is_moving, "a compiled network", processes)
        processes.start(DETECTOR, settings)
        timing = sender.connect(toy_cloud(0), processes)
        assert (timing.error, timing.rpn_device) == ("", "GPU.0")
        switches.turn_on("fail_kernels")
        while timing.rpn_device != "CPU":
            timing = sender.connect(toy_cloud(1), processes)
        timing = sender.connect(toy_cloud(2), processes)
    assert not timing.error
    assert timing.failed >= FAILURES_IN_A_ROW
    assert "clouds in a row failed on GPU.0" in log.read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_parameter_file_starts_where_there_is_a_gpu(toy: ModelBundle, tmp_path: Path, path: Path) -> None:
    assert yaml.safe_load(path.read_text())
    with peer() as sender, nodes(tmp_path) as processes:
        settings = {"model_dir": str(toy.folder), "cache_dir": CACHE_DIR}
        processes.start(DETECTOR, settings, ["--params-file", str(path)])
        timing = sender.connect(toy_cloud(1), processes)
    log = (tmp_path / f"{DETECTOR}.log").read_text()
    assert not timing.error
    assert timing.parity == "ok", log
    if "GPU" in path.read_text().replace("#", "").split("rpn_device:", 1)[-1].split("\n", 1)[0]:
        assert "GPU.0" in timing.rpn_device or timing.rpn_device == "(CPU)"


def test_the_study_of_the_move_runs_on_the_device(toy: ModelBundle, tmp_path: Path, switches: Switches) -> None:
    switches.turn_on("build_ms", 300)
    recording = tmp_path / "switch.json"
    arguments = ["timeline", "auto-switch", "--model", str(toy.folder), "--device", "AUTO:GPU,CPU"]
    assert cli.main([*arguments, "--json", str(recording)]) == 0
    assert "GPU.0" in recording.read_text()


def test_the_networks_alone_are_measured_on_the_device(
    toy: ModelBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    arguments = ["benchmark", "--networks", "--model", str(toy.folder), "--device", "GPU"]
    assert cli.main([*arguments, "--json", str(out)]) == 0
    assert "GPU" in json.dumps(json.loads(out.read_text()))
    assert "GPU" in capsys.readouterr().out

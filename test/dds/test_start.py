# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starting and ending the detector: what is wrong is one sentence, and the lifecycle works all the way round."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.duration import Duration

from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ModelBundle, write_bundle
from test.dds.peers import PATIENCE_S, Peer, call, change_state, nodes, peer, set_parameter, stamp_of
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud
from test.signing import make_keys
from test.simulated import simulated_cloud

pytestmark = pytest.mark.usefixtures("ros")

EXECUTABLE = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_detector"


def run_detector(*parameters: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXECUTABLE), "--ros-args"]
    for parameter in parameters:
        command += ["-p", parameter]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=os.environ)


def copy_bundle(bundle: ModelBundle, folder: Path) -> Path:
    write_bundle(bundle.config, {name: bundle.path(name) for name in bundle.config.sha256}, folder)
    return folder


def alter_weights(folder: Path) -> None:
    with (folder / "rpn.bin").open("r+b") as file:
        file.seek(1000)
        (before,) = file.read(1)
        file.seek(1000)
        file.write(bytes([before ^ 0xFF]))


def remove_file(folder: Path) -> None:
    (folder / "pfe.bin").unlink()


def change_shape(folder: Path) -> None:
    path = folder / CONFIG_NAME
    path.write_text(path.read_text().replace("max_pillars: 40000", "max_pillars: 11000"))


def spoil_yaml(folder: Path) -> None:
    (folder / CONFIG_NAME).write_text("grid: [1,\n")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (alter_weights, "rpn.bin"),
        (remove_file, "pfe.bin"),
        (change_shape, "shape (1, 1, 40000, 32), but the bundle says (1, 1, 11000, 32)"),
        (spoil_yaml, CONFIG_NAME),
    ],
)
def test_a_bad_bundle_is_one_sentence(
    bundled: ModelBundle, tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    folder = copy_bundle(bundled, tmp_path / "bundle")
    spoil(folder)
    assert_fails_in_one_sentence(run_detector(f"model_dir:={folder}"), named)


@pytest.mark.parametrize(
    ("parameter", "named"),
    [
        ("model_dir:=/nowhere", "/nowhere"),
        ("pfe_device:=NPU", "'NPU'"),
        ("rpn_device:=TOASTER", "'TOASTER'"),
        ("rpn_device:=AUTO:TOASTER", "none of the devices in 'AUTO:TOASTER' can be used"),
        ("device_properties:=TOASTER=1", "TOASTER: CPU has no such property"),
        ("device_properties:=NUM_STREAMS=many", "NUM_STREAMS: 'many' is not a whole number"),
        ("performance_hint:=CUMULATIVE_THROUGHPUT", "performance_hint: CUMULATIVE_THROUGHPUT is for AUTO and MULTI"),
        ("mode:=fast", "mode: 'fast' is not one of latency, balanced, throughput"),
        ("input_depth:=-1", "input_depth"),
        ("record_trace:=/nowhere/trace.json", "record_trace: '/nowhere/trace.json' cannot be written"),
    ],
)
def test_a_bad_parameter_is_one_sentence(bundled: ModelBundle, parameter: str, named: str) -> None:
    model = () if parameter.startswith("model_dir") else (f"model_dir:={bundled.folder}",)
    assert_fails_in_one_sentence(run_detector(*model, parameter), named)


def test_a_bundle_that_is_not_signed_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need it: make env EXTRAS=sign")
    bundle, keys = save_toy_bundle(tmp_path / "bundle"), make_keys(tmp_path / "keys")
    ended = run_detector(f"model_dir:={bundle.folder}", f"model_public_key:={keys.public}")
    assert_fails_in_one_sentence(ended, f"{bundle.folder} is not signed")


def assert_fails_in_one_sentence(ended: subprocess.CompletedProcess[str], named: str) -> None:
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said, said
    failures = [line for line in said.splitlines() if named in line]
    assert len(failures) == 1, said


@pytest.mark.parametrize(
    ("parameter", "named"),
    [
        ("score_treshold:=0.4", "no parameter 'score_treshold', so it is ignored; the closest is score_threshold"),
        ("detector:score_threshold:=0.4", "the section detector is not for this node, /pointpillars_detector"),
    ],
)
def test_a_parameter_that_is_not_taken_is_said_at_the_start(parameter: str, named: str) -> None:
    ended = run_detector("model_dir:=/nowhere", parameter)
    assert ended.returncode == 1
    assert (ended.stdout + ended.stderr).count(named) == 1, ended.stderr


def test_the_home_folder_is_found_in_a_path() -> None:
    ended = run_detector("model_dir:=~/nowhere")
    assert f"{Path.home()}/nowhere" in ended.stdout + ended.stderr


def state(sender: Peer) -> int:
    return call(sender, GetState, "get_state", GetState.Request()).current_state.id  # type: ignore[attr-defined]


def test_a_lifecycle_manager_leads_it_all_the_way_round(bundled: ModelBundle, tmp_path: Path) -> None:
    with peer() as manager, nodes(tmp_path) as processes:
        processes.start("pointpillars_detector", {"model_dir": "/nowhere", "autostart": False})
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED
        assert not change_state(manager, Transition.TRANSITION_CONFIGURE)
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED, "a failed configure leaves a half-alive node"
        assert set_parameter(manager, "model_dir", str(bundled.folder)) == (True, "")
        for _ in range(2):
            assert change_state(manager, Transition.TRANSITION_CONFIGURE)
            assert manager.clouds.get_subscription_count() == 0, "subscribed before it is active"
            assert change_state(manager, Transition.TRANSITION_ACTIVATE)
            manager.wait_until(lambda: manager.clouds.get_subscription_count() == 1, "the subscription", processes)
            before = len(manager.timings)
            manager.connect(simulated_cloud(1), processes)
            manager.wait_until(lambda: len(manager.detections) == len(manager.timings), "the detections", processes)
            assert len(manager.timings) > before
            assert [stamp_of(array) for array in manager.detections] == list(manager.timing_of)
            assert change_state(manager, Transition.TRANSITION_DEACTIVATE)
            manager.wait_until(lambda: manager.clouds.get_subscription_count() == 0, "the end of it", processes)
            assert change_state(manager, Transition.TRANSITION_CLEANUP)
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED


def shared_memory(pid: int) -> set[Path]:
    """Return the segments of DDS shared memory that a process owns: it holds the locks beside them."""
    found = re.findall(r"/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16}$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    held = {int(words[5].split(":")[2]) for words in locks if words[1] == "FLOCK" and int(words[4]) == pid}
    return {Path(path) for path in found if Path(f"{path}_el").stat().st_ino in held}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_what_is_in_flight_is_published(tmp_path: Path, number: signal.Signals) -> None:
    """The last cloud keeps the RPN busy for seconds."""
    toy = {"encoder": "openvino", "lean_rpn": False, "parity_check": False}
    model = save_toy_bundle(tmp_path, Weakness("rpn", Trouble.HANGS)).folder
    with peer() as sender, nodes(tmp_path / "logs") as processes:
        processes.start(
            "pointpillars_detector",
            {**toy, "model_dir": str(model), "drop_policy": "replay"},
        )
        sender.connect(toy_cloud(0), processes)
        # Few: with the shipped profile, acknowledgements are asked for long before the history of `timing` is full.
        sent = set()
        for _ in range(5):
            cloud = sender.make_cloud(toy_cloud(1))
            sent.add(stamp_of(cloud))
            sender.clouds.publish(cloud)
            sender.wait_until(lambda: stamp_of(cloud) in sender.timing_of, "the result", processes)  # noqa: B023
        cloud = sender.make_cloud(toy_cloud(1, bright=True))
        sent.add(stamp_of(cloud))
        sender.clouds.publish(cloud)
        assert sender.clouds.wait_for_all_acked(Duration(seconds=20))
        # Answered by the thread that takes the clouds, so the one that had come before has been taken.
        for _ in range(3):
            state(sender)
        shared = shared_memory(processes.pid("pointpillars_detector"))
        assert shared
        os.kill(processes.pid("pointpillars_detector"), number)
        sender.wait_until(lambda: processes.has_ended("pointpillars_detector"), "the end of the process")
        # A participant that was not ended stays with its peers as a ghost for 20 s, and its memory for ever.
        assert not [path for path in shared if path.exists()]
        sender.wait_until(lambda: stamp_of(cloud) in sender.timing_of, "the result that was in flight")
        if "did not end within" in sender.timing_of[stamp_of(cloud)].error:
            pytest.skip("on this machine, as busy as it is, one frame takes longer than an end waits for")
        sender.wait_until(lambda: sent <= {stamp_of(array) for array in sender.detections}, "the detections")
        assert not sender.timing_of[stamp_of(cloud)].error
    said = (tmp_path / "logs" / "pointpillars_detector.log").read_text()
    assert "Traceback" not in said and "error" not in said.lower(), said


def test_the_mode_is_switched_while_clouds_come_and_none_is_lost(bundled: ModelBundle, tmp_path: Path) -> None:
    points = simulated_cloud(1)
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start("pointpillars_detector", {"model_dir": str(bundled.folder), "drop_policy": "replay"})
        sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
        accepted, reason = set_parameter(sender, "mode", "fast")
        assert not accepted and "'fast' is not one of latency, balanced, throughput" in reason
        sent = []
        for mode in ("throughput", "latency", "balanced"):
            assert set_parameter(sender, "mode", mode) == (True, "")
            # Until the switch has happened, and three clouds more.
            remaining = 3
            while remaining:
                cloud = sender.make_cloud(points)
                sent.append(stamp_of(cloud))
                sender.clouds.publish(cloud)
                sender.wait_until(lambda: len(sender.timings) >= len(sent) - 2, "a result", processes)
                remaining -= bool(sender.timings) and sender.timings[-1].mode == mode
        sender.wait_until(lambda: len(sender.timings) == len(sent), "all results", processes)
    assert [stamp_of(array) for array in sender.detections] == sent
    assert sender.timings[-1].completed == len(sent) and sender.timings[-1].dropped == 0

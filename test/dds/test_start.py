# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starting and ending the detector: what is wrong is one sentence, and the lifecycle works all the way round."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from pointpillars_ov_ros.kitti.frames import read_points
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ModelBundle, write_bundle

from ..shared_data import KITTI, needs_shared_data
from .peers import PATIENCE_S, Peer, nodes, peer, stamp_of

pytestmark = [needs_shared_data, pytest.mark.usefixtures("ros")]

EXECUTABLE = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros" / "pointpillars_detector"
GOOD = KITTI / "training" / "velodyne_reduced" / "000134.bin"


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
        file.write(b"\xff")


def remove_file(folder: Path) -> None:
    (folder / "pfe.bin").unlink()


def change_shape(folder: Path) -> None:
    path = folder / CONFIG_NAME
    path.write_text(path.read_text().replace("max_pillars: 12000", "max_pillars: 11000"))


def spoil_yaml(folder: Path) -> None:
    (folder / CONFIG_NAME).write_text("grid: [1,\n")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (alter_weights, "rpn.bin"),
        (remove_file, "pfe.bin"),
        (change_shape, "shape (1, 1, 12000, 100), the bundle says (1, 1, 11000, 100)"),
        (spoil_yaml, CONFIG_NAME),
    ],
)
def test_a_bad_bundle_is_one_sentence(
    kitti_car: ModelBundle, tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    folder = copy_bundle(kitti_car, tmp_path / "bundle")
    spoil(folder)
    assert_fails_in_one_sentence(run_detector(f"model_dir:={folder}"), named)


@pytest.mark.parametrize(
    ("parameter", "named"),
    [
        ("model_dir:=/nowhere", "/nowhere"),
        ("pfe_device:=NPU", "'NPU'"),
        ("rpn_device:=TOASTER", "'TOASTER'"),
        ("mode:=fast", "mode: 'fast' is not one of latency, balanced, throughput"),
        ("input_depth:=-1", "input_depth"),
    ],
)
def test_a_bad_parameter_is_one_sentence(kitti_car: ModelBundle, parameter: str, named: str) -> None:
    model = () if parameter.startswith("model_dir") else (f"model_dir:={kitti_car.folder}",)
    assert_fails_in_one_sentence(run_detector(*model, parameter), named)


def assert_fails_in_one_sentence(ended: subprocess.CompletedProcess[str], named: str) -> None:
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said, said
    failures = [line for line in said.splitlines() if named in line]
    assert len(failures) == 1, said


def call(sender: Peer, kind: type, name: str, request: object) -> object:
    client = sender.create_client(kind, f"/pointpillars_detector/{name}")
    sender.wait_until(client.service_is_ready, f"the service {name}")
    future = client.call_async(request)
    sender.wait_until(future.done, f"the answer of {name}")
    sender.destroy_client(client)
    return future.result()


def change(sender: Peer, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return call(sender, ChangeState, "change_state", request).success  # type: ignore[attr-defined]


def state(sender: Peer) -> int:
    return call(sender, GetState, "get_state", GetState.Request()).current_state.id  # type: ignore[attr-defined]


def set_model(sender: Peer, folder: Path) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(folder))
    request = SetParameters.Request(parameters=[Parameter(name="model_dir", value=value)])
    assert call(sender, SetParameters, "set_parameters", request).results[0].successful  # type: ignore[attr-defined]


def test_a_lifecycle_manager_leads_it_all_the_way_round(kitti_car: ModelBundle, tmp_path: Path) -> None:
    with peer() as manager, nodes(tmp_path) as processes:
        processes.start("pointpillars_detector", {"model_dir": "/nowhere", "autostart": False})
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED
        assert not change(manager, Transition.TRANSITION_CONFIGURE)
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED, "a failed configure leaves a half-alive node"
        set_model(manager, kitti_car.folder)
        for _ in range(2):
            assert change(manager, Transition.TRANSITION_CONFIGURE)
            assert manager.clouds.get_subscription_count() == 0, "subscribed before it is active"
            assert change(manager, Transition.TRANSITION_ACTIVATE)
            manager.wait_until(lambda: manager.clouds.get_subscription_count() == 1, "the subscription", processes)
            cloud, before = manager.make_cloud(read_points(GOOD)), len(manager.detections)
            manager.clouds.publish(cloud)
            manager.wait_until(lambda n=before: len(manager.detections) > n, "a detection", processes)  # type: ignore[misc]
            assert stamp_of(manager.detections[-1]) == stamp_of(cloud)
            assert change(manager, Transition.TRANSITION_DEACTIVATE)
            manager.wait_until(lambda: manager.clouds.get_subscription_count() == 0, "the end of it", processes)
            assert change(manager, Transition.TRANSITION_CLEANUP)
        assert state(manager) == State.PRIMARY_STATE_UNCONFIGURED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_what_is_in_flight_is_published(
    kitti_car: ModelBundle, number: signal.Signals
) -> None:
    command = [sys.executable, str(EXECUTABLE), "--ros-args", "-p", f"model_dir:={kitti_car.folder}"]
    command += ["-p", "drop_policy:=replay"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with peer() as sender:
            sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector")
            for _ in range(3):
                sender.clouds.publish(sender.make_cloud(read_points(GOOD)))
            sender.wait_until(lambda: len(sender.timings) == 1, "the first result")
            # With the first result out the second cloud is in flight, and takes more than a hundred milliseconds.
            process.send_signal(number)
            sender.wait_until(lambda: process.poll() is not None, "the end of the process")
            sender.wait_until(lambda: len(sender.timings) >= 2, "the result that was in flight")
            assert len(sender.detections) == len(sender.timings)
    finally:
        process.kill()
    assert process.returncode == 0
    said = process.stdout.read() if process.stdout else ""
    assert "Traceback" not in said and "error" not in said.lower(), said


def set_text(sender: Peer, name: str, text: str) -> tuple[bool, str]:
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    result = call(sender, SetParameters, "set_parameters", request).results[0]  # type: ignore[attr-defined]
    return result.successful, result.reason


def test_the_mode_is_switched_while_clouds_come_and_none_is_lost(kitti_car: ModelBundle, tmp_path: Path) -> None:
    points = read_points(GOOD)
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start("pointpillars_detector", {"model_dir": str(kitti_car.folder), "drop_policy": "replay"})
        sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
        accepted, reason = set_text(sender, "mode", "fast")
        assert not accepted and "'fast' is not one of latency, balanced, throughput" in reason
        sent = []
        for mode in ("throughput", "latency", "balanced"):
            assert set_text(sender, "mode", mode) == (True, "")
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

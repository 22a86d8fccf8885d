# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that change while a detector runs: of other classes, with a key; and the memory that cleanup frees."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from std_srvs.srv import Trigger

from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ModelBundle, write_bundle
from pointpillars_ov_ros.model.signature import write_signature
from test.dds.peers import change_state, nodes, peer, rss_mb, set_parameter, stamp_of
from test.dds.test_control import DETECTOR, detecting, expected, scores, send, trigger
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.shared_data import needs_shared_data
from test.signing import make_keys

pytestmark = pytest.mark.usefixtures("ros")


def test_classes_that_are_changed_while_networks_are_loaded_are_checked_against_the_new_ones(
    tmp_path: Path,
) -> None:
    first = save_toy_bundle(tmp_path / "first")
    config = dataclasses.replace(
        first.config,
        anchors=tuple(dataclasses.replace(a, class_name=f"Other{a.class_name}") for a in first.config.anchors),
    )
    other = write_bundle(config, {name: first.path(name) for name in first.config.sha256}, tmp_path / "other")
    with detecting(tmp_path, first) as (sender, processes, _):
        assert set_parameter(sender, "model_dir", str(other.folder))[0]
        client = sender.create_client(Trigger, f"/{DETECTOR}/reload")
        sender.wait_until(client.service_is_ready, "the service")
        future = client.call_async(Trigger.Request())
        assert set_parameter(sender, "classes", "Car") == (True, "")
        sender.wait_until(future.done, "the answer", processes)
        assert not future.result().success and "'Car' is not one of OtherCar" in future.result().message
        stamp = send(sender)
        sender.wait_until(lambda: stamp in sender.timing_of, "a result of the first networks", processes)
        assert not sender.timing_of[stamp].error


def test_with_a_key_only_a_signed_bundle_takes_over_and_the_key_stays(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need it: make env EXTRAS=sign")
    first, second = (save_toy_bundle(tmp_path / name, seed=seed) for name, seed in (("first", 5), ("second", 6)))
    keys = make_keys(tmp_path / "keys")
    write_signature(first.path(CONFIG_NAME), keys.private)
    with detecting(tmp_path, first, model_public_key=str(keys.public)) as (sender, processes, _):
        accepted, reason = set_parameter(sender, "model_public_key", "")
        assert not accepted and "read-only" in reason
        for name, value in (("cache_dir", str(tmp_path)), ("device_properties", f"CACHE_DIR={tmp_path}")):
            accepted, reason = set_parameter(sender, name, value)
            assert not accepted
            assert reason == f"{name}: cannot be changed after the start, since model_public_key is set"
        assert set_parameter(sender, "model_dir", str(second.folder))[0]
        succeeded, said = trigger(sender, "reload")
        assert (succeeded, said.count("\n")) == (False, 0) and f"{second.folder} is not signed" in said
        stamp = send(sender)
        sender.wait_until(lambda: stamp_of(sender.detections[-1]) == stamp, "the detections", processes)
        np.testing.assert_allclose(scores(sender.detections[-1]), expected(first), rtol=1e-5)
        write_signature(second.path(CONFIG_NAME), keys.private)
        assert trigger(sender, "reload") == (True, "switched to toy_6; parity: ok")


@needs_shared_data
def test_cleanup_gives_the_memory_back(kitti_car: ModelBundle, tmp_path: Path) -> None:
    readings = []
    with peer() as manager, nodes(tmp_path) as processes:
        parameters = {"model_dir": str(kitti_car.folder), "parity_check": False, "encoder": "host"}
        processes.start(DETECTOR, {**parameters, "autostart": False})
        for _ in range(3):
            assert change_state(manager, Transition.TRANSITION_CONFIGURE)
            assert change_state(manager, Transition.TRANSITION_ACTIVATE)
            manager.connect(toy_cloud(0), processes)
            at_work = rss_mb(processes.pid(DETECTOR))
            assert change_state(manager, Transition.TRANSITION_DEACTIVATE)
            assert change_state(manager, Transition.TRANSITION_CLEANUP)
            readings.append((at_work, rss_mb(processes.pid(DETECTOR))))
    said = ", ".join(f"{at_work:.0f} MB at work and {left:.0f} MB after cleanup" for at_work, left in readings)
    print(f"\nRSS {said}")
    # The first round loads libraries, and compiles; they stay.
    for at_work, left in readings[1:]:
        assert at_work - left > 80.0, said
        assert left - readings[0][1] < 20.0, said

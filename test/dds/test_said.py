# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector says of clouds and of parameters that are changed: in its log, in answers and in diagnostics."""

from __future__ import annotations

import array
import os
import re
from collections.abc import Iterator

import pytest
from vision_msgs.msg import LabelInfo

from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.dds import readable_variables
from test.dds.peers import set_parameter
from test.dds.test_sources import BEST_EFFORT, DETECTOR, Running, running
from test.inference.toy_bundle import toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

CHANGED = {"class_ids": "name", "intensity_scale": 0.0, "score_threshold": 0.0, "target_frame": ""}
"""Parameters that a test changes, as they are by default."""


@pytest.fixture(scope="module")
def plain(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a detector with the default parameters, which the tests below share: each start takes seconds."""
    with running(tmp_path_factory.mktemp("plain")) as scene:
        yield scene


@pytest.fixture
def scene(plain: Running) -> Iterator[Running]:
    """Return that detector; publisher and parameters of a test end with it."""
    yield plain
    plain.sender.destroy_publisher(plain.sender.clouds)
    for name, value in CHANGED.items():
        assert set_parameter(plain.sender, name, value)[0]


def test_a_second_reason_of_a_refusal_is_said_beside_the_first(scene: Running) -> None:
    scene.publish_clouds("points", qos.keep_last(100))
    scene.sender.connect(toy_cloud(0), scene.processes)
    refused = scene.sender.timings[-1].refused
    for number in range(6):
        cloud = scene.sender.make_cloud(toy_cloud(0))
        if number % 2:
            cloud.fields[0].name = "ex"
        else:
            cloud.data = array.array("B", cloud.data[: -16 * (number + 1)])
        scene.sender.clouds.publish(cloud)
        wanted = refused + number + 1
        scene.sender.wait_until(lambda: scene.sender.timings[-1].refused == wanted, "it", scene.processes)  # noqa: B023
    scene.await_log("cloud refused: fields: there is no 'x'")
    scene.await_log("cloud refused: data: ")


def test_a_missing_frame_and_a_stamp_of_zero_are_said_once(scene: Running) -> None:
    scene.publish_clouds("points", qos.keep_last(100))
    scene.sender.connect(toy_cloud(0), scene.processes)
    completed = scene.sender.timings[-1].completed
    for number in range(4):
        cloud = scene.sender.make_cloud(toy_cloud(number))
        cloud.header.frame_id, cloud.header.stamp.sec, cloud.header.stamp.nanosec = "", 0, 0
        scene.sender.clouds.publish(cloud)
        wanted = completed + number + 1
        scene.sender.wait_until(lambda: scene.sender.timings[-1].completed == wanted, "it", scene.processes)  # noqa: B023
    for sentence in ("frame_id is empty in the header of clouds", "the stamp in the header of clouds is 0"):
        scene.await_log(sentence)
        scene.await_diagnostics(sentence)
        assert scene.log.count(sentence) == 1


def test_a_parameter_that_is_taken_up_later_says_by_what(scene: Running) -> None:
    sender = scene.sender
    accepted, reason = set_parameter(sender, "rpn_device", "CPU")
    assert accepted
    assert reason == (
        f"rpn_device: takes effect after `ros2 service call /{DETECTOR}/reload std_srvs/srv/Trigger`, or at the "
        "next configure"
    )
    accepted, reason = set_parameter(sender, "target_frame", "/base_link")
    assert accepted and f"`ros2 lifecycle set /{DETECTOR} deactivate`" in reason
    assert set_parameter(sender, "score_threshold", 0.5) == (True, "")


def test_an_intensity_scale_takes_effect_at_once_and_ends_the_warning(scene: Running) -> None:
    assert set_parameter(scene.sender, "intensity_scale", 1.0) == (True, "")
    scene.publish_clouds("points", qos.keep_last(100))
    bright = toy_cloud(0)
    bright[:, 3] = 200.0
    scene.sender.connect(bright, scene.processes)
    scene.sender.wait_until(lambda: "intensity reaches" in scene.sender.timings[-1].sensor, "it", scene.processes)
    assert set_parameter(scene.sender, "intensity_scale", 1 / 255) == (True, "")
    assert "intensity reaches" not in scene.sender.connect(bright, scene.processes).sensor


def test_the_ids_of_detections_are_those_of_label_info_where_indices_are_asked_for(scene: Running) -> None:
    scene.publish_clouds("points", qos.keep_last(100))
    sender, infos = scene.sender, []
    sender.create_subscription(LabelInfo, "label_info", infos.append, qos.LATCHED)
    found = {}
    for ids in ("name", "index"):
        assert set_parameter(sender, "class_ids", ids) == (True, "")
        assert sender.connect(toy_cloud(0), scene.processes).detections
        found[ids] = [d.results[0].hypothesis.class_id for d in sender.detections[-1].detections]
    sender.wait_until(lambda: bool(infos), "label_info", scene.processes)
    names = {str(one.class_id): one.class_name for one in infos[0].class_map}
    assert names == {"0": "Car", "1": "Pedestrian"}
    assert [names[index] for index in found["index"]] == found["name"]


def test_what_is_lost_names_the_sender_and_the_line_to_export(scene: Running) -> None:
    scene.publish_clouds("points", BEST_EFFORT)
    scene.sender.connect(toy_cloud(0), scene.processes)
    while not scene.sender.timings[-1].lost:
        # So many at once that newer ones overwrite those that wait.
        for number in range(50):
            scene.sender.clouds.publish(scene.sender.make_cloud(toy_cloud(number)))
        scene.sender.connect(toy_cloud(0), scene.processes)
    scene.await_log("were sent but not received")
    # DDS may not have told the name of the sender's node at that moment.
    assert re.search("so far from (peer|a node not known by name yet) were sent", scene.log)
    assert f"{readable_variables(os.environ)[0]}=" in scene.log

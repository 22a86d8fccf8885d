# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drop policy is switched while clouds come: none is lost, none is taken twice, and the accounts are exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.timing_message import FrameTiming
from test.dds.peers import Peer, nodes, peer, set_parameter, stamp_of
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

Running = tuple[Peer, NodeProcesses, FrameTiming]


@pytest.fixture(scope="module")
def running(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a detector of toy networks that has answered, and its first answer."""
    folder = tmp_path_factory.mktemp("toy")
    model = save_toy_bundle(folder).folder
    with peer() as sender, nodes(folder / "logs") as processes:
        processes.start("pointpillars_detector", {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False})
        yield sender, processes, sender.connect(toy_cloud(0), processes)


def send(sender: Peer, number: int) -> tuple[int, int]:
    cloud = sender.make_cloud(toy_cloud(number % 20))
    sender.clouds.publish(cloud)
    return stamp_of(cloud)


def accounts(timing: FrameTiming) -> int:
    return timing.completed + timing.failed + timing.dropped + timing.refused


def reliabilities(sender: Peer) -> list[ReliabilityPolicy]:
    """Return the reliabilities of the detector's subscriptions."""
    found = sender.get_subscriptions_info_by_topic("points")
    return [info.qos_profile.reliability for info in found if info.node_name == "pointpillars_detector"]


def test_a_policy_that_there_is_not_is_refused(running: Running) -> None:
    sender, _, _ = running
    accepted, reason = set_parameter(sender, "drop_policy", "newest")
    assert not accepted
    assert reason == "drop_policy: 'newest' is not one of live, replay"
    assert not set_parameter(sender, "input_reliability", "very")[0]


def test_the_policy_is_switched_while_clouds_come_and_none_is_lost(running: Running) -> None:
    sender, processes, before = running
    client = sender.create_client(SetParameters, "/pointpillars_detector/set_parameters")
    sender.wait_until(client.service_is_ready, "the service", processes)
    sender.detections.clear()
    received = sender.timings[-1].received
    sent = []
    for policy in ("replay", "live") * 3:
        parameter = Parameter("drop_policy", value=policy).to_parameter_msg()
        answer = client.call_async(SetParameters.Request(parameters=[parameter]))
        reliable = ReliabilityPolicy.RELIABLE if policy == "replay" else ReliabilityPolicy.BEST_EFFORT
        # Until the change is through, and three clouds more.
        remaining = 3
        while remaining:
            sent.append(send(sender, len(sent)))
            sender.wait_until(lambda: sent[-1] in sender.timing_of, f"cloud {len(sent)}", processes)
            remaining -= answer.done() and reliabilities(sender) == [reliable]
        assert answer.result().results[0].successful
    sender.wait_until(lambda: len(sender.detections) >= len(sent), "all detections", processes)
    assert [stamp_of(array) for array in sender.detections] == sent
    last = sender.timings[-1]
    assert last.received == received + len(sent) == accounts(last)
    assert (last.dropped, last.failed, last.lost) == (before.dropped, 0, before.lost)


@pytest.mark.parametrize("policy", ["live", "replay"])
def test_the_accounts_are_exact_when_clouds_come_faster_than_they_are_processed(running: Running, policy: str) -> None:
    """Clouds sent before the switch to live then wait in a deep queue, and are all received."""
    sender, processes, _ = running
    assert set_parameter(sender, "drop_policy", "replay") == (True, "")
    before = send_until_reliable(sender, processes)
    sent = [send(sender, number) for number in range(20)]
    assert set_parameter(sender, "drop_policy", policy) == (True, "")
    sender.wait_until(lambda: sent[-1] in sender.timing_of, "the last cloud", processes)
    last = sender.timing_of[sent[-1]]
    assert last.received == before.received + len(sent) == accounts(last)
    reported = sum(stamp in sender.timing_of for stamp in sent)
    assert reported == len(sent) - (last.dropped - before.dropped)
    assert policy == "live" or reported == len(sent)


def send_until_reliable(sender: Peer, processes: NodeProcesses) -> FrameTiming:
    """Send until the subscription is the reliable one; return the last answer."""
    while reliabilities(sender) != [ReliabilityPolicy.RELIABLE]:
        stamp = send(sender, 0)
        sender.wait_until(lambda: stamp in sender.timing_of, "a cloud", processes)  # noqa: B023
    return sender.timings[-1]


def test_a_switch_that_would_silence_a_publisher_is_refused_and_says_what_to_do(running: Running) -> None:
    sender, processes, _ = running
    assert set_parameter(sender, "drop_policy", "live") == (True, "")
    driver = sender.create_publisher(PointCloud2, "points", qos.keep_last(1, reliable=False))
    try:
        answer = (True, "")
        while answer[0]:
            # Until the detector has found the new publisher.
            set_parameter(sender, "input_reliability", "auto")
            answer = set_parameter(sender, "input_reliability", "reliable")
        assert answer[1] == (
            "input_reliability: peer offers /points best effort and cannot be received, since reliable is requested: "
            "set input_reliability to auto or best_effort"
        )
        # Which follows what publishers offer.
        assert set_parameter(sender, "drop_policy", "replay") == (True, "")
        while reliabilities(sender) != [ReliabilityPolicy.BEST_EFFORT]:
            stamp = send(sender, 0)
            sender.wait_until(lambda: stamp in sender.timing_of, "a cloud", processes)  # noqa: B023
    finally:
        sender.destroy_publisher(driver)

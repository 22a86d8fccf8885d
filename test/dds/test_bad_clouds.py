# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds that cannot be read are refused, named and counted, and the next good one is detected."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.kitti.frames import read_points
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.dds.peers import Peer, nodes, peer, stamp_of
from test.shared_data import KITTI, needs_shared_data

pytestmark = [needs_shared_data, pytest.mark.usefixtures("ros")]

GOOD = KITTI / "training" / "velodyne_reduced" / "000134.bin"


@pytest.fixture(scope="module")
def running(
    ros: None, kitti_car: ModelBundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Peer, NodeProcesses, Path]]:
    """Yield a detector and its diagnostics, waiting for clouds."""
    logs = tmp_path_factory.mktemp("logs")
    with peer() as sender, nodes(logs) as processes:
        processes.start("pointpillars_detector", {"model_dir": str(kitti_car.folder), "drop_policy": "replay"})
        processes.start("pointpillars_diagnostics", {"period": 0.2})
        sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
        yield sender, processes, logs


def truncate(cloud: PointCloud2) -> None:
    cloud.data = cloud.data[:-1000]


def enlarge_point_step(cloud: PointCloud2) -> None:
    cloud.point_step = 20


def shrink_point_step(cloud: PointCloud2) -> None:
    cloud.point_step = 6


def empty(cloud: PointCloud2) -> None:
    cloud.width, cloud.row_step, cloud.data = 0, 0, array.array("B")


def rename_x(cloud: PointCloud2) -> None:
    cloud.fields[0].name = "ex"


def blank(cloud: PointCloud2) -> None:
    cloud.data = array.array("B", np.full(len(cloud.data) // 4, np.nan, np.float32).tobytes())


def claim_two_gigabytes(cloud: PointCloud2) -> None:
    cloud.height, cloud.width, cloud.row_step = 1, 2**27, 2**27 * 16


def claim_unknown_type(cloud: PointCloud2) -> None:
    cloud.fields[2].datatype = 77


@pytest.mark.parametrize("spoil", [empty, blank])
def test_a_cloud_without_an_echo_is_answered_with_no_boxes(
    running: tuple[Peer, NodeProcesses, Path], spoil: Callable[[PointCloud2], None]
) -> None:
    sender, processes, _ = running
    reported, refused = len(sender.timings), sender.timings[-1].refused if sender.timings else 0
    cloud = sender.make_cloud(read_points(GOOD))
    spoil(cloud)
    sender.clouds.publish(cloud)
    sender.wait_until(lambda: len(sender.timings) > reported, "the answer", processes)
    timing = sender.timings[-1]
    assert (timing.error, timing.points, timing.detections, timing.refused) == ("", 0, 0, refused)
    sender.wait_until(lambda: len(sender.detections) > 0, "the message", processes)
    assert len(sender.detections[-1].detections) == 0


@pytest.mark.parametrize(
    ("spoil", "named", "value"),
    [
        (truncate, "data", "bytes"),
        (enlarge_point_step, "point_step", "20"),
        (shrink_point_step, "point_step", "6"),
        (rename_x, "'x'", "ex"),
        (claim_two_gigabytes, "max_points", str(2**27)),
        (claim_unknown_type, "z: datatype", "77"),
    ],
)
def test_a_bad_cloud_is_refused_and_the_next_one_detected(
    running: tuple[Peer, NodeProcesses, Path], spoil: Callable[[PointCloud2], None], named: str, value: str
) -> None:
    sender, processes, _ = running
    reported, refused = len(sender.timings), sender.timings[-1].refused if sender.timings else 0
    bad, good = sender.make_cloud(read_points(GOOD)), sender.make_cloud(read_points(GOOD))
    spoil(bad)
    sender.clouds.publish(bad)
    sender.wait_until(lambda: len(sender.timings) > reported, "the refusal", processes)
    refusal = sender.timings[-1]
    assert refusal.error.startswith("cloud refused: ")
    assert named in refusal.error and value in refusal.error and "\n" not in refusal.error
    assert refusal.refused == refused + 1
    sender.clouds.publish(good)
    sender.wait_until(lambda: len(sender.timings) > reported + 1, "the next cloud", processes)
    assert not sender.timings[-1].error
    assert stamp_of(sender.detections[-1]) == stamp_of(good) and len(sender.detections[-1].detections) > 0
    in_flight = sender.timings[-1]
    accounts = in_flight.completed + in_flight.refused + in_flight.dropped + in_flight.failed
    assert in_flight.received == accounts


@pytest.mark.parametrize("spoil", [empty, blank])
def test_an_empty_cloud_is_an_observation_and_is_answered_with_no_boxes(
    running: tuple[Peer, NodeProcesses, Path], spoil: Callable[[PointCloud2], None]
) -> None:
    sender, processes, _ = running
    reported, answered = len(sender.timings), len(sender.detections)
    completed = sender.timings[-1].completed if sender.timings else 0
    cloud = sender.make_cloud(read_points(GOOD))
    spoil(cloud)
    sender.clouds.publish(cloud)
    sender.wait_until(lambda: len(sender.timings) > reported, "the report", processes)
    sender.wait_until(lambda: len(sender.detections) > answered, "the answer", processes)
    assert not sender.timings[-1].error
    assert sender.timings[-1].completed == completed + 1
    assert sender.detections[-1].header == cloud.header
    assert len(sender.detections[-1].detections) == 0


def test_refusals_are_in_diagnostics_and_throttled_in_the_log(
    running: tuple[Peer, NodeProcesses, Path],
) -> None:
    sender, processes, logs = running
    before = sender.timings[-1].refused if sender.timings else 0
    for _ in range(20):
        cloud = sender.make_cloud(read_points(GOOD))
        rename_x(cloud)
        sender.clouds.publish(cloud)

    def clouds_status() -> DiagnosticStatus | None:
        statuses = [s for message in sender.diagnostics[-1:] for s in message.status]
        return next((s for s in statuses if s.name == "pointpillars_detector: clouds"), None)

    def counted() -> bool:
        status = clouds_status()
        values = {} if status is None else {pair.key: pair.value for pair in status.values}
        return values.get("refused") == str(before + 20)

    sender.wait_until(counted, "the count in /diagnostics", processes)
    warnings = (logs / "pointpillars_detector.log").read_text().count("cloud refused")
    assert 1 <= warnings < 20

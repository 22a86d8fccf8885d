# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A program without ROS, on Cyclone DDS, is served as our own subscriber is, on Fast DDS."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.synthetic import simulate
from test.dds.peers import PATIENCE_S, Peer, nodes, peer

pytestmark = [
    pytest.mark.usefixtures("ros"),
    pytest.mark.skipif(
        importlib.util.find_spec("cyclonedds") is None,
        reason="cyclonedds is not installed, for which there may be no wheel for this Python: pip install cyclonedds",
    ),
]
CLOUDS = 3


def plain(message: Detection3DArray) -> dict[str, Any]:
    """Return a message as printed by the other program."""
    detections = []
    for detection in message.detections:
        (result,) = detection.results
        position, turn, size = detection.bbox.center.position, detection.bbox.center.orientation, detection.bbox.size
        detections.append(
            {
                "class": result.hypothesis.class_id,
                "score": result.hypothesis.score,
                "box": [position.x, position.y, position.z, size.x, size.y, size.z],
                "orientation": [turn.x, turn.y, turn.z, turn.w],
            }
        )
    return {"second": message.header.stamp.sec, "frame": message.header.frame_id, "detections": detections}


def own_copies(listener: Peer) -> list[Detection3DArray]:
    """Return the answers to the other program's clouds, without those used to establish the connection."""
    return [message for message in listener.detections if message.header.stamp.sec]


def test_a_program_on_another_dds_reads_what_our_own_subscriber_does(tmp_path: Path) -> None:
    points = simulate("hdl_64e", seed=1).points
    np.save(tmp_path / "cloud.npy", points)
    with peer() as listener, nodes(tmp_path / "logs") as processes:
        processes.start("pointpillars_detector", {"drop_policy": "replay", "encoder": "host", "parity_check": False})
        listener.wait_until(listener.clouds.get_subscription_count, "a subscriber of clouds", processes)
        listener.clouds.publish(listener.make_cloud(points))
        listener.wait_until(lambda: bool(listener.detections), "detections for ourselves", processes)
        listener.detections.clear()
        command = [sys.executable, str(Path(__file__).with_name("cyclone_peer.py"))]
        with subprocess.Popen(
            [*command, str(tmp_path / "cloud.npy"), str(CLOUDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as other:
            try:
                listener.wait_until(lambda: other.poll() is not None, "the end of the other program", processes)
            finally:
                other.kill()
            printed, complaints = other.communicate(timeout=PATIENCE_S)
        assert other.returncode == 0, complaints
        listener.wait_until(lambda: len(own_copies(listener)) >= CLOUDS, "our own copies", processes)
    heard = [json.loads(line) for line in printed.splitlines()]
    assert heard == [plain(message) for message in own_copies(listener)]
    assert [message["second"] for message in heard] == list(range(1, CLOUDS + 1))
    assert {message["frame"] for message in heard} == {"from_cyclone"}
    classes = [detection["class"] for detection in heard[0]["detections"]]
    assert "Car" in classes
    print(f"\n{CLOUDS} clouds of {len(points)} points, {len(classes)} detections in each, the same on both")

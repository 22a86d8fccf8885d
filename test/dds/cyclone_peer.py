# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A client of the detector on another vendor's DDS, without ROS: a process of its own, since both load a DDS library.

`cyclone_peer.py CLOUD.npy COUNT` publishes the points (N, 4) COUNT times on the topic `points`, and prints what comes
back on `detections` as lines of JSON: seconds of the stamp, frame, and for each detection class, score, box and turn.
Without `from __future__ import annotations`: cyclonedds makes its types of the annotations, and wants no strings.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import array, float64, int32, sequence, uint8, uint32
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

PATIENCE_S = 180.0
RELIABLE = Qos(
    Policy.Reliability.Reliable(duration(seconds=10)),
    Policy.History.KeepLast(10),
    Policy.DataRepresentation(use_cdrv0_representation=True),
)
"""QoS and names as used by ROS."""
FLOAT32 = 7
"""FLOAT32 of sensor_msgs/PointField."""
CONFIG = """<CycloneDDS><Domain>
  <General>
    <Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
    <AllowMulticast>false</AllowMulticast>
  </General>
  <Discovery>
    <Peers><Peer address="127.0.0.1"/></Peers>
    <ParticipantIndex>auto</ParticipantIndex>
    <MaxAutoParticipantIndex>31</MaxAutoParticipantIndex>
  </Discovery>
</Domain></CycloneDDS>"""
"""Loopback only, as the tests' ROS: ROS_AUTOMATIC_DISCOVERY_RANGE is the middleware layer's, which is not here."""


@dataclass
class Time(IdlStruct, typename="builtin_interfaces::msg::dds_::Time_"):
    sec: int32
    nanosec: uint32


@dataclass
class Header(IdlStruct, typename="std_msgs::msg::dds_::Header_"):
    stamp: Time
    frame_id: str


@dataclass
class PointField(IdlStruct, typename="sensor_msgs::msg::dds_::PointField_"):
    name: str
    offset: uint32
    datatype: uint8
    count: uint32


@dataclass
class PointCloud2(IdlStruct, typename="sensor_msgs::msg::dds_::PointCloud2_"):
    header: Header
    height: uint32
    width: uint32
    fields: sequence[PointField]
    is_bigendian: bool
    point_step: uint32
    row_step: uint32
    data: sequence[uint8]
    is_dense: bool


@dataclass
class Triple(IdlStruct, typename="geometry_msgs::msg::dds_::Point_"):
    """Point and Vector3, which are the same on the wire."""

    x: float64
    y: float64
    z: float64


@dataclass
class Quaternion(IdlStruct, typename="geometry_msgs::msg::dds_::Quaternion_"):
    x: float64
    y: float64
    z: float64
    w: float64


@dataclass
class Pose(IdlStruct, typename="geometry_msgs::msg::dds_::Pose_"):
    position: Triple
    orientation: Quaternion


@dataclass
class PoseWithCovariance(IdlStruct, typename="geometry_msgs::msg::dds_::PoseWithCovariance_"):
    pose: Pose
    covariance: array[float64, 36]


@dataclass
class ObjectHypothesis(IdlStruct, typename="vision_msgs::msg::dds_::ObjectHypothesis_"):
    class_id: str
    score: float64


@dataclass
class ObjectHypothesisWithPose(IdlStruct, typename="vision_msgs::msg::dds_::ObjectHypothesisWithPose_"):
    hypothesis: ObjectHypothesis
    pose: PoseWithCovariance


@dataclass
class BoundingBox3D(IdlStruct, typename="vision_msgs::msg::dds_::BoundingBox3D_"):
    center: Pose
    size: Triple


@dataclass
class Detection3D(IdlStruct, typename="vision_msgs::msg::dds_::Detection3D_"):
    header: Header
    results: sequence[ObjectHypothesisWithPose]
    bbox: BoundingBox3D
    id: str


@dataclass
class Detection3DArray(IdlStruct, typename="vision_msgs::msg::dds_::Detection3DArray_"):
    header: Header
    detections: sequence[Detection3D]


def make_cloud(points: np.ndarray, second: int) -> PointCloud2:
    """Return a cloud of points (N, 4) float32 x y z intensity."""
    names = ("x", "y", "z", "intensity")
    return PointCloud2(
        header=Header(Time(second, 123_456_789), "from_cyclone"),
        height=1,
        width=len(points),
        fields=[PointField(name, 4 * k, FLOAT32, 1) for k, name in enumerate(names)],
        is_bigendian=False,
        point_step=16,
        row_step=16 * len(points),
        data=points.astype("<f4").tobytes(),
        is_dense=True,
    )


def plain(message: Detection3DArray) -> str:
    """Return a message as a line of JSON."""
    detections = []
    for detection in message.detections:
        (result,) = detection.results
        center, size = detection.bbox.center, detection.bbox.size
        detections.append(
            {
                "class": result.hypothesis.class_id,
                "score": result.hypothesis.score,
                "box": [*vars(center.position).values(), *vars(size).values()],
                "orientation": [*vars(center.orientation).values()],
            }
        )
    header = message.header
    return json.dumps({"second": header.stamp.sec, "frame": header.frame_id, "detections": detections})


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition`; ends the process naming `what` was waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {PATIENCE_S:.0f} s in vain for {what}")
        time.sleep(0.02)


def main() -> None:
    """Publish, and print what comes back."""
    points, count = np.load(sys.argv[1]), int(sys.argv[2])
    number = int(os.environ.get("ROS_DOMAIN_ID", "0"))
    domain = Domain(number, CONFIG)
    participant = DomainParticipant(number)
    writer = DataWriter(participant, Topic(participant, "rt/points", PointCloud2), qos=RELIABLE)
    reader = DataReader(participant, Topic(participant, "rt/detections", Detection3DArray), qos=RELIABLE)
    wait(writer.get_matched_subscriptions, "a subscriber of points")
    wait(reader.get_matched_publications, "a publisher of detections")
    # Each side finds the other in its own time, and what is sent before that is lost: so a few points first.
    until_s = 0.0
    while not reader.take():
        if time.monotonic() > until_s:
            writer.write(make_cloud(points[:100], 0))
            until_s = time.monotonic() + 2.0
        time.sleep(0.02)
    for second in range(1, count + 1):
        writer.write(make_cloud(points, second))
        received: list[Detection3DArray] = []

        def is_answered(received: list[Detection3DArray] = received) -> bool:
            received.extend(message for message in reader.take() if message.header.stamp.sec)
            return bool(received)

        wait(is_answered, "detections")
        for message in received:
            print(plain(message), flush=True)
    del domain


if __name__ == "__main__":
    main()

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process on another vendor's DDS, without ROS, that writes another structure under the names of the clouds.

    python -m test.torture.bad_cyclone_peer JOURNAL --count 50

Topic and type are called as ROS calls them, so that the two sides match; of the structure neither can tell. Without
`from __future__ import annotations`: cyclonedds makes its types of the annotations, and wants no strings.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import float64, sequence
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic

from test.dds.cyclone_peer import CONFIG, RELIABLE, wait
from test.torture.journal import Journal


@dataclass
class Liar(IdlStruct, typename="sensor_msgs::msg::dds_::PointCloud2_"):
    words: str
    numbers: sequence[float64]


def main() -> int:
    """Write what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("journal", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10.0)
    options = parser.parse_args()
    number = int(os.environ["ROS_DOMAIN_ID"])
    domain = Domain(number, CONFIG)
    participant = DomainParticipant(number)
    writer = DataWriter(participant, Topic(participant, "rt/points", Liar), qos=RELIABLE)
    wait(writer.get_matched_subscriptions, "the detector")
    with Journal(options.journal) as journal:
        journal.write("ready", at_ns=time.time_ns())
        for index in range(options.count):
            writer.write(Liar("not a cloud" * index, [float(index)] * (index * 1000)))
            journal.write("sent", at_ns=time.time_ns(), stamp=[0, index], is_cloud=False)
            time.sleep(1.0 / options.rate)
        time.sleep(1.0)
    del domain
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of ROS and of a cloud topic."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pointpillars_ov_ros.cli.doctor.inputs import MOST_CLOUDS, CloudInput, cloud_settings, read_messages, topic_cures
from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.findings import Finding
from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.ros import checks, dds, qos
from pointpillars_ov_ros.ros.settings import InputReliability
from pointpillars_ov_ros.ros.topic_probe import find_transform, probe_topic

_GRAPH_S = 1.0
"""Time to discover the topics."""


class TopicLook(NamedTuple):
    """Findings on ROS, and the clouds received."""

    findings: list[Finding]
    clouds: CloudInput
    T_target_sensor: Transform | None
    """Transform of the clouds to --target-frame; None if TF does not provide it."""


def look_at_topic(options: argparse.Namespace) -> TopicLook:
    """Listen to the topic, or check only the graph if no topic is given."""
    topic = options.topic or ""
    # Same as the detector; otherwise other clouds would be lost here than there.
    dds.set_profile()
    view = probe_topic(topic, options.seconds if topic else _GRAPH_S, options.target_frame)
    clouds = CloudInput(view.topic, topic_cures(view.topic, options.target_frame), heads=view.heads)
    clouds.frame = options.target_frame
    if not topic:
        findings = [checks.check_graph(view), checks.check_transport(view), checks.check_shared_memory()]
        return TopicLook(findings, clouds, None)
    asked = qos.cloud_input(DropPolicy.LIVE, InputReliability(options.input_reliability), 0)
    findings = [
        checks.check_publishers(view),
        *checks.check_qos(view, asked),
        *checks.check_loss(view),
        checks.check_transport(view),
        checks.check_shared_memory(),
        *checks.check_heads(view.heads, view.topic, view.has_clock),
    ]
    if options.target_frame:
        findings.append(checks.check_transforms(view, options.target_frame))
    read_messages(view.clouds[:MOST_CLOUDS], CloudReader(cloud_settings(options)), clouds, options)
    return TopicLook(findings, clouds, find_transform(view, options.target_frame))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnostics node while the ROS graph is not known yet."""

from __future__ import annotations

import pytest
from rclpy.topic_endpoint_info import TopicEndpointInfo

from pointpillars_ov_ros.nodes.diagnostics.node import DiagnosticsNode

pytestmark = pytest.mark.usefixtures("ros")

UNKNOWN = {"node_name": "_NODE_NAME_UNKNOWN_", "node_namespace": "_NODE_NAMESPACE_UNKNOWN_"}
"""What rclpy says of a publisher that it has discovered before the node that it belongs to."""


def test_a_publisher_whose_node_is_not_known_yet_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    node = DiagnosticsNode()
    try:
        monkeypatch.setattr(node, "get_publishers_info_by_topic", lambda topic: [TopicEndpointInfo(**UNKNOWN)])
        node.start()
        assert {status.level for status in node._message.status} == {b"\x03"}, "all are STALE"
    finally:
        node.destroy_node()

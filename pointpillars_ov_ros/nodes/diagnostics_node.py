# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watches a detector through its `timing` topic, from a process of its own, and reports on /diagnostics."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from pointpillars_ov_ros.core.errors import CloudError
from pointpillars_ov_ros.nodes import qos
from pointpillars_ov_ros.nodes.frame_window import FrameWindow
from pointpillars_ov_ros.nodes.parameters import declare_parameters, read_parameters
from pointpillars_ov_ros.nodes.settings import DiagnosticsConfig
from pointpillars_ov_ros.nodes.timing_message import from_message

_THROTTLE_S = 5.0


class DiagnosticsNode(Node):
    """One subscription, one timer."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters. `options` are `rclpy.node.Node`'s."""
        super().__init__("pointpillars_diagnostics", **options)
        declare_parameters(self, DiagnosticsConfig)

    def start(self) -> None:
        """Subscribe and report; ConfigError for a bad parameter."""
        config = read_parameters(self, DiagnosticsConfig)
        self._window = FrameWindow(config)
        self._publisher = self.create_publisher(DiagnosticArray, "/diagnostics", qos.OUTPUT)
        self._subscription = self.create_subscription(DiagnosticArray, "timing", self._on_timing, qos.TIMING)
        self._timer = self.create_timer(config.period, self._report)

    def is_finished(self) -> bool:
        """Run until told to stop."""
        return False

    def stop(self) -> None:
        """Nothing is under way between two callbacks."""

    def _on_timing(self, message: DiagnosticArray) -> None:
        try:
            timing = from_message(message)
        except CloudError as error:
            self.get_logger().warning(f"timing message ignored: {error}", throttle_duration_sec=_THROTTLE_S)
            return
        self._window.add(timing, self._now_s())

    def _report(self) -> None:
        message = DiagnosticArray(status=self._window.statuses(self._now_s()))
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _now_s(self) -> float:
        return self.get_clock().now().nanoseconds / 1e9

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics node: watches a detector's `timing` topic from a separate process, and reports on /diagnostics."""

from __future__ import annotations

import math
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node, NodeNameNonExistentError
from std_srvs.srv import Trigger

from pointpillars_ov_ros.config.errors import CloudError
from pointpillars_ov_ros.nodes.diagnostics.health import DetectorHealth
from pointpillars_ov_ros.nodes.diagnostics.snapshot import to_json
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.cloud_sources import CLOUD_TYPE, explain_silence
from pointpillars_ov_ros.ros.dds import waiting_messages
from pointpillars_ov_ros.ros.parameters import declare_parameters, read_parameters
from pointpillars_ov_ros.ros.ros_errors import RCLError
from pointpillars_ov_ros.ros.settings import DiagnosticsConfig
from pointpillars_ov_ros.ros.timing_message import from_serialized

_THROTTLE_S = 5.0
_TAKE_EVERY_S = 0.5
"""Time in which a detector at 200 Hz fills the subscription's queue; each time costs 0.5 ms."""


class DiagnosticsNode(Node):
    """Reads frames in batches, and publishes a message per period."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters. `options` are those of `rclpy.node.Node`."""
        super().__init__("pointpillars_diagnostics", **options)
        declare_parameters(self, DiagnosticsConfig)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def start(self) -> None:
        """Subscribe and report; ConfigError for a bad parameter."""
        config = read_parameters(self, DiagnosticsConfig)
        self._health = DetectorHealth(config, lambda: self.get_clock().now().nanoseconds / 1e9)
        self._was_silent = True
        # So that the statuses of several detectors can be told apart.
        namespace = self.get_namespace().strip("/")
        self._prefix = f"{namespace}/" if namespace else ""
        # One timer for both: to wake up costs more than what there is to do then.
        self._takes_a_report = math.ceil(config.period / _TAKE_EVERY_S)
        self._take_every_s = config.period / self._takes_a_report
        self._takes = 0
        self._publisher = self.create_publisher(DiagnosticArray, "/diagnostics", qos.OUTPUT)
        self._apart = _NotWaitedFor()
        self._subscription = self.create_subscription(
            DiagnosticArray, "timing", lambda message: None, qos.TIMING, callback_group=self._apart, raw=True
        )
        # Not on the node's clock: reports continue while a bag is paused.
        self._timer = self.create_timer(self._take_every_s, self._collect, clock=self._steady)
        self._report()
        self._service = self.create_service(Trigger, "~/snapshot", self._snapshot)

    def is_finished(self) -> bool:
        """Run until told to stop."""
        return False

    def stop(self) -> None:
        """Do nothing: no work is pending between two callbacks."""

    def _collect(self) -> None:
        """Collect the frames since the last call; report once per period, and at once if they have stopped."""
        now_s = self._now_s()
        self._collect_frames(now_s)
        self._takes += 1
        if self._takes >= self._takes_a_report or (self._health.is_silent(now_s) and not self._was_silent):
            self._report()

    def _collect_frames(self, now_s: float) -> None:
        wall_ns = time.time_ns()
        for message, info in waiting_messages(self._subscription):
            # Clamped: the sender's clock may differ, and some middleware does not report the time.
            waited_s = min(max(0.0, (wall_ns - info["source_timestamp"]) / 1e9), self._take_every_s)
            try:
                self._health.add(from_serialized(message), now_s - waited_s)
            except CloudError as error:
                self.get_logger().warning(f"timing message ignored: {error}", throttle_duration_sec=_THROTTLE_S)

    def _report(self) -> None:
        now_s, self._takes = self._now_s(), 0
        self._was_silent = self._health.is_silent(now_s)
        self._message = DiagnosticArray(status=self._health.statuses(now_s, self._explain_silence))
        for status in self._message.status:
            status.name = self._prefix + status.name
        self._message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(self._message)

    def _explain_silence(self) -> str:
        """Return why the detector receives no clouds, according to the ROS graph; empty if unknown."""
        senders = self.get_publishers_info_by_topic("timing")
        if not senders:
            topic = self.resolve_topic_name("timing")
            return f"nobody publishes {topic}, so no detector runs here, or it is not configured: see its log"
        name, namespace = str(senders[0].node_name), str(senders[0].node_namespace)
        if not namespace.startswith("/"):
            # DDS has told of the publisher, and not yet whose it is.
            return ""
        try:
            heard = self.get_subscriber_names_and_types_by_node(name, namespace)
        except (NodeNameNonExistentError, RCLError):
            # The publisher is known before its node, whose name is none until then: `_NODE_NAMESPACE_UNKNOWN_`.
            return ""
        topic = next((topic for topic, types in heard if CLOUD_TYPE in types), "")
        if not topic:
            return f"{name} is not active and receives no clouds: `ros2 lifecycle set {name} activate`, or see its log"
        infos = self.get_subscriptions_info_by_topic(topic)
        profiles = [info.qos_profile for info in infos if (info.node_name, info.node_namespace) == (name, namespace)]
        return explain_silence(self, topic, profiles[0], name) if profiles else ""

    def _snapshot(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, to_json(self._message)
        return response

    def _now_s(self) -> float:
        """Return the time for rates and silences.

        This is simulated time if there is any: playing a bag slower or pausing it changes no rate and causes no
        silence. Otherwise it is the steady clock instead of the node's clock, which is wall time and may be set.
        """
        clock = self.get_clock()
        return (clock if clock.ros_time_is_active else self._steady).now().nanoseconds / 1e9


class _NotWaitedFor(CallbackGroup):
    """Callback group that does not wake the executor, which in Python costs several times what reading does."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass

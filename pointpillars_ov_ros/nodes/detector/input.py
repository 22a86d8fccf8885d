# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Incoming clouds: each is received once, missing ones are counted, and anything odd about them is reported.

The subscription can change its quality of service while clouds arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.ground import GroundWatch
from pointpillars_ov_ros.clouds.intensity import BRIGHT
from pointpillars_ov_ros.clouds.oddities import NODE_CURES, OddityWatch
from pointpillars_ov_ros.clouds.points import Reading, SensorCloud
from pointpillars_ov_ros.config.errors import list_names, shown
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.nodes.detector.outputs import DetectorOutputs
from pointpillars_ov_ros.ros.cloud_sources import explain_refusal, find_publishers, is_refused
from pointpillars_ov_ros.ros.dds import waiting_messages
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, Pose

_REMEMBERED = 256
_LOOKED_AT = 5
"""Number of clouds that are checked for units, frame and axes."""
_MANY_EMPTY = 10
"""Number of consecutive clouds without a point that is reported; a starting sensor sends fewer."""
_THROTTLE_S = 5.0
_OF_INTENSITY = ("missing", "bright", "dim")
"""Subjects of the warnings that are withdrawn if intensities are read in another way."""
_NO_FRAME = "detections have none either, so neither TF nor RViz can place them; set the driver's frame_id"
_NO_STAMP = (
    "detections have the same stamp, so TF cannot place them, and they cannot be told apart or aged; have the "
    "driver stamp them, or set use_sim_time if they are simulated"
)
_MAX_HEIGHT_ERROR_M = 0.25
"""Error of the sensor's height that is not reported. In KITTI's own frames it varies by 0.1 m."""


class ReceivedMessage(NamedTuple):
    """A message with the information from its publisher's middleware."""

    message: Any
    sent_ns: int
    """0: unknown."""
    number: int | None
    """Counted from the publisher's first message; None: unknown."""


class CloudSubscription:
    """Subscription that delivers every cloud once and in order. Used from the executor's thread only.

    Another quality of service needs another subscription, and publishers take a moment to find it. So the old one is
    kept until the new one receives a cloud; clouds that both receive count once.
    """

    def __init__(
        self, node: Node, profile: QoSProfile, on_cloud: Callable[[PointCloud2], None], on_lost: Callable[[int], None]
    ) -> None:
        """Subscribe to `points`; `on_lost` is called with the number of further clouds that were sent but are lost."""
        self._node, self.profile = node, profile
        self.on_refused: Callable[[], None] = lambda: None
        """Called when an incompatible publisher is found, which offers less than is requested."""
        self._on_cloud, self._on_lost = on_cloud, on_lost
        self._leaving: list[Subscription] = []
        self._heard_twice: deque[int] = deque(maxlen=_REMEMBERED)
        """Send times of clouds received by the old subscription, which the new one may receive again."""
        self._changes = 0
        self._gaps = SequenceGaps(self._publishers)
        self._matched_before = 1
        self._subscription = self._subscribe()

    @property
    def topic(self) -> str:
        """Full name of the topic."""
        return str(self._subscription.topic_name)

    def refusal(self, profile: QoSProfile) -> str:
        """Return which publisher `profile` would be incompatible with; empty if none."""
        if profile == self.profile:
            return ""
        refused = [info for info in find_publishers(self._node, self.topic) if is_refused(info.qos_profile, profile)]
        return explain_refusal(self.topic, refused, profile)

    def change(self, profile: QoSProfile) -> None:
        """Receive clouds with another quality of service from now on."""
        if profile == self.profile:
            return
        self.profile = profile
        self._changes += 1
        self._leaving.append(self._subscription)
        self._subscription = self._subscribe()

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in (*self._leaving, self._subscription):
            self._node.destroy_subscription(subscription)
        self._leaving = []

    def _subscribe(self) -> Subscription:
        change = self._changes
        return self._node.create_subscription(
            PointCloud2,
            "points",
            lambda message, info: self._receive(change, to_received(message, info)),
            self.profile,
            event_callbacks=SubscriptionEventCallbacks(
                message_lost=self._count_lost, incompatible_qos=lambda event: self.on_refused()
            ),
        )

    def _receive(self, change: int, heard: ReceivedMessage) -> None:
        clouds, is_leaving, matched = [heard], bool(self._leaving), self._matched()
        if matched > self._matched_before:
            self._say_several(matched)
        self._matched_before = matched
        if is_leaving and change == self._changes:
            clouds = self._take_over(heard)
        for cloud in clouds:
            if cloud.sent_ns and cloud.sent_ns in self._heard_twice:
                continue
            if is_leaving:
                self._heard_twice.append(cloud.sent_ns)
            if gap := self._gaps.count_before(cloud.number, matched):
                self._on_lost(gap)
            self._on_cloud(cloud.message)

    def _take_over(self, heard: ReceivedMessage) -> list[ReceivedMessage]:
        """Return what is left in the old subscriptions and in the new one, in the order of sending."""
        clouds = [heard]
        for subscription in (*self._leaving, self._subscription):
            clouds += [to_received(*waiting) for waiting in waiting_messages(subscription)]
        for subscription in self._leaving:
            self._node.destroy_subscription(subscription)
        self._leaving = []
        return sorted(clouds, key=attrgetter("sent_ns"))

    def _count_lost(self, event: Any) -> None:
        """Count clouds that the middleware reports as lost, unless they will show as a gap."""
        if not self._gaps.is_counting:
            self._on_lost(event.total_count_change)

    def _say_several(self, matched: int) -> None:
        self._node.get_logger().warning(
            f"{matched} publishers on {self.topic}: the clouds of all are processed, but clouds that a newer one "
            "overwrites in the queue are not counted as lost, since their publisher is unknown",
            throttle_duration_sec=_THROTTLE_S,
        )

    def _matched(self) -> int:
        """Return the number of matched publishers, over the old and the new subscription."""
        return max(int(one.get_publisher_count()) for one in (*self._leaving, self._subscription))

    def _publishers(self) -> frozenset[bytes]:
        """Return the ids of all publishers of clouds on the topic."""
        return frozenset(bytes(info.endpoint_gid) for info in find_publishers(self._node, self.topic))


class SequenceGaps:
    """Counter of clouds that were sent but never received, by the sequence numbers of their publisher.

    The middleware reports clouds lost on the way, but not those overwritten by a newer one in its queue, nor those that
    it could not decode. It does not report the publisher of a number either, so numbers are compared only while there
    is a single publisher, and start again with another one.
    """

    def __init__(self, publishers: Callable[[], frozenset[bytes]]) -> None:
        """Start before the first cloud; `publishers` returns the ids of the current publishers."""
        self._find_publishers = publishers
        self._publishers: frozenset[bytes] = frozenset()
        self._is_listed = False
        """Whether the publisher of the last cloud is among those."""
        self._last: int | None = None

    @property
    def is_counting(self) -> bool:
        """Whether a gap before the next cloud would be found."""
        return self._last is not None

    def count_before(self, number: int | None, matched: int) -> int:
        """Return how many clouds are missing before the next one, whose number is `number`.

        None: the middleware has no numbers. `matched` is the number of matched publishers.
        """
        last, self._last = self._last, number if matched <= 1 else None
        if self._last is None or number is None:
            return 0
        if last is not None and number == last + 1:
            return 0
        # Rare, since querying them takes a while.
        known = self._publishers
        self._publishers = self._find_publishers() or known
        fresh = len(self._publishers - known)
        if last is None or number <= last:
            # On a busy machine the first clouds of a publisher come before it is listed.
            self._is_listed = fresh > 0
            return 0
        is_another = fresh > 1 or (fresh == 1 and self._is_listed)
        self._is_listed = self._is_listed or fresh > 0
        if is_another:
            return 0
        return number - last - 1


class CloudWatch:
    """Reports what the user should know about the clouds, once or rarely. For the executor's thread only."""

    def __init__(self, node: Node, config: DetectorNodeConfig, outputs: DetectorOutputs) -> None:
        """Start before the first cloud; `outputs` shows what holds while the detector is active."""
        self._logger, self._outputs = node.get_logger(), outputs
        self._pose, self._target = config.sensor_pose, config.target_frame
        self._ground: GroundWatch | None = GroundWatch()
        """None: enough clouds were checked."""
        self._oddities: OddityWatch | None = None
        """None: before the first cloud, and after enough clouds were checked."""
        self._is_looking = True
        self._empty = 0
        """Number of consecutive clouds without a point, up to the last one."""
        self._unstamped = 0
        """Number of consecutive clouds with a stamp of 0, up to the last one."""
        self._frame = ""
        self._reading = Reading((), "", "", 1.0)
        self._warnings: dict[str, str] = {}
        outputs.sensor = ""

    def look(self, cloud: SensorCloud, header: Header) -> None:
        """Check a cloud as it was read, with the header of its message."""
        frame = header.frame_id
        if not frame:
            self._warn("frame_id", f"frame_id is empty in the header of clouds: {_NO_FRAME}")
        self._unstamped = 0 if header.stamp.sec or header.stamp.nanosec else self._unstamped + 1
        # The first cloud of a simulation may well have time 0.
        if self._unstamped > 1:
            self._warn("stamp", f"the stamp in the header of clouds is 0: {_NO_STAMP}")
        if self._frame != frame and not self._target:
            self._say_frame(frame)
        if not cloud.has_intensity or cloud.brightest > BRIGHT:
            self._say_intensity(cloud)
        self._empty = 0 if len(cloud.points) else self._empty + 1
        if self._empty >= _MANY_EMPTY:
            self._logger.warning(
                f"the last {self._empty} clouds contain no valid point: is the sensor running and uncovered?",
                throttle_duration_sec=_THROTTLE_S,
            )

    def look_for_oddities(self, points: FloatArray, config: ModelConfig) -> None:
        """Check the first clouds, `points` (N, 4) in the network's frame, for odd units, frame and axes."""
        if not self._is_looking:
            return
        if self._oddities is None:
            is_turned = any(self._pose)
            pose = "sensor_pose must rotate them further, by {pose}" if is_turned else NODE_CURES.pose
            self._oddities = OddityWatch(config, NODE_CURES._replace(pose=pose), _LOOKED_AT)
        for oddity in self._oddities.look(points):
            self._warn(oddity.about, oddity.sentence)
        if self._oddities.is_over:
            self._oddities, self._is_looking = None, False

    def look_at_ground(self, points: FloatArray, expected_height: float) -> None:
        """Compare the ground in `points` (N, 4), in the network's frame, with `expected_height` (m) of its origin."""
        if self._ground is None:
            return
        ground_z = self._ground.look(points)
        if self._ground.is_over:
            self._ground = None
        if ground_z is None:
            return
        trouble = describe_ground(ground_z, expected_height, self._pose, self._target or "the sensor")
        if trouble:
            self._warn("ground", trouble)
        else:
            self._logger.info(
                f"the ground is {-ground_z:.2f} m below the network's frame, which expects it at "
                f"{expected_height:.2f} m"
            )

    def note_layout(self, reading: Reading, is_change: bool) -> None:
        """Report how clouds are read from now on; `is_change`: they were read differently before."""
        self._reading = reading
        if is_change:
            self._logger.warning(f"the layout changed: {reading.sentence}", throttle_duration_sec=_THROTTLE_S)
        else:
            self._logger.info(reading.sentence)
        if reading.is_dim:
            self._warn(
                "dim",
                f"no intensity of the first cloud reaches 0.01 after scaling: {reading.intensity_field!r} seems to "
                "range from 0 to 1 already; if so, set intensity_scale to 1.0",
            )

    def forget_intensity(self) -> None:
        """Forget the warnings about intensities, which are read in another way from now on."""
        self._warnings = {about: text for about, text in self._warnings.items() if about not in _OF_INTENSITY}
        self._outputs.sensor = "; ".join(self._warnings.values())

    def _warn(self, about: str, text: str) -> None:
        """Warn once, in the log, and in diagnostics while the detector is active."""
        if about not in self._warnings:
            self._warnings[about] = text
            self._outputs.sensor = "; ".join(self._warnings.values())
            self._logger.warning(text)

    def _say_frame(self, frame: str) -> None:
        if self._frame:
            self._logger.warning(
                f"the frame of the clouds changed from {shown(self._frame)} to {shown(frame)}, "
                "and with it that of the detections",
                throttle_duration_sec=_THROTTLE_S,
            )
        self._frame = frame

    def _say_intensity(self, cloud: SensorCloud) -> None:
        reading = self._reading
        if not cloud.has_intensity:
            self._warn(
                "missing",
                f"there is no field {reading.intensity_field!r} (fields: {list_names(reading.names)}): intensity is "
                "set to 0, which costs accuracy; set the parameter intensity_field to the field to use",
            )
        else:
            self._warn(
                "bright",
                f"intensity reaches {cloud.brightest:.4g} after intensity_scale {reading.intensity_scale:.4g}, but the "
                "network expects 0 to 1; if it ranges from 0 to 255, set intensity_scale to 0.0039216 (1/255)",
            )


def describe_ground(ground_z: float, expected_height: float, pose: Pose, frame: str) -> str:
    """Return what is wrong with the ground height, and the `sensor_pose` that corrects it; empty if nothing is.

    `ground_z` is that of the ground in the network's frame (m), `expected_height` that of the frame's origin above the
    ground, `pose` the current sensor_pose, and `frame` the frame whose pose it is.
    """
    off = -expected_height - ground_z
    if abs(off) <= _MAX_HEIGHT_ERROR_M:
        return ""
    x, y, z, roll, pitch, yaw = pose
    # As floats, since ROS rejects a list of both integers and floats.
    better = [x, y, round(z + off, 2), roll, pitch, yaw]
    return (
        f"the ground is {z - ground_z:.2f} m below {frame}, but the network expects it {z + expected_height:.2f} m "
        f"below: set sensor_pose to {[float(value) for value in better]}"
    )


def to_received(message: Any, info: dict[str, Any]) -> ReceivedMessage:
    """Convert rclpy's information on a message; older versions lack the sequence number."""
    return ReceivedMessage(message, info["source_timestamp"], info.get("publication_sequence_number"))

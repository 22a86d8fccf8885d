# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the detector's results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detection_filter import DetectionFilter
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.points_in_boxes import find_boxes
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.conversions import stamp_to_ns, to_detection_array, to_label_info
from pointpillars_ov_ros.ros.frame_window import DURATIONS, FrameWindow
from pointpillars_ov_ros.ros.markers import to_marker_array
from pointpillars_ov_ros.ros.object_clouds import to_background, to_objects
from pointpillars_ov_ros.ros.settings import ClassIds, DetectorNodeConfig
from pointpillars_ov_ros.ros.timing_message import AMISS, REFUSED, FrameTiming, stage_durations, to_message

_LOOK_EVERY_S = 1.0
_FRAMES = 100
_STALE_AFTER_S = 2.0
_REFRESH_S = 1.0
"""Interval (s) at which the overlay changes: figures that change with every cloud are unreadable and costly."""
_MISSED_CLOUDS = 3.0
_PARTS = ("~/objects", "~/background")


class CloudToken(NamedTuple):
    """Data that the result of a cloud is published with."""

    header: Header
    points: FloatArray | None
    """(N, 4), in the network's frame; None: the points are not needed."""


class DetectorOutputs:
    """Publishers of a configured detector, and its counts of clouds that made no frame.

    Used from the executor's thread and from the pipeline's; publishing is safe from any.
    """

    def __init__(self, node: LifecycleNode, engine: Engine, on_bad_move: Callable[[Engine], None]) -> None:
        """Create the publishers; they are silent until the node is active.

        `on_bad_move` is called on the executor's thread while `engine` must be replaced or stopped, because AUTO has
        moved it to a device with other answers.
        """
        self._on_bad_move = on_bad_move
        self._node = node
        self._run = time.time_ns()
        self._overlay = Overlay()
        # Created here, on the executor's thread; any thread may start and stop it.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_LOOK_EVERY_S, self._read_devices, clock=clock)
        self._detections = node.create_lifecycle_publisher(Detection3DArray, "detections", qos.OUTPUT)
        self._markers = node.create_lifecycle_publisher(MarkerArray, "markers", qos.OUTPUT)
        self._label_info = node.create_lifecycle_publisher(LabelInfo, "label_info", qos.LATCHED)
        self._timing = node.create_lifecycle_publisher(DiagnosticArray, "timing", qos.TIMING)
        self.parts = tuple(node.create_lifecycle_publisher(PointCloud2, name, qos.OUTPUT) for name in _PARTS)
        """Publishers of the points within boxes, and of the others; used only if somebody subscribes."""
        self.T_header_model: Transform | None = None
        """Transform of the boxes, if they are published in another frame than the network's."""
        self.class_ids = ClassIds.NAME
        self.sensor = ""
        """Warnings about the clouds."""
        self.received = self.refused = self.lost = 0
        self.displaced = 0
        """Number of clouds dropped for a newer one while they waited for a transform, before the pipeline."""
        self.failing = 0
        """Number of consecutive failed frames, up to the last one."""
        self._wanted = DetectorNodeConfig()
        # Compiled now instead of while clouds wait, when somebody subscribes.
        find_boxes(np.zeros((1, 4), np.float32), np.zeros((1, 7), np.float32))
        self.announce(engine)

    def announce(self, engine: Engine) -> None:
        """Publish the results of `engine` from now on; from any thread."""
        self._engine = engine
        self._filter = self._make_filter()
        self._settings = engine.effective_settings()
        if self._label_info.is_activated:
            self.publish_labels()
        # AUTO moves networks to another device, minutes after the start. All others stay where they are.
        if any("AUTO" in device for device in (engine.runtime.pfe_device, engine.runtime.rpn_device)):
            self._timer.reset()
        else:
            self._timer.cancel()

    def select(self, config: DetectorNodeConfig) -> None:
        """Publish from now on the detections that `config` asks for, under its class names."""
        self._wanted = config
        before, self._filter = self._filter, self._make_filter()
        if before.classes != self._filter.classes and self._label_info.is_activated:
            self.publish_labels()

    def _make_filter(self) -> DetectionFilter:
        wanted = self._wanted
        ranges = (wanted.min_range, wanted.max_range)
        return DetectionFilter.make(self._engine.config.classes, wanted.classes, wanted.class_names, *ranges)

    def destroy(self) -> None:
        """Destroy the publishers."""
        self._node.destroy_timer(self._timer)
        for publisher in (self._detections, self._markers, self._label_info, self._timing, *self.parts):
            self._node.destroy_lifecycle_publisher(publisher)

    def _read_devices(self) -> None:
        self._settings = self._engine.effective_settings()
        if self._engine.fallback is not None or self._engine.must_stop:
            self._on_bad_move(self._engine)

    def publish_labels(self) -> None:
        """Publish the classes once; late subscribers receive them too."""
        self._label_info.publish(to_label_info(self._filter.classes, self._engine.settings.score_threshold))

    def publish_result(self, result: FrameResult) -> None:
        """Publish the detections of a frame with the header of its cloud, and its timing."""
        header, points = result.token
        self.failing = self.failing + 1 if result.error else 0
        # A single object for names and labels, since parameters may change meanwhile.
        chosen, detections = self._filter, result.detections
        if not chosen.is_neutral:
            detections = chosen.apply(detections)
        if not result.error:
            names = chosen.classes
            ids = names if self.class_ids is ClassIds.NAME else tuple(map(str, range(len(names))))
            self._detections.publish(to_detection_array(detections, ids, header, self.T_header_model))
        timing = self._publish_timing(
            header,
            result.counts,
            error=result.error,
            points=result.points,
            pillars=result.pillars,
            detections=len(detections),
            **stage_durations(result.times),
        )
        now_s = self._now_s()
        self._overlay.add(timing, now_s)
        # Last, since markers are only for display, and take a while.
        if not result.error and self._markers.get_subscription_count():
            text, lifetime_s = self._overlay.text(timing, now_s), self._overlay.lifetime_s
            arguments = (detections, chosen.classes, header, self.T_header_model, text, lifetime_s)
            self._markers.publish(to_marker_array(*arguments))
        if not result.error and points is not None:
            self._publish_points(points, detections, header)

    def _publish_points(self, points: FloatArray, detections: Detections, header: Header) -> None:
        """Publish the points within boxes and the others, each if somebody subscribes."""
        box_of_point = find_boxes(points, detections.boxes)
        objects, background = self.parts
        if objects.get_subscription_count():
            objects.publish(to_objects(points, box_of_point, detections, header, self.T_header_model))
        if background.get_subscription_count():
            background.publish(to_background(points, box_of_point, header, self.T_header_model))

    def publish_refusal(self, header: Header, reason: str, counts: Counts) -> None:
        """Count a cloud that could not be read, and publish the reason."""
        self.refused += 1
        self._publish_timing(header, counts, error=REFUSED + reason)

    def _publish_timing(self, header: Header, counts: Counts, **values: object) -> FrameTiming:
        runtime = self._engine.runtime
        timing = FrameTiming(
            age_ms=(self._node.get_clock().now().nanoseconds - stamp_to_ns(header)) / 1e6,
            received=self.received,
            completed=counts.completed,
            failed=counts.failed,
            dropped=counts.dropped + self.displaced,
            failing=self.failing,
            refused=self.refused,
            lost=self.lost,
            hung=len(self._engine.hung_slots),
            run=self._run,
            mode=runtime.mode.value,
            parity=self._engine.parity.text,
            warnings="; ".join(self._engine.warnings),
            sensor=self.sensor,
            level="" if self._engine.leveller is None else self._engine.leveller.status,
            pfe_device=self._settings["pfe"].get("EXECUTION_DEVICES", ""),
            rpn_device=self._settings["rpn"].get("EXECUTION_DEVICES", ""),
            pfe_precision=self._settings["pfe"].get("INFERENCE_PRECISION_HINT", ""),
            rpn_precision=self._settings["rpn"].get("INFERENCE_PRECISION_HINT", ""),
            **values,  # type: ignore[arg-type]
        )
        self._timing.publish(to_message(timing, header))
        return timing

    def _now_s(self) -> float:
        """Return the time for the overlay: simulated if RViz measures the lifetime of markers in it, else steady."""
        clock = self._node.get_clock()
        return clock.now().nanoseconds / 1e9 if clock.ros_time_is_active else time.monotonic()


class Overlay:
    """Latency overlay that RViz shows above the sensor, over the last hundred frames, and its lifetime.

    For the pipeline's thread only. All times (s) are on one clock, which may be simulated.
    """

    def __init__(self) -> None:
        """Start without frames."""
        self._window = FrameWindow(_FRAMES, _STALE_AFTER_S, on_break=lambda why: None)
        self._text, self._made_s = "", 0.0

    def add(self, timing: FrameTiming, now_s: float) -> None:
        """Add a frame; a failed one has no latency."""
        self._window.add(timing, now_s)

    def text(self, timing: FrameTiming, now_s: float) -> str:
        """Return median and p90 latency, rate and clouds without detections; updated once a second."""
        if not self._text or not 0.0 <= now_s - self._made_s < _REFRESH_S:
            self._text, self._made_s = self._describe(timing), now_s
        return self._text

    @property
    def lifetime_s(self) -> float:
        """Lifetime of markers without new ones: a few clouds, so that those of a silent detector vanish."""
        rate = self._window.rate
        return min(_MISSED_CLOUDS / rate, _STALE_AFTER_S) if rate else _STALE_AFTER_S

    def _describe(self, timing: FrameTiming) -> str:
        percentiles = self._window.percentiles_ms((50, 90))
        if percentiles is None:
            return ""
        median, p90 = percentiles[DURATIONS.index("total")]
        amiss = {name: getattr(timing, name) for name in AMISS}
        counted = [f"{count} {name}" for name, count in amiss.items() if count or name == "dropped"]
        return f"latency {median:.0f} ms, p90 {p90:.0f} ms, {self._window.rate:.1f} Hz, {', '.join(counted)}"


def describe_start(engine: Engine) -> list[str]:
    """Describe an engine: a line on the whole, and one on the compiled settings of each network."""
    effective, runtime = engine.effective_settings(), engine.runtime
    places = {
        name: f"{settings.get('EXECUTION_DEVICES')} in {settings.get('INFERENCE_PRECISION_HINT')}"
        for name, settings in effective.items()
    }
    compiled = [
        f"{name.upper()} as compiled: {', '.join(f'{key} {value}' for key, value in settings.items())}"
        for name, settings in effective.items()
    ]
    return [
        f"{engine.config.name} ready after {engine.load_s:.1f} s: PFE on {places['pfe']} ({engine.encoders.reason}), "
        f"RPN on {places['rpn']}, {runtime.mode.value} mode, {runtime.drop_policy.value}",
        *compiled,
    ]


def describe_times(times_s: Sequence[float]) -> str:
    """Describe how long each slot took to warm up."""
    return f"{count_of(len(times_s), 'slot')} took {', '.join(f'{time_s * 1e3:.1f}' for time_s in times_s)} ms"

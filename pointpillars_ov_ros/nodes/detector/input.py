# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor's clouds go through between the subscription and the pipeline."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.ground import GroundWatch
from pointpillars_ov_ros.clouds.points import PointBuffers
from pointpillars_ov_ros.clouds.sweeps import Sweeps
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import CloudError, list_names, shown
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.detector import LiveEngine
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageTimes
from pointpillars_ov_ros.nodes.detector.ground_check import say_ground
from pointpillars_ov_ros.nodes.detector.outputs import DetectorOutputs
from pointpillars_ov_ros.nodes.detector.transform_queue import CloudPlacement, Place
from pointpillars_ov_ros.ros.cloud_reader import CloudReader, Reading
from pointpillars_ov_ros.ros.conversions import Cloud, stamp_to_ns
from pointpillars_ov_ros.ros.layouts import BRIGHT
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig

_THROTTLE_S = 5.0


class SensorInput:
    """Reads clouds, takes them to the network's frame and submits; says what is odd about them.

    Used from the executor's thread only.
    """

    def __init__(
        self,
        node: Node,
        runtime: RuntimeConfig,
        config: DetectorNodeConfig,
        live: LiveEngine,
        outputs: DetectorOutputs,
    ) -> None:
        """Begin before the first cloud; `live` gets what can be read, `outputs` the others."""
        self._logger = node.get_logger()
        self._pose, self._target = config.sensor_pose, config.target_frame
        self._live, self._outputs = live, outputs
        buffers = PointBuffers()
        self._reader = CloudReader(runtime, buffers, self._say_layout)
        self._ground = GroundWatch()
        self._frame = ""
        self._warnings: dict[str, str] = {}
        T_model_sensor = Transform.from_pose(*config.sensor_pose)
        self._T_model_sensor = None if T_model_sensor.is_identity else T_model_sensor
        outputs.T_header_model = None if T_model_sensor.is_identity else T_model_sensor.inverse
        outputs.sensor = ""
        self._placement: CloudPlacement | None = None
        self._sweeps = Sweeps(config.sweeps, config.sweep_age, buffers) if config.sweeps > 1 else None
        if config.target_frame or self._sweeps is not None:
            self._placement = CloudPlacement(
                node,
                config.target_frame,
                "" if self._sweeps is None else config.odom_frame,
                config.tf_timeout_ms,
                lambda cloud, place: self._process(
                    cloud.message, cloud.times, T_model_sensor.after(place.T_target_cloud), place
                ),
                lambda cloud, reason: self._refuse(cloud.message.header, reason),
            )
        # Compiled now, and not while the first cloud waits.
        T_model_sensor.move(np.zeros((1, 4), np.float32))

    def take(self, message: PointCloud2) -> None:
        """Take the next cloud."""
        times = StageTimes()
        times.begin(Stage.CONVERT, time.monotonic_ns())
        self._outputs.received += 1
        if self._placement is None:
            self._process(message, times, self._T_model_sensor)
        else:
            is_live = self._live.policy is DropPolicy.LIVE
            self._outputs.displaced += self._placement.put(message, times, only_newest=is_live)

    def destroy(self) -> None:
        """Stop to listen to TF; clouds that wait for it are gone."""
        if self._placement is not None:
            self._placement.destroy()

    def _process(
        self, message: PointCloud2, times: StageTimes, T_model_cloud: Transform | None, place: Place | None = None
    ) -> None:
        try:
            cloud = self._reader.read(message)
        except CloudError as error:
            self._refuse(message.header, str(error))
            return
        if self._sweeps is not None and place is not None:
            cloud = cloud._replace(points=self._join(self._sweeps, cloud.points, message.header, place))
        if T_model_cloud is not None:
            T_model_cloud.move(cloud.points)
        times.end(Stage.CONVERT, time.monotonic_ns())
        self._look(cloud, message)
        header = message.header
        if self._target:
            header = Header(stamp=header.stamp, frame_id=self._target)
        self._live.submit(cloud.points, header, times)

    def _join(self, sweeps: Sweeps, points: FloatArray, header: Header, place: Place) -> FloatArray:
        if place.T_odom_cloud is None:
            self._logger.warning(f"a cloud stays alone: {place.trouble}", throttle_duration_sec=_THROTTLE_S)
            return points
        return sweeps.join(points, place.T_odom_cloud, stamp_to_ns(header))

    def _refuse(self, header: Header, reason: str) -> None:
        self._logger.warning(f"cloud refused: {reason}", throttle_duration_sec=_THROTTLE_S)
        self._outputs.publish_refusal(header, reason, self._live.counts)

    def _look(self, cloud: Cloud, message: PointCloud2) -> None:
        """See what its user should know of a cloud."""
        if self._frame != message.header.frame_id and not self._target:
            self._say_frame(message.header.frame_id)
        if not cloud.has_intensity or cloud.brightest > BRIGHT:
            self._say_intensity(cloud)
        if not self._ground.is_over:
            self._look_for_ground(cloud.points)

    def _warn(self, about: str, text: str) -> None:
        """Warn once, in the log, and in diagnostics as long as the detector is active."""
        if about not in self._warnings:
            self._warnings[about] = text
            self._outputs.sensor = "; ".join(self._warnings.values())
            self._logger.warning(text)

    def _say_layout(self, reading: Reading, is_change: bool) -> None:
        if is_change:
            self._logger.warning(f"the layout changed: {reading.sentence}", throttle_duration_sec=_THROTTLE_S)
        else:
            self._logger.info(reading.sentence)
        if reading.is_dim:
            self._warn(
                "dim",
                f"no intensity of the first cloud reaches 0.01 after that: {reading.intensity_field!r} seems to be "
                "of 0 to 1 already; if so, set intensity_scale to 1.0",
            )

    def _say_frame(self, frame: str) -> None:
        if self._frame:
            self._logger.warning(
                f"clouds are in frame {shown(frame)} now, and were in {shown(self._frame)}: so are the detections",
                throttle_duration_sec=_THROTTLE_S,
            )
        self._frame = frame

    def _say_intensity(self, cloud: Cloud) -> None:
        reading = self._reader.reading
        if not cloud.has_intensity:
            self._warn(
                "missing",
                f"no field {reading.intensity_field!r} among {list_names(reading.names)}: intensity is taken as 0, "
                "which costs accuracy; the parameter intensity_field names the one to use",
            )
        else:
            self._warn(
                "bright",
                f"intensity reaches {cloud.brightest:.4g} after intensity_scale {reading.intensity_scale:.4g}, but the "
                "network expects 0 to 1; for clouds of 0 to 255 set intensity_scale to 0.0039216 (1/255)",
            )

    def _look_for_ground(self, points: FloatArray) -> None:
        ground_z = self._ground.look(points)
        if ground_z is None:
            return
        expected = self._live.engine.config.sensor.height
        trouble = say_ground(ground_z, expected, self._pose, self._target or "the sensor")
        if trouble:
            self._warn("ground", trouble)
        else:
            self._logger.info(
                f"the ground lies {-ground_z:.2f} m below the network's frame, which expects it at {expected:.2f} m"
            )

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor's clouds go through between the subscription and the pipeline."""

from __future__ import annotations

import time

from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from pointpillars_ov_ros.core.errors import CloudError
from pointpillars_ov_ros.core.points import PointBuffers
from pointpillars_ov_ros.core.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.pipeline import Pipeline
from pointpillars_ov_ros.inference.timing import Stage, StageTimes
from pointpillars_ov_ros.nodes.cloud_reader import CloudReader, Reading
from pointpillars_ov_ros.nodes.conversions import Cloud
from pointpillars_ov_ros.nodes.detector_outputs import DetectorOutputs
from pointpillars_ov_ros.nodes.layouts import BRIGHT

_THROTTLE_S = 5.0


class SensorInput:
    """Reads and submits, and says what is odd about the clouds. Used from the executor's thread only."""

    def __init__(
        self, node: Node, runtime: RuntimeConfig, buffers: PointBuffers, pipeline: Pipeline, outputs: DetectorOutputs
    ) -> None:
        """Begin before the first cloud; `pipeline` gets what can be read, `outputs` the others."""
        self._logger = node.get_logger()
        self._pipeline, self._outputs = pipeline, outputs
        self._reader = CloudReader(runtime, buffers, self._say_layout)

    def take(self, message: PointCloud2) -> None:
        """Take the next cloud."""
        times = StageTimes()
        times.begin(Stage.CONVERT, time.monotonic_ns())
        self._outputs.received += 1
        try:
            cloud = self._reader.read(message)
        except CloudError as error:
            self._refuse(message.header, str(error))
            return
        times.end(Stage.CONVERT, time.monotonic_ns())
        self._check_intensity(cloud, message)
        self._pipeline.submit(cloud.points, message.header, times)

    def _refuse(self, header: Header, reason: str) -> None:
        self._logger.warning(f"cloud refused: {reason}", throttle_duration_sec=_THROTTLE_S)
        self._outputs.publish_refusal(header, reason, self._pipeline.counts)

    def _say_layout(self, reading: Reading, is_change: bool) -> None:
        if is_change:
            self._logger.warning(f"the layout changed: {reading.sentence}", throttle_duration_sec=_THROTTLE_S)
        else:
            self._logger.info(reading.sentence)
        if reading.is_dim:
            self._logger.warning(
                f"that is hardly anything in the first cloud, whose {reading.intensity_field!r} seems to be of 0 to 1 "
                "already: if so, set intensity_scale to 1.0",
                throttle_duration_sec=_THROTTLE_S,
            )

    def _check_intensity(self, cloud: Cloud, message: PointCloud2) -> None:
        reading = self._reader.reading
        if not cloud.has_intensity:
            names = ", ".join(field.name for field in message.fields)
            self._logger.warning(
                f"no field {reading.intensity_field!r} among {names}: intensity is taken as 0, which "
                "costs accuracy; the parameter intensity_field names the one to use",
                once=True,
            )
        elif cloud.brightest > BRIGHT:
            self._logger.warning(
                f"intensity reaches {cloud.brightest:.4g} after intensity_scale {reading.intensity_scale:.4g}, "
                "but the network expects 0 to 1; for clouds of 0 to 255 set intensity_scale to 0.0039216 (1/255)",
                once=True,
            )

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reference pipeline: dense PFE padded to all pillars, new canvas per cloud, original RPN, one cloud at a time."""

from __future__ import annotations

import time

import numpy as np
import openvino as ov
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.clouds.points import CloudReader
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.properties import in_text, pfe_properties, rpn_properties
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import pfe_ports
from pointpillars_ov_ros.ros.conversions import to_detection_array


class ReferencePipeline:
    """Both networks unchanged; every frame allocates its own arrays."""

    def __init__(self, bundle: ModelBundle, runtime: RuntimeConfig) -> None:
        """Compile; `runtime` determines the devices, the precision and further OpenVINO properties."""
        self._config, self._reader = bundle.config, CloudReader(runtime)
        # One by one is what that hint is for, whatever mode it is compared with.
        core = ov.Core()

        pfe, rpn = (bundle.path(part.file) for part in (bundle.config.pfe, bundle.config.rpn))
        hint = {"PERFORMANCE_HINT": "LATENCY"}
        self._pfe = core.compile_model(pfe, runtime.pfe_device, in_text(pfe_properties(runtime) | hint))
        self._rpn = core.compile_model(rpn, runtime.rpn_device, in_text(rpn_properties(runtime, rpn) | hint))
        self._decoder = Decoder(bundle.config, bundle.config.postprocess.ground_clearance)

    def run(self, message: PointCloud2) -> float:
        """Process a cloud message until its detection message is built; return the time (ms)."""
        begin = time.monotonic()
        points = self._reader.read(message).points
        to_detection_array(self.detect(points), self._config.classes, message.header)
        return (time.monotonic() - begin) * 1e3

    def detect(self, points: FloatArray) -> Detections:
        """Detect objects in `points` (N, 4)."""
        config = self._config
        names = config.pfe.inputs
        pillars = Pillars(config.grid)
        pillars.group(points)
        shapes = pfe_ports(config, config.grid.max_pillars).inputs
        inputs = DensePfeInputs(
            *(np.zeros(shapes[getattr(names, field)], np.float32) for field in DensePfeInputs._fields)
        )
        DensePfe(config.grid, inputs).fill(pillars)
        features = self._pfe({getattr(names, field): getattr(inputs, field) for field in inputs._fields})[
            config.pfe.output
        ]
        canvas = np.zeros(config.canvas_shape, np.float32)
        coords = pillars.coords[: pillars.size]
        canvas[0, :, coords[:, 1], coords[:, 0]] = features[0, :, : pillars.size, 0].T
        outputs = self._rpn({config.rpn.input: canvas})
        self._decoder.find_ground(pillars)
        return self._decoder.decode(
            outputs[config.rpn.boxes],
            outputs[config.rpn.scores],
            outputs[config.rpn.directions],
            pillars,
            config.postprocess,
        )

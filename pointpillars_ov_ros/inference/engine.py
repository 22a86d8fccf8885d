# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle made ready to run: both networks compiled, every kernel and request warmed up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.canvas_format import CanvasFormat
from pointpillars_ov_ros.core.config import ModelConfig
from pointpillars_ov_ros.core.decode import override_thresholds
from pointpillars_ov_ros.core.points import clean_points
from pointpillars_ov_ros.core.runtime_config import Mode, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.encoder_choice import EncoderFactory
from pointpillars_ov_ros.inference.frame_slot import FrameSlot
from pointpillars_ov_ros.inference.frames import FrameResult
from pointpillars_ov_ros.inference.network import Network
from pointpillars_ov_ros.inference.pipeline import Pipeline
from pointpillars_ov_ros.inference.ports import rpn_ports
from pointpillars_ov_ros.inference.scheduler import SCHEDULES
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.lean_rpn import make_lean


class Engine:
    """The two compiled networks of a bundle and the frame slots of the chosen mode."""

    def __init__(self, bundle: ModelBundle, runtime: RuntimeConfig) -> None:
        """Compile and warm up; BundleError, InferenceError or ConfigError where that cannot be."""
        begin = time.monotonic()
        self.config: ModelConfig = bundle.config
        self.runtime = runtime
        self.settings = override_thresholds(bundle.config.postprocess, runtime.score_threshold, runtime.nms_threshold)
        properties = compile_properties(runtime)
        config = bundle.config
        points, _ = clean_points(warm_up_cloud(config), 1.0)
        self.encoders = EncoderFactory(bundle, runtime, properties, points)
        self._canvas = CanvasFormat()
        self.rpn = Network(
            bundle.path(config.rpn.file),
            runtime.rpn_device,
            properties,
            rpn_ports(config),
            # Elsewhere than on CPU nobody has yet seen what is faster, or whether it is right.
            rewrite=self._make_lean if runtime.lean_rpn and runtime.rpn_device == "CPU" else None,
        )
        self._warm_up_points = points
        self.slots: list[FrameSlot] = []
        self.slots_for(runtime.mode)
        self.load_s = time.monotonic() - begin

    def open_pipeline(self, on_result: Callable[[FrameResult], None]) -> Pipeline:
        """Start a pipeline over the slots; only one at a time."""
        runtime = self.runtime
        return Pipeline(
            self.slots_for(runtime.mode),
            runtime.mode,
            runtime.drop_policy,
            self.settings,
            on_result,
            stage_timeout_s=runtime.inference_timeout or None,
        )

    def slots_for(self, mode: Mode) -> list[FrameSlot]:
        """Give the slots of a mode, making and warming up those that are missing, which takes a moment."""
        wanted = SCHEDULES[mode].slots
        while len(self.slots) < wanted:
            self.slots.append(self._make_slot(self._warm_up_points))
        return self.slots[:wanted]

    def effective_settings(self) -> dict[str, dict[str, str]]:
        """Read back what the networks run with."""
        pfe = self.encoders.network
        host = {"EXECUTION_DEVICES": "host", "INFERENCE_PRECISION_HINT": "f32"}
        return {"pfe": host if pfe is None else pfe.effective_settings(), "rpn": self.rpn.effective_settings()}

    def _make_lean(self, model: ov.Model) -> ov.Model:
        lean = make_lean(model)
        self._canvas = lean.canvas
        return lean.model

    def _make_slot(self, points: FloatArray) -> FrameSlot:
        # The first inference of a request and the first call of a kernel are many times slower than the
        # rest: a request sets up its memory, numba loads or compiles. Not on the first real cloud.
        slot = FrameSlot(self.config, self.encoders.make(), self.rpn, self._canvas)
        slot.detect(points, self.settings)
        return slot


def compile_properties(runtime: RuntimeConfig) -> dict[str, Any]:
    """Give the OpenVINO properties that the settings ask for."""
    properties: dict[str, Any] = {"PERFORMANCE_HINT": runtime.performance_hint.value}
    if runtime.precision is not Precision.DEFAULT:
        properties["INFERENCE_PRECISION_HINT"] = runtime.precision.value
    if runtime.num_streams:
        properties["NUM_STREAMS"] = runtime.num_streams
    if runtime.num_requests:
        properties["PERFORMANCE_HINT_NUM_REQUESTS"] = runtime.num_requests
    if runtime.cache_dir:
        properties["CACHE_DIR"] = runtime.cache_dir
    return properties


def warm_up_cloud(config: ModelConfig, points: int = 20_000, seed: int = 0) -> FloatArray:
    """Give a cloud (points, 4) evenly spread over the detection range."""
    grid = config.grid
    low = np.array([grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0])
    high = np.array([grid.x_range[1], grid.y_range[1], grid.z_range[1], 1.0])
    return np.random.default_rng(seed).uniform(low, high, (points, 4)).astype(np.float32)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector: a managed node that turns PointCloud2 into Detection3DArray."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.core.decode import override_thresholds
from pointpillars_ov_ros.core.errors import ConfigError, InferenceError, PointPillarsError
from pointpillars_ov_ros.core.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.inference.checked_engine import open_engine
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.frames import FrameResult
from pointpillars_ov_ros.inference.pipeline import Pipeline
from pointpillars_ov_ros.inference.trace_file import TraceRecorder, open_trace
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.nodes import qos
from pointpillars_ov_ros.nodes.cloud_input import CloudInput
from pointpillars_ov_ros.nodes.dds import transport_warning
from pointpillars_ov_ros.nodes.detector_outputs import DetectorOutputs, describe_start
from pointpillars_ov_ros.nodes.parameters import declare_parameters
from pointpillars_ov_ros.nodes.sensor_input import SensorInput
from pointpillars_ov_ros.nodes.settings import DetectorNodeConfig
from pointpillars_ov_ros.nodes.shipped import shipped_model

_THROTTLE_S = 5.0
_LIVE = ("mode", "drop_policy", "score_threshold", "nms_threshold")
"""Settings of `RuntimeConfig` that take effect at once; so do those of the subscription."""

T = TypeVar("T")


class DetectorNode(LifecycleNode):
    """Configure: load, compile, warm up. Activate: subscribe. The callback converts and submits, no more."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; nothing is loaded before `configure`. `options` are `rclpy.node.Node`'s."""
        super().__init__("pointpillars_detector", **options)
        declare_parameters(self, RuntimeConfig)
        declare_parameters(self, DetectorNodeConfig)
        self._pipeline: Pipeline | None = None
        self._trace: TraceRecorder | None = None
        self._switching = threading.Lock()
        self._starting = False
        self._failure = ""
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def start(self) -> None:
        """Configure and activate, unless `autostart` is false; InferenceError says why that failed."""
        warning = transport_warning()
        if warning:
            self.get_logger().warning(warning)
        if not self.get_parameter("autostart").value:
            return
        # A failure now ends the process, and is said by whoever runs it; later, a lifecycle manager hears it.
        self._starting = True
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise InferenceError(self._failure or "the node could not be activated")
        self._starting = False

    def is_finished(self) -> bool:
        """Run until told to stop."""
        return False

    def stop(self) -> None:
        """Publish what is in flight."""
        self._close_pipeline()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle, compile, warm up, create the publishers; FAILURE leaves the node unconfigured."""
        self.get_logger().info("loading and compiling the networks …")
        try:
            self._runtime, self._node_config = self._read(RuntimeConfig), self._read(DetectorNodeConfig)
            folder = Path(self._runtime.model_dir) if self._runtime.model_dir else shipped_model()
            self._engine, parity = open_engine(load_bundle(folder), self._runtime)
        except PointPillarsError as error:
            return self._fail("configure", error)
        self._outputs = DetectorOutputs(self, self._engine, parity.text)
        for line in describe_start(self._engine):
            self.get_logger().info(line)
        if parity.is_amiss:
            self.get_logger().warning(parity.sentence)
        else:
            self.get_logger().info(parity.sentence)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the pipeline and subscribe; FAILURE where a device still has what was left on it."""
        self._take(self._read(RuntimeConfig), self._read(DetectorNodeConfig))
        mode, policy = self._runtime.mode, self._runtime.drop_policy
        self._engine.runtime = replace(self._engine.runtime, mode=mode, drop_policy=policy)
        try:
            self._trace = open_trace(self._node_config.record_trace, self._engine)
            self._pipeline = self._engine.open_pipeline(self._on_result, self._trace)
        except PointPillarsError as error:
            self._close_pipeline()
            return self._fail("activate", error)
        self._sensor = SensorInput(
            self, self._runtime, self._node_config, self._engine.config, self._pipeline, self._outputs
        )
        result = super().on_activate(state)
        self._outputs.publish_labels()
        profile = input_profile(self._runtime, self._node_config)
        self._input = CloudInput(self, profile, self._on_cloud, self._outputs.count_lost)
        self.get_logger().info(f"waiting for clouds on {self._input.topic}")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and publish what is in flight."""
        self._input.destroy()
        self._sensor.destroy()
        self._close_pipeline()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give networks and buffers back."""
        self._outputs.destroy()
        del self._outputs, self._engine
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish what is in flight."""
        self._close_pipeline()
        return TransitionCallbackReturn.SUCCESS

    def _fail(self, transition: str, error: PointPillarsError) -> TransitionCallbackReturn:
        self._failure = str(error)
        if not self._starting:
            self.get_logger().error(f"{transition} failed: {error}")
        return TransitionCallbackReturn.FAILURE

    def _close_pipeline(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
        if self._trace is not None:
            self._trace.close()

    def _on_cloud(self, message: PointCloud2) -> None:
        if self._pipeline is not None:
            self._sensor.take(message)

    def _on_result(self, result: FrameResult) -> None:
        """Publish; called on the pipeline's thread, in input order."""
        failing = self._outputs.failing
        self._outputs.publish_result(result)
        if result.error:
            self.get_logger().error(f"cloud not processed: {result.error}", throttle_duration_sec=_THROTTLE_S)
        elif failing:
            self.get_logger().info(
                f"clouds are processed again, after {failing} that were not", throttle_duration_sec=_THROTTLE_S
            )

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Check values; those of `_LIVE` and of the subscription take effect at once, others at the next configure."""
        try:
            runtime, node_config = self._read(RuntimeConfig, parameters), self._read(DetectorNodeConfig, parameters)
            refusal = "" if self._pipeline is None else self._input.refusal(input_profile(runtime, node_config))
            if refusal:
                raise ConfigError(f"{', '.join(p.name for p in parameters)}: {refusal}; see input_reliability")
        except PointPillarsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._pipeline is not None:
            self._take(runtime, node_config)
            self._pipeline.settings = self._engine.settings
            self._pipeline.set_policy(self._runtime.drop_policy)
            self._input.change(input_profile(self._runtime, self._node_config))
            # Apart from the callbacks: another slot takes a moment to make, and meanwhile clouds must not wait.
            threading.Thread(target=self._switch_mode, args=(self._engine,), daemon=True).start()
        return SetParametersResult(successful=True)

    def _read(self, settings: type[T], changes: Sequence[Parameter] = ()) -> T:
        """Give the settings as the parameters will be with `changes`; ConfigError names a bad value."""
        names = [field.name for field in fields(settings)]  # type: ignore[arg-type]
        values = {name: self.get_parameter(name).value for name in names}
        return from_plain(settings, {**values, **{p.name: p.value for p in changes if p.name in values}})

    def _take(self, runtime: RuntimeConfig, node_config: DetectorNodeConfig) -> None:
        """Take those settings over that may change between two configures."""
        self._runtime = replace(self._runtime, **{name: getattr(runtime, name) for name in _LIVE})
        self._node_config = node_config
        self._engine.settings = override_thresholds(
            self._engine.config.postprocess, runtime.score_threshold, runtime.nms_threshold
        )

    def _switch_mode(self, engine: Engine) -> None:
        """Switch to the mode that is wanted by now, which a later change may have made another one."""
        with self._switching:
            mode = self._runtime.mode
            if mode is engine.runtime.mode:
                return
            try:
                engine.set_mode(mode)
            except PointPillarsError as error:
                self.get_logger().error(f"still in {engine.runtime.mode.value} mode: {error}")
            else:
                self.get_logger().info(f"{mode.value} mode from now on")


def input_profile(runtime: RuntimeConfig, config: DetectorNodeConfig) -> QoSProfile:
    """Give the quality of service of the cloud subscription."""
    return qos.cloud_input(runtime.drop_policy, config.input_reliability, config.input_depth)

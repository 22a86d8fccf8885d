# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detector node: a managed node that turns PointCloud2 into Detection3DArray."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import CloudReader, PointBuffers, drop_inside
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import (
    CloudError,
    ConfigError,
    InferenceError,
    PointPillarsError,
    count_of,
    describe_unforeseen,
)
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig
from pointpillars_ov_ros.core.detection_filter import check_filter
from pointpillars_ov_ros.core.thresholds import override_thresholds
from pointpillars_ov_ros.core.verdict import Verdict
from pointpillars_ov_ros.inference.detector import ReloadableDetector, give_back_memory
from pointpillars_ov_ros.inference.device.compile_cache import check_private
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, Stage, StageTimes
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.nodes.detector.background_service import BackgroundTrigger
from pointpillars_ov_ros.nodes.detector.effects import LIVE, describe_delays, find_effect
from pointpillars_ov_ros.nodes.detector.input import CloudSubscription, CloudWatch
from pointpillars_ov_ros.nodes.detector.outputs import CloudToken, DetectorOutputs, describe_start, describe_times
from pointpillars_ov_ros.nodes.detector.placement import CloudPlacement, IncomingCloud, leave_out_ego
from pointpillars_ov_ros.nodes.detector.sources import SourceWatch
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.cloud_sources import find_publishers, publisher_names
from pointpillars_ov_ros.ros.conversions import stamp_to_ns
from pointpillars_ov_ros.ros.dds import profile_line, transport_warning
from pointpillars_ov_ros.ros.parameters import declare_parameters, read_parameters
from pointpillars_ov_ros.ros.ros_errors import ros_refusals
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig
from pointpillars_ov_ros.ros.throttle import SentenceThrottle

_THROTTLE_S = 5.0
_NOWHERE_ELSE = Transform.identity()
_FIXED_WITH_KEY = ("cache_dir", "device_properties")
"""Settings through which networks could be loaded past the bundle's signature."""


class DetectorNode(LifecycleNode):
    """Detector node.

    Configure loads, compiles and warms up; activate subscribes. `_on_cloud` is the path of a cloud up to the pipeline.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; nothing is loaded before `configure`. `options` are those of `rclpy.node.Node`."""
        super().__init__("pointpillars_detector", **options)
        declare_parameters(self, RuntimeConfig, find_effect)
        declare_parameters(self, DetectorNodeConfig, find_effect)
        self._detector: ReloadableDetector | None = None
        """None: not configured."""
        self._subscription: CloudSubscription | None = None
        self._sources: SourceWatch | None = None
        self._placement: CloudPlacement | None = None
        """None: clouds arrive in the network's frame."""
        self._starting = False
        self._failure = ""
        # Two, since refusals occur on the executor's thread and failures on the pipeline's.
        self._throttle, self._failure_throttle = SentenceThrottle(_THROTTLE_S), SentenceThrottle(_THROTTLE_S)
        BackgroundTrigger(self, "~/reload", self._reload, self._switch_over)
        BackgroundTrigger(self, "~/warm_up", self._warm_up, describe_times)
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def start(self) -> None:
        """Configure and activate, unless `autostart` is false; InferenceError says why that failed."""
        warning = transport_warning()
        if warning:
            self.get_logger().warning(warning)
        if not self.get_parameter("autostart").value:
            return
        # A failure now ends the process, and the runner reports it; later, a lifecycle manager gets it.
        self._starting = True
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise InferenceError(self._failure or "the node could not be activated")
        self._starting = False

    def is_finished(self) -> bool:
        """Run until told to stop."""
        return False

    def stop(self) -> None:
        """Publish the results of clouds in flight."""
        if self._detector is not None:
            self._detector.close()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle, compile, warm up, create the publishers; FAILURE leaves the node unconfigured."""
        self.get_logger().info("loading and compiling the networks …")
        with ExitStack() as undo:
            try:
                loaded = self._load()
                with ros_refusals():
                    self._outputs = DetectorOutputs(self, loaded, self._on_bad_move)
                undo.callback(self._release)
                self._detector = ReloadableDetector(loaded, self._on_result)
                self._adopt(loaded)
            except Exception as error:
                return self._fail("configure", error)
            undo.pop_all()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the pipeline and subscribe; FAILURE if a device still holds earlier slots or ROS refuses."""
        assert self._detector is not None
        with ExitStack() as undo:
            try:
                self._apply(read_parameters(self, RuntimeConfig), read_parameters(self, DetectorNodeConfig))
                profile = self._input_profile(self._runtime, self._node_config)
                self._detector.open(self._runtime, self._node_config.record_trace)
                undo.callback(self.stop)
                with ros_refusals():
                    undo.callback(self._close_input)
                    topic = self._open_input(profile)
            except Exception as error:
                return self._fail("activate", error)
            undo.pop_all()
        result = super().on_activate(state)
        self._outputs.publish_labels()
        self.get_logger().info(f"waiting for clouds on {topic}")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and publish the results of clouds in flight."""
        self._close_input()
        self.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release networks, buffers and memory."""
        self._release()
        give_back_memory()
        return TransitionCallbackReturn.SUCCESS

    def _release(self) -> None:
        self._outputs.destroy()
        del self._outputs
        self._detector = None

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the results of clouds in flight."""
        self.stop()
        return TransitionCallbackReturn.SUCCESS

    def _load(self) -> Engine:
        """Load the model that the parameters currently name; from any thread."""
        runtime, node_config = read_parameters(self, RuntimeConfig), read_parameters(self, DetectorNodeConfig)
        key = node_config.model_public_key
        folder = Path(runtime.model_dir) if runtime.model_dir else shipped_model()
        if key:
            check_private(runtime)
        bundle = load_bundle(folder, Path(key) if key else None)
        check_fit(bundle.config, runtime, node_config)
        return open_engine(bundle, runtime)

    def _adopt(self, loaded: Engine) -> None:
        """Adopt the settings that an engine was loaded with, and log them."""
        self._runtime = loaded.runtime
        self._apply(read_parameters(self, RuntimeConfig), read_parameters(self, DetectorNodeConfig))
        for line in describe_start(loaded):
            self.get_logger().info(line)
        if loaded.parity.failed:
            self.get_logger().warning(loaded.parity.sentence)
        else:
            self.get_logger().info(loaded.parity.sentence)

    def _reload(self) -> Engine:
        if self._detector is None:
            raise InferenceError("the node is not configured, so there is nothing to reload")
        return self._load()

    def _switch_over(self, loaded: Engine) -> str:
        if self._detector is None:
            raise InferenceError("the node was cleaned up while the networks were loading")
        # They may have been changed since, and were checked against the old networks.
        check_fit(loaded.config, read_parameters(self, RuntimeConfig), read_parameters(self, DetectorNodeConfig))
        # First, since it may fail, and then everything must be as before.
        self._detector.replace(loaded, lambda: self._outputs.announce(loaded))
        self._adopt(loaded)
        return f"switched to {loaded.config.name}; parity: {loaded.parity.text}"

    def _on_bad_move(self, engine: Engine) -> None:
        """React as `on_mismatch` says to other answers after AUTO's move, and to a device of AUTO that fails."""
        if engine.must_stop:
            engine.must_stop = False
            self.get_logger().error(f"deactivated: {engine.parity.sentence} (on_mismatch is error)")
            self.trigger_deactivate()
        if engine.fallback is not None:
            settings, engine.fallback = engine.fallback, None
            threading.Thread(target=self._replace_by, args=(engine, settings), daemon=True).start()

    def _replace_by(self, engine: Engine, settings: RuntimeConfig) -> None:
        """Load the networks of `engine` with other settings, while it keeps running, and switch over."""
        try:
            safe = Engine(engine.bundle, settings) if engine.parity.failed else open_engine(engine.bundle, settings)
        except PointPillarsError as error:
            self.get_logger().error(f"no fallback: {error}")
            return
        if engine.parity.failed:
            safe.parity = Verdict(f"fell back to CPU in f32 {engine.parity.text}", engine.parity.sentence)
        if self.executor is not None:
            self.executor.create_task(self._switch_over, safe)

    def _warm_up(self) -> list[float]:
        if self._detector is None:
            raise InferenceError("the node is not configured, so there is nothing to warm up")
        return self._detector.engine.warm_up()

    def _fail(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        """Record why a transition failed; rclpy would silently ignore an exception."""
        self._failure = str(error) if isinstance(error, PointPillarsError) else describe_unforeseen(error)
        if not self._starting:
            self.get_logger().error(f"{transition} failed: {self._failure}")
        return TransitionCallbackReturn.FAILURE

    def _open_input(self, profile: QoSProfile) -> str:
        """Create the processing steps before the pipeline, and subscribe; return the topic."""
        config, buffers = self._node_config, PointBuffers()
        self._watch = CloudWatch(self, config, self._outputs)
        self._reader = CloudReader(self._runtime, buffers, self._watch.note_layout)
        is_at_origin = Transform.from_pose(*config.sensor_pose).is_identity
        self._outputs.T_header_model = None if is_at_origin else Transform.from_pose(*config.sensor_pose).inverse
        if CloudPlacement.is_needed(config):
            self._placement = CloudPlacement(self, config, buffers, self._submit, self._on_missing_transform)
        self._subscription = CloudSubscription(self, profile, self._on_cloud, self._on_lost)
        self._sources = SourceWatch(
            self, self._subscription, lambda offered: input_profile(self._runtime, self._node_config, offered)
        )
        return self._subscription.topic

    def _input_profile(self, runtime: RuntimeConfig, config: DetectorNodeConfig) -> QoSProfile:
        """Return the profile to request from the current publishers of clouds."""
        return input_profile(runtime, config, [info.qos_profile for info in find_publishers(self, "points")])

    def _close_input(self) -> None:
        """Unsubscribe, and refuse the clouds that wait for TF."""
        if self._sources is not None:
            self._sources.destroy()
        if self._subscription is not None:
            self._subscription.destroy()
        if self._placement is not None:
            self._placement.destroy()
        self._sources = self._subscription = self._placement = None

    def _on_cloud(self, message: PointCloud2) -> None:
        """Read, refuse or continue, check, place, submit; docs/architecture.md describes the path from here."""
        if self._subscription is None:
            return
        times = StageTimes.starting(Stage.CONVERT, time.monotonic_ns())
        self._outputs.received += 1
        try:
            cloud = self._reader.read(message)  # clouds/points.py
        except CloudError as error:
            self._refuse(message.header, str(error))  # outputs.py
            return
        self._watch.look(cloud, message.header)  # input.py
        self._place(IncomingCloud(message.header, cloud.points, times))  # placement.py, and then `_submit`

    def _place(self, cloud: IncomingCloud) -> None:
        """Transform a cloud to the network's frame, if it is in another one, and submit it."""
        if self._placement is None:
            box = self._node_config.ego_box
            self._submit(leave_out_ego(cloud, box, _NOWHERE_ELSE) if any(box) else cloud)
        else:
            is_live = self._runtime.drop_policy is DropPolicy.LIVE
            self._outputs.displaced += self._placement.place(cloud, only_newest=is_live)

    def _submit(self, cloud: IncomingCloud) -> None:
        """Submit a cloud in the network's frame to the pipeline."""
        assert self._detector is not None
        cloud.times.end(Stage.CONVERT, time.monotonic_ns())
        if self._detector.engine.leveller is not None:
            self._detector.engine.leveller.note_stamp(stamp_to_ns(cloud.header))  # clouds/level.py
        self._watch.look_for_oddities(cloud.points, self._detector.engine.config)
        self._watch.look_at_ground(cloud.points, self._detector.engine.config.sensor.height)
        is_wanted_back = any(publisher.get_subscription_count() for publisher in self._outputs.parts)
        token = CloudToken(cloud.header, cloud.points[: cloud.own] if is_wanted_back else None)
        self._detector.submit(cloud.points, token, cloud.times)  # inference/detector.py

    def _refuse(self, header: Header, reason: str) -> None:
        assert self._detector is not None
        if self._throttle.passes(reason):
            self.get_logger().warning(f"cloud refused: {reason}")
        self._outputs.publish_refusal(header, reason, self._detector.counts)

    def _on_missing_transform(self, cloud: IncomingCloud, reason: str) -> None:
        self._refuse(cloud.header, reason)

    def _on_lost(self, more: int) -> None:
        self._outputs.lost += more
        self.get_logger().warning(
            f"{count_of(self._outputs.lost, 'cloud')} so far from {publisher_names(find_publishers(self, 'points'))} "
            "were sent but not received: overwritten by newer ones, not decodable as PointCloud2, or lost on the way "
            f"(start the sender, too, with {profile_line()})",
            throttle_duration_sec=_THROTTLE_S,
        )

    def _on_result(self, result: FrameResult) -> None:
        """Publish a result; called on the pipeline's thread, in input order."""
        failing = self._outputs.failing
        self._outputs.publish_result(result)
        if result.error:
            if self._failure_throttle.passes(result.error):
                self.get_logger().error(f"a cloud failed: {result.error}")
        elif failing:
            self.get_logger().info(
                f"recovered after {count_of(failing, 'failed cloud')}", throttle_duration_sec=_THROTTLE_S
            )

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters; the reason says which of them take effect later. rclpy drops that of a callback's success."""
        result = super().set_parameters_atomically(parameter_list)
        if result.successful and self._detector is not None:
            names = [parameter.name for parameter in parameter_list]
            result.reason = describe_delays(names, self.get_fully_qualified_name())
        return result

    def _on_set_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Check values, and apply those that take effect at once; see effects.py."""
        detector = self._detector
        try:
            runtime = read_parameters(self, RuntimeConfig, parameters)
            node_config = read_parameters(self, DetectorNodeConfig, parameters)
            if node_config.model_public_key:
                self._refuse_other_caches(parameters)
            if detector is not None:
                check_fit(detector.engine.config, runtime, node_config)
            subscription = self._subscription
            profile = self._input_profile(runtime, node_config)
            refusal = "" if subscription is None else subscription.refusal(profile)
            if refusal:
                raise ConfigError(f"{', '.join(p.name for p in parameters)}: {refusal}")
        except PointPillarsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if subscription is not None:
            self._apply(runtime, node_config)
            subscription.change(profile)
        return SetParametersResult(successful=True)

    def _refuse_other_caches(self, parameters: Sequence[Parameter]) -> None:
        """Raise ConfigError if a peer could have unsigned compiled networks run."""
        for parameter in parameters:
            name = parameter.name
            if name in _FIXED_WITH_KEY and parameter.value != self.get_parameter(name).value:
                raise ConfigError(f"{name}: cannot be changed after the start, since model_public_key is set")

    def _apply(self, runtime: RuntimeConfig, node_config: DetectorNodeConfig) -> None:
        """Apply the settings that may change between two configures."""
        assert self._detector is not None
        self._runtime = replace(self._runtime, **{name: getattr(runtime, name) for name in LIVE})
        self._node_config = node_config
        self._outputs.select(node_config)
        self._outputs.class_ids = node_config.class_ids
        # Compiled now, if it is needed, instead of while a cloud waits.
        drop_inside(np.zeros((1, 4), np.float32), node_config.ego_box, _NOWHERE_ELSE)
        if self._placement is not None:
            self._placement.ego_box = node_config.ego_box
        self._detector.change(self._runtime)
        if self._subscription is not None and self._reader.change(self._runtime):
            self._watch.forget_intensity()


def check_fit(model: ModelConfig, runtime: RuntimeConfig, config: DetectorNodeConfig) -> None:
    """Raise ConfigError if settings name a class that the model does not have."""
    check_filter(model.classes, config.classes, config.class_names)
    override_thresholds(model, runtime)


def input_profile(runtime: RuntimeConfig, config: DetectorNodeConfig, offered: Sequence[QoSProfile] = ()) -> QoSProfile:
    """Return the quality of service of the cloud subscription for publishers with the profiles `offered`."""
    return qos.cloud_input(runtime.drop_policy, config.input_reliability, config.input_depth, offered)

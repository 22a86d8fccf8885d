# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public Python API: points in, boxes out, without ROS. Import it as `pointpillars_ov_ros.Detector`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np

from pointpillars_ov_ros.clouds.intensity import BRIGHT
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.config.errors import CloudError, ConfigError, InferenceError, shown
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, RuntimeConfig, from_plain
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections, check_classes, choose_classes
from pointpillars_ov_ros.inference.parity.check import open_engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.inference.pipeline.pipeline import CLOSE_TIMEOUT_S
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.model.shipped import SHIPPED, shipped_model

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
"""Interval at which a caller that waits for a result checks whether the detector was closed."""
_OF_THE_NODE = (
    "model_dir", "pfe_device", "rpn_device", "drop_policy", "sensor", "intensity_field", "intensity_scale",
    "coordinate_scale",
)  # fmt: skip
"""Fields of `RuntimeConfig` that are set in another way here, or that concern ROS messages."""


class Detector:
    """Detector of objects in LiDAR clouds.

    A cloud is an array (N, 4) float32 of x, y, z (m) and intensity (0 to 1), x forward, y left, z up. Its origin is the
    sensor, at the height above the ground that the network was trained for (`sensor_height`). Points that are not
    finite, or at 0 0 0, are left out, as in the ROS node.

    >>> import numpy as np
    >>> from pointpillars_ov_ros import Detector
    >>> with Detector() as detector:
    ...     detections = detector(np.zeros((0, 4), np.float32))
    >>> detections.boxes.shape, detections.scores.shape, detections.class_names
    ((0, 7), (0,), ())

    All exceptions raised on purpose are `PointPillarsError`, with a text of one sentence.
    """

    def __init__(
        self,
        bundle: str | Path | ModelBundle | None = None,
        *,
        device: str = "CPU",
        mode: str | Mode = Mode.LATENCY,
        classes: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """Load a model, compile it for `device`, and warm it up, which takes seconds.

        Parameters
        ----------
        bundle
            Folder of a model bundle, the name of a bundled model (`streets_int8`, `streets_fp16`), or what
            `load_bundle` returned. None: `streets_int8`.
        device
            OpenVINO device of both networks, such as CPU, GPU, AUTO or AUTO:GPU,CPU.
        mode
            `latency`, `balanced` or `throughput`: how many clouds of `stream` are in flight.
        classes
            Names of the classes to detect; empty: all classes of the network.
        settings
            Other fields of `RuntimeConfig` by their names, which are those of the node's parameters, such as
            `score_threshold=0.5`, `encoder="openvino"`, `cache_dir="/tmp/compiled"`.

        Raises
        ------
        PointPillarsError
            If the bundle, the device or a setting cannot be used.
        """
        if not isinstance(bundle, ModelBundle):
            bundle = load_bundle(_find_bundle(bundle))
        names = classes if isinstance(classes, str) else ",".join(classes)
        check_classes(names, bundle.config.classes)
        self._chosen = choose_classes(names, bundle.config.classes) if names else None
        self._engine = open_engine(bundle, _make_runtime(device, mode, settings))
        if self._engine.parity.failed:
            log.warning("%s", self._engine.parity.sentence)
        self._pipeline = self._engine.open_pipeline(_hand_over)
        self._was_bright = False

    @property
    def config(self) -> ModelConfig:
        """Description of the model: its grid and range (m), classes, anchors."""
        return self._engine.config

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `Detections.labels`."""
        return self._engine.config.classes

    @property
    def sensor_height(self) -> float:
        """Height of the sensor above the ground (m) that the network was trained for."""
        return self._engine.config.sensor.height

    def __call__(self, points: FloatArray) -> Detections:
        """Detect objects in one cloud; may be called from several threads.

        `points` (N, 4) float32: x, y, z (m), intensity (0 to 1); they are not changed. Boxes are in the same frame,
        best score first. CloudError if the array has another shape or type, InferenceError if the device fails.
        """
        results: SimpleQueue[FrameResult] = SimpleQueue()
        self._submit(points, results)
        return self._wait_for(results)

    def stream(self, clouds: Iterable[FloatArray]) -> Iterator[Detections]:
        """Yield the detections of each of `clouds`, in order, with as many in flight as the mode allows.

        The next cloud is fetched while earlier ones are processed. If clouds come from a sensor, call the detector with
        each of them instead: an iterator that waits for a cloud holds back the results before it.
        """
        results: SimpleQueue[FrameResult] = SimpleQueue()
        pending = 0
        for points in clouds:
            self._submit(points, results)
            pending += 1
            while pending and not results.empty():
                pending -= 1
                yield self._wait_for(results)
        for _ in range(pending):
            yield self._wait_for(results)

    def reset_level(self) -> None:
        """Forget the ground that `level="estimate"` has followed so far, since the next cloud is of another place."""
        if self._engine.leveller is not None:
            self._engine.leveller.reset()

    def close(self) -> None:
        """Finish the clouds submitted so far, and accept no more."""
        self._pipeline.drain(CLOSE_TIMEOUT_S)
        self._pipeline.close()

    def __enter__(self) -> Detector:
        """Return the detector, which is closed at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _submit(self, points: FloatArray, results: SimpleQueue[FrameResult]) -> None:
        # A copy: the pipeline works on it later, and invalid points are removed in place.
        cleaned, brightest = clean_points(np.array(check_points(points), order="C"), 1.0)
        if brightest > BRIGHT and not self._was_bright:
            self._was_bright = True
            log.warning("intensity reaches %.4g, but the network expects 0 to 1; scale 0 to 255 by 1/255", brightest)
        if not self._pipeline.submit(cleaned, results):
            raise InferenceError("the detector is closed, so it accepts no cloud")

    def _wait_for(self, results: SimpleQueue[FrameResult]) -> Detections:
        """Return the next of `results`; InferenceError if the cloud failed or the detector was closed before."""
        while True:
            try:
                result = results.get(timeout=_LOOK_EVERY_S)
            except Empty:
                if self._pipeline.is_closed and not self._pipeline.counts.pending:
                    raise InferenceError("the detector was closed before the cloud was processed") from None
            else:
                break
        if result.error:
            raise InferenceError(result.error)
        detections = dataclasses.replace(result.detections, classes=self.classes)
        return detections if self._chosen is None else detections.of(self._chosen)


def check_points(points: FloatArray) -> FloatArray:
    """Return `points`; CloudError unless they are an array (N, 4) float32."""
    if not isinstance(points, np.ndarray):
        raise CloudError(f"points: {shown(type(points).__name__)} is not a NumPy array (N, 4) float32")
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != 4:
        raise CloudError(
            f"points: an array {points.shape} of {points.dtype} is not (N, 4) float32: x, y, z (m), intensity (0 to 1)"
        )
    return points


def _find_bundle(bundle: str | Path | None) -> Path:
    """Return the folder of a bundle given by its path or as the name of a bundled model."""
    if bundle is None:
        return shipped_model()
    return shipped_model(str(bundle)) if str(bundle) in SHIPPED and not Path(bundle).exists() else Path(bundle)


def _make_runtime(device: str, mode: str | Mode, settings: dict[str, Any]) -> RuntimeConfig:
    names = [field.name for field in dataclasses.fields(RuntimeConfig) if field.name not in _OF_THE_NODE]
    for name in settings:
        if name not in names:
            raise ConfigError(f"{name}: Detector has no such setting; its settings are {', '.join(names)}")
    own = {"pfe_device": device, "rpn_device": device, "drop_policy": DropPolicy.REPLAY.value}
    return from_plain(RuntimeConfig, {**settings, "mode": mode, **own})


def _hand_over(result: FrameResult) -> None:
    """Hand a result to the caller that waits for it."""
    result.token.put(result)

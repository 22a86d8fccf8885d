# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recording of clouds and boxes for Rerun's viewer (.rrd): `rerun FILE.rrd`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pointpillars_ov_ros.cli.plotting import CLASSES
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections

TIMELINE = "cloud"
"""Timeline that counts the clouds from 0."""
POINTS, DETECTIONS, TRUTH = "lidar/points", "lidar/detections", "lidar/ground_truth"
_LOW_M, _HIGH_M = -2.0, 1.0
"""Heights above the sensor of the darkest and the brightest points."""


def check_rerun() -> None:
    """Raise PointPillarsError if Rerun's SDK is not installed."""
    if importlib.util.find_spec("rerun") is None:
        raise PointPillarsError("--rerun needs Rerun's SDK: `pip install rerun-sdk` (the extra [rerun])")


class RerunRecording:
    """A recording that is being written."""

    def __init__(self, path: Path) -> None:
        """Open the file; PointPillarsError if it cannot be written."""
        import rerun

        self._path = path
        self._stream = rerun.RecordingStream("pointpillars_ov")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream.save(path)
        # It has its own exceptions for every kind of failure.
        except Exception as error:
            raise PointPillarsError(f"{path}: cannot be written ({' '.join(str(error).split())})") from None
        self._stream.log("lidar", rerun.ViewCoordinates.FLU, static=True)

    def __enter__(self) -> RerunRecording:
        """Return the recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write buffered data, and close the file."""
        self._stream.disconnect()

    def log(self, number: int, points: FloatArray, detections: Detections, truth: FloatArray | None) -> None:
        """Add cloud `number`: its points (N, 4), detections and labelled boxes (K, 7), all in one frame."""
        import rerun

        self._stream.set_time(TIMELINE, sequence=number)
        self._stream.log(POINTS, rerun.Points3D(points[:, :3], colors=_color_heights(points[:, 2]), radii=0.03))
        labels = [
            f"{name} {score:.2f}"
            for name, score in zip(detections.class_names, detections.scores.tolist(), strict=True)
        ]
        colors = [_rgb(CLASSES[label % len(CLASSES)]) for label in detections.labels]
        self._stream.log(DETECTIONS, _boxes(detections.boxes, colors, labels))
        self._stream.log(TRUTH, _boxes(np.zeros((0, 7), np.float32) if truth is None else truth, (255, 255, 255), None))


def _boxes(boxes: FloatArray, colors: Any, labels: list[str] | None) -> Any:
    import rerun

    zeros = np.zeros(len(boxes), np.float32)
    turns = np.column_stack([zeros, zeros, np.sin(boxes[:, 6] / 2), np.cos(boxes[:, 6] / 2)])
    return rerun.Boxes3D(
        centers=boxes[:, :3], half_sizes=boxes[:, 3:6] / 2, quaternions=turns, colors=colors, labels=labels
    )


def _color_heights(heights: FloatArray) -> Any:
    """Return colours (N, 3) uint8 from blue (low) to yellow (high)."""
    share = np.clip((heights - _LOW_M) / (_HIGH_M - _LOW_M), 0.0, 1.0)[:, None]
    return ((1.0 - share) * (60, 90, 160) + share * (240, 230, 90)).astype(np.uint8)


def _rgb(color: str) -> tuple[int, ...]:
    """Return #rrggbb as three bytes."""
    return tuple(bytes.fromhex(color.lstrip("#")))

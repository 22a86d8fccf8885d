# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration data: the tensors that the host makes from real clouds.

A canvas is 55 MB, so there is only ever one: each is made on request and overwrites the previous one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas
from pointpillars_ov_ros.inference.engine import warm_up_cloud
from pointpillars_ov_ros.inference.slot.encoder_choice import EncoderFactory, encode
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import pfe_ports

Cloud = Callable[[], FloatArray]
"""Function that reads a cloud: (N, 4) float32, x y z (m, lidar frame), intensity 0..1."""

_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32"}


class CanvasMaker:
    """Maker of canvases, NCHW float32; `pillars` are those of the last cloud."""

    def __init__(self, bundle: ModelBundle) -> None:
        """Use the host encoder, or the PFE network in float32 if the host encoder does not support it."""
        config = bundle.config
        self._encoder = _make_encoders(bundle).make()
        self.pillars = Pillars(config.grid)
        self._tensor = np.empty(config.canvas_shape, np.float32)
        self._canvas = Canvas(self._tensor, config.grid.max_pillars)
        self.pillars_seen = 0
        """Number of pillars of all clouds so far."""

    def make(self, cloud: Cloud) -> FloatArray:
        """Return the canvas [1, C, ny, nx] of a cloud; the next call overwrites it."""
        self.pillars.group(cloud())
        self._canvas.scatter(encode(self._encoder, self.pillars), self.pillars)
        self.pillars_seen += self.pillars.size
        return self._tensor


class PfeInputMaker:
    """Maker of dense PFE inputs from some pillars of a cloud, spread evenly over all of it."""

    def __init__(self, config: ModelConfig, block: int) -> None:
        """Allocate for `block` pillars per cloud."""
        self._all, self._some = Pillars(config.grid), Pillars(config.grid)
        self._block = block
        shapes = pfe_ports(config, block).inputs
        names = [getattr(config.pfe.inputs, field) for field in DensePfeInputs._fields]
        self._tensors = {name: np.empty(shapes[name], np.float32) for name in names}
        self._dense = DensePfe(config.grid, DensePfeInputs(*self._tensors.values()))
        self.pillars_seen = 0
        """Number of pillars of all clouds so far."""

    def make(self, cloud: Cloud) -> dict[str, FloatArray]:
        """Return the input tensors by name; the next call overwrites them."""
        self._all.group(cloud())
        count = min(self._all.size, self._block)
        take_pillars(self._all, np.linspace(0, self._all.size - 1, count).astype(np.intp), self._some)
        self._dense.fill(self._some)
        self.pillars_seen += count
        return self._tensors


def take_pillars(pillars: Pillars, chosen: npt.NDArray[np.intp], into: Pillars) -> None:
    """Copy the `chosen` of `pillars`, in their order, into other buffers."""
    starts, ends = pillars.starts[chosen], pillars.starts[chosen + 1]
    into.size = len(chosen)
    into.coords[: into.size] = pillars.coords[chosen]
    into.starts[1 : into.size + 1] = np.cumsum(ends - starts)
    spans = [pillars.points[start:end] for start, end in zip(starts, ends, strict=True)]
    into.points = np.concatenate(spans) if spans else np.empty((0, 4), np.float32)


def spread(count: int, wanted: int) -> list[int]:
    """Return `wanted` of the numbers below `count`, evenly spread: neighbours in a drive are nearly the same."""
    return [index * count // wanted for index in range(wanted)] if wanted < count else list(range(count))


def _make_encoders(bundle: ModelBundle) -> EncoderFactory:
    probe = warm_up_cloud(bundle.config)
    try:
        return EncoderFactory(bundle, RuntimeConfig(encoder=EncoderChoice.HOST), _PROPERTIES, probe)
    except BundleError:
        return EncoderFactory(bundle, RuntimeConfig(encoder=EncoderChoice.OPENVINO), _PROPERTIES, probe)

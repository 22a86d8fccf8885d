# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice of the encoder: the one that the settings request, or the faster of the two; both are verified."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import openvino as ov

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, PfeShape, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.pfe import HostEncoder, PfeWeights
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.slot.encoders import DYNAMIC, DeviceEncoder, Encoder
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.pfe_weights import read_pfe_weights
from pointpillars_ov_ros.model.ports import pfe_ports, read_model

log = logging.getLogger(__name__)

_ROUNDS = 3
_CLEARLY = 3.0
"""Ratio of times above which the slower encoder is not measured again, since it delays the start."""
_CHECKED_PILLARS = 256
_TOLERANCE = 1e-3
"""Relative to the largest feature; the encoders add in another order, but a misread graph is off by far more."""


class EncoderFactory:
    """Factory of encoders for frame slots, all of the same kind."""

    def __init__(
        self, bundle: ModelBundle, runtime: RuntimeConfig, properties: dict[str, Any], probe: FloatArray
    ) -> None:
        """Choose the encoder; `probe` (N, 4) is the cloud that both are compared and measured with.

        Raises BundleError if the host encoder is requested but does not support the PFE.
        """
        self._bundle, self._runtime, self._properties, self._probe = bundle, runtime, properties, probe
        self._weights: PfeWeights | None = None
        self.network: Network | None = None
        """The compiled PFE; None if the host encodes."""
        self.reason = "as configured"
        choice = runtime.encoder
        if choice is not EncoderChoice.OPENVINO:
            try:
                self._weights = self._read_checked_weights()
            except BundleError as error:
                if choice is EncoderChoice.HOST:
                    raise
                self.reason = f"the host encoder does not support this PFE: {error}"
                choice = EncoderChoice.OPENVINO
        if choice is EncoderChoice.AUTO and "NPU" in runtime.pfe_device:
            # It has no f32, which coordinates in metres need.
            choice, self.reason = EncoderChoice.HOST, "an NPU computes in f16, which is too coarse for coordinates"
        if choice is not EncoderChoice.HOST:
            self.network = self._compile(self._block(), self._runtime.pfe_device, self._properties)
        if choice is EncoderChoice.AUTO:
            self._take_faster()
        log.debug("encoder: %s (%s)", self.kind.value, self.reason)

    @property
    def kind(self) -> EncoderChoice:
        """The chosen encoder."""
        return EncoderChoice.HOST if self.network is None else EncoderChoice.OPENVINO

    def make(self) -> Encoder:
        """Return a separate encoder for a frame slot."""
        if self.network is not None:
            return DeviceEncoder(self.network, self._bundle.config, self._block())
        assert self._weights is not None
        return HostEncoder(self._bundle.config.grid, self._weights)

    def _block(self) -> int:
        limit = self._bundle.config.grid.max_pillars
        if self._runtime.pfe_shape is PfeShape.DYNAMIC:
            return DYNAMIC
        return min(self._runtime.pfe_block or limit, limit)

    def _compile(self, block: int, device: str, properties: dict[str, Any]) -> Network:
        config = self._bundle.config
        return Network(
            self._bundle.path(config.pfe.file),
            device,
            properties,
            pfe_ports(config, config.grid.max_pillars),
            reshape=pfe_ports(config, block).inputs,
        )

    def _read_checked_weights(self) -> PfeWeights:
        """Read the weights, and compare the host's features of some pillars with the network's on CPU in float32."""
        config = self._bundle.config
        path = self._bundle.path(config.pfe.file)
        weights = read_pfe_weights(read_model(ov.Core(), path, pfe_ports(config, config.grid.max_pillars)))
        pillars = Pillars(config.grid)
        group_few(self._probe, pillars)
        block = min(_CHECKED_PILLARS, config.grid.max_pillars)
        # Without the properties requested for the PFE's device, which may be another one.
        exact = {"INFERENCE_PRECISION_HINT": "f32", "CACHE_DIR": self._runtime.cache_dir}
        network = self._compile(block, "CPU", exact)
        # One block and so one request, instead of as many as a whole frame needs: each costs milliseconds.
        few = replace(config, grid=replace(config.grid, max_pillars=block))
        wanted = encode(DeviceEncoder(network, few, block), pillars)[0, :, : pillars.size]
        given = encode(HostEncoder(config.grid, weights), pillars)[0, :, : pillars.size]
        error = float(np.abs(wanted - given).max() / max(np.abs(wanted).max(), 1e-9))
        # Also true for NaN.
        if not error <= _TOLERANCE:
            raise BundleError(f"{path}: the host encoder's features are off by {error:.2g} of the largest one")
        return weights

    def _take_faster(self) -> None:
        assert self._weights is not None and self.network is not None
        config = self._bundle.config
        few, all_of_it = Pillars(config.grid), Pillars(config.grid)
        group_few(self._probe, few)
        all_of_it.group(self._probe)

        def measure_ms(encoder: Encoder, enough_ms: float) -> float:
            encode(encoder, few)  # warms it up
            return time_ms(lambda: encode(encoder, all_of_it), enough_ms)

        host_ms = measure_ms(HostEncoder(config.grid, self._weights), math.inf)
        device_ms = measure_ms(self.make(), _CLEARLY * host_ms)
        self.reason = f"{host_ms:.1f} ms on the host, {device_ms:.1f} ms on {self._runtime.pfe_device}"
        if host_ms <= device_ms:
            self.network = None


def group_few(points: FloatArray, pillars: Pillars) -> None:
    """Group the points of some pillars of a cloud, only as many as are checked."""
    pillars.group(points)
    few = min(pillars.size, _CHECKED_PILLARS)
    pillars.group(pillars.points[: pillars.starts[few]].copy())


def encode(encoder: Encoder, pillars: Pillars) -> FloatArray:
    """Run an encoder from start to end."""
    encoder.prepare(pillars)
    encoder.start()
    return encoder.finish()


def time_ms(work: Callable[[], object], enough_ms: float) -> float:
    """Return the median time of some rounds, or the first time if it exceeds `enough_ms`."""
    times: list[float] = []
    while len(times) < _ROUNDS and not (times and times[0] > enough_ms):
        begin = time.monotonic()
        work()
        times.append((time.monotonic() - begin) * 1e3)
    return median(times)

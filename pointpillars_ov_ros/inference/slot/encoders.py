# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two ways to encode the pillars of a frame, behind one interface: the PFE network on a device, or the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pointpillars_ov_ros.config.grid_config import GridConfig
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfe
from pointpillars_ov_ros.core.pfe import HostEncoder, PfeWeights
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.slot.pfe_stage import PfeStage


class Encoder(Protocol):
    """Encodes the pillars of one frame in flight."""

    def prepare(self, pillars: Pillars) -> None:
        """Do what the host does before the device."""

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start the device's part; `done` is called at its end, maybe before this returns."""

    def is_finished(self) -> bool:
        """Tell whether nothing runs any more."""

    def finish(self) -> FloatArray:
        """Give the features (blocks, C, B), pillar p in block p // B at p % B; InferenceError where they failed."""


class DeviceEncoding:
    """The PFE as a network of its own on a device, as the origin does it."""

    def __init__(self, network: Network, config: ModelConfig, block: int) -> None:
        """Make requests and input arrays; `block` is `PfeStage`'s."""
        self._stage = PfeStage(network, config, block)
        self._dense = DensePfe(config.grid, self._stage.inputs)
        self._pillars = 0

    def prepare(self, pillars: Pillars) -> None:
        """Fill the dense inputs."""
        self._dense.fill(pillars)
        self._pillars = pillars.size

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start the requests."""
        self._stage.start(self._pillars, done)

    def is_finished(self) -> bool:
        """Tell whether no request runs any more."""
        return self._stage.is_finished()

    def finish(self) -> FloatArray:
        """Wait for the requests."""
        self._stage.finish()
        return self._stage.features


class HostEncoding:
    """The exact encoder on the host: everything is done in `prepare`, and no device is waited for."""

    def __init__(self, grid: GridConfig, weights: PfeWeights) -> None:
        """Allocate."""
        self._encoder = HostEncoder(grid, weights)
        self._features: FloatArray | None = None

    def prepare(self, pillars: Pillars) -> None:
        """Encode."""
        self._features = self._encoder.encode(pillars)

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Be done."""
        if done is not None:
            done()

    def is_finished(self) -> bool:
        """Tell that nothing runs."""
        return True

    def finish(self) -> FloatArray:
        """Give the features of the last `prepare`."""
        assert self._features is not None
        return self._features

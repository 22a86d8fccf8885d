# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface of encoders, and the encoder that runs the PFE network on a device.

The other encoder computes on the host: `HostEncoder` in core/pfe.py.

The network's first layer makes 64 values of every point slot: 307 MB for 12000 pillars of 100 points, most of them
padding. Compiled for a block of pillars it needs a sixth of that, and blocks without a pillar are not run at all. The
results are the same, since pillars are independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import openvino as ov

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import InferenceWaiter, Network, Request

DYNAMIC = -1
"""Replaces a block size: one request for all pillars of the frame, for a network of dynamic shape."""


class Encoder(Protocol):
    """Encoder of the pillars of one frame in flight."""

    def prepare(self, pillars: Pillars) -> None:
        """Do the host's part, before the device."""

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start the device's part; `done` is called at its end, possibly before this returns."""

    def is_finished(self) -> bool:
        """Whether nothing is running any more."""

    def finish(self) -> FloatArray:
        """Return the features (blocks, C, B), pillar p in block p // B at p % B; InferenceError if encoding failed."""


class DeviceEncoder:
    """The PFE as a network of its own: input arrays of a whole frame, and a request for each block of pillars."""

    def __init__(self, network: Network, config: ModelConfig, block: int) -> None:
        """Make the requests; `network` is compiled for `block` pillars, or for a DYNAMIC number."""
        self._names, self._output = config.pfe.inputs, config.pfe.output
        self._is_dynamic, self._pillars = block == DYNAMIC, 0
        block = config.grid.max_pillars if self._is_dynamic else block
        blocks = -(-config.grid.max_pillars // block)
        rows, slots = blocks * block, config.grid.max_points_per_pillar
        self._tensors = [
            network.memory.allocate(ov.Type.f32, (1, rows) if name == "num_points" else (1, 1, rows, slots))
            for name in DensePfeInputs._fields
        ]
        self.inputs = DensePfeInputs(*(tensor.data for tensor in self._tensors))
        self._dense = DensePfe(config.grid, self.inputs)
        self._output_tensor = network.memory.allocate(ov.Type.f32, (blocks, config.rpn.channels, block))
        self.features: FloatArray = self._output_tensor.data
        self._block = block
        self._requests: list[Request] = []
        self._running: list[Request] = []
        self._waiter = InferenceWaiter()
        for index in range(blocks):
            request = network.create_request()
            if not self._is_dynamic:
                self._bind_inputs(request, slice(index * block, (index + 1) * block))
                request.bind(self._output, self.features[index][None, :, :, None])
            self._requests.append(request)

    def prepare(self, pillars: Pillars) -> None:
        """Fill the dense inputs."""
        self._dense.fill(pillars)
        self._pillars = pillars.size

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Start the blocks that contain pillars; `done` is called when all have ended."""
        # A frame without pillars still runs one block, so that it takes the same path as all others.
        self._running = self._requests[: max(1, -(-self._pillars // self._block))]
        if self._is_dynamic:
            self._bind_inputs(self._running[0], slice(0, max(1, self._pillars)))
        for index, request in enumerate(self._running):
            try:
                request.start()
            except InferenceError:
                self._running = self._running[:index]
                self.finish()
                raise
        if done is not None:
            self._waiter.call_after([request.wait for request in self._running], done)

    def is_finished(self) -> bool:
        """Whether no block is running any more; see `Request.is_finished`."""
        return all(request.is_finished() for request in self._running)

    def finish(self) -> FloatArray:
        """Wait for every block started; InferenceError if one failed."""
        failure: InferenceError | None = None
        for request in self._running:
            try:
                request.finish()
            except InferenceError as error:
                failure = error
        running, self._running = self._running, []
        if failure is not None:
            raise failure
        if self._is_dynamic and running:
            self.features = self._check_shape(running[0].tensor(self._output))
        return self.features

    def _check_shape(self, output: FloatArray) -> FloatArray:
        """Return the features in a dynamic output; InferenceError if their number is not that of the pillars."""
        wanted = (1, self.features.shape[1], max(1, self._pillars), 1)
        if output.shape != wanted:
            raise InferenceError(f"the PFE returned an output of shape {output.shape} instead of {wanted}")
        return output[..., 0]

    def _bind_inputs(self, request: Request, span: slice) -> None:
        for name, array in zip(DensePfeInputs._fields, self.inputs, strict=True):
            request.bind(getattr(self._names, name), array[:, span] if array.ndim == 2 else array[:, :, span])

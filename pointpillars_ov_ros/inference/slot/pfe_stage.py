# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The PFE of one frame in flight, run on blocks of pillars.

The network's first layer makes 64 values of every point slot: 307 MB for 12000 pillars of 100 points, most
of them padding. Compiled for a block of pillars it needs a sixth of that, and blocks without a pillar are
not run at all. The numbers are the same: no pillar sees another one.
"""

from __future__ import annotations

from collections.abc import Callable

import openvino as ov

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.inference.device.network import InferenceWaiter, Network, Request

DYNAMIC = -1
"""In place of a block size: one request of as many pillars as the frame has, for a network of dynamic shape."""


class PfeStage:
    """Input arrays of a whole frame, and a request for each block of their pillars."""

    def __init__(self, network: Network, config: ModelConfig, block: int) -> None:
        """Make the requests; `network` is compiled for `block` pillars, or for a DYNAMIC number."""
        self._names, self._output = config.pfe.inputs, config.pfe.output
        self._is_dynamic, self._asked = block == DYNAMIC, 0
        block = config.grid.max_pillars if self._is_dynamic else block
        blocks = -(-config.grid.max_pillars // block)
        rows, slots = blocks * block, config.grid.max_points_per_pillar
        self._tensors = [
            network.memory.allocate(ov.Type.f32, (1, rows) if name == "num_points" else (1, 1, rows, slots))
            for name in DensePfeInputs._fields
        ]
        self.inputs = DensePfeInputs(*(tensor.data for tensor in self._tensors))
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

    def start(self, pillars: int, done: Callable[[], None] | None = None) -> None:
        """Start the blocks that the first `pillars` pillars lie in; `done` is called when all are finished."""
        # A frame without a pillar runs one block all the same, so that it goes the way of all others.
        self._running = self._requests[: max(1, -(-pillars // self._block))]
        if self._is_dynamic:
            self._asked = max(1, pillars)
            self._bind_inputs(self._running[0], slice(0, self._asked))
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
        """Tell whether no block runs any more; see `Request.is_finished`."""
        return all(request.is_finished() for request in self._running)

    def finish(self) -> None:
        """Wait for every block started; InferenceError where one failed."""
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
            self.features = self._whole(running[0].tensor(self._output))

    def _whole(self, output: FloatArray) -> FloatArray:
        """Give the features in a dynamic output; InferenceError where they are not those of the pillars asked for."""
        wanted = (1, self.features.shape[1], self._asked, 1)
        if output.shape != wanted:
            raise InferenceError(f"the PFE gave an output of shape {output.shape} instead of {wanted}")
        return output[..., 0]

    def _bind_inputs(self, request: Request, span: slice) -> None:
        for name, array in zip(DensePfeInputs._fields, self.inputs, strict=True):
            request.bind(getattr(self._names, name), array[:, span] if array.ndim == 2 else array[:, :, span])

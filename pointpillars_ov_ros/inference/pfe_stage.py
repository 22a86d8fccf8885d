# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The PFE of one frame in flight, run on blocks of pillars.

The network's first layer makes 64 values of every point slot: 307 MB for 12000 pillars of 100 points, most
of them padding. Compiled for a block of pillars it needs a sixth of that, and blocks without a pillar are
not run at all. The numbers are the same: no pillar sees another one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.core.errors import InferenceError
from pointpillars_ov_ros.inference.network import Network, Request


class PfeStage:
    """Input arrays of a whole frame, and a request for each block of their pillars."""

    def __init__(self, network: Network, config: ModelConfig, block: int) -> None:
        """Make the requests; `network` is compiled for `block` pillars."""
        blocks = -(-config.grid.max_pillars // block)
        rows, slots = blocks * block, config.grid.max_points_per_pillar
        self.inputs = DensePfeInputs(
            *(
                np.zeros((1, rows) if name == "num_points" else (1, 1, rows, slots), np.float32)
                for name in DensePfeInputs._fields
            )
        )
        self.features: FloatArray = np.zeros((blocks, config.rpn.channels, block), np.float32)
        self._block = block
        self._requests: list[Request] = []
        self._running: list[Request] = []
        for index in range(blocks):
            request = network.create_request()
            span = slice(index * block, (index + 1) * block)
            for name, array in zip(DensePfeInputs._fields, self.inputs, strict=True):
                part = array[:, span] if array.ndim == 2 else array[:, :, span]
                request.bind(getattr(config.pfe.inputs, name), part)
            request.bind(config.pfe.output, self.features[index][None, :, :, None])
            self._requests.append(request)

    def start(self, pillars: int, done: Callable[[], None]) -> None:
        """Start the blocks that the first `pillars` pillars lie in; `done` is called when all are finished."""
        self._running = self._requests[: max(1, -(-pillars // self._block))]
        # next() on a count is one step of the interpreter: callbacks come from several threads.
        finished, last = count(1), len(self._running)

        def one_done() -> None:
            if next(finished) == last:
                done()

        for index, request in enumerate(self._running):
            try:
                request.start(one_done)
            except InferenceError:
                self._running = self._running[:index]
                self.finish()
                raise

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
        self._running = []
        if failure is not None:
            raise failure

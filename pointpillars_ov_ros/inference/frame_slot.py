# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything one frame in flight owns, and the steps of its road."""

from __future__ import annotations

from collections.abc import Callable

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.config import ModelConfig, PostprocessConfig
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.dense_pfe import DensePfe
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas
from pointpillars_ov_ros.inference.network import Network, Request
from pointpillars_ov_ros.inference.pfe_stage import PfeStage


class FrameSlot:
    """Requests, canvas and buffers of one frame in flight; used by one frame at a time."""

    def __init__(self, config: ModelConfig, pfe: Network, rpn: Network, pfe_block: int) -> None:
        """Make the requests and the buffers bound to them; `pfe` is compiled for `pfe_block` pillars."""
        self._pfe = PfeStage(pfe, config, pfe_block)
        self._rpn: Request = rpn.create_request()
        self._pillars = Pillars(config.grid)
        self._dense = DensePfe(config.grid, self._pfe.inputs)
        self._canvas = Canvas(self._rpn.tensor(config.rpn.input), config.grid.max_pillars)
        self._decoder = Decoder(config)
        self._config = config

    @property
    def pillars(self) -> int:
        """Pillars of the frame at hand."""
        return self._pillars.size

    def prepare(self, points: FloatArray) -> None:
        """Group `points` (N, 4) into pillars and fill the PFE's inputs."""
        self._pillars.group(points)
        self._dense.fill(points, self._pillars)

    def start_pfe(self, done: Callable[[], None]) -> None:
        """Start encoding the pillars; see `Request.start`."""
        self._pfe.start(self._pillars.size, done)

    def pfe_is_finished(self) -> bool:
        """Tell whether the PFE is through, or failed without calling `done`."""
        return self._pfe.is_finished()

    def scatter(self) -> None:
        """Take the pillar features from the finished PFE onto the canvas."""
        self._pfe.finish()
        self._canvas.scatter(self._pfe.features, self._pillars)

    def start_rpn(self, done: Callable[[], None]) -> None:
        """Start detecting on the canvas; see `Request.start`."""
        self._rpn.start(done)

    def rpn_is_finished(self) -> bool:
        """Tell whether the RPN is through, or failed without calling `done`."""
        return self._rpn.is_finished()

    def decode(self, settings: PostprocessConfig) -> Detections:
        """Decode the outputs of the finished RPN."""
        self._rpn.finish()
        names = self._config.rpn
        return self._decoder.decode(
            self._rpn.tensor(names.boxes),
            self._rpn.tensor(names.scores),
            self._rpn.tensor(names.directions),
            self._pillars,
            settings,
        )

    def detect(self, points: FloatArray, settings: PostprocessConfig) -> Detections:
        """Take one cloud down the whole road, step after step; what the pipeline does with several at once."""
        self.prepare(points)
        self.start_pfe(lambda: None)
        self.scatter()
        self.start_rpn(lambda: None)
        return self.decode(settings)

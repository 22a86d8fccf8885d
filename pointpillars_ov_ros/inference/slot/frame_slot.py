# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that one frame in flight owns, and its processing steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pointpillars_ov_ros.config.errors import OutputError
from pointpillars_ov_ros.config.model_config import ModelConfig, PostprocessConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas, CanvasFormat, are_finite
from pointpillars_ov_ros.inference.device.network import Network, Request
from pointpillars_ov_ros.inference.slot.encoders import Encoder


class Answer(NamedTuple):
    """Outputs of both networks for one cloud; all float32."""

    features: FloatArray
    """(channels, pillars)."""
    boxes: FloatArray
    """[1, rows, columns, A * 7]; like the next two, in the RPN's shape, see `Decoder.decode`."""
    scores: FloatArray
    directions: FloatArray


class FrameSlot:
    """Requests, canvas and buffers of one frame in flight; used by one frame at a time."""

    def __init__(
        self,
        config: ModelConfig,
        encoder: Encoder,
        rpn: Network,
        canvas: CanvasFormat,
        ground_clearance: float | None = None,
    ) -> None:
        """Make the RPN's request and the buffers bound to it; `canvas` is the format of the RPN's input.

        See `Decoder` for `ground_clearance`.
        """
        self._encoder = encoder
        self._rpn: Request = rpn.create_request()
        self._pillars = Pillars(config.grid)
        self._canvas = Canvas(self._rpn.tensor(config.rpn.input), config.grid.max_pillars, canvas)
        self._decoder = Decoder(config, ground_clearance)
        self._config = config

    @property
    def pillars(self) -> int:
        """Number of pillars of the current frame."""
        return self._pillars.size

    def prepare(self, points: FloatArray) -> None:
        """Group `points` (N, 4) into pillars and do the host's part of encoding them."""
        self._pillars.group(points)
        self._encoder.prepare(self._pillars)

    def start_pfe(self, done: Callable[[], None] | None = None) -> None:
        """Start encoding the pillars; see `Request.start`."""
        self._encoder.start(done)

    def pfe_is_finished(self) -> bool:
        """Whether the PFE has ended, or failed without calling `done`."""
        return self._encoder.is_finished()

    def scatter(self) -> None:
        """Write the pillar features of the finished PFE onto the canvas; OutputError if they are not finite."""
        features = self._encoder.finish()
        # Checked here, since an RPN may turn them into numbers: a ReLU of NaN is 0 in some plugins.
        if not are_finite(features, self._pillars.size):
            raise OutputError("the PFE's features contain NaN or infinity")
        self._canvas.scatter(features, self._pillars)

    def start_rpn(self, done: Callable[[], None] | None = None) -> None:
        """Start detecting on the canvas; see `Request.start`. The ground is looked for meanwhile."""
        self._rpn.start(done)
        self._decoder.find_ground(self._pillars)

    def rpn_is_finished(self) -> bool:
        """Whether the RPN has ended, or failed without calling `done`."""
        return self._rpn.is_finished()

    def decode(self, settings: PostprocessConfig) -> Detections:
        """Decode the outputs of the finished RPN; a cloud without a point in range has no detections."""
        self._rpn.finish()
        if not self._pillars.size:
            return Detections.empty()
        names = self._config.rpn
        return self._decoder.decode(
            self._rpn.tensor(names.boxes),
            self._rpn.tensor(names.scores),
            self._rpn.tensor(names.directions),
            self._pillars,
            settings,
        )

    def tidy_up(self) -> None:
        """Clear the canvas."""
        self._canvas.clear()

    def detect(self, points: FloatArray, settings: PostprocessConfig) -> Detections:
        """Process one cloud step by step, as the pipeline does with several at once."""
        self.prepare(points)
        self.start_pfe()
        self.scatter()
        self.start_rpn()
        return self.decode(settings)

    def examine(self, points: FloatArray) -> Answer:
        """Process one cloud up to the RPN's outputs, and return copies of the networks' outputs."""
        self.prepare(points)
        self.start_pfe()
        features = self._encoder.finish()
        self._canvas.scatter(features, self._pillars)
        self.start_rpn()
        self._rpn.finish()
        answer = copy_answer(features, self.pillars, self._rpn, self._config)
        self.tidy_up()
        return answer


def copy_answer(features: FloatArray, pillars: int, rpn: Request, config: ModelConfig) -> Answer:
    """Copy the features (blocks, C, B) of `pillars` pillars, and the outputs of `rpn`."""
    # Blocks side by side, without the padding of the last one.
    features = features.transpose(1, 0, 2).reshape(features.shape[1], -1)[:, :pillars].copy()
    names = config.rpn
    boxes, scores, directions = (rpn.tensor(name).copy() for name in (names.boxes, names.scores, names.directions))
    return Answer(features, boxes, scores, directions)

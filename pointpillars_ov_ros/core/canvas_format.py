# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How pillar features are to be written into an RPN's input tensor."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.core.arrays import FloatArray


class CanvasLayout(enum.Enum):
    """Order of the canvas in memory."""

    NCHW = "nchw"
    """[1, channels, ny, nx]: a plane for each channel."""
    NHWC = "nhwc"
    """[1, ny, nx, channels]: the channels of a cell lie together."""


@dataclass(frozen=True)
class CanvasFormat:
    """How the host writes pillar features into the RPN's input tensor.

    Where the network's range does not have a level at 0 exactly, its own levels lie up to a tenth of a step beside
    `scale * (level - zero_point)`, which is what the plugin takes them for in the untouched graph as well.
    """

    layout: CanvasLayout = CanvasLayout.NCHW
    quantized: bool = False
    """uint8, see `quantize`; otherwise float32 as they are, blank cells 0."""
    scale: float = 1.0
    offset: float = 0.0
    """What the network's FakeQuantize adds before it rounds: nearly, but not exactly, `zero_point`."""

    @property
    def zero_point(self) -> int:
        """The value of a blank cell: the quantized 0."""
        return int(np.rint(self.offset))

    def quantize(self, features: FloatArray) -> npt.NDArray[np.uint8]:
        """Quantize as the network's own FakeQuantize did: round half to even, then clamp to 0..255."""
        levels: FloatArray = features * np.float32(1.0 / self.scale) + np.float32(self.offset)
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)

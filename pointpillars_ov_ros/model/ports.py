# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tensors that the two networks of a bundle must have."""

from __future__ import annotations

from typing import NamedTuple

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs

Shape = tuple[int, ...]


class Ports(NamedTuple):
    """Shapes of a network's tensors by name; all float32."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


def pfe_ports(config: ModelConfig, pillars: int) -> Ports:
    """Give those of the PFE for so many pillars."""
    slots = config.grid.max_points_per_pillar
    inputs: dict[str, Shape] = {
        getattr(config.pfe.inputs, name): (1, pillars) if name == "num_points" else (1, 1, pillars, slots)
        for name in DensePfeInputs._fields
    }
    return Ports(inputs, {config.pfe.output: (1, config.rpn.channels, pillars, 1)})


def rpn_ports(config: ModelConfig) -> Ports:
    """Give those of the RPN."""
    rows, columns = config.output_shape
    anchors, names = config.anchors_per_cell, config.rpn
    outputs: dict[str, Shape] = {
        names.boxes: (1, rows, columns, anchors * 7),
        names.scores: (1, rows, columns, anchors * len(config.classes)),
        names.directions: (1, rows, columns, anchors * 2),
    }
    return Ports({names.input: config.canvas_shape}, outputs)

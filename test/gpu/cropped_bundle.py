# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A shipped bundle for a smaller field: real weights, and a twentieth of the work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import openvino as ov

from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.model.bundle import ModelBundle, ir_files, write_bundle
from pointpillars_ov_ros.model.ports import pfe_ports

X_RANGE = (0.0, 20.48)
Y_RANGE = (-10.24, 10.24)
"""Range in the sensor frame (m): as long as wide, and a whole number of cells of every bundled model."""
MAX_PILLARS = 4000


def save_cropped_bundle(bundle: ModelBundle, folder: Path) -> ModelBundle:
    """Write the networks of `bundle` with the shapes of the smaller field into `folder`."""
    config = cropped(bundle.config)
    core = ov.Core()
    # Weights are read from the file otherwise, also while it is written.
    core.set_property({"ENABLE_MMAP": False})
    pfe, rpn = (core.read_model(bundle.path(part.file)) for part in (config.pfe, config.rpn))
    pfe.reshape(dict(pfe_ports(config, MAX_PILLARS).inputs))
    rpn.reshape({config.rpn.input: list(config.canvas_shape)})
    sources = folder / "sources"
    sources.mkdir()
    for model, part in ((pfe, config.pfe), (rpn, config.rpn)):
        ov.save_model(model, sources / part.file)
    return write_bundle(config, {name: sources / name for name in ir_files(config)}, folder / "bundle")


def cropped(config: ModelConfig) -> ModelConfig:
    """Return the configuration for the smaller field: what lies at its corner now lies at the new one."""
    dx, dy = X_RANGE[0] - config.grid.x_range[0], Y_RANGE[0] - config.grid.y_range[0]
    center, first = config.grid.pillar_center_offset, config.anchor_grid.offset
    grid = dataclasses.replace(
        config.grid,
        x_range=X_RANGE,
        y_range=Y_RANGE,
        max_pillars=MAX_PILLARS,
        pillar_center_offset=(center[0] + dx, center[1] + dy),
    )
    anchors = dataclasses.replace(config.anchor_grid, offset=(first[0] + dx, first[1] + dy))
    return dataclasses.replace(config, name=f"{config.name}_cropped", grid=grid, anchor_grid=anchors, sha256={})

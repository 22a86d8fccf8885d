# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of networks that come from elsewhere. So far: pairs of IR files of a known architecture."""

from __future__ import annotations

import dataclasses
from importlib import resources
from pathlib import Path

from pointpillars_ov_ros.core.config import ModelConfig
from pointpillars_ov_ros.core.errors import BundleError
from pointpillars_ov_ros.inference.ports import pfe_ports, rpn_ports
from pointpillars_ov_ros.model.bundle import ModelBundle, ir_files, read_config, write_bundle


def preset_names() -> tuple[str, ...]:
    """Name the architectures this package describes."""
    return tuple(sorted(path.stem for path in _preset_folder().glob("*.yaml")))


def read_preset(name: str) -> ModelConfig:
    """Read the description of a known architecture."""
    if name not in preset_names():
        raise BundleError(f"{name!r} is no known architecture; known are {', '.join(preset_names())}")
    return read_config(_preset_folder() / f"{name}.yaml")


def find_preset(source: Path) -> str:
    """Name the one known architecture that the IR pair in `source` has; BundleError where none or several fit."""
    import openvino as ov

    from pointpillars_ov_ros.inference.network import read_model

    core, reasons, fitting = ov.Core(), [], []
    for name in preset_names():
        config = read_preset(name)
        try:
            read_model(core, source / config.pfe.file, pfe_ports(config, config.grid.max_pillars))
            read_model(core, source / config.rpn.file, rpn_ports(config))
        except BundleError as error:
            reasons.append(f"{name}: {error}")
        else:
            fitting.append(name)
    if len(fitting) != 1:
        found = f"{' and '.join(fitting)} both fit" if fitting else "; ".join(reasons)
        raise BundleError(f"{source} has no one known architecture ({found})")
    return fitting[0]


def import_ir(source: Path, preset: str, folder: Path) -> ModelBundle:
    """Make a bundle in `folder` of the IR pair in `source`, which must have the architecture `preset`.

    The files are checked against the description when a detector loads the bundle, and copied unchanged.
    """
    config = read_preset(preset)
    missing = [name for name in ir_files(config) if not (source / name).is_file()]
    if missing:
        raise BundleError(f"{source} lacks {', '.join(missing)}, which the architecture {preset} needs")
    config = dataclasses.replace(config, provenance=f"IR files of {source.resolve()}")
    return write_bundle(config, {name: source / name for name in ir_files(config)}, folder)


def _preset_folder() -> Path:
    return Path(str(resources.files("pointpillars_ov_ros.model"))) / "presets"

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bundled models: package data, found with or without ROS, trained on simulated streets."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pointpillars_ov_ros.config.errors import BundleError, shown

FLOAT, DEFAULT = "streets_fp16", "streets_int8"
"""Two precisions of one network; INT8 is several times as fast on a CPU. README.md has the accuracy of both."""
SHIPPED = (FLOAT, DEFAULT)


def shipped_model(name: str = DEFAULT) -> Path:
    """Return the folder of the bundled model `name`, one of `SHIPPED`; BundleError for any other name."""
    if name not in SHIPPED:
        raise BundleError(f"{shown(name)} is not a bundled model; available: {', '.join(SHIPPED)}")
    # OpenVINO needs files: the package never runs from a zip archive (zip_safe in setup.py), so this is a folder.
    return Path(str(files("pointpillars_ov_ros.model"))) / "bundles" / name

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks that come with the package, trained on simulated streets."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory

FLOAT, DEFAULT = "streets_fp16", "streets_int8"
"""The same network; INT8 is several times as fast on a CPU. README.md has the accuracy of both."""
SHIPPED = (FLOAT, DEFAULT)


def shipped_model(name: str = DEFAULT) -> Path:
    """Give the folder of the bundle `name` of `SHIPPED`, where the package is installed."""
    return Path(get_package_share_directory("pointpillars_ov_ros")) / "models" / name

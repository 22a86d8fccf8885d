# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointPillars on OpenVINO for ROS 2: LiDAR clouds in, 3D boxes out.

The public Python API, which needs no ROS, is what `__all__` names; nothing else is promised to stay.
"""

from __future__ import annotations

import importlib

from pointpillars_ov_ros.config.kernel_cache import choose_kernel_cache

# Not from `typing`, which takes longer to import than all the rest of this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pointpillars_ov_ros.config.errors import PointPillarsError as PointPillarsError
    from pointpillars_ov_ros.core.detections import Detections as Detections
    from pointpillars_ov_ros.inference.api import Detector as Detector
    from pointpillars_ov_ros.model.bundle import load_bundle as load_bundle

    __version__: str

__all__ = ["Detections", "Detector", "PointPillarsError", "load_bundle"]

_MODULES = {
    "Detections": "core.detections",
    "Detector": "inference.api",
    "PointPillarsError": "config.errors",
    "load_bundle": "model.bundle",
}
"""Module of each public name. They are imported on demand: OpenVINO and numba take most of a second."""

# Before anything imports numba, which determines its folder at import.
choose_kernel_cache()


def __getattr__(name: str) -> object:
    """Import the requested name."""
    value: object
    if name == "__version__":
        # It is only written in package.xml, from which the installation takes it.
        from importlib.metadata import version

        value = version(__name__)
    elif name in _MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value

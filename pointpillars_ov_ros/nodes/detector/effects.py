# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times at which changed parameters of the detector take effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from pointpillars_ov_ros.config.errors import list_names
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig

LIVE = (
    "mode", "drop_policy", "score_threshold", "class_score_thresholds", "nms_threshold",
    "sensor", "intensity_field", "intensity_scale", "coordinate_scale", "max_points",
)  # fmt: skip
"""Settings of `RuntimeConfig` that take effect at once; the others take effect when networks are loaded."""
LIVE_IN_NODE = (
    "input_reliability", "input_depth", "classes", "class_ids", "class_names", "min_range", "max_range", "ego_box",
)  # fmt: skip
"""Settings of `DetectorNodeConfig` that take effect at once; the others take effect at activate."""
_AT_START = ("autostart", "model_public_key")


def find_effect(name: str) -> str:
    """Return when a parameter takes effect, for its descriptor."""
    if name in LIVE or name in LIVE_IN_NODE:
        return "takes effect at once"
    if name in _AT_START:
        return "is read at the start"
    is_loaded = name in {field.name for field in dataclasses.fields(RuntimeConfig)}
    return "takes effect by ~/reload, or at the next configure" if is_loaded else "takes effect at the next activate"


def describe_delays(names: Iterable[str], node: str) -> str:
    """Describe what must be done so that parameters of `node` (its full name) take effect; empty if nothing."""
    late: dict[str, list[str]] = {}
    for name in names:
        late.setdefault(find_effect(name), []).append(name)
    sentences = []
    for effect, listed in late.items():
        if "reload" in effect:
            how = f"takes effect after `ros2 service call {node}/reload std_srvs/srv/Trigger`, or at the next configure"
        elif "activate" in effect:
            how = f"takes effect at the next activate (`ros2 lifecycle set {node} deactivate`, then `activate`)"
        elif "start" in effect:
            how = "read only when the node starts"
        else:
            continue
        sentences.append(f"{list_names(listed)}: {how}")
    return "; ".join(sentences)

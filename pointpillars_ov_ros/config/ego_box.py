# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Box of the vehicle that carries the sensor; apart from the kernel that uses it, which not every node loads."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pointpillars_ov_ros.config.errors import require


def check_ego_box(box: Sequence[float]) -> None:
    """Raise ConfigError unless `box` is minimum x y z, maximum x y z (m), or all 0 for none."""
    is_box = all(map(math.isfinite, box)) and all(low < high for low, high in zip(box[:3], box[3:], strict=True))
    what = "minimum x y z, maximum x y z (m) of a box, all finite, as in [-1.0, -1.0, -2.0, 3.5, 1.0, 0.5]"
    require(is_box or not any(box), "ego_box", list(box), what)

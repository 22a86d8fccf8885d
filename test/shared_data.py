# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Location of the data and models that never enter the repository, and the mark of tests that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = (Path(__file__).resolve().parent.parent / ".." / "shared").resolve()
KITTI = SHARED / "data" / "kitti"
KITTI_CAR = SHARED / "models" / "kitti_car"

KITTI_CROPPED = KITTI / "training" / "velodyne_reduced"

needs_shared_data = pytest.mark.skipif(
    not (KITTI.is_dir() and KITTI_CAR.is_dir()),
    reason=f"../shared is absent: no KITTI frames and no kitti_car network in {SHARED}",
)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector's memory: bounded, and not growing over hundreds of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.dds.peers import nodes, peer, rss_mb
from test.shared_data import KITTI, needs_shared_data

pytestmark = [needs_shared_data, pytest.mark.usefixtures("ros"), pytest.mark.slow]

FRAMES = 150
LIMIT_MB = 700


def test_memory_is_bounded_and_does_not_grow(kitti_car: ModelBundle, tmp_path: Path) -> None:
    clouds = [frame.read_points() for frame in find_frames(KITTI / "training" / "velodyne_reduced")]
    readings = []
    with peer() as sender, nodes(tmp_path) as processes:
        processes.start("pointpillars_detector", {"model_dir": str(kitti_car.folder), "drop_policy": "replay"})
        sender.wait_until(lambda: sender.clouds.get_subscription_count() > 0, "the detector", processes)
        for index in range(FRAMES):
            # Two outstanding keep the detector busy.
            sender.wait_until(lambda n=index: len(sender.timings) >= n - 1, "a result", processes)  # type: ignore[misc]
            sender.clouds.publish(sender.make_cloud(clouds[index % len(clouds)]))
            readings.append(rss_mb(processes.pid("pointpillars_detector")))
        sender.wait_until(lambda: len(sender.timings) == FRAMES, "the last result", processes)
    assert not any(timing.error for timing in sender.timings)
    # The first frames grow a few buffers to the size of the largest cloud.
    settled = np.array(readings[50:])
    slope_mb = np.polyfit(np.arange(len(settled)), settled, 1)[0] * len(settled)
    print(f"\nRSS {settled[-1]:.0f} MB after {FRAMES} frames, trend {slope_mb:+.1f} MB over the last {len(settled)}")
    assert max(readings) <= LIMIT_MB
    assert slope_mb < 3.0

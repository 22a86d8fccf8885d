# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the gain of accumulating sweeps: objects found in simulated drives, with 1, 2, 3 and 5 clouds at 10 Hz.

.venv/bin/ros-run python benchmarks/sweeps.py [SENSOR [DRIVES]]
"""

from __future__ import annotations

import sys

import numpy as np

from pointpillars_ov_ros.clouds.points import PointBuffers
from pointpillars_ov_ros.clouds.sweeps import Sweeps
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.matching import match_by_distance
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.synthetic import Drive, SimulatedFrame

COUNTS = (1, 2, 3, 5)
SCORE = 0.3
LOOKED_AT = (5, 9)
"""Frames of a drive whose objects are counted."""
FIRST_SEED = 3_000_000_000
"""Above the seeds that training draws."""


def place(frame: SimulatedFrame) -> Transform:
    """Return T_world_lidar; a slope is a shear in the world, and a rotation by the same small angle here."""
    view = frame.view
    return Transform.from_pose(view.x, view.y, view.z, view.roll, -view.pitch, float(np.arctan2(view.sin, view.cos)))


def count(engine: Engine, frame: SimulatedFrame, points: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Return found, missed and false of each class, for standing and moving objects; false ones are of both."""
    labels, grid = frame.labels, engine.config.grid
    detected = engine.slots[0].detect(points, engine.settings).above(SCORE)
    engine.slots[0].tidy_up()
    boxes, names = labels.boxes, np.array(labels.names)
    inside = (boxes[:, 0] >= grid.x_range[0]) & (boxes[:, 0] < grid.x_range[1])
    inside &= (np.abs(boxes[:, 1]) < grid.y_range[1]) & (labels.occlusion < 2) & (labels.visible > 0.2)
    stands = np.hypot(*labels.velocities.T) < 0.1
    table = {}
    for label, name in enumerate(engine.config.classes):
        for kind, chosen in (("stands", stands), ("moves", ~stands)):
            wanted = inside & chosen & (names == name)
            own = detected.boxes[detected.labels == label]
            tally = match_by_distance(own, boxes[wanted], boxes[(names == name) & ~wanted])
            table[name, kind] = np.array(tally[:3])
    return table


def main(sensor: str = "vlp_16", drives: str = "20") -> None:
    """Print the table."""
    engine = Engine(load_bundle(shipped_model()), RuntimeConfig())
    sums: dict[tuple[str, str, int], np.ndarray] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + int(drives)):
        frames = list(Drive(sensor, seed, max(LOOKED_AT) + 1))
        for number in COUNTS:
            sweeps = Sweeps(number, 10.0, PointBuffers())
            for index, frame in enumerate(frames):
                points = sweeps.join(frame.points, place(frame), round(frame.stamp * 1e9))
                if index in LOOKED_AT:
                    for key, tally in count(engine, frame, points).items():
                        sums[(*key, number)] = sums.get((*key, number), np.zeros(3, int)) + tally
    print(f"{sensor}, {drives} drives, score {SCORE} or more, centres within 1 m: found of all, and false")
    for name in engine.config.classes:
        for number in COUNTS:
            (found, missed, false), (moving, lost, _) = (sums[name, kind, number] for kind in ("stands", "moves"))
            row = f"stands {found:3} of {found + missed:3}, moves {moving:3} of {moving + lost:3}, false {false:3}"
            print(f"{name:10} {number} sweeps: {row}")


if __name__ == "__main__":
    main(*sys.argv[1:])

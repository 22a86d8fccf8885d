# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the cost of another mounting height, and the gain of sensor_pose: cars found in simulated streets.

.venv/bin/ros-run python benchmarks/heights.py [MODEL [STREETS]]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.matching import match_by_distance
from pointpillars_ov_ros.model.bundle import load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.synthetic import SimulatedFrame, load_sensor, simulate

HEIGHTS = (0.9, 1.3, 1.73, 2.2, 2.6)
SCORE = 0.3
FIRST_SEED = 3_000_000_000
"""Above the seeds that training draws."""


def count(engine: Engine, frame: SimulatedFrame, rise: float) -> np.ndarray:
    """Return cars found, missed and false in a frame that is raised by `rise` (m)."""
    points, labels, grid = frame.points.copy(), frame.labels, engine.config.grid
    Transform.from_pose(0, 0, rise, 0, 0, 0).move(points)
    detected = engine.slots[0].detect(points, engine.settings).above(SCORE)
    engine.slots[0].tidy_up()
    boxes, is_car = labels.boxes, np.array(labels.names) == "Car"
    wanted = is_car & (labels.occlusion < 2) & (labels.visible > 0.2) & (np.abs(boxes[:, 1]) < grid.y_range[1])
    wanted &= (boxes[:, 0] >= grid.x_range[0]) & (boxes[:, 0] < grid.x_range[1])
    own = detected.boxes[detected.labels == engine.config.classes.index("Car")]
    return np.array(match_by_distance(own, boxes[wanted], boxes[is_car & ~wanted])[:3])


def main(model: str = "", streets: str = "10") -> None:
    """Print the table."""
    engine = Engine(load_bundle(Path(model) if model else shipped_model()), RuntimeConfig())
    expected = engine.config.sensor.height
    print(f"{engine.config.name}, HDL-64E in {streets} streets, cars at score {SCORE} or more, centres within 1 m")
    for height in HEIGHTS:
        sensor = replace(load_sensor("hdl_64e"), mounting_height=height)
        tables = np.zeros((2, 3), int)
        for seed in range(FIRST_SEED, FIRST_SEED + int(streets)):
            frame = simulate(sensor, seed)
            tables += [count(engine, frame, rise) for rise in (0.0, height - expected)]
        (found, missed, false), (again, _, wrong) = tables
        posed = f"with sensor_pose {again} and {wrong} false"
        print(f"{height:.2f} m: {found} of {found + missed} and {false} false, {posed}")


if __name__ == "__main__":
    main(*sys.argv[1:])

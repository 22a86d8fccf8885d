# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The statistics of labelled clouds: known answers for a made-up frame, and the table of a simulated folder."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cloud_statistics as statistics
from pointpillars_ov_ros.cli import main as cli


def floor(slope: float, roll: float) -> np.ndarray:
    """Return ground 1.7 m below the sensor that rises ahead and to the left."""
    random = np.random.default_rng(0)
    x, y = random.uniform(4.0, 60.0, 20000), random.uniform(-12.0, 12.0, 20000)
    return np.stack([x, y, -1.7 + slope * x + roll * y, np.full(len(x), 0.2)], axis=1).astype(np.float32)


def test_the_plane_of_the_ground_is_found_among_objects() -> None:
    points = floor(0.02, -0.01)
    wall = points[:3000] + np.array([0.0, 0.0, 1.2, 0.0], np.float32)
    found = statistics.fit_ground(np.concatenate([points, wall]))
    np.testing.assert_allclose(found, (-1.7, 0.02, -0.01), atol=0.015)


def test_figures_of_a_frame_are_those_that_it_was_made_with() -> None:
    random = np.random.default_rng(1)
    boxes = np.array([[15, 0, -0.95, 4, 2, 1.5, 0], [10, 6, -0.85, 0.9, 0.7, 1.7, 0]], np.float32)
    clouds = [floor(0.0, 0.0)]
    for box, count in zip(boxes, (400, 100), strict=True):
        inside = np.zeros((count, 4), np.float32)
        inside[:, :3] = box[:3] + random.uniform(-0.45, 0.45, (count, 3)) * box[3:6]
        # Half of them report nothing.
        inside[::2, 3] = 0.6
        clouds.append(inside)
    values: statistics.Values = defaultdict(list)
    statistics.measure(np.concatenate(clouds), boxes, ["Car", "Pedestrian"], values)
    figures = {name: float(np.mean(some)) for name, some in values.items()}
    assert figures["intensity 0: a car (%)"] == pytest.approx(50.0, abs=8.0)
    assert figures["intensity 0: road (%)"] == 0.0
    assert figures["intensity of the road"] == pytest.approx(0.2, abs=1e-6)
    assert figures["people's points > 0.5 (%)"] == pytest.approx(50.0, abs=8.0)
    assert figures["Pedestrian length (m)"] == pytest.approx(0.9)
    assert figures["points on a car x r^2 / 1000, 5-20 m"] == pytest.approx(0.4 * 15.0**2, rel=0.1)
    assert figures["rough cells of low ground (%)"] < 1.0
    assert figures["ground height (m)"] == pytest.approx(-1.7, abs=0.02)


@pytest.mark.parametrize(("heading", "side"), [(0.0, "rear"), (np.pi, "front")])
def test_points_on_windows_are_counted_by_the_side_that_is_seen(heading: float, side: str) -> None:
    random = np.random.default_rng(3)
    box = np.array([20, 0, -0.95, 4, 1.7, 1.5, heading], np.float32)
    points = np.zeros((400, 4), np.float32)
    points[:, :2] = box[:2] + np.stack([np.full(400, -2.0), random.uniform(-0.8, 0.8, 400)], axis=1)
    points[:, 2] = box[2] + (np.where(np.arange(400) < 300, 0.4, 0.8) - 0.5) * box[5]
    values: statistics.Values = defaultdict(list)
    statistics.measure_windows(points, box, values)
    assert dict(values) == {f"window / body points, {side} at 5-30 m": [pytest.approx(100 / 300)]}
    box[6] = np.pi / 2
    statistics.measure_windows(points, box, values)
    assert len(values) == 1, "a car seen from its side does not count"


def test_rough_ground_is_told_from_smooth() -> None:
    random = np.random.default_rng(2)
    rough = floor(0.0, 0.0)
    rough[:, 2] += random.uniform(0.0, 0.25, len(rough))
    values: statistics.Values = defaultdict(list)
    statistics.measure_roughness(rough, values)
    assert values["rough cells of low ground (%)"][0] > 30.0


def test_a_simulated_folder_gives_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path / "streets"), "--frames", "2", "--seed", "3000000000"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["cloud_statistics", str(tmp_path / "streets")])
    assert statistics.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "streets" in lines[0]
    shares = {line.split("  ")[0]: line for line in lines}
    assert 5.0 < float(shares["intensity 0: all (%)"].split("(%)")[1].split()[0]) < 40.0

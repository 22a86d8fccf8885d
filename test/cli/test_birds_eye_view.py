# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bird's-eye view: an outline compared with trigonometry, and pixels in the right places."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pointpillars_ov_ros.cli.birds_eye_view import draw_birds_eye_view, footprint
from pointpillars_ov_ros.core.detections import Detections
from test.builders import Points, random_cloud, tiny_grid

GRID = tiny_grid()
BOX = np.array([(2.0, 0.5, -1.0, 1.0, 0.5, 0.5, 0.3)], np.float32)
CAR = Detections(BOX, np.array([0.9], np.float32), np.array([0], np.int32))
BLUE, WHITE = (0x56, 0xB4, 0xE9), (0xFF, 0xFF, 0xFF)


def draw(path: Path, points: Points, detections: Detections, truth: Points | None) -> npt.NDArray[np.float64]:
    """Draw, and return the picture as rows of red, green, blue (0..255)."""
    from matplotlib import image

    draw_birds_eye_view(path, points, detections, truth, ("Car", "Pedestrian"), GRID, "a title")
    return np.asarray(image.imread(path), np.float64)[..., :3] * 255


def amount(picture: npt.NDArray[np.float64], color: tuple[int, int, int]) -> int:
    """Count the pixels of nearly this colour."""
    return int((np.abs(picture - color).max(axis=-1) < 12).sum())


def colors(picture: npt.NDArray[np.float64]) -> int:
    """Count the colours that occur."""
    return len(np.unique(picture @ (65536, 256, 1)))


@pytest.fixture(scope="module")
def empty_picture(tmp_path_factory: pytest.TempPathFactory) -> npt.NDArray[np.float64]:
    """Return an empty picture."""
    path = tmp_path_factory.mktemp("picture") / "empty.png"
    return draw(path, np.zeros((0, 4), np.float32), Detections.empty(), None)


@pytest.mark.parametrize("yaw", [0.0, 0.3, -2.0, math.pi / 2, math.pi])
def test_the_footprint_is_that_of_plain_trigonometry(yaw: float) -> None:
    x, y, _, length, width, _, _ = BOX[0].tolist()
    expected = [
        (
            x + front * length / 2 * math.cos(yaw) - left * width / 2 * math.sin(yaw),
            y + front * length / 2 * math.sin(yaw) + left * width / 2 * math.cos(yaw),
        )
        for front, left in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ]
    box = np.array([*BOX[0, :6], yaw], np.float32)
    np.testing.assert_allclose(footprint(box), expected, atol=1e-6)


def test_a_png_with_points_and_boxes_is_written(tmp_path: Path, empty_picture: npt.NDArray[np.float64]) -> None:
    path = tmp_path / "scene.png"
    cloud = random_cloud(np.random.default_rng(1), 400, GRID)
    picture = draw(path, cloud, CAR, BOX)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert min(picture.shape[:2]) > 500
    assert amount(picture, BLUE) > amount(empty_picture, BLUE) + 100
    assert colors(picture) > colors(empty_picture)


def test_an_empty_scene_is_drawn_too(empty_picture: npt.NDArray[np.float64]) -> None:
    assert empty_picture.std() > 1


@pytest.mark.parametrize(("x", "y", "half"), [(3.4, 0.0, "top"), (0.4, 0.0, "bottom")])
def test_forward_is_up(x: float, y: float, half: str, tmp_path: Path, empty_picture: npt.NDArray[np.float64]) -> None:
    where = np.argwhere(difference(tmp_path, x, y, empty_picture))[:, 0].mean()
    assert (where < empty_picture.shape[0] / 2) == (half == "top")


@pytest.mark.parametrize(("x", "y", "side"), [(2.0, 1.3, "left"), (2.0, -1.3, "right")])
def test_left_of_the_vehicle_is_left_in_the_picture(
    x: float, y: float, side: str, tmp_path: Path, empty_picture: npt.NDArray[np.float64]
) -> None:
    columns = np.argwhere(difference(tmp_path, x, y, empty_picture))[:, 1]
    middle = np.argwhere(difference(tmp_path, x, 0.0, empty_picture))[:, 1].mean()
    assert (columns.mean() < middle) == (side == "left")


def difference(folder: Path, x: float, y: float, empty_picture: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return the pixels that a dense cluster of points at (x, y) changes."""
    cloud = np.zeros((50, 4), np.float32)
    cloud[:, 0], cloud[:, 1] = x + np.linspace(0, 0.05, 50), y
    picture = draw(folder / "bunch.png", cloud, Detections.empty(), None)
    assert picture.shape == empty_picture.shape
    changed = np.abs(picture - empty_picture).max(axis=-1) > 30
    assert changed.any()
    return np.asarray(changed)

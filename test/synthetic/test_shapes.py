# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes are as large as the things they stand for, and put together as they should be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pointpillars_ov_ros.synthetic.primitives import Material, Shape, Surface, assemble, box, place
from pointpillars_ov_ros.synthetic.randomness import Dice
from pointpillars_ov_ros.synthetic.shapes import buildings, clutter, plants, street
from pointpillars_ov_ros.synthetic.shapes.bicycles import PHASES, Rider
from pointpillars_ov_ros.synthetic.shapes.cars import car, van
from pointpillars_ov_ros.synthetic.shapes.people import person, pose
from pointpillars_ov_ros.synthetic.shapes.trucks import truck


def pedestrian(dice: Dice) -> Shape:
    return pose(person(dice), dice.whole(0, 7))


def cyclist(dice: Dice) -> Shape:
    return Rider(dice).pose(dice.whole(0, PHASES - 1))


@pytest.mark.parametrize(
    ("draw", "mean", "low", "high"),
    [
        # Means as of KITTI's classes.
        (car, (3.9, 1.65, 1.52), (2.9, 1.35, 1.25), (5.2, 2.0, 2.0)),
        (van, (5.1, 1.9, 2.2), (3.4, 1.6, 1.5), (7.0, 2.3, 3.2)),
        (truck, (8.0, 2.5, 3.2), (3.8, 2.2, 2.6), (12.5, 2.8, 4.0)),
        (pedestrian, (0.75, 0.57, 1.7), (0.2, 0.25, 0.8), (1.5, 1.2, 2.15)),
        (cyclist, (1.76, 0.6, 1.73), (1.4, 0.4, 1.4), (2.1, 0.9, 2.15)),
    ],
)
def test_objects_are_as_large_as_real_ones(
    draw: Callable[[Dice], Shape], mean: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    sizes = np.array([draw(Dice(50, k)).size for k in range(200)])
    np.testing.assert_allclose(sizes.mean(axis=0), mean, rtol=0.12)
    assert (sizes > low).all()
    assert (sizes < high).all()


@pytest.mark.parametrize("draw", [car, van, truck, pedestrian, cyclist])
def test_objects_stand_on_the_ground_and_fill_their_boxes(draw: Callable[[Dice], Shape]) -> None:
    for k in range(20):
        shape = draw(Dice(51, k))
        assert shape.centre[2] - shape.size[2] / 2 == pytest.approx(0.0, abs=0.08)
        for axis, size in zip("xyz", shape.size, strict=True):
            middle, half = shape.primitives[axis], shape.primitives[f"half_{axis}"]
            assert (middle - half).min() == pytest.approx(-size / 2)
            assert (middle + half).max() == pytest.approx(size / 2)
            assert (half > 0.0).all()


def test_a_car_has_wheels_windows_and_paint() -> None:
    surfaces = car(Dice(1)).primitives["surface"].tolist()
    assert {int(Surface.SOLID), int(Surface.POROUS), int(Surface.GLOSSY)} == set(surfaces)


@pytest.mark.parametrize("draw", [plants.tree, plants.conifer, plants.bush, *street.FURNITURE, *clutter.CLUTTER])
def test_what_stands_beside_a_street_reaches_into_the_ground(draw: Callable[[Dice], Shape]) -> None:
    for k in range(10):
        shape = draw(Dice(52, k))
        bottom = shape.centre[2] - shape.size[2] / 2
        assert bottom < 0.1
        assert 0.3 < shape.size[2] < 15.0


@pytest.mark.parametrize("draw", [buildings.building, buildings.house])
def test_buildings_are_as_long_and_deep_as_asked_for(draw: Callable[[Dice, float, float], Shape]) -> None:
    length, depth, _ = draw(Dice(53), 14.0, 9.0).size
    assert 14.0 <= length < 15.5
    assert 9.0 <= depth < 13.0


def test_a_shape_is_moved_and_turned_with_its_parts() -> None:
    shape = assemble([box(x, (0.0, 1.0), (0.0, 1.0), Material(0.5)) for x in ((0.0, 2.0), (2.0, 4.0))])
    assert shape.size == (4.0, 1.0, 1.0)
    assert shape.centre == (2.0, 0.5, 0.5)
    primitives = shape.primitives.copy()
    place(primitives, np.array([[10.0, 20.0, 30.0, np.pi / 2]] * 2))
    np.testing.assert_allclose(primitives["x"], 10.0)
    np.testing.assert_allclose(primitives["y"], [19.0, 21.0])
    np.testing.assert_allclose(primitives["z"], 30.0)
    np.testing.assert_allclose(primitives["sin"], 1.0)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes are as large as the things they stand for, and put together as they should be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pointpillars_ov_ros.synthetic.primitives import Material, Shape, Surface, assemble, box, place
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.shapes import buildings, clutter, plants, street, verge
from pointpillars_ov_ros.synthetic.shapes.bicycles import PHASES, Rider
from pointpillars_ov_ros.synthetic.shapes.cars import car, van
from pointpillars_ov_ros.synthetic.shapes.people import person, pose
from pointpillars_ov_ros.synthetic.shapes.trucks import bus, tram, truck


def pedestrian(dice: RandomStream) -> Shape:
    return pose(person(dice), dice.whole(0, 7))


def cyclist(dice: RandomStream) -> Shape:
    return Rider(dice).pose(dice.whole(0, PHASES - 1))


@pytest.mark.parametrize(
    ("draw", "mean", "low", "high"),
    [
        # Means as of KITTI's classes.
        (car, (3.9, 1.65, 1.52), (2.9, 1.35, 1.25), (5.2, 2.0, 2.0)),
        (van, (5.1, 1.9, 2.2), (3.4, 1.6, 1.5), (7.0, 2.3, 3.2)),
        (truck, (8.0, 2.5, 3.2), (3.8, 2.2, 2.6), (12.5, 2.8, 4.0)),
        (pedestrian, (0.91, 0.69, 1.7), (0.4, 0.35, 0.8), (1.5, 1.2, 2.15)),
        (cyclist, (1.78, 0.63, 1.73), (1.4, 0.5, 1.4), (2.1, 0.9, 2.15)),
    ],
)
def test_objects_are_as_large_as_real_ones(
    draw: Callable[[RandomStream], Shape], mean: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    sizes = np.array([draw(RandomStream(50, k)).size for k in range(200)])
    np.testing.assert_allclose(sizes.mean(axis=0), mean, rtol=0.12)
    assert (sizes > low).all()
    assert (sizes < high).all()


@pytest.mark.parametrize("draw", [car, van, truck, bus, tram, pedestrian, cyclist])
def test_objects_stand_on_the_ground_and_fill_their_boxes(draw: Callable[[RandomStream], Shape]) -> None:
    # Boxes of people leave room for a stride and for arms.
    rooms = {"x": 0.9, "y": 0.7} if draw is pedestrian else {"y": 0.2} if draw is cyclist else {}
    for k in range(20):
        shape = draw(RandomStream(51, k))
        assert shape.centre[2] - shape.size[2] / 2 == pytest.approx(0.0, abs=0.08)
        for axis, size in zip("xyz", shape.size, strict=True):
            middle, half = shape.primitives[axis], shape.primitives[f"half_{axis}"]
            low, high = (middle - half).min(), (middle + half).max()
            assert low + high == pytest.approx(0.0, abs=1e-6)
            assert size - rooms.get(axis, 0.0) - 1e-6 <= high - low <= size + 1e-6
            assert (half > 0.0).all()


def test_boxes_of_people_differ_as_they_do() -> None:
    walkers, riders = (np.array([draw(RandomStream(54, k)).size for k in range(200)]) for draw in (pedestrian, cyclist))
    assert 0.1 < walkers[:, 0].std() < 0.25
    assert 0.07 < walkers[:, 1].std() < 0.2
    assert 0.03 < riders[:, 1].std() < 0.1


def test_a_rider_sits_behind_the_middle_of_the_bicycle() -> None:
    # What is above the handlebar is the rider; on KITTI's cyclists it is 0.15 to 0.25 m behind the middle.
    behind = []
    for k in range(60):
        parts = cyclist(RandomStream(55, k)).primitives
        height = parts["z"] - (parts["z"] - parts["half_z"]).min()
        behind.append(parts["x"][height > 1.2].mean())
    assert -0.3 < np.mean(behind) < -0.12
    assert max(behind) < 0.05


def test_a_car_has_wheels_windows_and_paint() -> None:
    surfaces = car(RandomStream(1)).primitives["surface"].tolist()
    assert {int(Surface.SOLID), int(Surface.POROUS), int(Surface.GLOSSY)} == set(surfaces)


@pytest.mark.parametrize(
    "draw", [plants.tree, plants.conifer, plants.bush, *street.FURNITURE, *clutter.CLUTTER, *verge.VERGE]
)
def test_what_stands_beside_a_street_reaches_into_the_ground(draw: Callable[[RandomStream], Shape]) -> None:
    for k in range(10):
        shape = draw(RandomStream(52, k))
        bottom = shape.centre[2] - shape.size[2] / 2
        assert bottom < 0.1
        assert 0.15 < shape.size[2] < 15.0


def test_a_guard_rail_is_as_long_as_asked_for_and_stands_on_posts() -> None:
    rail = verge.guard_rail(RandomStream(56), 20.0)
    assert rail.size[0] == pytest.approx(20.0, abs=0.2)
    assert rail.centre[2] - rail.size[2] / 2 < 0.0
    assert len(rail.primitives) == 12


@pytest.mark.parametrize("draw", [buildings.building, buildings.house])
def test_buildings_are_as_long_and_deep_as_asked_for(draw: Callable[[RandomStream, float, float], Shape]) -> None:
    length, depth, _ = draw(RandomStream(53), 14.0, 9.0).size
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

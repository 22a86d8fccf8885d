# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The land beside a street: blocks, houses with gardens, car parks, parks, walls, open country."""

from __future__ import annotations

import math

from pointpillars_ov_ros.synthetic.shapes.bicycles import Rider
from pointpillars_ov_ros.synthetic.shapes.buildings import building, fence, house, wall
from pointpillars_ov_ros.synthetic.shapes.people import PHASES, STANDING, person, pose
from pointpillars_ov_ros.synthetic.shapes.plants import bush, conifer, hedge, thicket, tree
from pointpillars_ov_ros.synthetic.world.kerbside import TRUNK, draw_vehicle, stretches
from pointpillars_ov_ros.synthetic.world.road import SIDES
from pointpillars_ov_ros.synthetic.world.site import Site
from pointpillars_ov_ros.synthetic.world.styles import Use


def build_up(site: Site, crossing: bool) -> None:
    """Fill the land on both sides of a chunk."""
    for side in SIDES:
        for low, high in stretches(site, crossing):
            uses = site.road.style.uses
            use = site.dice.choose(tuple(uses), tuple(uses.values()))
            _BUILDERS[use](site, side, low, high)


def _facing(side: int) -> float:
    """Return the yaw (rad) at which the -y of a shape faces the street."""
    return 0.0 if side > 0 else math.pi


def _front(site: Site, side: int) -> float:
    """Return the distance from the centre line (m) where the land starts; people stand in front of it."""
    return site.road.edge_offset(side) + site.road.setback


def _block(site: Site, side: int, low: float, high: float) -> None:
    dice = site.dice
    x = low
    while high - x > 5.0:
        length, depth = min(dice.between(8.0, 22.0), high - x), dice.between(8.0, 12.0)
        offset = _front(site, side) + dice.choose((0.0, 0.0, 0.6, 2.0)) + depth / 2
        site.put(building(dice, length - 0.3, depth), x + length / 2, side * offset, _facing(side))
        x += length + dice.choose((0.0, 0.0, 0.0, 3.0))


def _houses(site: Site, side: int, low: float, high: float) -> None:
    dice = site.dice
    x = low
    while high - x > 6.0:
        length, garden = min(dice.between(11.0, 18.0), high - x), dice.between(2.5, 8.0)
        depth, middle = dice.between(7.0, 10.0), x + length / 2
        front = _front(site, side)
        wide = max(length - dice.between(2.5, 6.0), 4.0)
        site.put(house(dice, wide, depth), middle, side * (front + garden + depth / 2 + 1.0), _facing(side))
        if dice.chance(0.5):
            name, vehicle = draw_vehicle(dice, 0.1, 0.0)
            yaw = _facing(side) - dice.choose((-1.0, 1.0)) * math.pi / 2
            site.put(vehicle, x + 1.4, side * (front + 3.0), yaw + dice.normal(0.0, 0.03), name)
        if dice.chance(0.75):
            line = dice.choose((hedge, fence, wall))(dice, length - 3.2)
            site.put(line, middle + 1.5, side * (front + 0.4), _facing(side))
        for _ in range(dice.whole(0, 3)):
            plant = dice.choose((bush, bush, tree, conifer))(dice)
            place = (x + dice.between(0.0, length), side * (front + dice.between(1.2, garden + 1.0)))
            site.put(plant, *place, dice.between(0.0, 6.0), footprint=TRUNK)
        x += length


def _car_park(site: Site, side: int, low: float, high: float) -> None:
    """Park cars in one to three rows at some angle to the street."""
    dice, front = site.dice, _front(site, side)
    slant = dice.choose((math.pi / 2, math.pi / 2, math.radians(60.0), math.radians(45.0), 0.0))
    pitch = dice.between(2.5, 2.8) / max(math.sin(slant), 0.3) if slant else 6.0
    for row in range(dice.whole(1, 3)):
        x = low + 2.5
        while x < high - 2.5:
            if dice.chance(site.road.style.parked or 0.6):
                name, vehicle = draw_vehicle(dice, 0.12, 0.01)
                yaw = slant + (math.pi if dice.chance(0.4) else 0.0) + dice.normal(0.0, 0.03)
                site.put(vehicle, x, side * (front + 3.0 + 7.5 * row), side * yaw, name)
            x += pitch
    _scatter_people(site, side, low, high, 0.06)
    site.put(fence(dice, high - low - 1.0), (low + high) / 2, side * (front + 27.0), _facing(side))


def _park(site: Site, side: int, low: float, high: float) -> None:
    dice, front = site.dice, _front(site, side)
    for _ in range(dice.whole(4, 12)):
        plant = dice.choose((tree, tree, tree, bush, conifer))(dice)
        place = (dice.between(low, high), side * (front + dice.between(0.5, 25.0)))
        site.put(plant, *place, dice.between(0.0, 6.0), footprint=TRUNK)
    if dice.chance(0.4):
        site.put(hedge(dice, high - low - 2.0), (low + high) / 2, side * (front + 0.4), 0.0)
    _scatter_people(site, side, low, high, 0.15)
    if dice.chance(0.5):
        site.put(thicket(dice, high - low), (low + high) / 2, side * (front + 32.0), 0.0)


def _scatter_people(site: Site, side: int, low: float, high: float, density: float) -> None:
    """Place people who walk and ride on the land; `density` is per metre of street."""
    dice, front = site.dice, _front(site, side)
    for _ in range(round((high - low) * density * dice.between(0.3, 1.7))):
        x, out, yaw = dice.between(low, high), front + dice.between(1.0, 20.0), dice.between(-math.pi, math.pi)
        if dice.chance(0.35):
            site.put(Rider(dice).pose(dice.whole(0, PHASES - 1)), x, side * out, yaw, "Cyclist")
            continue
        who, phase = person(dice), dice.choose((STANDING, dice.whole(0, PHASES - 1)))
        site.put(pose(who, phase), x, side * out, yaw, "Pedestrian")


def _barrier(site: Site, side: int, low: float, high: float) -> None:
    dice, front = site.dice, _front(site, side)
    line = dice.choose((wall, wall, fence, hedge))(dice, high - low - 0.4)
    site.put(line, (low + high) / 2, side * (front + 0.3), _facing(side))
    for _ in range(dice.whole(0, 4)):
        place = (dice.between(low, high), side * (front + dice.between(3.0, 10.0)))
        site.put(tree(dice), *place, 0.0, footprint=TRUNK)
    if dice.chance(0.6):
        depth = dice.between(9.0, 14.0)
        offset = front + dice.between(6.0, 14.0) + depth / 2
        site.put(building(dice, high - low - 2.0, depth), (low + high) / 2, side * offset, _facing(side))


def _open(site: Site, side: int, low: float, high: float) -> None:
    dice, front = site.dice, _front(site, side)
    for _ in range(dice.whole(0, 4)):
        plant = dice.choose((tree, bush, bush))(dice)
        place = (dice.between(low, high), side * (front + dice.between(0.5, 12.0)))
        site.put(plant, *place, dice.between(0.0, 6.0), footprint=TRUNK)
    if dice.chance(0.6):
        offset = front + dice.between(5.0, 35.0)
        site.put(thicket(dice, high - low), (low + high) / 2, side * offset, 0.0)


_BUILDERS = {
    Use.BUILDING: _block,
    Use.HOUSE: _houses,
    Use.CAR_PARK: _car_park,
    Use.PARK: _park,
    Use.WALL: _barrier,
    Use.OPEN: _open,
}

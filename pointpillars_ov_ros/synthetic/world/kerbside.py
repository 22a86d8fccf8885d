# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects along a street: parked cars, lamps, trees, bins, people who talk or wait."""

from __future__ import annotations

import math
from collections.abc import Callable

from pointpillars_ov_ros.synthetic.primitives import Shape
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.shapes.bicycles import Rider, parked_bicycle
from pointpillars_ov_ros.synthetic.shapes.cars import car, van
from pointpillars_ov_ros.synthetic.shapes.clutter import CLUTTER
from pointpillars_ov_ros.synthetic.shapes.people import STANDING, person, pose
from pointpillars_ov_ros.synthetic.shapes.plants import tree
from pointpillars_ov_ros.synthetic.shapes.street import FURNITURE
from pointpillars_ov_ros.synthetic.shapes.trucks import bus, tram, truck
from pointpillars_ov_ros.synthetic.shapes.verge import POSTS, VERGE, guard_rail, weeds
from pointpillars_ov_ros.synthetic.world.road import CHUNK, MOUTH_WIDTH, SIDES, Road
from pointpillars_ov_ros.synthetic.world.site import Site

WIDE_PAVEMENT = 3.8
"""Width (m) from which on there is room for benches and for two people side by side."""
_VEHICLES: tuple[tuple[str, Callable[[RandomStream], Shape]], ...] = (
    ("Car", car),
    ("Van", van),
    ("Truck", truck),
    ("Misc", bus),
    ("Tram", tram),
)
TRUNK = (0.5, 0.5)
"""Footprint of a tree (m); there is room under its branches."""


def draw_vehicle(dice: RandomStream, vans: float = 0.1, trucks: float = 0.02, buses: float = 0.0) -> tuple[str, Shape]:
    """Draw a vehicle and return its class too; `vans`, `trucks` and `buses` (including trams) are ratios."""
    shares = (1.0 - vans - trucks - buses, vans, trucks, 0.6 * buses, 0.4 * buses)
    name, draw = dice.choose(_VEHICLES, shares)
    return name, draw(dice)


def stretches(site: Site, crossing: bool) -> list[tuple[float, float]]:
    """Return the intervals of a chunk (m, world x) that are not taken by a side street."""
    if not crossing:
        return [(site.low, site.high)]
    middle, half = site.low + CHUNK / 2, MOUTH_WIDTH / 2 + 1.5
    return [(site.low, middle - half), (middle + half, site.high)]


def furnish(site: Site, crossing: bool) -> None:
    """Fill parking strips and pavements of a chunk."""
    for side in SIDES:
        for low, high in stretches(site, crossing):
            if site.road.parking[side < 0] > 0.0:
                _park(site, side, low + 1.0, high - 1.0)
            _line_with(site, side, low + 0.5, high - 0.5)
            _stand(site, side, low + 1.0, high - 1.0)
            _cross(site, side, low + 1.0, high - 1.0)


def strew(site: Site, crossing: bool) -> None:
    """Place clutter where the land of a chunk is still free, more of it near the pavement."""
    dice = site.dice
    for side in SIDES:
        for low, high in stretches(site, crossing):
            for _ in range(round((high - low) * site.road.style.clutter * dice.between(0.3, 1.7))):
                x, out = dice.between(low, high), 0.3 + 15.0 * dice.unit() ** 2
                shape = dice.choose(CLUTTER + VERGE)(dice)
                site.put(shape, x, side * (site.road.edge_offset(side) + out), dice.between(-math.pi, math.pi))
            _overgrow(site, side, low, high)
            if dice.chance(site.road.style.rails):
                length = min(high - low - 1.0, dice.between(8.0, 30.0))
                out = site.road.kerb_offset(side) + dice.between(0.4, 1.0)
                site.put(guard_rail(dice, length), (low + high) / 2, side * out, 0.0 if side > 0 else math.pi)


def _overgrow(site: Site, side: int, low: float, high: float) -> None:
    """Place weeds and grass along the edge of the pavement, with posts in them."""
    dice, style = site.dice, site.road.style
    for _ in range(round((high - low) * style.weeds * dice.between(0.0, 2.0))):
        near = site.road.kerb_offset(side) if dice.chance(0.3) else site.road.edge_offset(side)
        shape = weeds(dice) if dice.chance(0.85) else dice.choose(POSTS)(dice)
        place = (dice.between(low, high), side * (near + dice.between(0.2, 2.5)))
        site.put(shape, *place, dice.between(-math.pi, math.pi))


def strip_offset(road: Road, side: int) -> float:
    """Return the distance from the centre line (m) of the strip where lamps and trees stand."""
    if road.kerb == 0.0:
        return road.edge_offset(side) + 1.2
    return road.kerb_offset(side) + (0.65 if road.pavement >= WIDE_PAVEMENT else 0.35)


def _park(site: Site, side: int, low: float, high: float) -> None:
    """Park vehicles along the kerb, most of them in the direction of the traffic."""
    dice, x = site.dice, low + site.dice.between(0.0, 2.0)
    offset = site.road.kerb_offset(side) - site.road.parking[side < 0] / 2
    while True:
        name, shape = draw_vehicle(dice)
        x += shape.size[0] / 2
        if x + shape.size[0] / 2 > high:
            return
        yaw = (0.0 if side < 0 else math.pi) + (math.pi if dice.chance(0.15) else 0.0)
        if dice.chance(site.road.style.parked):
            site.put(shape, x, side * offset, yaw + dice.normal(0.0, 0.015), name)
        x += shape.size[0] / 2 + dice.between(0.6, 1.6)


def _line_with(site: Site, side: int, low: float, high: float) -> None:
    """Place trees, furniture and bicycles in their strip."""
    dice, style, offset = site.dice, site.road.style, strip_offset(site.road, side)
    narrow = site.road.pavement < WIDE_PAVEMENT
    x = low
    while True:
        x += dice.between(0.5, 1.5) / max(style.trees + style.furniture, 1e-3)
        if x >= high:
            return
        yaw = 0.0 if side > 0 else math.pi
        if dice.chance(style.trees / (style.trees + style.furniture)):
            site.put(tree(dice), x, side * offset, yaw, footprint=TRUNK)
        elif dice.chance(0.2) and not narrow:
            for k in range(dice.whole(1, 4)):
                site.put(parked_bicycle(dice), x + 0.6 * k, side * offset, yaw + dice.normal(1.2, 0.1))
        else:
            shape = dice.choose(FURNITURE[:3] if narrow else FURNITURE)(dice)
            site.put(shape, x, side * offset, yaw, footprint=(0.5, 0.5) if shape.size[2] > 2.0 else None)


def _stand(site: Site, side: int, low: float, high: float) -> None:
    """Place groups of one to four people, some with bicycles, at the far edge of the pavement."""
    dice = site.dice
    # As far out as they can stand without overlapping a house.
    offset, room = site.road.edge_offset(side) - 0.5, site.road.setback - 0.1
    x = low
    while True:
        x += dice.between(0.4, 1.6) / site.road.style.standing
        if x >= high:
            return
        if dice.chance(0.2):
            yaw = dice.between(-0.4, 0.4) + (0.0 if side < 0 else math.pi)
            site.put(Rider(dice).pose(dice.whole(0, 7)), x, side * (offset + 0.5 * room), yaw, "Cyclist")
            continue
        for _ in range(dice.whole(1, 4)):
            place = (x + dice.normal(0.0, 0.7), side * (offset + dice.between(0.0, 1.0) * room))
            site.put(pose(person(dice), STANDING), *place, dice.between(-math.pi, math.pi), "Pedestrian")


def _cross(site: Site, side: int, low: float, high: float) -> None:
    """Place people and cyclists crossing: between parked cars, over the pavement, to and from the houses."""
    dice, road = site.dice, site.road
    near, far = road.kerb_offset(side) - 0.9 * road.parking[side < 0] + 0.3, road.edge_offset(side) + road.setback - 0.5
    for _ in range(round((high - low) * road.style.crossers * dice.between(0.0, 2.0))):
        x, offset = dice.between(low, high), dice.between(near, far)
        yaw = dice.choose((1.0, -1.0)) * math.pi / 2 + dice.normal(0.0, 0.3)
        if dice.chance(0.4):
            site.put(Rider(dice).pose(dice.whole(0, 7)), x, side * offset, yaw, "Cyclist")
        else:
            site.put(pose(person(dice), dice.whole(0, 7)), x, side * offset, yaw, "Pedestrian")

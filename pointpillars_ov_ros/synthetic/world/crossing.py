# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Side streets: vehicles waiting at the mouth, cars parked along them, people at the corners."""

from __future__ import annotations

import math

from pointpillars_ov_ros.synthetic.shapes.bicycles import Rider
from pointpillars_ov_ros.synthetic.shapes.people import PHASES, STANDING, person, pose
from pointpillars_ov_ros.synthetic.world.kerbside import draw_vehicle
from pointpillars_ov_ros.synthetic.world.road import CHUNK, MOUTH_WIDTH, SIDES
from pointpillars_ov_ros.synthetic.world.site import Site


def add_side_streets(site: Site) -> None:
    """Add side streets on both sides in the middle of a chunk."""
    for side in SIDES:
        _queue(site, side)
        _gather(site, side)


def _queue(site: Site, side: int) -> None:
    """Place vehicles that wait behind each other in the lane towards the road, and some in the lane away from it."""
    dice, middle = site.dice, site.low + CHUNK / 2
    # Towards the road: on the left side southwards, where the right-hand lane is the one at lower x.
    for towards in (True, False):
        lane = MOUTH_WIDTH / 4 * (-side if towards else side)
        yaw = -side * math.pi / 2 if towards else side * math.pi / 2
        out = site.road.edge_offset(side) + dice.between(0.5, 2.0)
        while out < 45.0:
            name, vehicle = draw_vehicle(dice, 0.1, 0.03)
            out += vehicle.size[0] / 2
            if dice.chance(0.45 if towards else 0.25):
                site.put(vehicle, middle + lane + dice.normal(0.0, 0.1), side * out, yaw + dice.normal(0.0, 0.03), name)
            out += vehicle.size[0] / 2 + dice.between(1.5, 8.0)


def _gather(site: Site, side: int) -> None:
    """Place people and cyclists at both corners."""
    dice, middle = site.dice, site.low + CHUNK / 2
    for corner in (-1.0, 1.0):
        for _ in range(round(dice.between(0.0, 6.0) * min(30.0 * site.road.style.standing, 1.0))):
            x = middle + corner * (MOUTH_WIDTH / 2 + dice.between(0.5, 1.2))
            offset = side * (site.road.edge_offset(side) + dice.between(0.3, 10.0))
            yaw = dice.choose((1.0, -1.0)) * math.pi / 2 + dice.normal(0.0, 0.3)
            if dice.chance(0.4):
                site.put(Rider(dice).pose(dice.whole(0, PHASES - 1)), x, offset, yaw, "Cyclist")
            else:
                phase = dice.choose((STANDING, dice.whole(0, PHASES - 1)))
                site.put(pose(person(dice), phase), x, offset, yaw, "Pedestrian")

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Moving objects: vehicles in the lanes, cyclists beside them, people on the pavement.

All users of a lane have the same speed at any moment and keep their places for ever, so nobody collides, and positions
at any time follow from the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from pointpillars_ov_ros.synthetic.primitives import Shape
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.shapes import bicycles, people
from pointpillars_ov_ros.synthetic.world.kerbside import WIDE_PAVEMENT, draw_vehicle
from pointpillars_ov_ros.synthetic.world.road import SIDES, Road
from pointpillars_ov_ros.synthetic.world.scene import Placement

IDENTITIES_PER_LANE = 1 << 16
"""Number of places of a lane with distinct identities; beyond it identities repeat."""
_STRIDE, _TURN = 1.4, 4.0
"""Distance covered by a pair of steps, and by a turn of the pedals (m)."""


class Mover(IntEnum):
    """Kind of user of a lane."""

    VEHICLE = 0
    RIDER = 1
    WALKER = 2


SPACING = {Mover.VEHICLE: (26.0, 4.0), Mover.RIDER: (12.0, 3.5), Mover.WALKER: (4.5, 1.5)}
"""Distance between the places of a lane, and maximum distance of a user from its place (m)."""


@dataclass(frozen=True)
class Pace:
    """Distance covered as a function of time: steady except for a swing, never backwards."""

    speed: float
    """Mean speed (m/s)."""
    swing: float = 0.0
    """Maximum deviation from the mean (m/s), less than it."""
    rate: float = 1.0
    """Angular frequency of the swing (rad/s)."""
    phase: float = 0.0

    def way(self, time: float) -> float:
        """Return the distance covered along x since time 0 (m)."""
        swung = math.sin(self.rate * time + self.phase) - math.sin(self.phase)
        return self.speed * time + self.swing / self.rate * swung

    def velocity(self, time: float) -> float:
        """Return the speed along x (m/s)."""
        return self.speed + self.swing * math.cos(self.rate * time + self.phase)


def draw_pace(dice: RandomStream, low: float, high: float) -> Pace:
    """Draw the pace of a lane of vehicles, between stop-and-go and steady."""
    speed = dice.between(low, high)
    return Pace(speed, dice.between(0.0, 0.7) * speed, dice.between(0.1, 0.3), dice.between(0.0, 2.0 * math.pi))


@dataclass
class Lane:
    """A line along the road whose users all move alike."""

    mover: Mover
    number: int
    """Number of the lane in its world."""
    offset: float
    """Offset to the left of the centre line (m)."""
    direction: int
    """1 along x, -1 against it."""
    share: float
    """Ratio of the places taken."""
    pace: Pace
    seed: int
    without: int | None = None
    """Index of a place that is left free: that of the ego vehicle."""
    _shapes: dict[tuple[int, int], tuple[str, Shape]] = field(default_factory=dict)

    def users(self, time: float, low: float, high: float, road: Road, first_identity: int) -> Iterator[Placement]:
        """Yield the users at low … high (m, world x) at `time` (s); z is left at 0."""
        spacing, departure = SPACING[self.mover]
        ends = sorted((self.direction * low - self.pace.way(time), self.direction * high - self.pace.way(time)))
        for index in range(math.ceil((ends[0] - departure) / spacing), math.floor((ends[1] + departure) / spacing) + 1):
            dice = RandomStream(self.seed, 30, self.number, index)
            if index == self.without or not dice.chance(self.share):
                continue
            way = index * spacing + dice.between(-departure, departure) + self.pace.way(time)
            if not low <= self.direction * way <= high:
                continue
            offset = self.offset + dice.normal(0.0, 0.03)
            x, y, heading = road.place(self.direction * way, offset)
            name, shape = self._shape(index, way)
            yaw = heading if self.direction > 0 else heading + math.pi
            # The distance is measured along the centre line: beside it, in a bend, a user is faster or slower.
            (x_before, y_before, _), (x_after, y_after, _) = (
                road.place(self.direction * (way + step), offset) for step in (-0.5, 0.5)
            )
            speed = self.pace.velocity(time)
            velocity = (speed * (x_after - x_before), speed * (y_after - y_before))
            identity = first_identity + index % IDENTITIES_PER_LANE
            yield Placement(shape, x, y, 0.0, yaw, name, identity, velocity)

    def _shape(self, index: int, way: float) -> tuple[str, Shape]:
        """Return class and shape of the user of a place, in its pose after `way` (m)."""
        phase = 0
        if self.mover is Mover.WALKER:
            phase = math.floor(way / _STRIDE * people.PHASES) % people.PHASES
        elif self.mover is Mover.RIDER:
            phase = math.floor(way / _TURN * bicycles.PHASES) % bicycles.PHASES
        key = (index, phase)
        if key not in self._shapes:
            if len(self._shapes) > 500:
                self._shapes.clear()
            self._shapes[key] = self._draw(RandomStream(self.seed, 31, self.number, index), phase)
        return self._shapes[key]

    def _draw(self, dice: RandomStream, phase: int) -> tuple[str, Shape]:
        if self.mover is Mover.WALKER:
            return "Pedestrian", people.pose(people.person(dice), phase)
        if self.mover is Mover.RIDER:
            return "Cyclist", bicycles.Rider(dice).pose(phase)
        return draw_vehicle(dice, 0.12, 0.05, 0.04)


def lay_lanes(road: Road, ego: int) -> tuple[list[Lane], Lane]:
    """Return all lanes of `road`, and the one of the ego vehicle, the `ego`-th from the centre line."""
    style, seed = road.style, road.seed
    lanes: list[Lane] = []

    def add(mover: Mover, offset: float, direction: int, share: float, pace: Pace) -> Lane:
        lanes.append(Lane(mover, len(lanes), offset, direction, share, pace, seed))
        return lanes[-1]

    dice = RandomStream(seed, 32)
    forward: list[Lane] = []
    for side in SIDES:
        direction = -side
        for k in range(road.lanes):
            pace = draw_pace(dice, *style.speed)
            lane = add(Mover.VEHICLE, side * (k + 0.5) * road.lane_width, direction, style.traffic, pace)
            if direction > 0:
                forward.append(lane)
        pace = Pace(dice.between(2.5, 6.5))
        add(Mover.RIDER, side * (road.lanes * road.lane_width + road.margin / 2), direction, style.riders, pace)
        for offset, way, speed in _tracks(road, side, dice):
            add(Mover.WALKER, side * offset, way, style.walkers, Pace(speed))
    forward[ego].without = 0
    return lanes, forward[ego]


def _tracks(road: Road, side: int, dice: RandomStream) -> list[tuple[float, int, float]]:
    """Return the tracks on which people walk: distance from the centre line (m), direction, speed (m/s)."""
    kerb, way, speed = road.kerb_offset(side), dice.choose((-1, 1)), dice.between(0.8, 1.7)
    if road.pavement < WIDE_PAVEMENT:
        return [(kerb + max(road.pavement / 2 + 0.4, 1.2), way, speed)]
    # Two people side by side, and those who come towards them.
    tracks = [(kerb + 1.7, way, speed), (kerb + 2.5, way, speed)]
    if road.pavement >= 4.6:
        tracks.append((kerb + 3.4, -way, dice.between(0.8, 1.7)))
    return tracks

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bicycles, with and without a rider."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Part,
    Point,
    Shape,
    Surface,
    assemble,
    box,
    cylinder,
    ellipsoid,
)
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.shapes.people import SKIN, Person, person

PHASES = 8
"""Poses per turn of the pedals."""
_WHEEL = Material(0.15, Surface.POROUS, 0.45)
_FRAME = Material(0.25)
_RUBBER = Material(0.1)
_BASKET = Material(0.25, Surface.POROUS, 0.5)
_CRANK = (-0.12, 0.0, 0.29)


class BicycleFrame(NamedTuple):
    """Contact points of a rider with a bicycle; x forward from the middle between the wheel ends, z up (m)."""

    saddle: tuple[float, float, float]
    grip: tuple[float, float]
    """x and z of the handlebar."""


USUAL = BicycleFrame((-0.34, 0.0, 0.95), (0.30, 1.05))


def bicycle(length: float, frame: BicycleFrame = USUAL) -> list[Part]:
    """Return the parts of a bicycle of `length` (m) from wheel to wheel."""
    radius = 0.19 * length
    rear, front = -length / 2 + radius, length / 2 - radius
    parts = [cylinder((x, -0.025, radius), (x, 0.025, radius), radius, _WHEEL) for x in (rear, front)]
    saddle, (grip_x, grip_z) = frame.saddle, frame.grip
    head = (min(front - 0.12, 0.38), 0.0, 0.85)
    post = (saddle[0], 0.0, saddle[2] - 0.15)
    tubes = (
        (head, _CRANK), (head, post), (saddle, _CRANK), (_CRANK, (rear, 0.0, radius)),
        (post, (rear, 0.0, radius)), (head, (front, 0.0, radius)), (head, (grip_x, 0.0, grip_z)),
    )  # fmt: skip
    parts += [cylinder(start, end, 0.025, _FRAME) for start, end in tubes]
    parts.append(cylinder((grip_x, -0.28, grip_z), (grip_x, 0.28, grip_z), 0.02, _FRAME))
    parts.append(
        box((saddle[0] - 0.13, saddle[0] + 0.13), (-0.07, 0.07), (saddle[2] - 0.03, saddle[2] + 0.03), _RUBBER)
    )
    parts.append(box((rear - radius, rear - radius + 0.02), (-0.03, 0.03), (0.55, 0.6), Material(1.0)))
    return parts


def parked_bicycle(dice: RandomStream) -> Shape:
    """Draw a bicycle without a rider."""
    return assemble(bicycle(dice.normal(1.75, 0.06)))


class Rider:
    """A cyclist whose legs turn the pedals.

    Real riders, including back and head, sit 0.1 to 0.3 m behind the middle of their bicycle. Simulated ones who sat in
    the middle taught a network to detect real ones facing backwards.
    """

    def __init__(self, dice: RandomStream) -> None:
        """Draw rider and bicycle; together about 1.78 x 0.63 x 1.73 m."""
        who = person(dice)
        self._who = who._replace(height=min(max(who.height, 1.6), 1.9), coat=False)
        self._length = dice.normal(1.77, 0.08)
        self._lean = max(dice.normal(0.28, 0.14), 0.02)
        self._frame = BicycleFrame(
            (dice.normal(-0.36, 0.04), 0.0, 0.95), (dice.between(0.18, 0.42), dice.between(0.98, 1.15))
        )
        self._room = (0.0, dice.normal(0.62, 0.07))
        self._luggage = _draw_luggage(dice, self._frame)

    def pose(self, phase: int) -> Shape:
        """Return the cyclist in one of the PHASES."""
        rider = _rider(self._who, self._frame, self._lean, 2.0 * math.pi * phase / PHASES)
        return assemble([*bicycle(self._length, self._frame), *rider, *self._luggage], self._room)


def _draw_luggage(dice: RandomStream, frame: BicycleFrame) -> list[Part]:
    """Draw a carrier over the rear wheel with panniers or a child's seat, and a basket in front."""
    parts: list[Part] = []
    x, cloth = frame.saddle[0] - 0.2, Material(dice.choose((0.1, 0.25, 0.5)))
    if dice.chance(0.6):
        parts.append(box((x - 0.3, x + 0.1), (-0.06, 0.06), (0.68, 0.72), _FRAME))
        if dice.chance(0.5):
            for sign in (-1.0, 1.0):
                y = (0.06, 0.2) if sign > 0 else (-0.2, -0.06)
                parts.append(box((x - 0.28, x + 0.05), y, (0.35, 0.72), cloth))
        elif dice.chance(0.4):
            parts.append(box((x - 0.25, x + 0.05), (-0.16, 0.16), (0.72, dice.between(0.95, 1.25)), cloth))
    if dice.chance(0.25):
        parts.append(box((frame.grip[0] + 0.02, frame.grip[0] + 0.3), (-0.17, 0.17), (0.75, 1.0), _BASKET))
    return parts


def _rider(who: Person, frame: BicycleFrame, lean: float, crank_angle: float) -> Sequence[Part]:
    """Return the parts of a rider who leans forward by `lean` (rad), with the cranks at `crank_angle` (rad)."""
    height, grip = who.height, frame.grip
    hip = (frame.saddle[0] + 0.02, 0.0, frame.saddle[2] + 0.05)
    back = 0.27 * height
    shoulder = (hip[0] + back * math.sin(lean), 0.0, hip[2] + back * math.cos(lean))
    head = (shoulder[0] + 0.04, 0.0, shoulder[2] + 0.13 * height)
    half = 0.38 * who.shoulders
    waist = (hip[0] - 0.04, 0.0, hip[2] - 0.1)
    parts = [
        cylinder(hip, shoulder, 0.6 * who.depth, who.top),
        ellipsoid(waist, (0.17, 0.18, 0.14), who.legs),
        cylinder((shoulder[0], -half, shoulder[2]), (shoulder[0], half, shoulder[2]), 0.07, who.top),
        ellipsoid(head, (0.06 * height, 0.05 * height, 0.07 * height), SKIN),
        cylinder(shoulder, head, 0.05, SKIN),
    ]
    if who.rucksack:
        x = shoulder[0] - 0.28 * math.cos(lean)
        parts.append(box((x - 0.06, x + 0.18), (-0.15, 0.15), (shoulder[2] - 0.4, shoulder[2]), Material(0.2)))
    for sign in (-1.0, 1.0):
        parts += _limbs(who, grip, (hip, shoulder), half, sign, crank_angle)
    return parts


def _limbs(
    who: Person, grip: tuple[float, float], joints: tuple[Point, Point], half: float, sign: float, crank_angle: float
) -> list[Part]:
    """Return arm and leg of one side; `joints` are hip and shoulder, `half` the half width of the shoulders (m)."""
    hip, shoulder = joints
    elbow = ((shoulder[0] + grip[0]) / 2 - 0.08, sign * (half + 0.05), (shoulder[2] + grip[1]) / 2 - 0.05)
    pedal = (
        _CRANK[0] + 0.17 * math.cos(crank_angle) * sign, sign * 0.12, _CRANK[2] - 0.17 * math.sin(crank_angle) * sign
    )  # fmt: skip
    knee = _knee((hip[0], pedal[1], hip[2]), pedal, 0.27 * who.height)
    return [
        cylinder((shoulder[0], sign * half, shoulder[2]), elbow, 0.055, who.top),
        cylinder(elbow, (grip[0], sign * 0.25, grip[1]), 0.045, SKIN),
        cylinder((hip[0], sign * 0.1, hip[2] - 0.05), knee, 0.085, who.legs),
        cylinder(knee, pedal, 0.06, who.legs),
        box((pedal[0] - 0.1, pedal[0] + 0.15), (pedal[1] - 0.04, pedal[1] + 0.04),
            (pedal[2] - 0.06, pedal[2] + 0.02), who.legs),
    ]  # fmt: skip


def _knee(
    hip: tuple[float, float, float], pedal: tuple[float, float, float], bone: float
) -> tuple[float, float, float]:
    """Return the joint, ahead of the line from hip to pedal, of two bones of the same length (m)."""
    dx, dz = pedal[0] - hip[0], pedal[2] - hip[2]
    distance = math.hypot(dx, dz)
    bulge = math.sqrt(max(bone * bone - distance * distance / 4.0, 0.01))
    return hip[0] + dx / 2 - dz / distance * bulge, pedal[1], hip[2] + dz / 2 + dx / distance * bulge

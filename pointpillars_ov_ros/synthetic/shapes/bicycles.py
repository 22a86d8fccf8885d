# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bicycles, with and without a rider."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Part,
    Shape,
    Surface,
    assemble,
    box,
    cylinder,
    ellipsoid,
)
from pointpillars_ov_ros.synthetic.randomness import Dice
from pointpillars_ov_ros.synthetic.shapes.people import SKIN, Person, person

PHASES = 8
"""Poses of one turn of the pedals."""
_WHEEL = Material(0.15, Surface.POROUS, 0.6)
_FRAME = Material(0.25)
_SADDLE, _CRANK = (-0.22, 0.0, 0.95), (-0.08, 0.0, 0.30)
_GRIP = (0.42, 1.02)
"""x and z of the handlebar."""


def bicycle(length: float) -> list[Part]:
    """Give the parts of a bicycle `length` (m) from wheel to wheel."""
    radius = 0.19 * length
    rear, front = -length / 2 + radius, length / 2 - radius
    parts = [cylinder((x, -0.02, radius), (x, 0.02, radius), radius, _WHEEL) for x in (rear, front)]
    head, saddle = (front - 0.14, 0.0, 0.85), _SADDLE
    tubes = (
        (head, _CRANK), (head, (saddle[0], 0.0, 0.8)), (saddle, _CRANK), (_CRANK, (rear, 0.0, radius)),
        ((saddle[0], 0.0, 0.8), (rear, 0.0, radius)), (head, (front, 0.0, radius)), (head, (_GRIP[0], 0.0, _GRIP[1])),
    )  # fmt: skip
    parts += [cylinder(start, end, 0.022, _FRAME) for start, end in tubes]
    parts.append(cylinder((_GRIP[0], -0.28, _GRIP[1]), (_GRIP[0], 0.28, _GRIP[1]), 0.02, _FRAME))
    parts.append(box((saddle[0] - 0.13, saddle[0] + 0.13), (-0.07, 0.07), (0.92, 0.98), Material(0.1)))
    parts.append(box((rear - radius, rear - radius + 0.02), (-0.03, 0.03), (0.55, 0.6), Material(1.0)))
    return parts


def parked_bicycle(dice: Dice) -> Shape:
    """Draw a bicycle that nobody sits on."""
    return assemble(bicycle(dice.normal(1.75, 0.06)))


class Rider:
    """A cyclist, whose legs turn the pedals."""

    def __init__(self, dice: Dice) -> None:
        """Draw rider and bicycle; together about 1.76 x 0.6 x 1.73 m."""
        who = person(dice)
        self._who = who._replace(height=min(max(who.height, 1.6), 1.9), coat=False)
        self._length = dice.normal(1.76, 0.07)
        self._lean = dice.normal(0.35, 0.08)

    def pose(self, phase: int) -> Shape:
        """Give the cyclist in one of the PHASES."""
        return assemble([*bicycle(self._length), *_rider(self._who, self._lean, 2.0 * math.pi * phase / PHASES)])


def _rider(who: Person, lean: float, crank_angle: float) -> Sequence[Part]:
    """Give someone on the saddle whose back leans forward by `lean` (rad), cranks at `crank_angle` (rad)."""
    height = who.height
    hip = (_SADDLE[0] + 0.02, 0.0, 1.0)
    back = 0.27 * height
    shoulder = (hip[0] + back * math.sin(lean), 0.0, hip[2] + back * math.cos(lean))
    head = (shoulder[0] + 0.06, 0.0, shoulder[2] + 0.13 * height)
    half = 0.36 * who.shoulders
    parts = [
        cylinder(hip, shoulder, 0.5 * who.depth, who.top),
        cylinder((shoulder[0], -half, shoulder[2]), (shoulder[0], half, shoulder[2]), 0.06, who.top),
        ellipsoid(head, (0.055 * height, 0.045 * height, 0.07 * height), SKIN),
        cylinder(shoulder, head, 0.05, SKIN),
    ]
    for sign in (-1.0, 1.0):
        elbow = ((shoulder[0] + _GRIP[0]) / 2 - 0.08, sign * (half + 0.03), (shoulder[2] + _GRIP[1]) / 2 - 0.05)
        parts.append(cylinder((shoulder[0], sign * half, shoulder[2]), elbow, 0.05, who.top))
        parts.append(cylinder(elbow, (_GRIP[0], sign * 0.25, _GRIP[1]), 0.04, SKIN))
        pedal = (
            _CRANK[0] + 0.17 * math.cos(crank_angle) * sign, sign * 0.1, _CRANK[2] - 0.17 * math.sin(crank_angle) * sign
        )  # fmt: skip
        knee = _knee((hip[0], pedal[1], hip[2]), pedal, 0.27 * height)
        parts.append(cylinder((hip[0], sign * 0.09, hip[2] - 0.05), knee, 0.07, who.legs))
        parts.append(cylinder(knee, pedal, 0.05, who.legs))
        parts.append(box((pedal[0] - 0.1, pedal[0] + 0.15), (pedal[1] - 0.04, pedal[1] + 0.04),
                         (pedal[2] - 0.06, pedal[2] + 0.02), who.legs))  # fmt: skip
    return parts


def _knee(
    hip: tuple[float, float, float], pedal: tuple[float, float, float], bone: float
) -> tuple[float, float, float]:
    """Give the joint, ahead of the line from hip to pedal, of two bones of the same length (m)."""
    dx, dz = pedal[0] - hip[0], pedal[2] - hip[2]
    distance = math.hypot(dx, dz)
    bulge = math.sqrt(max(bone * bone - distance * distance / 4.0, 0.01))
    return hip[0] + dx / 2 - dz / distance * bulge, pedal[1], hip[2] + dz / 2 + dx / distance * bulge

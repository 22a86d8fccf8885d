# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pedestrians: legs and arms that swing, torso, head; coats, bags and rucksacks."""

from __future__ import annotations

import math
from typing import NamedTuple

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Part,
    Shape,
    assemble,
    box,
    cylinder,
    ellipsoid,
    frustum,
)
from pointpillars_ov_ros.synthetic.randomness import RandomStream

PHASES = 8
"""Poses per pair of steps."""
SKIN = Material(0.35)
_CLOTH = (0.08, 0.15, 0.25, 0.35, 0.5)
STANDING = None
"""Phase of a person who does not walk."""


class Person(NamedTuple):
    """Build and clothing of a person, without the pose."""

    height: float
    """(m)"""
    shoulders: float
    """Width over the upper arms (m)."""
    depth: float
    """Depth of the chest (m)."""
    stride: float
    """Distance by which a foot swings ahead of the hip (m)."""
    top: Material
    legs: Material
    apart: float
    """Distance from the side to the elbow (m)."""
    room: tuple[float, float]
    """Minimum length and width of the box (m): labels of people leave room for their stride and arms."""
    coat: bool
    rucksack: bool
    bag: bool


def person(dice: RandomStream) -> Person:
    """Draw a person; one in ten is a child."""
    height = dice.normal(1.25, 0.1) if dice.chance(0.1) else dice.normal(1.75, 0.08)
    return Person(
        height,
        dice.normal(0.285, 0.022) * height,
        dice.normal(0.155, 0.022) * height,
        dice.normal(0.22, 0.03) * height,
        Material(dice.choose(_CLOTH)),
        Material(dice.choose(_CLOTH)),
        dice.between(0.0, 0.09),
        (dice.normal(0.88, 0.12) * height / 1.75, dice.normal(0.63, 0.1) * height / 1.75),
        dice.chance(0.3),
        dice.chance(0.25),
        dice.chance(0.25),
    )


def pose(who: Person, phase: int | None) -> Shape:
    """Return `who` in one of the PHASES of walking, or STANDING."""
    swing = 0.25 if phase is STANDING else math.sin(2.0 * math.pi * (phase + 0.5) / PHASES)
    parts = [*_legs(who, swing), *_trunk(who), *_arms(who, swing)]
    return assemble([*parts, *_luggage(who)], who.room)


def _legs(who: Person, swing: float) -> list[Part]:
    """Return legs and shoes: one foot ahead by `swing` strides, the other one behind."""
    height, hip, apart = who.height, 0.49 * who.height, 0.055 * who.height
    parts = []
    for sign in (-1.0, 1.0):
        foot = sign * swing * who.stride
        knee = 0.6 * foot + 0.03 * height
        y = sign * apart
        parts.append(cylinder((0.0, y, hip), (knee, y, 0.27 * height), 0.056 * height, who.legs))
        parts.append(cylinder((knee, y, 0.27 * height), (foot, y, 0.03 * height), 0.041 * height, who.legs))
        shoe = (foot - 0.045 * height, foot + 0.105 * height)
        parts.append(box(shoe, (y - 0.025 * height, y + 0.025 * height), (0.0, 0.045 * height), who.legs))
    return parts


def _trunk(who: Person) -> list[Part]:
    """Return hip, chest, neck and head."""
    height, half, waist = who.height, 0.38 * who.shoulders, 0.33 * who.shoulders
    depth, shoulder = who.depth / 2, 0.82 * height
    bottom = ((-depth, depth), (-waist, waist))
    parts = [
        frustum(bottom, ((-depth, depth), (-half, half)), (0.47 * height, 0.74 * height), who.top),
        ellipsoid((0.0, 0.0, 0.74 * height), (depth, half, shoulder - 0.74 * height), who.top),
        cylinder((0.0, 0.0, 0.80 * height), (0.0, 0.0, 0.89 * height), 0.032 * height, SKIN),
        ellipsoid((0.01, 0.0, 0.93 * height), (0.055 * height, 0.045 * height, 0.07 * height), SKIN),
    ]
    if who.coat:
        hem = ((-depth - 0.05, depth + 0.05), (-waist - 0.06, waist + 0.06))
        parts.append(frustum(hem, bottom, (0.28 * height, 0.5 * height), who.top))
    return parts


def _arms(who: Person, swing: float) -> list[Part]:
    """Return the arms, which swing against the legs."""
    height, radius = who.height, 0.034 * who.height
    shoulder = who.shoulders / 2 - 2.0 * radius
    parts = []
    for sign in (-1.0, 1.0):
        hand = -0.7 * sign * swing * who.stride
        elbow = (0.35 * hand - 0.02, sign * (shoulder + 1.6 * radius + who.apart), 0.62 * height)
        parts.append(cylinder((0.0, sign * shoulder, 0.80 * height), elbow, radius, who.top))
        parts.append(cylinder(elbow, (hand + 0.05, elbow[1], 0.46 * height), 0.8 * radius, who.top))
    return parts


def _luggage(who: Person) -> list[Part]:
    height, depth, cloth = who.height, who.depth / 2, Material(0.2)
    parts = []
    if who.rucksack:
        back = (-depth - 0.09 * height, -depth + 0.02)
        parts.append(box(back, (-0.08 * height, 0.08 * height), (0.55 * height, 0.8 * height), cloth))
    if who.bag:
        y = who.shoulders / 2
        parts.append(box((-0.14, 0.16), (y - 0.1, y + 0.02), (0.27 * height, 0.45 * height), cloth))
    return parts

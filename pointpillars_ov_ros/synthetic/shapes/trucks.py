# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trucks: a cab with a screen, a load (box, canvas or open bed) on a frame, two or three axles; buses and trams."""

from __future__ import annotations

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Part,
    Shape,
    Surface,
    assemble,
    box,
    cylinder,
    frustum,
)
from pointpillars_ov_ros.synthetic.randomness import RandomStream

_GLASS = Material(0.08, Surface.POROUS, 0.5)
_TYRE = Material(0.08)
_FRAME = Material(0.12)
_PLATE = Material(1.0)


def truck(dice: RandomStream) -> Shape:
    """Draw a truck; the mean is about 8 x 2.5 x 3.2 m."""
    length, width, height = dice.normal(8.0, 1.2), dice.normal(2.48, 0.07), dice.normal(3.2, 0.2)
    coat = Material(dice.choose((0.1, 0.25, 0.4, 0.6)))
    radius, side = 0.48, width / 2
    cab_length, deck = dice.between(1.7, 2.2), 1.05
    rear, front = -length / 2, length / 2
    parts = [
        *_cab(front, cab_length, side, max(height * dice.between(0.8, 0.95), 2.65), coat),
        box((rear + 0.1, front - 0.3), (-0.5, 0.5), (0.6, deck), _FRAME),
        *_load(dice, (rear, front - cab_length - 0.15), side, (deck, height)),
        box((rear, rear + 0.02), (-0.26, 0.26), (0.7, 0.82), _PLATE),
        box((front - 0.01, front), (-0.26, 0.26), (0.5, 0.62), _PLATE),
    ]
    axles = [front - 0.9, rear + 1.4, *([rear + 2.6] if length > 8.5 else [])]
    for x in axles:
        for sign in (-1.0, 1.0):
            start, end = (x, sign * (side - 0.45), radius), (x, sign * (side - 0.05), radius)
            parts.append(cylinder(start, end, radius, _TYRE))
    return assemble(parts)


def _cab(front: float, length: float, side: float, height: float, coat: Material) -> list[Part]:
    """Return the driver's cab, whose front ends 1 cm behind `front` (m)."""
    nose, back, sill, belt = front - 0.01, front - length, 0.45, 1.75
    y, inner = (-side, side), (-side + 0.12, side - 0.12)
    return [
        box((back, nose), y, (sill, belt), coat),
        frustum(((back + 0.7, nose), y), ((back + 0.7, nose - 0.25), inner), (belt, belt + 0.75), _GLASS),
        frustum(((back, back + 0.7), y), ((back, back + 0.7), inner), (belt, belt + 0.75), coat),
        frustum(((back, nose - 0.25), inner), ((back, nose - 0.6), inner), (belt + 0.75, height), coat),
        box((back + 0.75, back + 1.0), (-side + 0.3, side - 0.3), (sill, belt + 0.5), _FRAME),
    ]


def _load(dice: RandomStream, x: tuple[float, float], side: float, z: tuple[float, float]) -> list[Part]:
    """Return the load: a box, or an open bed with walls and a heap."""
    skin = Material(dice.choose((0.2, 0.4, 0.55)))
    if dice.chance(0.7):
        return [box(x, (-side, side), z, skin), box((x[0] + 0.5, x[1] - 0.5), (-side, side), (0.5, z[0]), _FRAME)]
    wall = z[0] + 0.6
    return [
        box(x, (-side, -side + 0.05), (z[0], wall), skin),
        box(x, (side - 0.05, side), (z[0], wall), skin),
        box((x[0], x[0] + 0.05), (-side, side), (z[0], wall), skin),
        frustum(
            ((x[0] + 0.1, x[1]), (-side + 0.1, side - 0.1)),
            ((x[0] + 1.5, x[1] - 1.0), (-0.4, 0.4)),
            (z[0], wall + dice.between(0.1, 0.6)),
            Material(0.25),
        ),
    ]


def bus(dice: RandomStream) -> Shape:
    """Draw a bus; about 11 x 2.5 x 3.1 m."""
    length, width, height = dice.between(9.0, 12.0), dice.normal(2.5, 0.05), dice.between(2.9, 3.3)
    rear, front, radius, side = -length / 2, length / 2, 0.48, width / 2
    parts = _saloon(dice, length, width, (0.35, height))
    for x in (front - 2.6, rear + 3.0):
        for sign in (-1.0, 1.0):
            start, end = (x, sign * (side - 0.4), radius), (x, sign * (side - 0.02), radius)
            parts.append(cylinder(start, end, radius, _TYRE))
    return assemble(parts)


def tram(dice: RandomStream) -> Shape:
    """Draw the car of a tram; about 13 x 2.4 x 3.3 m."""
    length, width, height = dice.between(11.0, 15.0), dice.normal(2.4, 0.08), dice.between(3.1, 3.5)
    parts = _saloon(dice, length, width, (0.25, height))
    for x in (-0.28 * length, 0.28 * length):
        parts.append(box((x - 1.0, x + 1.0), (-width / 2 + 0.1, width / 2 - 0.1), (0.0, 0.5), _FRAME))
    return assemble(parts)


def _saloon(dice: RandomStream, length: float, width: float, z: tuple[float, float]) -> list[Part]:
    """Return the body of a bus or tram between the heights `z` (m): sheet metal, windows, a roof, seats inside."""
    half, side, belt, eaves = length / 2, width / 2, z[0] + dice.between(0.8, 1.2), z[1] - 0.5
    coat, y = Material(dice.choose((0.15, 0.3, 0.45, 0.6))), (-side, side)
    return [
        box((-half, half), y, (z[0], belt), coat),
        frustum(((-half, half), y), ((-half + 0.1, half - 0.15), y), (belt, eaves), _GLASS),
        box((-half + 0.1, half - 0.15), y, (eaves, z[1]), coat),
        box((-half + 0.5, half - 1.5), (-side + 0.3, side - 0.3), (z[0], belt + 0.4), _FRAME),
        box((-half + 0.02, -half + 0.08), y, (belt, eaves), coat),
    ]

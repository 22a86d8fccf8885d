# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Buildings, walls and fences. Facades face -y, towards the street in the frame of a property."""

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

_STOREY = 3.0
_PANE = Material(0.1)
_BELOW = -0.6
"""Foundations start below the ground (m), which may slope."""


def _plaster(dice: RandomStream) -> float:
    return dice.between(0.2, 0.45)


def building(dice: RandomStream, length: float, depth: float) -> Shape:
    """Draw a block with rows of recessed windows, `length` along x and `depth` (m); some with bays and steps."""
    storeys, half, back = dice.whole(2, 6), length / 2, depth / 2
    height, reflectivity = storeys * _STOREY + 0.5, _plaster(dice)
    facade = Material(reflectivity, Surface.GRID, dice.between(0.35, 0.6), dice.between(2.0, 3.6), _STOREY)
    recess = dice.between(0.12, 0.35)
    parts = [
        box((-half, half), (-back, back), (_BELOW, height), facade),
        box((-half + recess, half - recess), (-back + recess, back - recess), (_BELOW, height - 0.2), _PANE),
        box((-half - 0.05, half + 0.05), (-back - 0.05, back + 0.05), (_BELOW, 0.5), Material(reflectivity)),
    ]
    if dice.chance(0.5):
        parts += _bays(dice, half, back, height, Material(reflectivity))
    if dice.chance(0.6):
        x = dice.between(-half + 1.0, half - 2.0)
        parts.append(box((x, x + 1.4), (-back - 0.6, -back), (_BELOW, 0.35), Material(0.3)))
        parts.append(box((x + 0.1, x + 1.3), (-back - 0.02, -back + 0.1), (0.35, 2.4), Material(0.15)))
    return assemble(parts)


def _bays(dice: RandomStream, half: float, back: float, height: float, wall: Material) -> list[Part]:
    """Return bays or balconies, which stand out towards the street."""
    parts = []
    pitch, wide = dice.between(4.0, 7.0), dice.between(1.5, 2.5)
    is_bay, out = dice.chance(0.5), dice.between(0.4, 1.0)
    x = -half + 1.0
    while x + wide < half:
        if is_bay:
            parts.append(box((x, x + wide), (-back - out, -back), (_STOREY - 0.4, height - 1.0), wall))
        else:
            for floor in range(1, int(height / _STOREY)):
                z = floor * _STOREY
                parts.append(box((x, x + wide), (-back - out, -back), (z, z + 0.15), wall))
                parts.append(box((x, x + wide), (-back - out, -back - out + 0.05), (z, z + 1.0), wall))
        x += pitch
    return parts


def house(dice: RandomStream, length: float, depth: float) -> Shape:
    """Draw a house with a gabled roof, porch or garage, `length` along x and `depth` (m)."""
    half, back = length / 2, depth / 2
    eaves, reflectivity = dice.between(2.8, 5.8), _plaster(dice)
    facade = Material(reflectivity, Surface.GRID, dice.between(0.3, 0.5), dice.between(2.2, 4.0), _STOREY)
    overhang = 0.4
    parts = [
        box((-half, half), (-back, back), (_BELOW, eaves), facade),
        box((-half + 0.2, half - 0.2), (-back + 0.2, back - 0.2), (_BELOW, eaves), _PANE),
        frustum(
            ((-half - overhang, half + overhang), (-back - overhang, back + overhang)),
            ((-half, half), (-0.1, 0.1)),
            (eaves, eaves + 0.4 * depth),
            Material(dice.between(0.15, 0.3)),
        ),
    ]
    if dice.chance(0.5):
        x = dice.between(-half + 0.5, half - 2.0)
        for post in (x, x + 1.5):
            parts.append(cylinder((post, -back - 1.2, _BELOW), (post, -back - 1.2, 2.4), 0.07, Material(0.4)))
        parts.append(box((x - 0.2, x + 1.7), (-back - 1.4, -back), (2.4, 2.6), Material(0.2)))
    if dice.chance(0.4):
        wide = min(3.0, length / 2)
        parts.append(box((half - wide, half), (-back - 1.5, -back), (_BELOW, 2.5), Material(reflectivity)))
    return assemble(parts)


def wall(dice: RandomStream, length: float) -> Shape:
    """Draw a wall along x, `length` (m), with piers."""
    half, height, thick = length / 2, dice.between(0.6, 2.2), 0.12
    stone = Material(dice.between(0.2, 0.4))
    parts = [box((-half, half), (-thick, thick), (_BELOW, height), stone)]
    for k in range(int(length / 4.0) + 1):
        x = -half + 0.2 + k * 4.0
        parts.append(box((x - 0.2, x + 0.2), (-thick - 0.08, thick + 0.08), (_BELOW, height + 0.12), stone))
    return assemble(parts)


def fence(dice: RandomStream, length: float) -> Shape:
    """Draw a fence along x, `length` (m): pickets or wire mesh between posts, on some a low wall."""
    half, height = length / 2, dice.between(0.8, 1.8)
    low = dice.between(0.2, 0.5) if dice.chance(0.4) else 0.0
    picket = Material(0.35, Surface.GRID, dice.between(0.4, 0.7), dice.between(0.12, 0.3))
    mesh = Material(0.25, Surface.POROUS, dice.between(0.75, 0.9))
    filling = dice.choose((picket, mesh))
    parts = [box((-half, half), (-0.02, 0.02), (low, height), filling)]
    if low > 0.0:
        parts.append(box((-half, half), (-0.12, 0.12), (_BELOW, low), Material(0.3)))
    for k in range(int(length / 2.5) + 1):
        x = -half + 0.05 + k * 2.5
        parts.append(cylinder((x, 0.0, _BELOW), (x, 0.0, height + 0.05), 0.04, Material(0.3)))
    return assemble(parts)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges; leaves let some of the rays through."""

from __future__ import annotations

import math

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Shape,
    Surface,
    assemble,
    cylinder,
    ellipsoid,
    frustum,
)
from pointpillars_ov_ros.synthetic.randomness import RandomStream


def _leaves(dice: RandomStream, per_metre: float) -> Material:
    return Material(dice.between(0.2, 0.45), Surface.VOLUME, per_metre)


def tree(dice: RandomStream) -> Shape:
    """Draw a tree: a trunk, branches and two to four clumps of leaves; 4 to 11 m high."""
    height, radius = dice.between(4.0, 11.0), dice.between(0.08, 0.28)
    clear = dice.between(1.9, 2.8)
    bark = Material(dice.between(0.2, 0.35))
    fork = (dice.normal(0.0, 0.1), dice.normal(0.0, 0.1), clear + 0.3)
    parts = [cylinder((0.0, 0.0, -0.2), fork, radius, bark)]
    density = dice.between(0.7, 1.8)
    spread = 0.22 * height
    for _ in range(dice.whole(2, 4)):
        around, out = dice.between(0.0, 2.0 * math.pi), spread * dice.between(0.2, 0.7)
        size = spread * dice.between(0.7, 1.1)
        z = max(dice.between(0.45, 0.8) * height, clear + 0.7 * size)
        middle = (out * math.cos(around), out * math.sin(around), z)
        parts.append(ellipsoid(middle, (size, size, 0.8 * size), _leaves(dice, density)))
        parts.append(cylinder(fork, middle, 0.4 * radius, bark))
    return assemble(parts)


def conifer(dice: RandomStream) -> Shape:
    """Draw a conifer, a cone of needles nearly down to the ground; 4 to 10 m high."""
    height, radius = dice.between(4.0, 10.0), dice.between(0.9, 1.8)
    low = dice.between(0.3, 1.0)
    needles = frustum(
        ((-radius, radius), (-radius, radius)), ((-0.1, 0.1), (-0.1, 0.1)), (low, height), _leaves(dice, 3.0)
    )
    return assemble([cylinder((0.0, 0.0, -0.2), (0.0, 0.0, low + 1.0), 0.15, Material(0.2)), needles])


def bush(dice: RandomStream) -> Shape:
    """Draw a bush of one to three clumps; 0.5 to 2 m high."""
    parts = []
    for _ in range(dice.whole(1, 3)):
        size, height = dice.between(0.4, 1.0), dice.between(0.25, 1.0)
        middle = (dice.normal(0.0, 0.4), dice.normal(0.0, 0.4), 0.7 * height)
        parts.append(ellipsoid(middle, (size, size, height), _leaves(dice, dice.between(3.0, 7.0))))
    return assemble(parts)


def hedge(dice: RandomStream, length: float) -> Shape:
    """Draw a trimmed hedge along x, `length` (m)."""
    half, height, depth = length / 2, dice.between(0.8, 2.0), dice.between(0.3, 0.6)
    bottom, top = ((-half, half), (-depth, depth)), ((-half, half), (-0.8 * depth, 0.8 * depth))
    return assemble([frustum(bottom, top, (-0.1, height), _leaves(dice, dice.between(4.0, 9.0)))])


def thicket(dice: RandomStream, length: float) -> Shape:
    """Draw the edge of a wood along x, `length` (m): undergrowth and crowns."""
    half, height = length / 2, dice.between(6.0, 12.0)
    depth = dice.between(2.0, 4.0)
    parts = [
        frustum(
            ((-half, half), (-depth, depth)),
            ((-half, half), (-0.7 * depth, 0.7 * depth)),
            (-0.3, dice.between(1.5, 3.0)),
            _leaves(dice, dice.between(0.6, 1.5)),
        ),
        frustum(
            ((-half, half), (-depth, depth)),
            ((-half, half), (-0.5 * depth, 0.5 * depth)),
            (2.5, height),
            _leaves(dice, dice.between(0.4, 0.9)),
        ),
    ]
    for _ in range(int(length / 2.5)):
        x, y = dice.between(-half, half), dice.between(-depth, depth)
        parts.append(cylinder((x, y, -0.3), (x, y, 4.0), dice.between(0.08, 0.22), Material(0.25)))
    return assemble(parts)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects at the edge of a road that were taken for people and cars: weeds, mounds, posts, boards, rows of bikes.

x is along the street, the road is towards -y.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pointpillars_ov_ros.synthetic.primitives import (
    Material,
    Part,
    Shape,
    Surface,
    assemble,
    box,
    cylinder,
    ellipsoid,
    frustum,
)
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.shapes.bicycles import bicycle

_BELOW = -0.2
_STEEL = Material(0.3)


def weeds(dice: RandomStream) -> Shape:
    """Draw tufts of grass and weeds, 0.15 to 1 m high, 0.5 to 3 m across."""
    spread, height = dice.between(0.1, 0.9), dice.between(0.15, 0.5) * dice.choose((1.0, 1.0, 2.0))
    parts = []
    for _ in range(dice.whole(1, 5)):
        half = height * dice.between(0.3, 0.6)
        radii = (dice.between(0.15, 0.5), dice.between(0.15, 0.5), half)
        middle = (dice.normal(0.0, spread), dice.normal(0.0, 0.5 * spread), 0.8 * half)
        parts.append(ellipsoid(middle, radii, _leaves(dice)))
    parts.append(cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, 0.3 * height + 0.1), 0.02, Material(0.25)))
    return assemble(parts)


def mound(dice: RandomStream) -> Shape:
    """Draw a heap of earth, gravel or leaves, 1 to 4 m long; 0.3 to 1.3 m high, some of it overgrown."""
    half_x, half_y, height = dice.between(0.5, 2.0), dice.between(0.4, 1.2), dice.between(0.3, 1.3)
    parts = [ellipsoid((0.0, 0.0, 0.0), (half_x, half_y, height), Material(dice.between(0.15, 0.4)))]
    if dice.chance(0.5):
        radii = (0.8 * half_x, 0.8 * half_y, 0.5 * height)
        parts.append(ellipsoid((0.0, 0.0, 0.8 * height), radii, _leaves(dice)))
    return assemble(parts)


def delineator(dice: RandomStream) -> Shape:
    """Draw a post at the edge of the road with a reflector; about 1 m high."""
    height, half = dice.between(0.8, 1.2), dice.between(0.04, 0.09)
    return assemble(
        [
            box((-half, half), (-half, half), (_BELOW, height), Material(0.6)),
            box((-half - 0.01, half + 0.01), (-0.04, 0.04), (height - 0.3, height - 0.12), Material(1.0)),
        ]
    )


def sign_post(dice: RandomStream) -> Shape:
    """Draw a post with one to four boards, at different heights and facing along or across the street."""
    height, radius = dice.between(1.6, 3.2), dice.between(0.03, 0.08)
    parts = [cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, height), radius, _STEEL)]
    for _ in range(dice.whole(1, 4)):
        half, tall, z = dice.between(0.12, 0.6), dice.between(0.12, 0.4), dice.between(0.6, height)
        face = ((-0.03, 0.03), (-half, half)) if dice.chance(0.7) else ((-half, half), (-0.03, 0.03))
        parts.append(box(*face, (z - tall, z + tall), Material(dice.choose((0.3, 0.6, 1.0)))))
    return assemble(parts)


def a_board(dice: RandomStream) -> Shape:
    """Draw an A-frame board on the pavement, 0.8 to 1.3 m high."""
    half, height, foot = dice.between(0.25, 0.4), dice.between(0.8, 1.3), dice.between(0.2, 0.35)
    paint = Material(dice.between(0.2, 0.7))
    return assemble(
        [
            frustum(((-foot, -foot + 0.03), (-half, half)), ((-0.03, 0.0), (-half, half)), (-0.05, height), paint),
            frustum(((foot - 0.03, foot), (-half, half)), ((0.0, 0.03), (-half, half)), (-0.05, height), paint),
        ]
    )


def bicycle_row(dice: RandomStream) -> Shape:
    """Draw two to eight bicycles side by side in their stand."""
    parts: list[Part] = []
    count, pitch = dice.whole(2, 8), dice.between(0.45, 0.75)
    for k in range(count):
        y = (k - (count - 1) / 2) * pitch
        parts += [_shifted(part, dice.normal(0.0, 0.08), y) for part in bicycle(dice.normal(1.75, 0.06))]
        parts.append(cylinder((0.4, y + 0.1, _BELOW), (0.4, y + 0.1, 0.5), 0.02, _STEEL))
    return assemble(parts)


def _shifted(part: Part, dx: float, dy: float) -> Part:
    """Move a primitive; fields 3 and 4 of PRIMITIVE are x and y."""
    return (*part[:3], part[3] + dx, part[4] + dy, *part[5:])


def wall_end(dice: RandomStream) -> Shape:
    """Draw the pier at which a wall, a fence or a hedge ends, and a piece of what ends there."""
    half, height = dice.between(0.15, 0.4), dice.between(0.8, 2.2)
    parts = [box((-half, half), (-half, half), (_BELOW, height), Material(dice.between(0.2, 0.45)))]
    length, depth = dice.between(0.5, 3.0), dice.between(0.05, 0.5)
    filling = _leaves(dice) if dice.chance(0.5) else Material(dice.between(0.2, 0.45))
    low = (_BELOW, height * dice.between(0.5, 1.0))
    parts.append(box((half, half + length), (-depth, depth), low, filling))
    return assemble(parts)


def guard_rail(dice: RandomStream, length: float) -> Shape:
    """Draw a guard rail along x, `length` (m): a steel band on posts."""
    half, height = length / 2, dice.between(0.65, 0.85)
    band = Material(dice.between(0.3, 0.6))
    parts = [box((-half, half), (-0.04, 0.04), (height - 0.3, height), band)]
    for k in range(int(length / 2.0) + 1):
        x = min(-half + 0.05 + 2.0 * k, half)
        parts.append(box((x - 0.05, x + 0.05), (0.05, 0.15), (_BELOW, height - 0.02), _STEEL))
    return assemble(parts)


def _leaves(dice: RandomStream) -> Material:
    return Material(dice.between(0.15, 0.5), Surface.VOLUME, dice.between(1.5, 10.0))


def hedge_piece(dice: RandomStream) -> Shape:
    """Draw a clipped hedge, 1 to 5 m long: from the side as high and deep as a car."""
    half, height, depth = dice.between(0.5, 2.5), dice.between(0.7, 2.0), dice.between(0.25, 0.9)
    bottom, narrow = ((-half, half), (-depth, depth)), dice.between(0.6, 1.0)
    top = ((-half * math.sqrt(narrow), half * math.sqrt(narrow)), (-narrow * depth, narrow * depth))
    return assemble([frustum(bottom, top, (-0.1, height), _leaves(dice))])


POSTS: tuple[Callable[[RandomStream], Shape], ...] = (delineator, sign_post)
VERGE: tuple[Callable[[RandomStream], Shape], ...] = (
    weeds, mound, delineator, sign_post, sign_post, a_board, bicycle_row, wall_end, hedge_piece
)  # fmt: skip
"""All kinds except guard rails, which need a length."""

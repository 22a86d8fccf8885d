# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Unlabelled objects that a network may take for people: shrubs, young trees, boards on posts, rails, piles.

Real streets are full of narrow objects as high as a person. They are drawn at random rather than modelled on particular
ones, so that a network learns what a person looks like instead of a list of other objects.
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

_BELOW = -0.2


def shrub(dice: RandomStream) -> Shape:
    """Draw a shrub that is about as high as wide, or slender; 0.5 to 2.6 m high."""
    height, spread = dice.between(0.5, 2.6), dice.between(0.05, 0.5)
    clumps = dice.whole(2, 5)
    parts = [cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, 0.7 * height), dice.between(0.02, 0.06), Material(0.25))]
    for k in range(clumps):
        half = height * dice.between(0.6, 1.0) / clumps
        middle = height * (k + 0.5) / clumps
        radii = (dice.between(0.15, 0.55), dice.between(0.15, 0.55), half)
        parts.append(ellipsoid((dice.normal(0.0, spread), dice.normal(0.0, spread), middle), radii, _leaves(dice)))
    return assemble(parts)


def young_tree(dice: RandomStream) -> Shape:
    """Draw a tree with twigs and leaves from knee height up; 2 to 5 m high."""
    height, radius = dice.between(2.0, 5.0), dice.between(0.03, 0.15)
    lean = (dice.normal(0.0, 0.15), dice.normal(0.0, 0.15))
    parts = [cylinder((0.0, 0.0, _BELOW), (*lean, 0.8 * height), radius, Material(0.25))]
    for _ in range(dice.whole(2, 5)):
        z = dice.between(0.4, 0.9 * height)
        around, out, half = dice.between(0.0, 2.0 * math.pi), dice.between(0.0, 0.5), dice.between(0.2, 0.7)
        middle = (out * math.cos(around), out * math.sin(around), z)
        parts.append(ellipsoid(middle, (half, half, half * dice.between(0.7, 1.5)), _leaves(dice)))
    return assemble(parts)


def board(dice: RandomStream) -> Shape:
    """Draw something on one or two posts: a parking meter, a letter box, a notice board."""
    half, depth = dice.between(0.1, 0.7), dice.between(0.02, 0.25)
    low = dice.between(0.3, 1.6)
    high = low + dice.between(0.25, 1.0)
    material = Material(dice.choose((0.15, 0.3, 0.6, 1.0)))
    parts = [box((-depth, depth), (-half, half), (low, high), material)]
    radius = dice.between(0.025, 0.08)
    for y in (0.0,) if half < 0.35 else (-0.8 * half, 0.8 * half):
        parts.append(cylinder((0.0, y, _BELOW), (0.0, y, high), radius, Material(0.3)))
    return assemble(parts)


def rail(dice: RandomStream) -> Shape:
    """Draw a low wall, a rail on posts or a stretch of fence, 0.5 to 4 m long; 0.3 to 1.3 m high."""
    half, height, depth = dice.between(0.25, 2.0), dice.between(0.3, 1.3), dice.between(0.03, 0.2)
    if dice.chance(0.4):
        return assemble([box((-half, half), (-depth, depth), (_BELOW, height), Material(dice.between(0.15, 0.5)))])
    steel = Material(dice.between(0.2, 0.4))
    parts = [cylinder((-half, 0.0, z), (half, 0.0, z), 0.03, steel) for z in (0.5 * height, height)]
    parts += [cylinder((x, 0.0, _BELOW), (x, 0.0, height), 0.04, steel) for x in (-half, 0.0, half)]
    return assemble(parts)


def pile(dice: RandomStream) -> Shape:
    """Draw objects that lie on or beside each other: planters, sacks, boxes, stumps, stones; up to 2.2 m high."""
    parts: list[Part] = []
    top = _BELOW
    for _ in range(dice.whole(1, 4)):
        low = top if dice.chance(0.6) else _BELOW
        high = min(max(low, 0.0) + dice.between(0.15, 0.9), 2.2)
        parts.append(_lump(dice, low, high))
        top = max(high - 0.02, top)
        if top > 1.9:
            break
    if dice.chance(0.3):
        half = dice.between(0.15, 0.5)
        radii = (dice.between(0.2, 0.5), dice.between(0.2, 0.5), half)
        parts.append(ellipsoid((0.0, 0.0, top + 0.8 * half), radii, _leaves(dice)))
    return assemble(parts)


def _lump(dice: RandomStream, low: float, high: float) -> Part:
    """Return a solid from `low` to `high` (m) about the middle of a pile."""
    x, y = dice.normal(0.0, 0.12), dice.normal(0.0, 0.12)
    half_x, half_y = dice.between(0.08, 0.45), dice.between(0.08, 0.45)
    material = Material(dice.between(0.1, 0.6))
    form = dice.whole(0, 2)
    if form == 0:
        return cylinder((x, y, low), (x + dice.normal(0.0, 0.05), y, high), min(half_x, half_y), material)
    if form == 1:
        return ellipsoid((x, y, (low + high) / 2), (half_x, half_y, (high - low) / 2), material)
    narrow = dice.between(0.4, 1.0)
    bottom = ((x - half_x, x + half_x), (y - half_y, y + half_y))
    upper = ((x - narrow * half_x, x + narrow * half_x), (y - narrow * half_y, y + narrow * half_y))
    return frustum(bottom, upper, (low, high), material)


def _leaves(dice: RandomStream) -> Material:
    return Material(dice.between(0.15, 0.45), Surface.VOLUME, dice.between(1.5, 9.0))


CLUTTER: tuple[Callable[[RandomStream], Shape], ...] = (shrub, young_tree, board, rail, pile)
"""All kinds of clutter."""

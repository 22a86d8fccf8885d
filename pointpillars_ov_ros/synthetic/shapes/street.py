# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Street furniture: lamps, signs, traffic lights, bins, bollards, benches, columns.

x is along the street, the road is towards -y.
"""

from __future__ import annotations

from collections.abc import Callable

from pointpillars_ov_ros.synthetic.primitives import Material, Shape, assemble, box, cylinder
from pointpillars_ov_ros.synthetic.randomness import RandomStream

_STEEL = Material(0.3)
_SIGN = Material(1.0)
_BELOW = -0.2


def lamp(dice: RandomStream) -> Shape:
    """Draw a street lamp, its arm over the road."""
    height, radius = dice.between(5.0, 8.5), dice.between(0.05, 0.11)
    return assemble(
        [
            cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, height), radius, _STEEL),
            cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, 0.9), 1.5 * radius, _STEEL),
            cylinder((0.0, 0.0, height - 0.1), (0.0, -1.5, height), 0.04, _STEEL),
            box((-0.15, 0.15), (-1.9, -1.3), (height - 0.05, height + 0.1), _STEEL),
        ]
    )


def sign(dice: RandomStream) -> Shape:
    """Draw a traffic sign, which faces along the street."""
    height, half = dice.between(2.2, 2.8), dice.between(0.25, 0.4)
    return assemble(
        [
            cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, height), 0.035, _STEEL),
            box((-0.05, -0.04), (-half, half), (height - 2.0 * half, height), _SIGN),
        ]
    )


def traffic_light(dice: RandomStream) -> Shape:
    """Draw a traffic light."""
    height = dice.between(2.9, 3.5)
    return assemble(
        [
            cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, height), 0.07, _STEEL),
            box((-0.25, -0.05), (-0.15, 0.15), (height - 0.9, height), Material(0.1)),
        ]
    )


def bin_(dice: RandomStream) -> Shape:
    """Draw one to three dustbins on wheels."""
    parts = []
    for k in range(dice.whole(1, 3)):
        x = 0.7 * k
        parts.append(box((x, x + 0.58), (-0.35, 0.35), (0.08, dice.between(0.95, 1.1)), Material(0.2)))
    return assemble(parts)


def bollard(dice: RandomStream) -> Shape:
    """Draw a row of bollards."""
    height, radius = dice.between(0.7, 1.1), dice.between(0.05, 0.12)
    xs = [1.4 * k for k in range(dice.whole(1, 4))]
    return assemble([cylinder((x, 0.0, _BELOW), (x, 0.0, height), radius, Material(0.4)) for x in xs])


def bench(dice: RandomStream) -> Shape:
    """Draw a bench, its back to the houses."""
    half, wood = dice.between(0.7, 1.0), Material(0.3)
    return assemble(
        [
            box((-half, half), (-0.25, 0.2), (0.4, 0.46), wood),
            box((-half, half), (0.2, 0.25), (0.4, 0.85), wood),
            box((-half + 0.1, -half + 0.2), (-0.2, 0.2), (_BELOW, 0.4), wood),
            box((half - 0.2, half - 0.1), (-0.2, 0.2), (_BELOW, 0.4), wood),
        ]
    )


def column(dice: RandomStream) -> Shape:
    """Draw an advertising column or a switch box."""
    if dice.chance(0.4):
        return assemble([cylinder((0.0, 0.0, _BELOW), (0.0, 0.0, 3.0), 0.45, Material(0.4))])
    half, height = dice.between(0.3, 0.7), dice.between(0.9, 1.5)
    return assemble([box((-half, half), (-0.18, 0.18), (_BELOW, height), Material(0.35))])


FURNITURE: tuple[Callable[[RandomStream], Shape], ...] = (lamp, sign, traffic_light, bin_, bollard, bench, column)
"""Kinds of objects between kerb and pavement."""

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars and vans: body with wheel arches, sloped bonnet and screens, glass to look through, seats, plates, lamps."""

from __future__ import annotations

from typing import NamedTuple

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
from pointpillars_ov_ros.synthetic.randomness import Dice

GLASS = Material(0.08, Surface.POROUS, 0.8)
TYRE = Material(0.08)
TRIM = Material(0.15)
PLATE = Material(1.0)
LAMP = Material(0.7)
_PAINTS = (0.05, 0.12, 0.25, 0.4, 0.6)
"""Reflectivity of paints, black to white."""
_PAINT_WEIGHTS = (3, 3, 4, 3, 3)
_SKIN = 0.01
"""How far plates and lamps stand out (m)."""


class Body(NamedTuple):
    """Proportions of a kind of car, as shares of its length or height."""

    size: tuple[float, float, float]
    """Mean length, width, height (m)."""
    spread: tuple[float, float, float]
    """Deviations of these (m)."""
    bonnet: float
    """Length from the front to the foot of the windscreen."""
    boot: float
    """Length from the foot of the rear screen to the rear."""
    front_rake: float
    """Length that the windscreen leans back."""
    rear_rake: float
    belt: float
    """Height of the lower edge of the windows."""
    nose: float
    """Height of the front edge of the bonnet."""
    glazed: float
    """Share of the cabin, from the front, that has side windows."""


HATCHBACK = Body((3.8, 1.63, 1.48), (0.25, 0.05, 0.06), 0.24, 0.03, 0.15, 0.10, 0.60, 0.47, 1.0)
SMALL_CAR = Body((3.45, 1.56, 1.50), (0.2, 0.05, 0.06), 0.20, 0.02, 0.15, 0.07, 0.60, 0.48, 1.0)
SALOON = Body((4.4, 1.71, 1.45), (0.2, 0.06, 0.04), 0.26, 0.15, 0.15, 0.13, 0.61, 0.47, 1.0)
ESTATE = Body((4.4, 1.70, 1.49), (0.2, 0.06, 0.05), 0.25, 0.02, 0.15, 0.06, 0.60, 0.47, 1.0)
OFF_ROADER = Body((4.3, 1.77, 1.72), (0.25, 0.06, 0.08), 0.23, 0.02, 0.11, 0.05, 0.62, 0.50, 1.0)
PEOPLE_CARRIER = Body((4.2, 1.72, 1.66), (0.25, 0.06, 0.06), 0.19, 0.02, 0.17, 0.06, 0.57, 0.46, 1.0)
MINIBUS = Body((5.0, 1.90, 2.05), (0.3, 0.07, 0.15), 0.14, 0.01, 0.13, 0.03, 0.52, 0.42, 1.0)
PANEL_VAN = Body((5.2, 1.92, 2.25), (0.5, 0.09, 0.25), 0.14, 0.01, 0.13, 0.02, 0.50, 0.40, 0.3)
_CARS = (HATCHBACK, SMALL_CAR, SALOON, ESTATE, OFF_ROADER, PEOPLE_CARRIER)
_CAR_WEIGHTS = (7, 4, 4, 4, 2, 2)


def car(dice: Dice) -> Shape:
    """Draw a car; the mean over all kinds is about 3.9 x 1.65 x 1.52 m."""
    return _build(dice.choose(_CARS, _CAR_WEIGHTS), dice)


def van(dice: Dice) -> Shape:
    """Draw a van; the mean is about 5.1 x 1.9 x 2.2 m."""
    return _build(dice.choose((MINIBUS, PANEL_VAN)), dice)


def _build(body: Body, dice: Dice) -> Shape:
    length, width, height = (dice.normal(m, s) for m, s in zip(body.size, body.spread, strict=True))
    paint = dice.choose(_PAINTS, _PAINT_WEIGHTS)
    coat = Material(dice.between(0.8, 1.2) * paint)
    radius = min(0.21 * height, 0.34) * dice.between(0.95, 1.05)
    axles = (0.5 * length - 0.19 * length, -0.5 * length + 0.19 * length)
    return assemble(
        [
            *_lower_body(length, width, height, radius, axles, coat),
            *_wheels(width, radius, axles),
            *_upper_body(body, length, width, height, 2.0 * radius, coat),
            *_cabin(body, length, width, height, coat),
            *_signs(body, length, width, height),
        ]
    )


def _lower_body(
    length: float, width: float, height: float, radius: float, axles: tuple[float, float], coat: Material
) -> list[Part]:
    """Give what is below the upper edge of the wheels: a tub between them, bumpers with rounded corners, sills."""
    front, rear, side = length / 2 - _SKIN, -length / 2 + _SKIN, width / 2
    z = (0.115 * height, 2.0 * radius)
    gap = 1.12 * radius
    tub, corner = side - 0.24, 0.16
    return [
        box((rear + 0.05, front - 0.05), (-tub, tub), (z[0] + 0.03, z[1]), TRIM),
        box((axles[1] + gap, axles[0] - gap), (-side, side), z, coat),
        frustum(
            ((axles[0] + gap, front - 0.06), (-side + 0.3, side - 0.3)),
            ((axles[0] + gap, front), (-side + 0.3, side - 0.3)),
            z,
            coat,
        ),
        box((axles[0] + gap, front - corner), (-side, side), z, coat),
        box((rear, axles[1] - gap), (-side + 0.25, side - 0.25), z, coat),
        box((rear + corner, axles[1] - gap), (-side, side), z, coat),
    ]


def _wheels(width: float, radius: float, axles: tuple[float, float]) -> list[Part]:
    return [
        cylinder((x, sign * (width / 2 - 0.22), radius), (x, sign * (width / 2 - 0.02), radius), radius, TYRE)
        for x in axles
        for sign in (-1.0, 1.0)
    ]


def _upper_body(
    body: Body, length: float, width: float, height: float, bottom: float, coat: Material
) -> list[Part]:
    """Give the sides up to the windows, and the bonnet."""
    side, belt = width / 2, body.belt * height
    foot = length / 2 - body.bonnet * length
    nose = max(body.nose * height, bottom + 0.02)
    rear, front = -length / 2 + _SKIN, length / 2 - _SKIN
    return [
        frustum(
            ((rear, foot + 0.1), (-side, side)),
            ((rear + 0.08, foot), (-side + 0.05, side - 0.05)),
            (bottom, belt),
            coat,
        ),
        frustum(
            ((foot, front), (-side + 0.18, side - 0.18)),
            ((foot, front - 0.08), (-side + 0.2, side - 0.2)),
            (bottom, nose),
            coat,
        ),
        frustum(
            ((foot, front - 0.2), (-side, side)),
            ((foot, front - 0.25), (-side + 0.05, side - 0.05)),
            (bottom, nose),
            coat,
        ),
        frustum(
            ((foot, front - 0.09), (-side + 0.06, side - 0.06)),
            ((foot, foot + 0.15), (-side + 0.15, side - 0.15)),
            (nose, belt - 0.01),
            coat,
        ),
    ]


def _cabin(body: Body, length: float, width: float, height: float, coat: Material) -> list[Part]:
    """Give glass under a roof, its pillars, and the seats behind it; without side windows, sheet metal."""
    foot, tail = length / 2 - body.bonnet * length, -length / 2 + max(body.boot * length, 0.08)
    brow, crown = foot - body.front_rake * length, tail + body.rear_rake * length
    low, high = width / 2 - 0.06, width / 2 - (0.2 if body.size[2] < 1.9 else 0.13)
    belt, roof = body.belt * height, height - 0.07
    split = foot - body.glazed * (foot - tail)
    parts = [
        frustum(((crown - 0.02, brow + 0.02), (-high, high)), ((crown, brow), (-high + 0.06, high - 0.06)),
                (roof, height), coat),
        frustum(((max(tail, split), foot), (-low, low)), ((max(crown, split), brow), (-high, high)),
                (belt, roof), GLASS),
    ]  # fmt: skip
    if body.glazed < 1.0:
        parts.append(frustum(((tail, split), (-low, low)), ((crown, split), (-high, high)), (belt, roof), coat))
    middle = 0.5 * (brow + crown) + 0.05 * length
    for sign in (-1.0, 1.0):
        for (x, top_x, radius) in ((foot, brow, 0.035), (middle, middle, 0.04), (tail + 0.07, crown + 0.07, 0.07)):
            start, end = (x, sign * (low - radius), belt), (top_x, sign * (high - radius), roof)
            parts.append(cylinder(start, end, radius, coat))
    seat = (0.4 * height, min(0.8 * height, roof - 0.1))
    parts.append(box((middle - 0.2, middle + 0.05), (-low + 0.15, low - 0.15), seat, TRIM))
    parts.append(box((tail + 0.5, tail + 0.7), (-low + 0.12, low - 0.12), seat, TRIM))
    return parts


def _signs(body: Body, length: float, width: float, height: float) -> list[Part]:
    """Give number plates and lamps, which throw light back; without them no part reaches the full length."""
    front, rear = (length / 2 - 2 * _SKIN, length / 2), (-length / 2, -length / 2 + 2 * _SKIN)
    parts = [box(x, (-0.26, 0.26), (0.27 * height, 0.27 * height + 0.11), PLATE) for x in (front, rear)]
    inner, outer = width / 2 - 0.5, width / 2 - 0.27
    for sign in (-1.0, 1.0):
        y = (min(sign * inner, sign * outer), max(sign * inner, sign * outer))
        parts.append(box(front, y, (0.38 * height, 0.38 * height + 0.1), LAMP))
        parts.append(box((rear[0], rear[1]), y, (0.42 * height, body.belt * height - 0.1), LAMP))
    return parts

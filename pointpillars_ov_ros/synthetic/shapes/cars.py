# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars and vans: body with wheel arches, sloped bonnet and screens, transparent glass, seats, plates, lamps."""

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
from pointpillars_ov_ros.synthetic.randomness import RandomStream

GLASS = Material(0.0015, Surface.POROUS, 0.65)
"""Material of windows: the light that does not pass returns near by only, as KITTI's cars have next to no points on
their windows beyond 30 m."""
WINDSCREEN = Material(0.002, Surface.POROUS, 0.2)
"""Material of raked glass, which mirrors most of the light away."""
SEAT = Material(0.002, Surface.POROUS, 0.5)
"""Material of the seats; the glass in front attenuates the light twice."""
TYRE = Material(0.04)
TRIM = Material(0.08)
PLATE = Material(1.0)
LAMP = Material(0.7)
_PAINTS = (0.05, 0.12, 0.25, 0.4, 0.6)
"""Reflectivity of paints, black to white."""
_PAINT_WEIGHTS = (3, 3, 4, 3, 3)
_GLOSS = (0.03, 0.65)
"""Ratio of the rays lost on paint at an incidence of 60 degrees: more cars have little of it than much.

Some of KITTI's cars have few points on a side seen at an angle; half of them lose a quarter at grazing incidence.
"""
_DIM = (0.15, 0.7)
"""Ratio of a car's paint for which the sensor reports intensity 0, as for half of all points on KITTI's cars."""
# Positions of the surfaces within the box, as measured on KITTI's cars (m).
_MIRROR = 0.04
"""Distance by which the mirrors extend beyond the sides."""
_SILL = (0.67, 0.74)
"""Height of the lower edge of the rear window, as a ratio; side windows begin lower."""
_FIN = 0.05
"""Distance by which the aerial extends above the roof."""
_CORNER = (0.16, 0.25)
"""Size of the rounded corners of the bumpers, along and across."""
_SET_BACK = {1: (0.06, 0.13, 0.22), -1: (0.05, 0.08, 0.14)}
"""Set-back of front (1) and rear (-1) from the foremost point of the bumper, at three heights.

The heights are above the bumper, at the top of the wheels, and at the edge of the bonnet or the window.
"""


class Body(NamedTuple):
    """Proportions of a kind of car, as ratios of its length or height."""

    size: tuple[float, float, float]
    """Mean length, width, height (m)."""
    spread: tuple[float, float, float]
    """Standard deviations of length, width, height (m)."""
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
    """Ratio of the cabin, from the front, that has side windows."""


HATCHBACK = Body((3.75, 1.63, 1.48), (0.25, 0.05, 0.06), 0.24, 0.03, 0.15, 0.10, 0.60, 0.51, 1.0)
SMALL_CAR = Body((3.45, 1.56, 1.50), (0.2, 0.05, 0.06), 0.20, 0.02, 0.15, 0.07, 0.60, 0.52, 1.0)
SALOON = Body((4.35, 1.71, 1.45), (0.2, 0.06, 0.04), 0.26, 0.15, 0.15, 0.13, 0.61, 0.52, 1.0)
ESTATE = Body((4.3, 1.70, 1.49), (0.2, 0.06, 0.05), 0.25, 0.02, 0.15, 0.06, 0.60, 0.51, 1.0)
OFF_ROADER = Body((4.2, 1.77, 1.72), (0.25, 0.06, 0.08), 0.23, 0.02, 0.11, 0.05, 0.62, 0.54, 1.0)
PEOPLE_CARRIER = Body((4.2, 1.72, 1.66), (0.25, 0.06, 0.06), 0.19, 0.02, 0.17, 0.06, 0.57, 0.50, 1.0)
MINIBUS = Body((5.0, 1.90, 2.05), (0.3, 0.07, 0.15), 0.14, 0.01, 0.13, 0.03, 0.52, 0.42, 1.0)
PANEL_VAN = Body((5.2, 1.92, 2.25), (0.5, 0.09, 0.25), 0.14, 0.01, 0.13, 0.02, 0.50, 0.40, 0.3)
_CARS = (HATCHBACK, SMALL_CAR, SALOON, ESTATE, OFF_ROADER, PEOPLE_CARRIER)
_CAR_WEIGHTS = (7, 6, 3, 3, 2, 2)


def car(dice: RandomStream) -> Shape:
    """Draw a car; the mean over all kinds is about 3.9 x 1.65 x 1.52 m."""
    return _build(dice.choose(_CARS, _CAR_WEIGHTS), dice)


def van(dice: RandomStream) -> Shape:
    """Draw a van; the mean is about 5.1 x 1.9 x 2.2 m."""
    return _build(dice.choose((MINIBUS, PANEL_VAN)), dice)


def _build(body: Body, dice: RandomStream) -> Shape:
    length, width, height = (dice.normal(m, s) for m, s in zip(body.size, body.spread, strict=True))
    paint = dice.choose(_PAINTS, _PAINT_WEIGHTS)
    gloss = _GLOSS[0] + (_GLOSS[1] - _GLOSS[0]) * dice.between(0.0, 1.0) ** 2
    coat = Material(dice.between(0.8, 1.2) * paint, Surface.GLOSSY, gloss, dice.between(*_DIM))
    radius = min(0.21 * height, 0.34) * dice.between(0.95, 1.05)
    axle = 0.31 * length
    inner, outer = width - 2.0 * _MIRROR, height - _FIN
    return assemble(
        [
            *_lower_body(length, inner, outer, radius, axle, coat),
            *_wheels(inner, radius, axle),
            *_upper_body(body, length, inner, outer, 2.0 * radius, coat),
            *_cabin(body, length, inner, outer, coat, dice.between(*_SILL) * outer),
            *_outermost(body, length, width, height, coat),
        ]
    )


def _ahead(sign: int, near: float, far: float) -> tuple[float, float]:
    """Return the x span near … far from the middle towards the front (1) or the rear (-1)."""
    return (near, far) if sign > 0 else (-far, -near)


def _lower_body(length: float, width: float, height: float, radius: float, axle: float, coat: Material) -> list[Part]:
    """Return the parts below the upper edge of the wheels: floor, sills, bumpers with rounded corners."""
    end, side, gap = length / 2, width / 2, 1.12 * radius
    low, top = 0.115 * height, 2.0 * radius
    ledge = min(0.32 * height, 0.8 * top)
    parts = [
        box((-end + 0.15, end - 0.15), (-side + 0.24, side - 0.24), (low + 0.03, top), TRIM),
        box((-axle + gap, axle - gap), (-side, side), (low, top), coat),
    ]
    for sign, (above, at_top, _) in _SET_BACK.items():
        for cut, y in ((0.0, side - _CORNER[1]), (_CORNER[0], side)):
            spans = [(_ahead(sign, axle + gap, end - cut - back), (-y, y)) for back in (0.05, 0.0, above, at_top)]
            parts.append(frustum(spans[0], spans[1], (low, ledge), coat))
            parts.append(frustum(spans[2], spans[3], (ledge, top), coat))
    return parts


def _wheels(width: float, radius: float, axle: float) -> list[Part]:
    return [
        cylinder((x, sign * (width / 2 - 0.2), radius), (x, sign * (width / 2 - 0.01), radius), radius, TYRE)
        for x in (-axle, axle)
        for sign in (-1.0, 1.0)
    ]


def _upper_body(body: Body, length: float, width: float, height: float, bottom: float, coat: Material) -> list[Part]:
    """Return the sides up to the windows, and the bonnet."""
    side, belt = width / 2, body.belt * height
    foot = length / 2 - body.bonnet * length
    nose = max(body.nose * height, bottom + 0.02)
    (_, low_front, high_front), (_, low_rear, high_rear) = _SET_BACK[1], _SET_BACK[-1]
    front, rear = length / 2, -length / 2
    return [
        frustum(
            ((rear + low_rear, foot + 0.1), (-side, side)),
            ((rear + high_rear, foot), (-side + 0.05, side - 0.05)),
            (bottom, belt),
            coat,
        ),
        frustum(
            ((foot, front - low_front), (-side + 0.18, side - 0.18)),
            ((foot, front - high_front), (-side + 0.2, side - 0.2)),
            (bottom, nose),
            coat,
        ),
        frustum(
            ((foot, front - low_front - 0.12), (-side, side)),
            ((foot, front - high_front - 0.1), (-side + 0.05, side - 0.05)),
            (bottom, nose),
            coat,
        ),
        frustum(
            ((foot, front - high_front), (-side + 0.06, side - 0.06)),
            ((foot, foot + 0.15), (-side + 0.15, side - 0.15)),
            (nose, belt - 0.01),
            coat,
        ),
    ]


class Cabin(NamedTuple):
    """Outline of what is above the windows' lower edge: x along the car, y to either side, z above the ground (m)."""

    foot: float
    """Foot of the windscreen; `brow` is its top."""
    brow: float
    middle: float
    """Front seats' backs and the pillars behind the front doors."""
    split: float
    """Behind it there are no side windows."""
    crown: float
    """Top of the rear screen; `tail` is its foot."""
    tail: float
    low: float
    """Half the width at the belt; `high` is that at the roof."""
    high: float
    belt: float
    roof: float


def _cabin(body: Body, length: float, width: float, height: float, coat: Material, sill: float) -> list[Part]:
    """Return the parts above the belt; `sill` is the height of the rear window's lower edge."""
    foot, tail = length / 2 - body.bonnet * length, -length / 2 + max(body.boot * length, _SET_BACK[-1][2] + 0.02)
    brow, crown = foot - body.front_rake * length, tail + body.rear_rake * length
    split = tail if body.glazed == 1.0 else foot - body.glazed * (foot - tail)
    middle = max(0.5 * (brow + crown) + 0.05 * length, split)
    low, high = width / 2 - 0.06, width / 2 - (0.2 if body.size[2] < 1.9 else 0.13)
    cabin = Cabin(foot, brow, middle, split, crown, tail, low, high, body.belt * height, height - 0.07)
    rear = -length / 2 + _SET_BACK[-1][2]
    return [*_panes(cabin), *_sheet(cabin, height, coat), *_tailgate(cabin, rear, sill, coat), *_seats(cabin, height)]


def _panes(cabin: Cabin) -> list[Part]:
    foot, brow, middle, split, crown, tail, low, high, belt, roof = cabin
    parts = [frustum(((middle, foot), (-low, low)), ((middle, brow), (-high, high)), (belt, roof), WINDSCREEN)]
    if split < middle:
        end, top = max(tail, split), max(crown, split)
        parts.append(frustum(((end, middle), (-low, low)), ((top, middle), (-high, high)), (belt, roof), GLASS))
    return parts


def _sheet(cabin: Cabin, height: float, coat: Material) -> list[Part]:
    """Return roof, pillars, and the sides behind the windows."""
    foot, brow, middle, split, crown, tail, low, high, belt, roof = cabin
    bottom, top = ((crown - 0.02, brow + 0.02), (-high, high)), ((crown, brow), (-high + 0.06, high - 0.06))
    parts = [frustum(bottom, top, (roof, height), coat)]
    if split > tail:
        parts.append(frustum(((tail, split), (-low, low)), ((crown, split), (-high, high)), (belt, roof), coat))
    for sign in (-1.0, 1.0):
        for x, top_x, radius in ((foot, brow, 0.025), (middle, middle, 0.04), (tail + 0.1, crown + 0.1, 0.1)):
            start, end = (x, sign * (low - radius), belt), (top_x, sign * (high - radius), roof)
            parts.append(cylinder(start, end, radius, coat))
    return parts


def _tailgate(cabin: Cabin, rear: float, sill: float, coat: Material) -> list[Part]:
    """Return the metal below the rear window, of which the rearmost point is at `rear`."""
    ratio = (sill - cabin.belt) / (cabin.roof - cabin.belt)
    back, edge = max(rear, cabin.tail - 0.02), cabin.high + (cabin.low - cabin.high) * (1.0 - ratio)
    bottom = ((back, cabin.tail + 0.3), (-cabin.low, cabin.low))
    top = ((back + ratio * (cabin.crown - cabin.tail), cabin.tail + 0.35), (-edge, edge))
    return [frustum(bottom, top, (cabin.belt, sill), coat)]


def _seats(cabin: Cabin, height: float) -> list[Part]:
    low, middle = cabin.low, cabin.middle
    bench = ((cabin.tail + 0.5, cabin.tail + 0.7), (-low + 0.12, low - 0.12), (0.4 * height, 0.66 * height))
    parts = [box(*bench, SEAT)]
    for sign in (-1.0, 1.0):
        y = (0.42 * sign * low - 0.13, 0.42 * sign * low + 0.13)
        parts.append(box((middle - 0.2, middle), y, (0.4 * height, 0.8 * height), SEAT))
    return parts


def _outermost(body: Body, length: float, width: float, height: float, coat: Material) -> list[Part]:
    """Return the parts that reach the faces of the box: reflective plates and lamps, mirrors and aerial."""
    end, belt = length / 2, body.belt * (height - _FIN)
    mirror = end - body.bonnet * length - 0.5 * body.front_rake * length
    parts = [box((-end + 0.9, -end + 1.05), (-0.02, 0.02), (height - 2.0 * _FIN, height), coat)]
    for sign, (above, at_top, _) in _SET_BACK.items():
        parts.append(box(_ahead(sign, end - 0.1, end), (-0.26, 0.26), (0.18 * height, 0.18 * height + 0.11), PLATE))
        lamp = _ahead(sign, end - 0.3, end - (above + at_top) / 2)
        for y in ((width / 2 - 0.5, width / 2 - 0.29), (-width / 2 + 0.29, -width / 2 + 0.5)):
            parts.append(box(lamp, y, (0.38 * height, 0.38 * height + 0.1), LAMP))
    for y in ((width / 2 - 0.15, width / 2), (-width / 2, -width / 2 + 0.15)):
        parts.append(box((mirror, mirror + 0.1), y, (belt, belt + 0.14), coat))
    return parts

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of streets: their widths, surroundings and road users."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pointpillars_ov_ros.synthetic.randomness import RandomStream


class Use(Enum):
    """Use of a piece of land beside the street."""

    BUILDING = "building"
    """Blocks along the pavement."""
    HOUSE = "house"
    """A house behind a garden with hedge, fence or wall."""
    CAR_PARK = "car park"
    PARK = "park"
    """Trees, bushes, paths with people."""
    WALL = "wall"
    """A long wall or fence."""
    OPEN = "open"
    """A field or a lawn, perhaps a wood behind it."""


@dataclass(frozen=True)
class Style:
    """A kind of street; spans are (minimum, maximum), densities are objects per metre of street and side."""

    name: str
    lanes: tuple[int, ...]
    """Choices for the number of lanes per direction."""
    lane_width: tuple[float, float]
    """(m)"""
    parking: float
    """Probability that there is a parking strip on a side."""
    pavement: tuple[float, float]
    """Width of the pavement (m); below 1.5 there is only a verge without kerb."""
    speed: tuple[float, float]
    """Speed of the ego vehicle (m/s)."""
    uses: dict[Use, float]
    """Weights of the uses of land beside the street."""
    parked: float
    """Ratio of the parking places taken."""
    traffic: float
    """Ratio of the places in the lanes taken."""
    walkers: float
    """Ratio of the places on the pavement taken."""
    riders: float
    """Ratio of the places beside the lanes taken by cyclists."""
    standing: float
    """Density of standing people and cyclists."""
    trees: float
    """Density."""
    furniture: float
    """Density."""
    crossings: float
    """Probability of a side street per chunk."""
    clutter: float
    """Density of shrubs, boards, rails and other clutter, on the land up to 15 m behind the pavement."""
    weeds: float = 0.3
    """Density of tufts, and of posts among them, at the edges of the pavement."""
    rails: float = 0.0
    """Probability of a guard rail on a side of a chunk."""
    margin: tuple[float, float] = (1.0, 1.7)
    """Width of the strip for cyclists beside the lanes (m); too narrow to ride on below 0.9."""
    setback: tuple[float, float] = (0.6, 2.2)
    """Distance from the far edge of the pavement to walls and houses (m)."""
    crossers: float = 0.07
    """Density of people and cyclists who cross the street."""


CITY = Style(
    "city", (1, 1, 2), (2.6, 3.3), 0.7, (2.0, 5.0), (3.0, 12.0),
    {Use.BUILDING: 7, Use.WALL: 1, Use.CAR_PARK: 1, Use.PARK: 1, Use.HOUSE: 1},
    0.7, 0.5, 0.2, 0.2, 0.03, 0.05, 0.09, 0.35, 0.3, 0.15, crossers=0.1,
)  # fmt: skip
RESIDENTIAL = Style(
    "residential", (1,), (2.5, 3.0), 0.8, (1.5, 3.0), (4.0, 10.0),
    {Use.HOUSE: 7, Use.BUILDING: 2, Use.WALL: 1, Use.OPEN: 1, Use.CAR_PARK: 1},
    0.75, 0.3, 0.1, 0.12, 0.02, 0.07, 0.07, 0.4, 0.7, 0.6, 0.0, (0.9, 1.3), (0.3, 1.8),
)  # fmt: skip
AVENUE = Style(
    "avenue", (2,), (3.1, 3.6), 0.4, (3.0, 5.0), (8.0, 15.0),
    {Use.PARK: 3, Use.BUILDING: 3, Use.CAR_PARK: 3, Use.OPEN: 2, Use.WALL: 1},
    0.6, 0.6, 0.1, 0.2, 0.02, 0.09, 0.07, 0.3, 0.4, 0.4, 0.1,
)  # fmt: skip
COUNTRY = Style(
    "country", (1,), (3.0, 3.7), 0.0, (0.6, 1.2), (11.0, 20.0),
    {Use.OPEN: 6, Use.WALL: 1, Use.HOUSE: 1, Use.PARK: 2},
    0.0, 0.45, 0.04, 0.12, 0.005, 0.05, 0.04, 0.12, 0.4, 1.5, 0.3, crossers=0.01,
)  # fmt: skip
CAMPUS = Style(
    "campus", (1,), (2.8, 3.2), 0.3, (3.8, 6.5), (2.0, 7.0),
    {Use.PARK: 4, Use.BUILDING: 4, Use.CAR_PARK: 2, Use.OPEN: 1},
    0.6, 0.15, 0.35, 0.35, 0.06, 0.06, 0.09, 0.3, 0.4, 0.4, crossers=0.1,
)  # fmt: skip
LANE = Style(
    "lane", (1,), (2.5, 2.7), 0.9, (1.5, 2.4), (3.0, 8.0),
    {Use.HOUSE: 4, Use.BUILDING: 4, Use.WALL: 4},
    0.75, 0.12, 0.1, 0.0, 0.02, 0.08, 0.08, 0.3, 0.8, 0.6, 0.0, (0.1, 0.5), (0.2, 0.9),
)  # fmt: skip
STYLES = (CITY, RESIDENTIAL, AVENUE, COUNTRY, CAMPUS, LANE)
_WEIGHTS = (4, 5, 1, 2, 2, 6)


def draw_style(dice: RandomStream) -> Style:
    """Draw the kind of a street."""
    return dice.choose(STYLES, _WEIGHTS)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The road: its course, cross-section, heights, and side streets.

The road is endless along x of the world and bends a little. A place on it is (x, offset): the x at which its line
across the road meets the centre line, and the distance from there to the left (m).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.world.ground import BUMPS, Grid, Ground
from pointpillars_ov_ros.synthetic.world.styles import Style

CHUNK = 36.0
"""Length of the pieces in which the world is laid out (m, along x)."""
MOUTH_WIDTH = 7.0
"""Width of side streets (m)."""
SIDES = (1, -1)
"""Left and right: signs of the offset."""
_X_STEP, _OFFSET_STEP, _OFFSET_REACH = 0.5, 0.02, 60.0
_ROAD, _PAVEMENT, _LAWN, _KERB, _LINE = 0.24, 0.30, 0.36, 0.33, 0.5
"""Reflectivities."""
Wave = tuple[float, float, float]
"""Amplitude (m), wave number (rad/m) and phase (rad)."""


@dataclass(frozen=True)
class Road:
    """One road; left and right are as seen along x, traffic keeps to the right."""

    style: Style
    seed: int
    lanes: int
    """Number of lanes per direction."""
    lane_width: float
    """(m)"""
    margin: float
    """Width of the strip for cyclists beside the lanes (m)."""
    parking: tuple[float, float]
    """Width of the parking strips, left and right (m), 0 if there is none."""
    pavement: float
    """Width (m)."""
    kerb: float
    """Height (m)."""
    banks: tuple[float, float]
    """Rise of the land beyond the pavement, left and right (m per m)."""
    crossfall: float
    """Fall of the road from its centre line to the kerbs (m per m)."""
    setback: float
    """Distance from the far edge of the pavement to walls and houses (m)."""
    rough: tuple[float, float]
    """Greatest height of bumps beyond the pavement, left and right (m)."""
    embankments: tuple[float, float]
    """Rise of the land at a slope a few metres beyond the pavement, left and right (m), 0 if there is none."""
    brightness: float
    """Factor for the reflectivities of roadway and pavement."""
    bends: tuple[Wave, ...]
    hills: tuple[Wave, ...]

    def kerb_offset(self, side: int) -> float:
        """Return the distance of the kerb from the centre line (m)."""
        return self.lanes * self.lane_width + self.margin + self.parking[side < 0]

    def edge_offset(self, side: int) -> float:
        """Return the distance of the far edge of the pavement from the centre line (m)."""
        return self.kerb_offset(side) + self.pavement

    def centre(self, x: DoubleArray) -> DoubleArray:
        """Return y of the centre line (m)."""
        return _wave(self.bends, x)

    def heading(self, x: DoubleArray) -> DoubleArray:
        """Return the heading of the centre line (rad)."""
        return np.arctan(_slope(self.bends, x))

    def place(self, x: float, offset: float) -> tuple[float, float, float]:
        """Return x y (m, world) of a place and the heading of the road there (rad)."""
        y = sum(a * math.sin(k * x + p) for a, k, p in self.bends)
        heading = math.atan(sum(a * k * math.cos(k * x + p) for a, k, p in self.bends))
        return x - offset * math.sin(heading), y + offset * math.cos(heading), heading

    def is_crossing(self, chunk: int) -> bool:
        """Whether a side street joins in the middle of a chunk; never in two consecutive chunks."""
        if chunk % 2:
            return False
        return RandomStream(self.seed, 11, chunk).chance(min(2.0 * self.style.crossings, 1.0))

    def ground(self, low: float, high: float) -> Ground:
        """Return the ground around the interval low … high (m, world x)."""
        first, last = math.floor(low / _X_STEP), math.ceil(high / _X_STEP)
        x = np.arange(first, last + 1, dtype=np.float64) * _X_STEP
        by_x = np.stack([self.centre(x), np.cos(self.heading(x)), _wave(self.hills, x), self._mouths(x)], axis=1)
        return Ground(
            by_x, self._by_offset, self._bumps, self._marks,
            Grid(first * _X_STEP, _X_STEP, -_OFFSET_REACH, _OFFSET_STEP),
        )  # fmt: skip

    def _mouths(self, x: DoubleArray) -> DoubleArray:
        chunks = np.floor(x / CHUNK).astype(int)
        crossing = {int(chunk): self.is_crossing(int(chunk)) for chunk in np.unique(chunks)}
        away = np.abs(x - (chunks + 0.5) * CHUNK) - MOUTH_WIDTH / 2
        return np.where([crossing[int(chunk)] for chunk in chunks], np.clip(1.0 - away, 0.0, 1.0), 0.0)

    @cached_property
    def _by_offset(self) -> DoubleArray:
        offsets = np.arange(-_OFFSET_REACH, _OFFSET_REACH + _OFFSET_STEP / 2, _OFFSET_STEP)
        left, right = self._profile(1), self._profile(-1)
        table = [
            np.where(offsets > 0, np.interp(np.abs(offsets), left[0], a), np.interp(np.abs(offsets), right[0], b))
            for a, b in zip(left[1:], right[1:], strict=True)
        ]
        return np.stack(table, axis=1)

    def _profile(self, side: int) -> tuple[list[float], ...]:
        """Return the cross-section of one side: distances from the centre line (m), columns of `Ground.by_offset`."""
        kerb, edge, bank = self.kerb_offset(side), self.edge_offset(side), self.banks[side < 0]
        line, cross = self.lanes * self.lane_width, -self.crossfall
        fall, rough, rise = cross * kerb, self.rough[side < 0], self.embankments[side < 0]
        top, far, foot = fall + self.kerb, edge + 15.0, edge + self.setback + 1.5
        road, pavement = self.brightness * _ROAD, self.brightness * _PAVEMENT
        land = top + 0.01 * self.pavement
        rows = [
            # distance, height, height in a mouth, reflectivity, the same in a mouth, roughness
            (0.0, 0.0, 0.0, road, road, 0.007),
            (line - 0.02, cross * line, cross * line, road, road, 0.007),
            (line, cross * line, cross * line, _LINE, road, 0.007),
            (line + 0.12, cross * line, cross * line, _LINE, road, 0.007),
            (line + 0.14, cross * line, cross * line, road, road, 0.007),
            (kerb - 0.02, fall, fall, road, road, 0.007),
            (kerb + 0.02, top, fall, _KERB, road, 0.007),
            (kerb + 0.15, top, fall, _KERB if self.kerb else _LAWN, road, 0.008),
            (kerb + 0.17, top, fall, pavement if self.kerb else _LAWN, road, 0.008 if self.kerb else rough),
            (edge, land, fall, pavement if self.kerb else _LAWN, road, 0.012 if self.kerb else rough),
            (edge + 0.3, land, fall, _LAWN, road, rough),
            (foot, land + bank * (foot - edge), fall, _LAWN, road, rough),
            (foot + 3.0, land + bank * (foot + 3.0 - edge) + rise, fall + 0.3 * rise, _LAWN, road, rough),
            (far, land + bank * 15.0 + rise, fall + 0.3 * (bank * 15.0 + rise), _LAWN, road, rough),
        ]
        return tuple(list(column) for column in zip(*rows, strict=True))

    @cached_property
    def _bumps(self) -> DoubleArray:
        dice = RandomStream(self.seed, 12)
        return np.array([dice.between(-1.0, 1.0) for _ in range(BUMPS * BUMPS)]).reshape(BUMPS, BUMPS)

    @cached_property
    def _marks(self) -> DoubleArray:
        lanes = range(-self.lanes + 1, self.lanes)
        return np.array([lane * self.lane_width for lane in lanes])


def draw_road(seed: int, style: Style) -> Road:
    """Draw the road of a world."""
    dice = RandomStream(seed, 10)
    pavement = dice.between(*style.pavement)
    parking = [dice.between(2.1, 2.4) if dice.chance(style.parking) else 0.0 for _ in SIDES]
    return Road(
        style=style,
        seed=seed,
        lanes=dice.choose(style.lanes),
        lane_width=dice.between(*style.lane_width),
        margin=dice.between(*style.margin),
        parking=(parking[0], parking[1]),
        pavement=pavement,
        kerb=dice.between(0.06, 0.16) if pavement >= 1.5 else 0.0,
        banks=(dice.normal(0.02, 0.06), dice.normal(0.02, 0.06)),
        crossfall=dice.between(0.002, 0.02),
        setback=dice.between(*style.setback) if pavement >= 1.5 else dice.between(1.5, 3.0),
        rough=(dice.between(0.04, 0.25), dice.between(0.04, 0.25)),
        embankments=(_draw_embankment(dice, pavement < 1.5), _draw_embankment(dice, pavement < 1.5)),
        brightness=dice.between(0.65, 1.2),
        bends=_draw_waves(dice, 0.12),
        hills=_draw_waves(dice, dice.choose((0.012, 0.025, 0.04))),
    )


def _draw_embankment(dice: RandomStream, is_open: bool) -> float:
    """Draw the rise or fall (m) of the land at a slope beside the road; rare in a town."""
    return dice.between(-1.0, 2.5) if dice.chance(0.5 if is_open else 0.15) else 0.0


def _draw_waves(dice: RandomStream, slope: float) -> tuple[Wave, ...]:
    """Draw three waves, 60 to 400 m long, each of a slope up to about `slope` (m per m)."""
    waves = []
    for shortest, longest, share in ((250.0, 400.0, 1.0), (130.0, 200.0, 0.7), (60.0, 100.0, 0.25)):
        number = 2.0 * math.pi / dice.between(shortest, longest)
        waves.append((share * dice.between(0.0, slope) / number, number, dice.between(0.0, 2.0 * math.pi)))
    return tuple(waves)


def _wave(waves: tuple[Wave, ...], x: DoubleArray) -> DoubleArray:
    return np.asarray(sum(a * np.sin(k * x + p) for a, k, p in waves), np.float64)


def _slope(waves: tuple[Wave, ...], x: DoubleArray) -> DoubleArray:
    return np.asarray(sum(a * k * np.cos(k * x + p) for a, k, p in waves), np.float64)

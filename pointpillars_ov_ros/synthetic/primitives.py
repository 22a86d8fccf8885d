# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Primitives that everything but the ground is made of, and shapes assembled from them.

A primitive stands upright in the frame of its shape: x forward, y left, z up (m). Its own frame has the same axes and
its origin in the centre of its bounding box. Shapes only rotate about z, so the axes stay aligned in the scene.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.core.arrays import DoubleArray

Span = tuple[float, float]
Point = tuple[float, float, float]
PrimitiveArray = npt.NDArray[np.void]
Record = Any
"""One PRIMITIVE of a PrimitiveArray; mypy does not know the fields of numpy's records."""
Part = tuple[float, ...]
"""A primitive during assembly: the fields of PRIMITIVE."""


class Kind(IntEnum):
    """Form of a primitive, which determines its parameters p0 … p7 (m, its own frame)."""

    FRUSTUM = 0
    """A rectangle at the bottom joined to one at the top: x and y span of the bottom, x and y span of the top."""
    ELLIPSOID = 1
    """Radii are half the bounding box; no parameters."""
    CYLINDER = 2
    """Unit axis x y z, half length, radius; flat ends."""


class Surface(IntEnum):
    """Interaction of rays with a primitive, which determines the meaning of `opening`."""

    SOLID = 0
    POROUS = 1
    """Glass, spokes, mesh: the ratio `opening` of the rays passes."""
    VOLUME = 2
    """Leaves: `opening` of them per metre, so that a ray ends somewhere inside or passes."""
    GRID = 3
    """Vertical faces with regular holes: `opening` of every `pitch` metres, over half of every `rise` metres of height.

    The holes cover the whole height if `rise` is 0.
    """
    GLOSSY = 4
    """Paint: the ratio 2 * `opening` * (1 - cosine) of the rays is reflected away and does not return.

    Rays that hit it head-on return. Of those that return, the ratio `pitch` is so dim that a sensor with
    `IntensityModel.zeros` reports 0.
    """


class Material(NamedTuple):
    """Optical properties of a primitive."""

    reflectivity: float
    """Ratio of light returned by a surface met head-on, 0 to 1."""
    surface: Surface = Surface.SOLID
    opening: float = 0.0
    pitch: float = 1.0
    rise: float = 0.0


PRIMITIVE = np.dtype(
    [
        *((name, np.int32) for name in ("kind", "surface", "object")),
        *((name, np.float64) for name in ("x", "y", "z", "cos", "sin", "half_x", "half_y", "half_z")),
        *((f"p{k}", np.float64) for k in range(8)),
        *((name, np.float64) for name in ("reflectivity", "opening", "pitch", "rise")),
    ]
)
"""Fields: centre and yaw (as cosine and sine) of the own frame, half the bounding box, parameters, material, object.

`object` is the index of the labelled object, -1 in the background.
"""


class Shape(NamedTuple):
    """Primitives in a frame whose origin is the centre of their bounding box."""

    primitives: PrimitiveArray
    """(K,), PRIMITIVE records."""
    size: Point
    """Length, width, height of the bounding box, or of a larger one about the same centre (m)."""
    centre: Point
    """Centre of the bounding box relative to the point on the ground that the shape is placed by (m)."""


def frustum(bottom: tuple[Span, Span], top: tuple[Span, Span], z: Span, material: Material) -> Part:
    """Return a frustum: x and y span at z[0], x and y span at z[1]."""
    x = (min(bottom[0][0], top[0][0]), max(bottom[0][1], top[0][1]))
    y = (min(bottom[1][0], top[1][0]), max(bottom[1][1], top[1][1]))
    centre = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)
    half = ((x[1] - x[0]) / 2, (y[1] - y[0]) / 2, (z[1] - z[0]) / 2)
    spans = [value - centre[axis] for rectangle in (bottom, top) for axis in (0, 1) for value in rectangle[axis]]
    return _part(Kind.FRUSTUM, centre, half, spans, material)


def box(x: Span, y: Span, z: Span, material: Material) -> Part:
    """Return a box with the given spans."""
    return frustum((x, y), (x, y), z, material)


def ellipsoid(centre: Point, radii: Point, material: Material) -> Part:
    """Return an ellipsoid."""
    return _part(Kind.ELLIPSOID, centre, radii, (), material)


def cylinder(start: Point, end: Point, radius: float, material: Material) -> Part:
    """Return a cylinder whose axis goes from `start` to `end`."""
    length = math.dist(start, end)
    axis = [(b - a) / length for a, b in zip(start, end, strict=True)]
    half = [abs(a) * length / 2 + radius * math.sqrt(max(1.0 - a * a, 0.0)) for a in axis]
    centre = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    return _part(Kind.CYLINDER, centre, half, [*axis, length / 2, radius], material)


def _part(
    kind: Kind, centre: Sequence[float], half: Sequence[float], parameters: Sequence[float], material: Material
) -> Part:
    padding = (0.0,) * (8 - len(parameters))
    return (
        int(kind), int(material.surface), -1, *centre, 1.0, 0.0, *half, *parameters, *padding,
        material.reflectivity, *material[2:],
    )  # fmt: skip


def assemble(parts: Sequence[Part], least: tuple[float, float] = (0.0, 0.0)) -> Shape:
    """Assemble primitives, and move the origin to the centre of their common bounding box.

    The box is widened to at least `least` (length, width, m): labels of real clouds leave room for a stride.
    """
    primitives = np.array(parts, PRIMITIVE)
    middles = np.stack([primitives[axis] for axis in "xyz"], axis=1)
    halves = np.stack([primitives[f"half_{axis}"] for axis in "xyz"], axis=1)
    low, high = (middles - halves).min(axis=0), (middles + halves).max(axis=0)
    centre, size = (low + high) / 2, np.maximum(high - low, (*least, 0.0))
    for index, axis in enumerate("xyz"):
        primitives[axis] -= centre[index]
    return Shape(primitives, _point(size), _point(centre))


def _point(values: DoubleArray) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


def place(primitives: PrimitiveArray, poses: DoubleArray) -> None:
    """Move `primitives` (K,) in place from the frames of their shapes to the frame of the poses.

    `poses` (K, 4): x y z (m) and yaw (rad) of the shape of each.
    """
    cos, sin = np.cos(poses[:, 3]), np.sin(poses[:, 3])
    x, y = primitives["x"].copy(), primitives["y"].copy()
    primitives["x"] = poses[:, 0] + cos * x - sin * y
    primitives["y"] = poses[:, 1] + sin * x + cos * y
    primitives["z"] += poses[:, 2]
    primitives["cos"], primitives["sin"] = cos, sin

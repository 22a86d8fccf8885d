# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rules of KITTI's object benchmark: classes, overlaps, difficulties, as in the 2017 development kit (with 3D)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.core.arrays import IntArray

RECALL_STEPS = 40
"""Recall is sampled at 0, 1/40 … 1; AP R40 leaves out 0, AP R11 (until 2019) takes every fourth from 0."""
NO_ALPHA = -10.0
"""Observation angle that means 'none'; AOS is not computed if any detection has it."""
NO_POSITION = -1000.0
"""Coordinate that means 'no 3D box'."""


class Metric(str, Enum):
    """Which overlap a match is judged by."""

    BOX_2D = "2d"
    """Overlap of boxes in the image."""
    AOS = "aos"
    """Overlap of boxes in the image, each match weighted by (1 + cos(difference of alpha)) / 2."""
    BEV = "bev"
    """Overlap of rotated boxes in bird's-eye view."""
    BOX_3D = "3d"
    """Overlap of the volumes of rotated boxes."""


class Difficulty(NamedTuple):
    """Limits beyond which an object is neither required nor wrong."""

    name: str
    min_height: float
    """Height of the 2D box (pixels); an object must be higher, a detection not lower."""
    max_occlusion: float
    """0 visible, 1 partly, 2 largely occluded, 3 unknown."""
    max_truncation: float
    """Ratio outside the image."""


DIFFICULTIES = (
    Difficulty("easy", 40, 0, 0.15),
    Difficulty("moderate", 25, 1, 0.3),
    Difficulty("hard", 25, 2, 0.5),
)
ANY_DIFFICULTY = Difficulty("all", -1, math.inf, math.inf)
"""Difficulty for scenes without a camera: everything counts."""


class ClassRule(NamedTuple):
    """Scoring of one class."""

    name: str
    neighbour: str
    """Kind of objects that may, but need not, be detected as this class; empty: none."""
    min_overlap: float
    """IoU that a match must exceed."""
    loose_overlap: float
    """The milder overlap for BEV and 3D that papers also quote."""


CLASS_RULES = (
    ClassRule("Car", "Van", 0.7, 0.5),
    ClassRule("Pedestrian", "Person_sitting", 0.5, 0.25),
    ClassRule("Cyclist", "", 0.5, 0.25),
)
DONT_CARE = "DontCare"
_KINDS = tuple(name.lower() for rule in CLASS_RULES for name in (rule.name, rule.neighbour) if name)
_KIND_CODES = {name: code for code, name in enumerate((*_KINDS, DONT_CARE.lower()))}
OTHER_KIND = -1


def find_rule(name: str) -> ClassRule | None:
    """Return the rule of a class, ignoring case; None for a class that KITTI does not score."""
    return next((rule for rule in CLASS_RULES if rule.name.lower() == name.lower()), None)


def kind_code(name: str) -> int:
    """Return the code of a kind of object, ignoring case; OTHER_KIND for kinds that play no part."""
    return _KIND_CODES.get(name.lower(), OTHER_KIND)


def kind_codes(names: Sequence[str]) -> IntArray:
    """Return the codes of kinds of objects, (N,) int32."""
    return np.array([kind_code(name) for name in names], np.int32)

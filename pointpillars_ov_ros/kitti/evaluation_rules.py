# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What KITTI's object benchmark counts: classes, overlaps, difficulties, as in the 2017 development kit (with 3D)."""

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
"""An observation angle that says there is none; one such detection, and no AOS is computed."""
NO_POSITION = -1000.0
"""A coordinate that says there is no 3D box."""


class Metric(str, Enum):
    """What has to overlap."""

    BOX_2D = "2d"
    """Boxes in the image."""
    AOS = "aos"
    """Boxes in the image, each match weighted with (1 + cos(difference of alpha)) / 2."""
    BEV = "bev"
    """Rotated boxes seen from above."""
    BOX_3D = "3d"
    """Volumes of rotated boxes."""


class Difficulty(NamedTuple):
    """Limits beyond which an object is neither wanted nor wrong."""

    name: str
    min_height: float
    """Of the 2D box (pixels); an object has to be higher, a detection not lower."""
    max_occlusion: float
    """0 visible, 1 partly, 2 largely occluded, 3 unknown."""
    max_truncation: float
    """Share outside of the image."""


DIFFICULTIES = (
    Difficulty("easy", 40, 0, 0.15),
    Difficulty("moderate", 25, 1, 0.3),
    Difficulty("hard", 25, 2, 0.5),
)
ANY_DIFFICULTY = Difficulty("all", -1, math.inf, math.inf)
"""For scenes that no camera has seen: everything counts."""


class ClassRule(NamedTuple):
    """How one class is scored."""

    name: str
    neighbour: str
    """Objects of this kind may be detected as the class, and need not be; empty: there is no such kind."""
    min_overlap: float
    """IoU that a match has to exceed."""
    loose_overlap: float
    """The milder one that papers also quote, for BEV and 3D."""


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
    """Give the rule of a class, whatever the case of its letters; None for a class that KITTI does not score."""
    return next((rule for rule in CLASS_RULES if rule.name.lower() == name.lower()), None)


def kind_code(name: str) -> int:
    """Give the code of a kind of object, whatever the case of its letters; OTHER_KIND for what plays no part."""
    return _KIND_CODES.get(name.lower(), OTHER_KIND)


def kind_codes(names: Sequence[str]) -> IntArray:
    """Give the codes of kinds of objects, (N,) int32."""
    return np.array([kind_code(name) for name in names], np.int32)

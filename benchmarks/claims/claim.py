# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Claims, their figures, and calculations with the measurements behind them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.cli.measurement.ratios import Estimate, paired_ratio
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.model.bundle import ModelBundle

SCORE_FLOOR = 0.4
"""Below this score, detections may come and go with the last bit of a quantized value."""
BOX_TOLERANCE = 0.1
"""Tolerance of a coordinate or a size (m), and of the yaw (rad)."""
SCORE_TOLERANCE = 0.05


@dataclass(frozen=True)
class ClaimInputs:
    """Inputs that every claim is measured with."""

    bundle: ModelBundle
    data: Path
    clouds: list[PointCloud2]
    rounds: int

    def cycle(self) -> Iterator[PointCloud2]:
        """Yield the clouds repeatedly."""
        return itertools.cycle(self.clouds)


@dataclass(frozen=True)
class Claim:
    """One claim with its figure."""

    text: str
    figure: float
    limit: float | None = None
    """None: measured only, nothing is claimed."""
    unit: str = ""
    at_most: bool = True
    bounds: tuple[float, float] | None = None
    """Bounds that contain the figure with a confidence of 95 %."""
    how: str = ""
    """Definition of the figure: which statistic, of what, over how many."""

    @classmethod
    def of(cls, text: str, found: Estimate, limit: float, how: str, unit: str = "", at_most: bool = True) -> Claim:
        """Make a claim about a median."""
        return cls(text, found.value, limit, unit, at_most, found.bounds, how)

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the limit; true if there is none."""
        if self.limit is None:
            return True
        return self.figure <= self.limit if self.at_most else self.figure >= self.limit

    def cells(self) -> list[str]:
        """Return the row of the table."""
        bounds = f"{self.bounds[0]:.4g} to {self.bounds[1]:.4g}" if self.bounds else ""
        limit = "" if self.limit is None else f"{'<=' if self.at_most else '>='} {self.limit:g}{self.unit}"
        verdict = "measured" if self.limit is None else "met" if self.is_met else "MISSED"
        return [self.text, f"{self.figure:.4g}{self.unit}", bounds, limit, verdict]


COLUMNS = ("claim", "figure", "95 %", "limit", "")
"""Header of `Claim.cells`."""


def tally(claims: Sequence[Claim]) -> str:
    """Count the claims met and missed."""
    claimed = [claim for claim in claims if claim.limit is not None]
    met = sum(claim.is_met for claim in claimed)
    return f"{met} met, {len(claimed) - met} missed"


def growth_by_step(points: Sequence[int], rounds_ms: Sequence[Sequence[float]]) -> list[Estimate]:
    """Return the growth of time relative to the growth of points, for each step from one size to the next.

    `rounds_ms` holds the time of every size, for each round; ratios are taken within a round. 1 is a time that grows
    like the number of points; below 1 it grows more slowly.
    """
    steps = []
    for (index, size), following in zip(enumerate(points), points[1:], strict=False):
        pairs = ((times[index + 1] / following, times[index] / size) for times in rounds_ms)
        steps.append(paired_ratio(pairs))
    return steps


def agree(some: Detections, others: Detections) -> bool:
    """Whether two variants agree: each detection of one has a counterpart in the other, and vice versa.

    Only detections with a score of at least `SCORE_FLOOR` in one must be found in the other.
    """
    return _all_among(some.above(SCORE_FLOOR), others) and _all_among(others.above(SCORE_FLOOR), some)


def _all_among(some: Detections, others: Detections) -> bool:
    for box, score, label in zip(some.boxes, some.scores, some.labels, strict=True):
        apart = np.abs(others.boxes - box)
        # A yaw just below pi equals one just above -pi.
        apart[:, 6] = np.minimum(apart[:, 6], 2 * np.pi - apart[:, 6])
        alike = (apart < BOX_TOLERANCE).all(axis=1) & (np.abs(others.scores - score) < SCORE_TOLERANCE)
        if not (alike & (others.labels == label)).any():
            return False
    return True

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One-cycle schedule: the learning rate rises, then falls to almost 0, and momentum does the opposite."""

from __future__ import annotations

import math
from typing import NamedTuple

_RISE = 0.4
"""Ratio of the run in which the learning rate rises."""
_FIRST, _LAST = 0.1, 1e-4
"""Learning rates at the start and the end, relative to the highest."""
_HIGH, _LOW = 0.95, 0.85
"""Momentum."""


class AdamWSettings(NamedTuple):
    """Settings of AdamW."""

    learning_rate: float
    momentum: float


def one_cycle(progress: float, highest: float) -> AdamWSettings:
    """Return the settings at `progress` of the run, 0..1; `highest` is the highest learning rate.

    A function of progress rather than of steps, so that the length of a run can be set in minutes.
    """
    if progress < _RISE:
        share = _ease(progress / _RISE)
        return AdamWSettings(highest * (_FIRST + (1.0 - _FIRST) * share), _HIGH + (_LOW - _HIGH) * share)
    share = _ease(min(1.0, (progress - _RISE) / (1.0 - _RISE)))
    return AdamWSettings(highest * (1.0 + (_LAST - 1.0) * share), _LOW + (_HIGH - _LOW) * share)


def _ease(share: float) -> float:
    """Go from 0 to 1 along half a cosine."""
    return (1.0 - math.cos(math.pi * share)) / 2.0

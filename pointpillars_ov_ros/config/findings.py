# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Findings of `pointpillars_ov doctor`: severity, observation, and cures as commands."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Level(str, Enum):
    """Severity of a finding, in rising order."""

    OK = "OK"
    NOTE = "NOTE"
    """Nothing to fix."""
    WARN = "WARN"
    """Detections are lost or late."""
    FAULT = "FAULT"
    """All detections are lost, or nearly all."""

    @property
    def needs_cure(self) -> bool:
        """Whether something should be fixed."""
        return self in (Level.WARN, Level.FAULT)


class Finding(NamedTuple):
    """Result of one check."""

    name: str
    """PART.THING, stable across versions, such as `cloud.height`."""
    level: Level
    text: str
    """Observation and its meaning, in one line."""
    cures: tuple[str, ...] = ()
    """Commands, or sentences if there is no command; at least one for WARN and FAULT."""

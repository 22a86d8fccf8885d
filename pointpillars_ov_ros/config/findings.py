# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an examination finds: how bad it is, what is seen, and what mends it as it is to be typed."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Level(str, Enum):
    """How bad a finding is, in rising order."""

    OK = "OK"
    NOTE = "NOTE"
    """Nothing to mend."""
    WARN = "WARN"
    """It costs detections, or time."""
    FAULT = "FAULT"
    """It costs all of them, or nearly."""

    @property
    def needs_cure(self) -> bool:
        """Whether something is to be mended."""
        return self in (Level.WARN, Level.FAULT)


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    """PART.THING, the same in every version: `cloud.height`."""
    level: Level
    text: str
    """What is seen, and what it means; one line."""
    cures: tuple[str, ...] = ()
    """Commands as they are to be typed, or sentences where there is none to type; of WARN and FAULT at least one."""

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outcomes of the clouds of a bag, counted and formatted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.bags.journal import Outcome
from pointpillars_ov_ros.config.errors import count_of

_MOST_REASONS = 10
"""Maximum number of reasons printed, since some contain a number that differs from cloud to cloud."""


@dataclass
class CloudTally:
    """Exact accounts: every cloud of the bag is either processed or refused."""

    clouds: int = 0
    detected: int = 0
    boxes: int = 0
    replayed: int = 0
    """Number of all clouds that an earlier run had processed."""
    refused: Counter[str] = field(default_factory=Counter)
    """Clouds that could not be read, by reason."""
    frame_ids: Counter[str] = field(default_factory=Counter)
    layouts: Counter[str] = field(default_factory=Counter)
    """Clouds by their fields and the size of a point."""
    without_intensity: int = 0
    too_bright: int = 0
    notes: list[str] = field(default_factory=list)
    """Further remarks about the bag."""
    wall_s: float = 0.0
    core_s: float = 0.0
    """CPU time of this process over all cores."""

    def count(self, outcome: Outcome, is_replayed: bool) -> None:
        """Count a cloud."""
        self.detected += not outcome.refusal
        self.boxes += outcome.boxes
        self.replayed += is_replayed
        if outcome.refusal:
            self.refused[outcome.refusal] += 1

    def count_form(self, message: Any) -> None:
        """Count the frame and the layout of a PointCloud2."""
        fields = " ".join(each.name for each in message.fields) or "no fields"
        self.layouts[f"{fields}, {message.point_step} bytes per point"] += 1
        self.frame_ids[message.header.frame_id] += 1


def format_tally(out: Path, tally: CloudTally) -> str:
    """Format the outcomes of the clouds, and anything odd about them, line by line."""
    boxes = count_of(tally.boxes, "box", "boxes")
    lines = [
        f"{out}: {count_of(tally.clouds, 'cloud')}, {tally.detected} with detections ({boxes}), "
        f"{sum(tally.refused.values())} refused"
    ]
    if tally.replayed:
        lines.append(f"{tally.replayed} of them were processed by an earlier run")
    lines += [f"refused: {count} x {reason}" for reason, count in tally.refused.most_common(_MOST_REASONS)]
    if len(tally.refused) > _MOST_REASONS:
        lines.append(f"refused: the rest, for {len(tally.refused) - _MOST_REASONS} further reasons")
    for what, counts in (("frame_id", tally.frame_ids), ("layout", tally.layouts)):
        if len(counts) > 1:
            lines.append(f"{what} changes: {'; '.join(f'{value!r} in {count}' for value, count in counts.items())}")
    if tally.without_intensity:
        lines.append(
            f"{tally.without_intensity} without intensity (set to 0), which costs accuracy: see --intensity-field"
        )
    if tally.too_bright:
        lines.append(f"{tally.too_bright} with intensities far above 1: see --intensity-scale")
    lines += tally.notes
    fresh = tally.clouds - tally.replayed
    if fresh:
        lines.append(cost(fresh, tally.wall_s, tally.core_s))
    return "\n  ".join(lines)


def cost(clouds: int, wall_s: float, core_s: float) -> str:
    """Describe the cost of 1 000 clouds."""
    return f"1 000 clouds cost {1000 * core_s / clouds:.0f} core-seconds and take {1000 * wall_s / clouds:.0f} s"

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Changes due to quantization, as tables and text."""

from __future__ import annotations

import numpy as np

from pointpillars_ov_ros.cli.model.quantize_compare import Speed
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.conversion.inspection import BundleSummary, NetworkSummary
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.matching import MAX_DISTANCE
from pointpillars_ov_ros.quantization.check import Change, margin_below
from pointpillars_ov_ros.quantization.quantize import Part


def format_networks(before: BundleSummary, after: BundleSummary) -> str:
    """Tabulate precision and size of both networks."""
    rows = []
    for name, old in before.networks.items():
        new = after.networks[name]
        precisions = [network.precision for network in (old, new)]
        sizes = [format_size(network) for network in (old, new)]
        rows.append([name.upper(), *precisions, *sizes, f"{new.bytes / old.bytes:.2f}"])
    header = ["network", "layers before", "layers after", "MB before", "MB after", "after / before"]
    return format_table(header, rows)


def format_size(network: NetworkSummary) -> str:
    """Return the size of weights and graph on disk."""
    return f"{network.weight_bytes / 1e6:.2f} + {network.graph_bytes / 1e6:.2f}"


def format_change(change: Change, clouds: int, shared: int, threshold: float) -> str:
    """Describe the changes of the detections."""
    where = "all" if shared == clouds else f"{shared} of them"
    title = (
        f"detections of {count_of(clouds, 'cloud')} ({where} also used to calibrate), scores of {threshold:g} or more; "
        f"partners are within {MAX_DISTANCE:g} m and score at least {margin_below(threshold):g}"
    )
    lines = [
        ("before", change.before, ""),
        ("after", change.after, ""),
        ("matched", change.matched, _shift(change)),
        ("lost", len(change.lost_scores), _best(change.lost_scores)),
        ("new", len(change.new_scores), _best(change.new_scores)),
    ]
    rows = [f"  {name:8}{number:7d}  {note}".rstrip() for name, number, note in lines]
    return "\n".join([title, *rows, f"  drop     {change.drop:.4f}  (lost + new) / (before + after)"])


def format_speed(part: Part, speed: Speed) -> str:
    """Describe the times of a network before and after, and the format of its canvas."""
    ratio = speed.ratio
    text = (
        f"{part.value.upper()} on the CPU: {speed.before_ms.value:.1f} ms before, {speed.after_ms.value:.1f} ms after; "
        f"after / before {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}, {ratio.count} pairs in turn)"
    )
    if speed.canvas is None:
        return text
    return f"{text}; canvas {'uint8' if speed.canvas.quantized else 'float32'} {speed.canvas.layout.name}"


def _shift(change: Change) -> str:
    if not change.matched:
        return ""
    return (
        f"centres {change.shifts.mean():.3f} m apart (at most {change.shifts.max():.3f}), "
        f"scores {change.score_changes.mean():+.3f} (at most {np.abs(change.score_changes).max():.3f} apart)"
    )


def _best(scores: FloatArray) -> str:
    return f"scores up to {scores.max():.2f}" if len(scores) else ""

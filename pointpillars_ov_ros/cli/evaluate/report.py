# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AP as tables, warnings and JSON."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from pointpillars_ov_ros import __version__
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.kitti.counting import Count
from pointpillars_ov_ros.kitti.evaluation import Curve, best_possible
from pointpillars_ov_ros.kitti.thresholds import Proposal, f1

FOUND_OVERLAP = 0.3
"""BEV IoU above which an object counts as found: enough to brake for."""
FOUND_SCORES = (0.3, 0.5)
FEW_OBJECTS = 100
"""With fewer objects, a single one is worth more than a point of AP."""


def format_ap(curves: Sequence[Curve]) -> str:
    """Tabulate AP, one row per class, metric and overlap; '-' if the ground truth has nothing to find."""
    names = difficulties(curves)
    header = ["AP (%)", "IoU >", *(f"R40 {name}" for name in names), *(f"R11 {name}" for name in names)]
    rows = []
    for start in range(0, len(curves), len(names)):
        group = curves[start : start + len(names)]
        values = [c.ap_r40 for c in group] + [c.ap_r11 for c in group]
        texts = [f"{v:.2f}" if c.objects else "-" for v, c in zip(values, [*group, *group], strict=True)]
        rows.append([f"{group[0].class_name} {group[0].metric.value.upper()}", f"{group[0].min_overlap:g}", *texts])
    return format_table(header, rows)


def format_counts(curves: Sequence[Curve]) -> str:
    """Tabulate how many objects count, by class and difficulty, and the AP of perfect detections."""
    names = difficulties(curves)
    counts = count_objects(curves)
    rows = []
    for class_name, objects in counts.items():
        rows.append([f"{class_name} in the ground truth", *(str(objects[name]) for name in names)])
        if any(objects[name] < FEW_OBJECTS for name in names):
            for row, label in enumerate(("R40", "R11")):
                texts = [f"{best_possible(objects[name])[row]:.1f}" for name in names]
                rows.append([f"  {label} of perfect detections", *texts])
    return format_table(["objects that count", *names], rows)


def format_found(counts: Sequence[Count], published: Sequence[Count] = ()) -> str:
    """Tabulate found, missed and false objects at some scores, and of what the model would publish."""
    rows = []
    names = [f"{count.class_name} at score {count.score:g} or more" for count in counts]
    names += [f"{count.class_name} as published ({count.score:g})" for count in published]
    for name, count in zip(names, (*counts, *published), strict=True):
        shares = [f"{100 * share:.1f}" if share == share else "-" for share in (count.precision, count.recall)]
        rows.append([name, *map(str, (count.found, count.missed, count.false)), *shares])
    header = [f"BEV IoU > {FOUND_OVERLAP:g}", "found", "missed", "false", "precision (%)", "recall (%)"]
    return format_table(header, rows)


def format_proposals(proposals: Sequence[Proposal]) -> str:
    """Tabulate proposed thresholds, and what they find."""
    rows = []
    for threshold, near, far in proposals:
        for count, where in ((near, "" if far is None else f" to {threshold.far_from:g} m"), (far, " beyond")):
            if count is not None:
                figures = [count.score, 100 * count.precision, 100 * count.recall, f1(count)]
                rows.append([f"{threshold.class_name}{where}", *(f"{figure:.3g}" for figure in figures)])
    return format_table(["publish from", "score", "precision (%)", "recall (%)", "F1"], rows)


def few_objects(curves: Sequence[Curve]) -> str:
    """Return a warning if too few objects count for AP to be meaningful; else an empty text."""
    few = [
        f"{class_name} {name} {number}"
        for class_name, objects in count_objects(curves).items()
        for name, number in objects.items()
        if number < FEW_OBJECTS
    ]
    if not few:
        return ""
    return (
        f"few objects ({', '.join(few)}): a single one changes AP by points, and with fewer than 41 even "
        "perfect detections do not reach 100, so only compare runs on the same frames"
    )


def difficulties(curves: Sequence[Curve]) -> list[str]:
    """Return the names of the difficulties, in order."""
    return list(dict.fromkeys(curve.difficulty for curve in curves))


def count_objects(curves: Sequence[Curve]) -> dict[str, dict[str, int]]:
    """Return the number of objects that count, by class and difficulty."""
    counts: dict[str, dict[str, int]] = {}
    for curve in curves:
        counts.setdefault(curve.class_name, {})[curve.difficulty] = curve.objects
    return counts


def make_report(
    title: str,
    frames: int,
    details: dict[str, Any],
    notes: Sequence[str],
    curves: Sequence[Curve],
    counts: Sequence[Count] = (),
) -> Any:
    """Return the complete report in plain values; AP is null if there is nothing to find."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "versions": {
            "pointpillars_ov_ros": __version__,
            "numpy": np.__version__,
            "numba": numba.__version__,
            "python": platform.python_version(),
        },
        "scored": title,
        **details,
        "frames": frames,
        "objects that count": count_objects(curves),
        "notes": list(notes),
        "curves": [
            {
                "class": curve.class_name,
                "metric": curve.metric.value,
                "IoU above": curve.min_overlap,
                "difficulty": curve.difficulty,
                "objects": curve.objects,
                "AP R40 (%)": curve.ap_r40 if curve.objects else None,
                "AP R11 (%)": curve.ap_r11 if curve.objects else None,
                "precision at recall k/40": curve.precision.tolist(),
                "scores": curve.thresholds.tolist(),
            }
            for curve in curves
        ],
        "found": [{"BEV IoU above": FOUND_OVERLAP, **count._asdict()} for count in counts],
    }

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Agreement of two answers to the same clouds, as tables and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.inference.parity.check import summary
from pointpillars_ov_ros.inference.parity.compare import (
    Comparison,
    DetectionAgreement,
    TensorAgreement,
    Tolerances,
    figure,
)

Comparisons = Mapping[str, Comparison]


def format_tensors(config: ModelConfig, comparisons: Comparisons) -> str:
    """Tabulate each tensor's agreement; with several clouds, the worst."""
    tensors = {
        "features": config.pfe.output,
        "boxes": config.rpn.boxes,
        "scores": config.rpn.scores,
        "directions": config.rpn.directions,
    }
    rows = []
    for index, (name, tensor) in enumerate(tensors.items()):
        each = [comparison.tensors[index] for comparison in comparisons.values()]
        worst = max(each, key=lambda one: one.worst)
        label = f"{'PFE' if name == 'features' else 'RPN'} {name} ({tensor})"
        if worst.not_finite:
            rows.append([label, *["-"] * 3, str(worst.not_finite)])
        else:
            errors = [max(one.max_error for one in each), max(one.relative_error for one in each)]
            rows.append([label, f"{errors[0]:.2g}", f"{errors[1]:.2g}", figure(worst.correlation), "0"])
    return format_table(["tensor", "max error", "relative", "correlation", "not finite"], rows)


def format_detections(comparisons: Comparisons) -> str:
    """Tabulate the detections; deviating ones are marked with their outcome."""
    rows = [
        [
            f"{cloud}  {one.class_name}",
            *(f"{value:.1f}" for value in one.box[:2]),
            *(_or_dash(value, digits) for value, digits in ((one.score, 3), (one.new_score, 3), (one.shift, 3))),
            one.fate.value,
        ]
        for cloud, comparison in comparisons.items()
        for one in comparison.detections
    ]
    if not rows:
        return "no detections, neither here nor on CPU in f32"
    return format_table(["cloud  class", "x (m)", "y (m)", "score, CPU f32", "score", "shift (m)", ""], rows)


def format_verdict(comparisons: Comparisons, mismatches: Mapping[str, str], tolerances: Tolerances) -> str:
    """Return one sentence on whether they agree; with several clouds, on the first that does not."""
    limits = (
        f"tolerated: correlation {tolerances.min_correlation:g}, shift {tolerances.max_shift:g} m, "
        f"score change {tolerances.max_score_change:g}"
    )
    if not mismatches:
        clouds = count_of(len(comparisons), "cloud") if len(comparisons) > 1 else f"the {next(iter(comparisons))} cloud"
        merged = Comparison(
            tuple(tensor for one in comparisons.values() for tensor in one.tensors),
            tuple(detection for one in comparisons.values() for detection in one.detections),
            "",
        )
        return f"they agree on {clouds}: {summary(merged)} ({limits})"
    name, what = next(iter(mismatches.items()))
    clouds = f" (on {len(mismatches)} of {len(comparisons)} clouds)" if len(comparisons) > 1 else ""
    return f"MISMATCH on the {name} cloud: {what}{clouds} ({limits})"


def make_report(
    title: str,
    settings: Mapping[str, Mapping[str, str]],
    tolerances: Tolerances,
    notes: list[str],
    comparisons: Comparisons,
) -> dict[str, Any]:
    """Return the complete report in plain types."""
    return {
        "checked": title,
        "effective settings": settings,
        "tolerances": tolerances._asdict(),
        "notes": notes,
        "agree": not any(comparison.mismatch for comparison in comparisons.values()),
        "clouds": {
            name: {
                "mismatch": comparison.mismatch,
                "tensors": [_plain_tensor(tensor) for tensor in comparison.tensors],
                "detections": [_plain_detection(detection) for detection in comparison.detections],
            }
            for name, comparison in comparisons.items()
        },
    }


def _plain_tensor(tensor: TensorAgreement) -> dict[str, Any]:
    # JSON has no NaN.
    values = tensor._asdict().items()
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values}


def _plain_detection(detection: DetectionAgreement) -> dict[str, Any]:
    return {
        "fate": detection.fate.value,
        "class": detection.class_name,
        "box": [float(value) for value in detection.box],
        "score": detection.score,
        "new_score": detection.new_score,
        "shift": detection.shift,
    }


def _or_dash(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

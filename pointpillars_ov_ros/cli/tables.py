# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plain-text tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns, the first to the left and the others to the right."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = []
    for line in [header, *rows]:
        cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of `values`, which must not be empty."""
    return {name: float(np.percentile(values, at)) for name, at in PERCENTILES.items()}


def format_durations(title: str, durations: Mapping[str, Sequence[float]]) -> str:
    """Tabulate the percentiles of each row of durations (ms)."""
    rows = [[name, *(f"{value:.2f}" for value in summarize(values).values())] for name, values in durations.items()]
    return format_table([title, *PERCENTILES], rows)

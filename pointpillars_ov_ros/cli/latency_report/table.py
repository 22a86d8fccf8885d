# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of one run, or of two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pointpillars_ov_ros.cli.latency_report.runs import ACCOUNTS, STAGES, LatencyRun, accounts
from pointpillars_ov_ros.cli.tables import PERCENTILES, summarize


class TableRow(NamedTuple):
    """A row of the table."""

    name: str
    texts: tuple[str, ...]
    """A figure for each run; for two runs also their ratio."""


def make_rows(runs: Sequence[LatencyRun]) -> list[TableRow]:
    """Tabulate one run or two."""
    counts = [accounts(run) for run in runs]
    rows = [_row("clouds reported", [len(run.heard) for run in runs], "{:.0f}", ratio=False)]
    rows += [_row(name, [count[name] for count in counts], "{:.0f}", ratio=False) for name in ACCOUNTS]
    rows.append(_row("duration (s)", [run.duration_s for run in runs], "{:.1f}", ratio=False))
    rows.append(_row("processed per second", [run.rate for run in runs], "{:.2f}"))
    if not all(run.done for run in runs):
        return rows
    names = ["total", *(["age"] if all(run.has_age for run in runs) else []), "host", *STAGES]
    for name in names:
        figures = [summarize(run.values(name).tolist()) for run in runs]
        shown = PERCENTILES if name in ("total", "age") else ("p50", "p99")
        for label in shown:
            rows.append(_row(f"{name} {label} (ms)", [figure[label] for figure in figures], "{:.2f}"))
    return rows


def _row(name: str, values: Sequence[float], form: str, ratio: bool = True) -> TableRow:
    texts = [form.format(value) for value in values]
    if len(values) > 1:
        texts.append(f"{values[1] / values[0]:.2f}" if ratio and values[0] else "")
    return TableRow(name, tuple(texts))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of `latency_report`: one HTML page with embedded pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from pointpillars_ov_ros.cli.latency_report.plots import draw_budgets, draw_histogram, draw_losses, draw_over_time
from pointpillars_ov_ros.cli.latency_report.runs import LatencyRun, accounts, describe, events
from pointpillars_ov_ros.cli.latency_report.table import make_rows
from pointpillars_ov_ros.cli.pages import render
from pointpillars_ov_ros.ros.timing_message import AMISS

_SHOWN_EVENTS = 200


def make_page(runs: Sequence[LatencyRun]) -> str:
    """Return the page of one run, or of two side by side."""
    titles = [f"{run.title}; {about}" if (about := describe(run)) else run.title for run in runs]
    letters = [f"{letter}: {title}" for letter, title in zip("AB", titles, strict=False)]
    longest_ms = max((float(run.values("total").max()) for run in runs if run.done), default=0.0)
    has_losses = any(accounts(run)[name] for run in runs for name in AMISS)
    return render(
        "latency_report",
        titles=letters if len(runs) > 1 else titles,
        warnings=[line for run in runs for line in warnings(run)],
        columns=["A", "B", "B / A"] if len(runs) > 1 else [""],
        rows=make_rows(runs),
        over_time=[Markup(draw_over_time(run, longest_ms)) for run in runs],
        histogram=Markup(draw_histogram(runs)),
        budgets=Markup(draw_budgets(runs)),
        losses=Markup(draw_losses(runs)) if has_losses else None,
        runs=[_events(run) for run in runs],
    )


def warnings(run: LatencyRun) -> list[str]:
    """Return sentences on what makes the figures doubtful."""
    said = [f"{run.title}: {run.rejected}"] if run.rejected else []
    if run.done and not run.has_age:
        said.append(f"{run.title}: the stamps are not from the detector's clock (an old bag?), so ages are left out")
    return said


def _events(run: LatencyRun) -> dict[str, Any]:
    found = events(run)
    return {"title": run.title, "events": found[:_SHOWN_EVENTS], "more": max(0, len(found) - _SHOWN_EVENTS)}

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of `latency_report`: one HTML page with its pictures inside, that needs no network."""

from __future__ import annotations

import html
from collections.abc import Sequence

from pointpillars_ov_ros.cli.latency_report.plots import draw_budgets, draw_histogram, draw_losses, draw_over_time
from pointpillars_ov_ros.cli.latency_report.runs import LatencyRun, accounts, events
from pointpillars_ov_ros.cli.latency_report.table import Row, make_rows
from pointpillars_ov_ros.ros.timing_message import AMISS

_SHOWN_EVENTS = 200
_STYLE = """
  body { font: 14px/1.45 system-ui, sans-serif; margin: 24px auto; max-width: 1100px; padding: 0 16px; color: #1d2733; }
  h1 { font-size: 20px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 28px 0 4px; }
  .hint { color: #5b6875; margin: 2px 0 6px; } .bad { color: #b3261e; }
  table { border-collapse: collapse; margin-top: 6px; }
  td, th { border-bottom: 1px solid #e6eaef; padding: 2px 14px 2px 0; text-align: right; font-weight: normal; }
  th { color: #5b6875; } td:first-child, th:first-child, table.events td { text-align: left; }
  svg { width: 100%; height: auto; }
"""


def make_page(runs: Sequence[LatencyRun]) -> str:
    """Give the page of one run, or of two side by side."""
    letters = [f"{letter}: {run.title}" for letter, run in zip("AB", runs, strict=False)]
    titles = letters if len(runs) > 1 else [runs[0].title]
    sections = [
        "<h1>Latency of pointpillars_detector</h1>",
        *(f'<div class="hint">{html.escape(title)}</div>' for title in titles),
        *(f'<p class="bad">{html.escape(line)}</p>' for run in runs for line in warnings(run)),
        _table(make_rows(runs), len(runs)),
        "<h2>Over time</h2>",
        '<p class="hint">From reception of a cloud to its detections; a dot is a cloud, lines are percentiles of each '
        "moment. Dashed: something changed (see Events). Red: clouds lost.</p>",
        *(draw_over_time(run) for run in runs),
        "<h2>Distribution</h2>",
        draw_histogram(runs),
        "<h2>Where the age of a detection comes from</h2>",
        '<p class="hint">Means, which add up. Stamp to reception is the way from the sensor to the detector.</p>',
        draw_budgets(runs),
    ]
    if any(accounts(run)[name] for run in runs for name in AMISS):
        sections += ["<h2>Clouds without detections</h2>", draw_losses(runs)]
    sections += ["<h2>Events</h2>", *(_events(run) for run in runs)]
    head = f"<meta charset='utf-8'><title>latency report</title><style>{_STYLE}</style>"
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head><body>\n" + "\n".join(sections) + "\n</body></html>\n"


def warnings(run: LatencyRun) -> list[str]:
    """Say what makes the figures doubtful."""
    said = []
    if run.done and not run.has_age:
        said.append(f"{run.title}: stamps are not of the detector's clock (an old bag?), so that ages are left out")
    return said


def _table(rows: Sequence[Row], runs: int) -> str:
    names = ["A", "B", "B / A"] if runs > 1 else [""]
    lines = ["".join(f"<th>{name}</th>" for name in ("", *names))]
    for row in rows:
        cells = "".join(f"<td>{html.escape(text)}</td>" for text in row.texts)
        lines.append(f"<td>{html.escape(row.name)}</td>{cells}")
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _events(run: LatencyRun) -> str:
    found = events(run)
    shown = found[:_SHOWN_EVENTS]
    rows = "".join(f"<tr><td>{at_s:.1f} s</td><td>{html.escape(text)}</td></tr>" for at_s, text in shown)
    more = f"<p class='hint'>and {len(found) - _SHOWN_EVENTS} more</p>" if len(found) > _SHOWN_EVENTS else ""
    title = f"<p class='hint'>{html.escape(run.title)}</p>"
    return title + (f"<table class='events'>{rows}</table>{more}" if found else "<p>none</p>")

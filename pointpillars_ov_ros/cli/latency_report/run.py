# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov latency_report`, once its arguments are known."""

from __future__ import annotations

import argparse

from pointpillars_ov_ros.cli.latency_report.page import make_page, warnings
from pointpillars_ov_ros.cli.latency_report.runs import describe
from pointpillars_ov_ros.cli.latency_report.sources import listen, read_run, write_recording
from pointpillars_ov_ros.cli.latency_report.table import make_rows
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.files import write_text


def run_latency_report(options: argparse.Namespace) -> int:
    """Read or listen, print a table, write the page."""
    # Checked now, to fail before listening instead of after it.
    runs = [read_run(path, options.topic) for path in options.source]
    if options.listen is not None:
        heard = listen(options.topic, options.listen)
        if options.json is not None:
            write_recording(options.json, heard)
        runs.append(heard)
    names = ["A", "B", "B / A"] if len(runs) > 1 else [""]
    for letter, run in zip("AB", runs, strict=False):
        print(f"{letter}: {run.title}" if len(runs) > 1 else run.title)
        if about := describe(run):
            print(f"  {about}")
    print(format_table(["", *names], [[row.name, *row.texts] for row in make_rows(runs)]))
    for run in runs:
        for line in warnings(run):
            print(f"warning: {line}")
    write_text(options.page, make_page(runs))
    if options.json is not None:
        print(f"recording  {options.json}")
    print(f"page       {options.page}")
    return 0

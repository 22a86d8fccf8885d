# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording of `timeline` as one HTML page that needs nothing else: no server, no network."""

from __future__ import annotations

import html
import json
from importlib.resources import files

from pointpillars_ov_ros.cli.timeline.recording import Recording, batches, describe_run, overtaken
from pointpillars_ov_ros.config.mapping import to_mapping


def make_page(recording: Recording) -> str:
    """Give the page: what a run shows in words, and a diagram to look around in."""
    template = files("pointpillars_ov_ros.cli.timeline").joinpath("page.html").read_text(encoding="utf-8")
    runs = [
        {
            **to_mapping(run),
            "lines": describe_run(recording, run),
            "groups": [[entry.number for entry in group] for group in batches(run)],
            "late": [entry.number for entry in overtaken(run)],
        }
        for run in recording.runs
    ]
    data = json.dumps({**to_mapping(recording), "runs": runs})
    # "</script>" inside a string would end the script, whatever JSON thinks of it.
    data = data.replace("<", "\\u003c")
    return template.replace("__TITLE__", html.escape(f"timeline {recording.kind}")).replace("__DATA__", data)

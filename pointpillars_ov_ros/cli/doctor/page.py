# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of the findings of `pointpillars_ov doctor`, for people and for programs."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.config.findings import Finding, Level

STDOUT = Path("-")
"""Name that stands for stdout instead of a file."""
FORMAT = 1
"""Version of the JSON format, separate from the package's because programs read it."""
_NARROW, _WIDE = 60, 120
_INDENT = " " * 7


def format_finding(finding: Finding) -> str:
    """Format a finding as a line wrapped to the terminal's width, followed by one unwrapped line per cure."""
    width = max(_NARROW, min(_WIDE, shutil.get_terminal_size((_WIDE, 24)).columns))
    thing = finding.name.partition(".")[2]
    line = f"{finding.level.value:<6} {thing}: {finding.text}"
    lines = textwrap.wrap(line, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, *(f"{_INDENT}-> {cure}" for cure in finding.cures)])


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 1 if something should be fixed, else 0."""
    return int(any(finding.level.needs_cure for finding in findings))


def summarise(findings: Sequence[Finding]) -> str:
    """Summarize the findings in one line."""
    counts = Counter(finding.level for finding in findings)
    if not exit_code(findings):
        return f"nothing to fix: {count_of(counts[Level.OK], 'check')} passed"
    parts = [
        count_of(counts[level], noun)
        for level, noun in ((Level.FAULT, "fault"), (Level.WARN, "warning"))
        if counts[level]
    ]
    first = max(findings, key=lambda finding: list(Level).index(finding.level))
    return f"{' and '.join(parts)}; start with {first.name.partition('.')[2]} -> {first.cures[0].partition('   #')[0]}"


def make_report(findings: Sequence[Finding], subject: dict[str, Any]) -> dict[str, Any]:
    """Return the report as plain data; docs/doctor.md describes it."""
    worst = max((finding.level for finding in findings), key=list(Level).index, default=Level.OK)
    return {
        "format": FORMAT,
        "verdict": worst.value,
        "exit_code": exit_code(findings),
        **subject,
        "findings": [
            {"name": one.name, "level": one.level.value, "text": one.text, "cures": list(one.cures)} for one in findings
        ],
    }

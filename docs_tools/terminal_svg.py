# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record a command in a terminal as an animated SVG: its lines appear when they did, without long pauses.

`python -m docs_tools.terminal_svg docs/images/detect.svg "pointpillars_ov detect cloud.bin"`
"""

from __future__ import annotations

import argparse
import codecs
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

COLUMNS, ROWS = 100, 40
LONGEST_PAUSE_S = 1.5
"""A longer one is shortened to this: nobody looks at a picture that stands still."""
_TYPING_S = 1.0
_FONT_PX, _LINE_PX, _MARGIN_PX = 13, 18, 14
_ADVANCE = 0.602
"""Width of a character of the usual monospaced fonts, in font sizes."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")


def record(command: str, folder: Path | None = None, allowed: Sequence[int] = (0,)) -> list[tuple[float, str]]:
    """Run a command in `folder` on a terminal; return its lines with the seconds at which each was complete.

    RuntimeError with its output where it ends with an exit code that is not among those `allowed`.
    """
    leader, follower = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm"}
    begin = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, stdout=follower, stderr=follower, env={**os.environ, **size}
    )
    os.close(follower)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    lines: list[tuple[float, str]] = []
    rest = ""
    while True:
        try:
            received = os.read(leader, 65536)
        except OSError:
            # How Linux says that the other side was closed.
            break
        *done, rest = (rest + decoder.decode(received)).replace("\r\n", "\n").split("\n")
        lines += [(time.monotonic() - begin, shown(line)) for line in done]
    if shown(rest):
        lines.append((time.monotonic() - begin, shown(rest)))
    if process.wait() not in allowed:
        raise RuntimeError("\n".join([f"{command}: exit code {process.returncode}", *(text for _, text in lines)]))
    return lines


def shown(line: str) -> str:
    """Return what is left of a line on the screen: without colours, after the last carriage return."""
    return _ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2].rstrip()


def make_svg(command: str, lines: list[tuple[float, str]]) -> str:
    """Return the recording as an SVG; where nothing moves (print, reduced motion), all lines are seen."""
    rows, moment, before = [(0.0, f"$ {command}")], _TYPING_S, 0.0
    for seconds, text in lines:
        moment += min(seconds - before, LONGEST_PAUSE_S)
        before = seconds
        rows.append((moment, text))
    width = round(max(len(text) for _, text in rows) * _FONT_PX * _ADVANCE) + 2 * _MARGIN_PX
    height = len(rows) * _LINE_PX + 2 * _MARGIN_PX
    texts = [
        f'<text x="{_MARGIN_PX}" y="{_MARGIN_PX + (number + 1) * _LINE_PX - 5}" style="animation-delay:{moment:.2f}s"'
        f"{' class=' + chr(34) + 'command' + chr(34) if number == 0 else ''}>{escape(text)}</text>"
        for number, (moment, text) in enumerate(rows)
    ]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>{escape(command)}</title>
<style>
text {{ font: {_FONT_PX}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d7dbe0;
  white-space: pre; animation: appear 0.01s linear backwards; }}
.command {{ fill: #ffffff; font-weight: bold; }}
@keyframes appear {{ from {{ opacity: 0; }} }}
@media (prefers-reduced-motion: reduce) {{ text {{ animation: none; }} }}
</style>
<rect width="100%" height="100%" rx="8" fill="#10141a"/>
{chr(10).join(texts)}
</svg>
"""


def main() -> int:
    """Record and write."""
    parser = argparse.ArgumentParser(prog="python -m docs_tools.terminal_svg", description=__doc__)
    parser.add_argument("svg", type=Path)
    parser.add_argument("command")
    parser.add_argument("--exit-codes", type=int, nargs="+", default=[0], help="that are no failure (default: 0)")
    parser.add_argument("--cwd", type=Path, help="folder to run the command in")
    options = parser.parse_args()
    options.svg.write_text(
        make_svg(options.command, record(options.command, options.cwd, options.exit_codes)), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

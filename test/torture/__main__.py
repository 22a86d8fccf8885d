# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play scenarios, and write a table: `python -m test.torture [NAME …] [--list] [--out FILE]`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from pointpillars_ov_ros.cli.machine import look_around
from test.torture import bad_peers, device_faults, file_faults, kills, overload, process_faults, security, time_faults
from test.torture.scenario import Outcome, Scenario, play

_THEMES = (overload, bad_peers, kills, device_faults, process_faults, file_faults, time_faults, security)
SCENARIOS = [one for theme in _THEMES for one in theme.SCENARIOS]


def choose(names: list[str]) -> list[Scenario]:
    """Return the scenarios called so, all where no name is given; one may be a part of a name."""
    return [one for one in SCENARIOS if not names or any(name in one.name for name in names)]


def report(outcomes: list[Outcome]) -> str:
    """Return the table as Markdown."""
    rows = ["| fault | expected | observed | repeat with |", "|---|---|---|---|"]
    for outcome in outcomes:
        one, mark = outcome.scenario, "" if outcome.passed else "**not so:** "
        mark = "not played: " if outcome.skipped else mark
        rows.append(f"| {one.fault} | {one.expected} | {mark}{outcome.observed} | `make torture ARGS={one.name}` |")
    return "\n".join(rows)


def main() -> int:
    """Play; 1 where anything else was observed than expected."""
    parser = argparse.ArgumentParser(prog="test.torture")
    parser.add_argument("names", nargs="*", help="scenarios, or parts of their names (default: all)")
    parser.add_argument("--list", action="store_true", help="say which there are, and end")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    options = parser.parse_args()
    chosen = choose(options.names)
    if options.list or not chosen:
        print("\n".join(f"{one.name:32} {one.fault}" for one in (chosen or SCENARIOS)))
        return int(not chosen)
    # So that nothing that was started outlives a `timeout`.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="torture_"))
    print(f"{len(chosen)} scenarios; logs and journals are kept in {folder}")
    outcomes = []
    for one in chosen:
        begin_s = time.monotonic()
        outcomes.append(play(one, folder))
        mark = "as expected" if outcomes[-1].passed else "NOT AS EXPECTED"
        mark = "not played" if outcomes[-1].skipped else mark
        print(f"{one.name:32} {time.monotonic() - begin_s:5.0f} s  {mark}: {outcomes[-1].observed}", flush=True)
    if options.out:
        machine = look_around("toy networks, and the one in the box").line()
        options.out.write_text(f"{machine}\n\n{report(outcomes)}\n")
    return int(not all(outcome.passed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

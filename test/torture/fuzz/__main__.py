# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m test.torture.fuzz --inputs 1000000`: bad bytes for all targets, each in a process of its own."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from test.torture.fuzz.parent import MEMORY, fuzz
from test.torture.fuzz.report import describe


def main() -> int:
    """Feed the targets, print the findings, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m test.torture.fuzz", description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, metavar="N", help="of all targets (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of what is random (default: %(default)s)")
    parser.add_argument("--targets", nargs="+", default=[], metavar="NAME", help="these alone (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="targets at a time (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report there, too")
    options = parser.parse_args()
    from test.torture.fuzz.targets import TARGETS

    chosen = {name: TARGETS[name].share for name in options.targets or TARGETS}
    whole = sum(chosen.values())
    outcomes = []
    with TemporaryDirectory(prefix="fuzz.", dir=MEMORY) as folder, ThreadPoolExecutor(options.jobs) as pool:
        jobs = [
            pool.submit(fuzz, name, -(-options.inputs * share // whole), options.seed, Path(folder) / name)
            for name, share in chosen.items()
        ]
        for job in jobs:
            outcomes.append(job.result())
            print(outcomes[-1].line, flush=True)
    text = describe(outcomes, options.seed)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    return 1 if any(outcome.findings for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

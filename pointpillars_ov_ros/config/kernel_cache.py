# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folder for compiled kernels if the user has none: without one, this package cannot be imported with numba.

numba stores them beside the sources or below ~/.cache. A service user may be unable to write either: the package
belongs to the system, and there is no HOME.
"""

from __future__ import annotations

import os
import stat
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parents[1]


def choose_kernel_cache(environment: MutableMapping[str, str] = os.environ, package: Path = _PACKAGE) -> None:
    """Set NUMBA_CACHE_DIR if numba would find no writable folder; call this before numba is imported.

    The folder is private to this user: whatever others could write into it, they could make this process run.
    """
    named = environment.get(VARIABLE, "")
    if named:
        if _is_writable(Path(named)):
            return
    elif _is_writable(package) or _is_writable(_user_cache(environment)):
        return
    # Imported here because every command runs this function, and it must not slow them down.
    import logging

    log, folder = logging.getLogger(__name__), _private_folder(environment)
    if folder is None:
        log.error("no folder for compiled kernels is writable; set %s to one that is", VARIABLE)
        return
    environment[VARIABLE] = str(folder)
    log.warning(
        "compiled kernels are stored in %s, since %s is not writable; set %s to a folder that survives a restart",
        folder,
        named or f"neither {package} nor {_user_cache(environment)}",
        VARIABLE,
    )


def _user_cache(environment: MutableMapping[str, str]) -> Path:
    try:
        return Path(environment.get("XDG_CACHE_HOME", "") or Path("~/.cache").expanduser())
    except RuntimeError:
        # There is no HOME, and the user is not in the system's list either.
        return Path(os.devnull) / ".cache"


def _is_writable(folder: Path) -> bool:
    """Whether files can be created in a folder, which is created if it does not exist."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _private_folder(environment: MutableMapping[str, str]) -> Path | None:
    for parent in filter(None, (environment.get("XDG_RUNTIME_DIR"), _temporary(), "/dev/shm")):
        folder = Path(parent) / f"pointpillars_ov_ros-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        is_private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
        if is_private and os.access(folder, os.W_OK):
            return folder
    return None


def _temporary() -> str:
    import tempfile

    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return ""

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder for the compiled kernels of a user who has none: without one, numba refuses to be imported by this package.

numba keeps them beside the sources, or below ~/.cache. A service user may write neither: the package is the system's,
and there is no HOME.
"""

from __future__ import annotations

import os
import stat
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parents[1]


def choose_kernel_cache(environment: MutableMapping[str, str] = os.environ, package: Path = _PACKAGE) -> None:
    """Set NUMBA_CACHE_DIR where numba would find no folder; to be called before numba is imported.

    The folder is this user's alone. What others could write into it they could make this process run.
    """
    named = environment.get(VARIABLE, "")
    if named:
        if _is_writable(Path(named)):
            return
    elif _is_writable(package) or _is_writable(_user_cache(environment)):
        return
    # Imported by every command, which this must not slow down.
    import logging

    log, folder = logging.getLogger(__name__), _private_folder(environment)
    if folder is None:
        log.error("no folder for compiled kernels can be written; set %s to one", VARIABLE)
        return
    environment[VARIABLE] = str(folder)
    log.warning(
        "compiled kernels are kept in %s, for %s cannot be written; set %s to a folder that outlasts a restart",
        folder,
        named or f"neither {package} nor {_user_cache(environment)}",
        VARIABLE,
    )


def _user_cache(environment: MutableMapping[str, str]) -> Path:
    try:
        return Path(environment.get("XDG_CACHE_HOME", "") or Path("~/.cache").expanduser())
    except RuntimeError:
        # No home, and no such user in the system's list either.
        return Path(os.devnull) / ".cache"


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made itself where there is none."""
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

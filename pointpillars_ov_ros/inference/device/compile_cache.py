# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cache of compiled networks (CACHE_DIR), whose faults never prevent a start or change detections.

OpenVINO checks only the header of a cache file: a flipped bit behind it silently changes detections. So the sha256 of
each file that is written while we compile is stored beside it.
"""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import replace
from pathlib import Path

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.regular_file import read_regular
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.model.bundle import sha256

log = logging.getLogger(__name__)

_SIGNATURE = ".sha256"
_MOST_SIGNATURE_BYTES = 1000


class CompileCache:
    """A folder that OpenVINO loads compiled networks from and stores others in."""

    def __init__(self, folder: str) -> None:
        """Create the folder, and remove files that were altered.

        Afterwards `folder` is empty if there is no cache, because none was requested or it cannot be used.
        """
        self.folder = folder
        self._before: set[Path] = set()
        if not folder:
            return
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._before = self._files()
            for path in self._before:
                self._check(path)
        except OSError as error:
            self._do_without(error)

    def settings(self, runtime: RuntimeConfig) -> RuntimeConfig:
        """Return `runtime` with the cache that is in use."""
        return replace(runtime, cache_dir=self.folder)

    def sign(self, compiled: str = "") -> None:
        """Record the files that OpenVINO has written since the last call; warn if it could not store `compiled`."""
        if not self.folder:
            return
        try:
            fresh = self._files() - self._before
            for path in fresh:
                _signature(path).write_text(sha256(path) + "\n")
        except OSError as error:
            log.warning("cache_dir: %s: the compiled networks cannot be verified next time (%s)", self.folder, error)
            return
        self._before |= fresh
        if compiled and not fresh:
            log.warning(
                "cache_dir: %s does not store the %s, which is therefore compiled at every start", self.folder, compiled
            )

    def _files(self) -> set[Path]:
        return set(Path(self.folder).glob("*.blob"))

    def _check(self, path: Path) -> None:
        """Remove a file that was altered; unsigned files may belong to other programs."""
        signature = _signature(path)
        if not signature.exists() or _is_as_written(path, signature):
            return
        log.warning("cache_dir: %s is damaged, so that network is compiled again", path)
        path.unlink(missing_ok=True)
        signature.unlink(missing_ok=True)
        self._before = self._before - {path}

    def _do_without(self, error: OSError) -> None:
        log.warning(
            "cache_dir: %s cannot be used, so the networks are compiled at every start (%s)", self.folder, error
        )
        self.folder = ""


def check_private(runtime: RuntimeConfig) -> None:
    """Raise ConfigError if others could place compiled networks, which run unchecked, where this process loads them."""
    named = [pair for pair in runtime.device_properties.split() if pair.partition("=")[0].upper() == "CACHE_DIR"]
    if named:
        raise ConfigError(f"device_properties: {named[0]}: with model_public_key, set the cache by cache_dir instead")
    if not runtime.cache_dir:
        return
    folder = Path(runtime.cache_dir).resolve()
    for place in (folder, *folder.parents):
        if not place.exists():
            continue
        found = place.stat()
        # In a folder such as /tmp others can create entries, but not replace ours.
        is_open = bool(found.st_mode & 0o022) and (place == folder or not found.st_mode & stat.S_ISVTX)
        if found.st_uid not in (os.getuid(), 0) or is_open:
            raise ConfigError(
                f"cache_dir: {place} is writable by other users, who could put networks there that are not signed as "
                "model_public_key requires; use a folder that only this user can write to (chmod go-w)"
            )


def _is_as_written(path: Path, signature: Path) -> bool:
    """Whether the file has the recorded hash; also False if either file cannot be read."""
    try:
        return read_regular(signature, _MOST_SIGNATURE_BYTES).strip() == sha256(path).encode()
    except OSError as error:
        log.warning("cache_dir: %s cannot be read (%s)", path, error)
        return False


def _signature(path: Path) -> Path:
    return path.with_name(path.name + _SIGNATURE)

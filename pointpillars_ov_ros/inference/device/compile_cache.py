# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of compiled networks (CACHE_DIR), which is never a reason not to start, or to detect something else.

OpenVINO takes a file of its cache for whole if its head is: one flipped bit behind it gives other detections without
a word. So the sha256 of each file that is written while we compile is kept beside it.
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
    """A folder that OpenVINO is about to take compiled networks from, and to keep others in."""

    def __init__(self, folder: str) -> None:
        """Make the folder, and take files away that are not what was written.

        `folder` is empty afterwards where there is to be no cache, because it was, or cannot be used.
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
        """Return `runtime` with the cache that there is."""
        return replace(runtime, cache_dir=self.folder)

    def sign(self, compiled: str = "") -> None:
        """Note what OpenVINO has written since the last time; it says nothing where it could not keep `compiled`."""
        if not self.folder:
            return
        try:
            fresh = self._files() - self._before
            for path in fresh:
                _signature(path).write_text(sha256(path) + "\n")
        except OSError as error:
            log.warning("cache_dir: %s: what was compiled cannot be checked next time (%s)", self.folder, error)
            return
        self._before |= fresh
        if compiled and not fresh:
            log.warning("cache_dir: %s does not keep the %s, which is compiled at every start", self.folder, compiled)

    def _files(self) -> set[Path]:
        return set(Path(self.folder).glob("*.blob"))

    def _check(self, path: Path) -> None:
        """Take a file away that was altered; one that is not signed may be another program's."""
        signature = _signature(path)
        if not signature.exists() or _is_as_written(path, signature):
            return
        log.warning("cache_dir: %s is damaged, so that network is compiled anew", path)
        path.unlink(missing_ok=True)
        signature.unlink(missing_ok=True)
        self._before = self._before - {path}

    def _do_without(self, error: OSError) -> None:
        log.warning(
            "cache_dir: %s cannot be used, so the networks are compiled at every start (%s)", self.folder, error
        )
        self.folder = ""


def check_private(runtime: RuntimeConfig) -> None:
    """Raise ConfigError where others could leave compiled networks, which are run as they are, for this process."""
    named = [pair for pair in runtime.device_properties.split() if pair.partition("=")[0].upper() == "CACHE_DIR"]
    if named:
        raise ConfigError(f"device_properties: {named[0]}: where model_public_key is set, cache_dir names the cache")
    if not runtime.cache_dir:
        return
    folder = Path(runtime.cache_dir).resolve()
    for place in (folder, *folder.parents):
        if not place.exists():
            continue
        found = place.stat()
        # In a folder such as /tmp others can make new entries, but not replace ours.
        is_open = bool(found.st_mode & 0o022) and (place == folder or not found.st_mode & stat.S_ISVTX)
        if found.st_uid not in (os.getuid(), 0) or is_open:
            raise ConfigError(
                f"cache_dir: {place} can be written by others, who could leave networks there that are not signed as "
                "model_public_key demands; take a folder of this user alone (chmod go-w)"
            )


def _is_as_written(path: Path, signature: Path) -> bool:
    """Whether the file has the hash noted; False, too, where either is no longer a file that could be read."""
    try:
        return read_regular(signature, _MOST_SIGNATURE_BYTES).strip() == sha256(path).encode()
    except OSError as error:
        log.warning("cache_dir: %s cannot be read (%s)", path, error)
        return False


def _signature(path: Path) -> Path:
    return path.with_name(path.name + _SIGNATURE)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files whose writer was killed: read as if they had been closed after their last whole chunk.

`rosbags` reads a file from its end. What is missing there is made up in memory; the file is left as it is.
"""

from __future__ import annotations

import io
import logging
import os
import struct
from pathlib import Path
from typing import Any

_MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
"""Opcode and length of a record."""
_DATA_END, _FOOTER = 0x0F, 0x02
_END = _HEAD.pack(_DATA_END, 4) + bytes(4) + _HEAD.pack(_FOOTER, 20) + bytes(20) + _MAGIC
"""The end of a file without a summary, which is read from its beginning then."""

log = logging.getLogger(__name__)


class CutMcap:
    """The path of an MCAP file without an end, with as much of a path as `rosbags` asks for."""

    def __init__(self, path: Path) -> None:
        """Find out how much of `path` is whole."""
        self._path = path
        self._whole = whole_bytes(path)
        self.stem, self.suffix = path.stem, path.suffix
        log.warning(
            "%s was never closed: read up to its last whole chunk, %.1f of %.1f MB",
            path,
            self._whole / 1e6,
            path.stat().st_size / 1e6,
        )

    def exists(self) -> bool:
        """Tell that it is there."""
        return True

    def is_dir(self) -> bool:
        """Tell that it is a file."""
        return False

    def open(self, *_arguments: Any) -> io.BufferedReader:
        """Open it to read, with an end."""
        return io.BufferedReader(_WithEnd(self._path, self._whole))

    def __str__(self) -> str:
        return str(self._path)


class _WithEnd(io.RawIOBase):
    """The first bytes of a file, and `_END`."""

    def __init__(self, path: Path, whole: int) -> None:
        self._file, self._whole, self._at = path.open("rb", buffering=0), whole, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._whole + len(_END)}[whence]
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        if self._at < self._whole:
            self._file.seek(self._at)
            data = self._file.read(min(len(buffer), self._whole - self._at)) or b""
        else:
            data = _END[self._at - self._whole :][: len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def files_of_bag(path: Path) -> list[Any]:
    """Give what `rosbags` is to open for the bag `path`: itself, or its MCAP files where one was never closed."""
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path] if path.suffix == ".mcap" else []
    cut = {file for file in files if file.is_file() and is_cut(file)}
    if cut or (files and path.is_dir() and not (path / "metadata.yaml").exists()):
        return [CutMcap(file) if file in cut else file for file in files]
    return [path]


def is_cut(path: Path) -> bool:
    """Tell whether a file begins as an MCAP does, and does not end like one."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - len(_MAGIC)))
        return file.read() != _MAGIC


def whole_bytes(path: Path) -> int:
    """Give how many bytes at the beginning of an MCAP file are whole records."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = len(_MAGIC)
        while True:
            file.seek(at)
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return at
            opcode, length = _HEAD.unpack(head)
            # A file system that lost power may leave zeros, and no record has the opcode 0.
            if opcode in (0, _DATA_END, _FOOTER) or at + _HEAD.size + length > size:
                return at
            at += _HEAD.size + length

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decompression with a bound: a few hundred KB of a hostile file may say that they are gigabytes."""

from __future__ import annotations

import bz2
import io
import shutil
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from pointpillars_ov_ros.config.errors import DatasetError

MAX_INFLATED_BYTES = 2**28
"""Of a chunk or a message. Recorders write chunks of 1 to 4 MB, and the largest clouds have some 50 MB."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_WINDOW_BYTES = 2**27
"""What zstd keeps in memory at its highest level without --ultra."""
_MAX_FILE_RATIO = 200
"""Files of clouds shrink to a half or a third; of zeros zstd makes a ten-thousandth."""


def inflate(data: bytes, compression: str, most: int = MAX_INFLATED_BYTES) -> bytes:
    """Decompress `data` ("", "zstd", "lz4" or "bz2"); DatasetError where that gives more than `most` bytes."""
    if not compression:
        return data
    if compression == "zstd":
        stated = zstandard.frame_content_size(data)
        # Unknown, it is -1; then the bound is what is asked for.
        wanted = most if stated < 0 else min(stated, most)
        reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(
            data, read_across_frames=True
        )
        found = reader.read(wanted + 1)
    elif compression == "lz4":
        found = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=most + 1)
    elif compression == "bz2":
        found = bz2.BZ2Decompressor().decompress(data, max_length=most + 1)
    else:
        raise DatasetError(f"compressed by {compression!r}, which is not known here")
    if len(found) > most:
        raise DatasetError(f"a part of it is larger than {most / 2**20:.0f} MiB when it is decompressed")
    return bytes(found)


def inflate_message(data: bytes) -> bytes:
    """Decompress a message that was compressed by itself (compression_mode: MESSAGE); others are given as they are.

    A serialized message begins with a byte of zero, which a frame of zstd does not.
    """
    return inflate(data, "zstd") if data[:4] == _ZSTD_MAGIC else data


def inflate_file(source: Path, target: Path) -> None:
    """Decompress a file (compression_mode: FILE); DatasetError where it becomes larger than any recording would."""
    left = min(source.stat().st_size * _MAX_FILE_RATIO + 2**20, shutil.disk_usage(target.parent).free)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    with source.open("rb") as packed, target.open("wb") as file:
        reader = io.BufferedReader(decompressor.stream_reader(packed, read_across_frames=True), 2**20)
        while block := reader.read(2**20):
            left -= len(block)
            if left < 0:
                raise DatasetError(f"{source}: decompressed, it does not fit on {target.parent}")
            file.write(block)

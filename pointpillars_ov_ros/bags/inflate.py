# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decompression with a limit: a few hundred KB of a hostile file may expand to gigabytes."""

from __future__ import annotations

import bz2
import io
import shutil
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from pointpillars_ov_ros.config.errors import DatasetError

MAX_INFLATED_BYTES = 2**28
"""Maximum size of a chunk or a message. Recorders write chunks of 1 to 4 MB, and the largest clouds have some 50 MB."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_WINDOW_BYTES = 2**27
"""Memory that zstd needs at its highest level without --ultra."""
_MAX_FILE_RATIO = 200
"""Maximum ratio of a file's sizes; clouds shrink to a half or a third, zeros to a ten-thousandth."""


def inflate(data: bytes, compression: str, most: int = MAX_INFLATED_BYTES) -> bytes:
    """Decompress `data` ("", "zstd", "lz4" or "bz2"); DatasetError if that yields more than `most` bytes."""
    if not compression:
        return data
    if compression == "zstd":
        stated = zstandard.frame_content_size(data)
        # If unknown it is -1, and the limit is requested instead.
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
        raise DatasetError(f"compressed with {compression!r}, which is not supported")
    if len(found) > most:
        raise DatasetError(f"a part of it is larger than {most / 2**20:.0f} MiB when decompressed")
    return bytes(found)


def inflate_message(data: bytes) -> bytes:
    """Decompress a message that was compressed individually (compression_mode: MESSAGE); return others unchanged.

    A serialized message begins with a zero byte, a zstd frame does not.
    """
    return inflate(data, "zstd") if data[:4] == _ZSTD_MAGIC else data


def inflate_file(source: Path, target: Path) -> None:
    """Decompress a file (compression_mode: FILE); DatasetError if it becomes larger than any recording would."""
    left = min(source.stat().st_size * _MAX_FILE_RATIO + 2**20, shutil.disk_usage(target.parent).free)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    with source.open("rb") as packed, target.open("wb") as file:
        reader = io.BufferedReader(decompressor.stream_reader(packed, read_across_frames=True), 2**20)
        while block := reader.read(2**20):
            left -= len(block)
            if left < 0:
                raise DatasetError(f"{source}: decompressed, it does not fit into {target.parent}")
            file.write(block)

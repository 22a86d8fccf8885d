# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Paths from outside under which there is no file, but something that can be opened, and may never end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.regular_file import create_regular, open_regular, read_regular
from pointpillars_ov_ros.inference.device.compile_cache import CompileCache
from pointpillars_ov_ros.inference.trace.writer import TraceRecorder
from pointpillars_ov_ros.model.bundle import sha256


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "folder": os.mkdir,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to nothing": lambda path: path.symlink_to("nothing/there"),
}
every_special = pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())


@every_special
@pytest.mark.parametrize("read", [open_regular, create_regular, read_regular, sha256, lambda path: read_text(path, 10)])
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object], read: Callable[[Path], object]
) -> None:
    make(tmp_path / "special")
    with pytest.raises(OSError, match="special"):
        read(tmp_path / "special")


def test_files_are_read_and_written_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"long before")
    (tmp_path / "link").symlink_to("file")
    with create_regular(tmp_path / "link") as stream:
        stream.write(b"fresh")
    assert read_regular(tmp_path / "link") == (tmp_path / "file").read_bytes() == b"fresh"
    assert read_regular(tmp_path / "link", 2) == b"fr"


@every_special
def test_a_trace_is_recorded_into_files_only(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "trace.json")
    with pytest.raises(ConfigError, match=r"record_trace: .* cannot be written"):
        TraceRecorder(tmp_path / "trace.json", "title", ("CPU", "CPU"))


@pytest.mark.parametrize("damage", [os.mkfifo, make_socket, os.mkdir, lambda path: path.write_bytes(b"\xff" * 64)])
def test_a_damaged_cache_is_thrown_away_whatever_its_damage(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    cache = CompileCache(str(tmp_path))
    (tmp_path / "network.blob").write_bytes(b"compiled")
    cache.sign()
    signature = tmp_path / "network.blob.sha256"
    signature.unlink()
    damage(signature)
    CompileCache(str(tmp_path))
    assert not (tmp_path / "network.blob").exists()

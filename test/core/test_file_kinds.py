# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files are what their first bytes say."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.core.file_kinds import kind_of, kind_of_bytes, say_kind

HEADS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 19342067\n": "lfs",
    b"\n<!DOCTYPE html>\n<html lang=en>": "html",
    b"<html><head>": "html",
    b"\x28\xb5\x2f\xfd\x04\x00": "zstd",
    b"\x1f\x8b\x08\x00": "gzip",
    b"\xfd7zXZ\x00\x00": "xz",
    b'<?xml version="1.0"?>\n<net name="pfe" version="11">': "ir",
    b"\x08\x08\x12\x07pytorch": "onnx",
    b"\x08\x0a:\x05\x0a": "onnx",
    b'\x40\x00\x00\x00\x00\x00\x00\x00{"a":{}}': "safetensors",
    b"\x89HDF\r\n\x1a\n\x00": "hdf5",
    b"#ROSBAG V2.0\n": "rosbag1",
    b"\x89MCAP0\r\n\x01": "mcap",
    b"# .PCD v0.7\nVERSION 0.7\n": "pcd",
    b"# made by hand\n# twice\nVERSION .7\nFIELDS x": "pcd",
    b"ply\nformat ascii 1.0\n": "ply",
    b"ply\r\nformat": "ply",
    b"\x93NUMPY\x01\x00": "npy",
    b"\x89PNG\r\n\x1a\n": "png",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_kind_is_known_by_its_first_bytes(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(head)
    kind = kind_of(path)
    assert kind is not None and kind.name == HEADS[head]
    assert say_kind(path, kind) == f"{path} is {kind.what}: {kind.cure}"


def test_a_database_is_known(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a") as database:
        database.execute("CREATE TABLE topics (id INTEGER)")
    kind = kind_of(tmp_path / "a")
    assert kind is not None and kind.name == "sqlite"


def test_clouds_and_texts_are_nothing_in_particular() -> None:
    assert kind_of_bytes(b"") is None
    assert kind_of_bytes(b"Car 0.0 0 1.5 100 100 200 200 1.5 1.6 3.9 1 2 20 0.1\n") is None
    rng = np.random.default_rng(0)
    for _ in range(2000):
        assert kind_of_bytes(rng.uniform(-80, 80, (8, 4)).astype(np.float32).tobytes()) is None

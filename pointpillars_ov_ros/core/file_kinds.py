# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a file is by its first bytes, whatever its name says, and what to do with one that is not the kind wanted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_HEAD = 512


class FileKind(NamedTuple):
    """A kind of file."""

    name: str
    """Short, for programs."""
    what: str
    """With its article, for sentences."""
    cure: str
    """The next step."""


LFS = FileKind("lfs", "a pointer of Git LFS and not the file itself", "`git lfs pull` in its repository fetches that")
HTML = FileKind("html", "a web page, as a failed download leaves it", "download the file itself")
ZSTD = FileKind("zstd", "compressed with zstd", "`zstd -d` unpacks it")
GZIP = FileKind("gzip", "compressed with gzip", "`gunzip` unpacks it")
XZ = FileKind("xz", "compressed with xz", "`unxz` unpacks it")
ONNX = FileKind("onnx", "an ONNX file", "give the folder that holds both networks, *pfe*.onnx and *rpn*.onnx")
IR = FileKind("ir", "the graph of an OpenVINO IR", "give the folder that holds both networks, pfe.xml and rpn.xml")
SAFETENSORS = FileKind("safetensors", "a safetensors file", "save the weights in torch: torch.save(state_dict, NEW)")
HDF5 = FileKind("hdf5", "an HDF5 file", "no tool here reads it")
ROSBAG1 = FileKind("rosbag1", "a bag of ROS 1", "`pointpillars_ov detect_bag` reads bags")
MCAP = FileKind("mcap", "an MCAP recording", "`pointpillars_ov detect_bag` reads bags")
SQLITE = FileKind("sqlite", "an SQLite database, as bags of ROS 2 are", "`pointpillars_ov detect_bag` reads bags")
PCD = FileKind("pcd", "a PCD file", "name it .pcd")
PLY = FileKind("ply", "a PLY file", "name it .ply")
NPY = FileKind("npy", "an array of NumPy", "name it .npy")
PNG = FileKind("png", "a PNG image", "give clouds")

_MAGICS = (
    (rb"version https://git-lfs", LFS),
    (rb"\s*<(!doctype html|html)", HTML),
    (rb"\x28\xb5\x2f\xfd", ZSTD),
    (rb"\x1f\x8b\x08", GZIP),
    (rb"\xfd7zXZ\x00", XZ),
    (rb"\s*(<\?xml[^>]*>\s*)?<net\b", IR),
    (rb".{7}\x00\{\s*\"", SAFETENSORS),
    (rb"\x89HDF\r\n\x1a\n", HDF5),
    (rb"#ROSBAG V", ROSBAG1),
    (rb"\x89MCAP", MCAP),
    (rb"SQLite format 3\x00", SQLITE),
    (rb"(#[^\n]*\n)*(# \.PCD|VERSION \.?0?\.?\d)", PCD),
    (rb"ply\r?\n", PLY),
    (rb"\x93NUMPY", NPY),
    (rb"\x89PNG\r\n", PNG),
    # A protobuf whose field 1 is the version of the IR, and whose next one is the name of the producer or the graph.
    (rb"\x08[\x01-\x1f][\x12\x1a\x22\x2a\x3a\x42]", ONNX),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL | re.IGNORECASE), kind) for pattern, kind in _MAGICS)


def kind_of(path: Path) -> FileKind | None:
    """Return what the file at `path` is by its first bytes, None where nothing here knows; OSError if unreadable."""
    with path.open("rb") as stream:
        return kind_of_bytes(stream.read(_HEAD))


def kind_of_bytes(head: bytes) -> FileKind | None:
    """Return what a file that begins with `head` is, None where nothing here knows."""
    return next((kind for pattern, kind in _PATTERNS if pattern.match(head)), None)


def say_kind(path: Path, kind: FileKind) -> str:
    """Return the sentence of a refusal: what the file is, and the next step."""
    return f"{path} is {kind.what}: {kind.cure}"

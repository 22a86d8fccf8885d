# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Identification of files by their first bytes, whatever their names."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

_HEAD_BYTES = 512


class Content(Enum):
    """A kind of file, and what to do with it if something else was expected."""

    EMPTY = "an empty file: its copy or download did not complete"
    ZEROS = "a file of zeros: its copy or download did not complete"
    GIT_LFS = "a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned"
    MCAP = "an MCAP file: `pointpillars_ov detect_bag` reads it"
    SQLITE = "an SQLite database, as written by rosbag2 (.db3): `pointpillars_ov detect_bag` reads it"
    ROSBAG1 = "a ROS 1 bag (#ROSBAG): `pointpillars_ov detect_bag` reads it"
    ROSBAG1_OLD = "a bag of ROS before 1.0 (#ROSRECORD): `rosbag fix` of ROS 1 converts it"
    ONNX = "an ONNX network: `pointpillars_ov convert` makes a model bundle from it"
    ZIP = "a ZIP archive or a PyTorch checkpoint: unpack the archive, or use `pointpillars_ov convert`"
    PICKLE = "a pickle, such as an old PyTorch checkpoint: `pointpillars_ov convert` makes a model bundle from it"
    ZSTD = "a file compressed with zstd: `zstd -d FILE` unpacks it"
    GZIP = "a file compressed with gzip, maybe a .tar.gz: unpack it (`tar xzf FILE` or `gunzip FILE`)"
    BZIP2 = "a file compressed with bzip2: `bunzip2 FILE` unpacks it"
    XZ = "a file compressed with xz: `unxz FILE` unpacks it"
    LZ4 = "a file compressed with lz4: `lz4 -d FILE` unpacks it"
    WEB_PAGE = "a web page (HTML): the download needs another address or a login"
    XML = "an XML file, such as the .xml of an OpenVINO IR"
    PCD = "a PCL point cloud (.pcd)"
    PLY = "a point cloud (.ply)"
    NUMPY = "a NumPy array (.npy)"
    LAS = "a LAS or LAZ point cloud"
    HDF5 = "an HDF5 file"
    PCAP = "a packet capture (pcap) of a LiDAR: the driver of the sensor converts it to a bag"
    IMAGE = "an image"
    TEXT = "a text file"
    UNKNOWN = "a file of an unknown kind"


_MAGIC: tuple[tuple[bytes, Content], ...] = (
    (b"version https://git-lfs", Content.GIT_LFS),
    (b"\x89MCAP0\r\n", Content.MCAP),
    (b"SQLite format 3\0", Content.SQLITE),
    (b"#ROSBAG V2.0", Content.ROSBAG1),
    (b"#ROSRECORD", Content.ROSBAG1_OLD),
    (b"#ROSBAG", Content.ROSBAG1_OLD),
    (b"PK\x03\x04", Content.ZIP),
    (b"\x28\xb5\x2f\xfd", Content.ZSTD),
    (b"\x1f\x8b", Content.GZIP),
    (b"BZh", Content.BZIP2),
    (b"\xfd7zXZ\0", Content.XZ),
    (b"\x04\x22\x4d\x18", Content.LZ4),
    (b"# .PCD", Content.PCD),
    (b"VERSION .7", Content.PCD),
    (b"VERSION 0.7", Content.PCD),
    (b"ply\n", Content.PLY),
    (b"ply\r\n", Content.PLY),
    (b"\x93NUMPY", Content.NUMPY),
    (b"LASF", Content.LAS),
    (b"\x89HDF\r\n\x1a\n", Content.HDF5),
    (b"\xd4\xc3\xb2\xa1", Content.PCAP),
    (b"\xa1\xb2\xc3\xd4", Content.PCAP),
    (b"\x0a\x0d\x0d\x0a", Content.PCAP),
    (b"\x89PNG\r\n", Content.IMAGE),
    (b"\xff\xd8\xff", Content.IMAGE),
    (b"<!doctype html", Content.WEB_PAGE),
    (b"<html", Content.WEB_PAGE),
    (b"<?xml", Content.XML),
)


def identify(path: Path) -> Content:
    """Return the kind of the file `path` by its first bytes; OSError if it cannot be read."""
    with path.open("rb") as file:
        return identify_bytes(file.read(_HEAD_BYTES))


def identify_bytes(head: bytes) -> Content:
    """Return the kind of a file that begins with `head` (512 bytes are enough)."""
    if not head:
        return Content.EMPTY
    for magic, content in _MAGIC:
        if head.startswith(magic) or head[: len(magic)].lower() == magic:
            return content
    if not any(head):
        return Content.ZEROS
    # Protobuf: field 1, the version of the IR, then field 2 or 7, its producer or graph.
    if head[0] == 0x08 and len(head) > 2 and head[1] < 0x20 and head[2] in (0x12, 0x3A):
        return Content.ONNX
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return Content.PICKLE
    return Content.TEXT if _is_text(head) else Content.UNKNOWN


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head) and 0x7F not in head

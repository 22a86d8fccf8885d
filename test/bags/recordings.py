# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as other recorders leave them, made of the messages of a bag of ours."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import zstandard
from mcap.writer import CompressionType, Writer
from rosbags import rosbag2
from rosbags.interfaces import ConnectionExtRosbag2
from rosbags.typesys import Stores, get_typestore

Message = tuple[str, int, bytes]
"""Topic, stamp (ns) and bytes."""


def contents(bag: Path) -> list[Message]:
    """Return the messages of a whole bag, as rosbags reads them."""
    with rosbag2.Reader(bag) as reader:
        return [(c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages()]


def write_mcap(
    source: Path,
    path: Path,
    *,
    profile: str = "ros2",
    chunked: bool = True,
    compression: CompressionType = CompressionType.ZSTD,
    chunk_bytes: int = 1000,
    indexed: bool = True,
) -> Path:
    """Write the messages of a bag to an MCAP as the library of Foxglove does it."""
    with rosbag2.Reader(source) as reader, path.open("wb") as file:
        writer = Writer(
            file,
            chunk_size=chunk_bytes,
            compression=compression,
            use_chunking=chunked,
            use_summary_offsets=indexed,
            use_statistics=indexed,
            repeat_channels=indexed,
            repeat_schemas=indexed,
        )
        writer.start(profile, "test")
        channels = {}
        for connection in reader.connections:
            assert isinstance(connection.ext, ConnectionExtRosbag2)
            text, _ = reader_store(connection.msgtype, connection.msgdef.data)
            schema = writer.register_schema(connection.msgtype, "ros2msg", text.encode())
            channels[connection.id] = writer.register_channel(connection.topic, "cdr", schema)
        for connection, stamp, data in reader.messages():
            writer.add_message(channels[connection.id], stamp, bytes(data), stamp)
        writer.finish()
    return path


def reader_store(kind: str, text: str) -> tuple[str, str]:
    """Return the definition of a type, from the bag or from Jazzy."""
    return (text, "") if text else get_typestore(Stores.ROS2_JAZZY).generate_msgdef(kind, ros_version=2)


def write_ros1_mcap(source: Path, path: Path) -> Path:
    """Write the clouds of a bag to an MCAP as the converter of ROS 1 bags does it."""
    ros1, ros2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
    kind = "sensor_msgs/msg/PointCloud2"
    text, digest = ros1.generate_msgdef(kind, ros_version=1)
    with rosbag2.Reader(source) as reader, path.open("wb") as file:
        writer = Writer(file)
        writer.start("ros1", "test")
        schema = writer.register_schema("sensor_msgs/PointCloud2", "ros1msg", text.encode())
        metadata = {"md5sum": digest, "callerid": "/driver", "latching": "0"}
        channel = writer.register_channel("/points", "ros1", schema, metadata)
        for connection, stamp, data in reader.messages():
            if connection.msgtype == kind:
                raw = bytes(ros1.serialize_ros1(as_ros1(ros2.deserialize_cdr(data, kind), ros1), kind))
                writer.add_message(channel, stamp, raw, stamp)
        writer.finish()
    return path


def as_ros1(cloud, ros1):  # type: ignore[no-untyped-def]
    """Return a PointCloud2 of ROS 1; its header has a number."""
    header = ros1.types["std_msgs/msg/Header"](3, cloud.header.stamp, cloud.header.frame_id)
    names = [name for name in cloud.__dataclass_fields__ if not name.startswith("__") and name != "header"]
    return type(cloud)(header=header, **{name: getattr(cloud, name) for name in names})


def leave_in_wal(source: Path, target: Path, keep: int) -> Path:
    """Copy a bag of sqlite3 as a recorder leaves it that is killed: after `keep` messages, all are in the -wal."""
    target.mkdir()
    work = target.with_name(f"{target.name}_work.db3")
    shutil.copyfile(next(source.glob("*.db3")), work)
    setup = sqlite3.connect(work)
    rows = setup.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id").fetchall()
    setup.execute("DELETE FROM messages")
    setup.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows[:keep])
    setup.commit()
    assert setup.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    setup.execute("PRAGMA wal_autocheckpoint=0")
    setup.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows[keep:])
    setup.commit()
    # While it is open, as the last one to close it empties the -wal.
    shutil.copyfile(work, target / "bag.db3")
    shutil.copyfile(f"{work}-wal", target / "bag.db3-wal")
    setup.close()
    return target


def compress_files(folder: Path) -> None:
    """Compress the storage files of a bag, as compression_mode FILE does."""
    for path in [*folder.glob("*.mcap"), *folder.glob("*.db3")]:
        path.with_name(f"{path.name}.zstd").write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
        path.unlink()

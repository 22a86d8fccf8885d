# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading bags, and writing a rosbag2 (MCAP or sqlite3), with `rosbags`, which needs no DDS."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pointpillars_ov_ros.bags.truncated_mcap import files_of_bag
from pointpillars_ov_ros.config.errors import DatasetError, PointPillarsError

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
"""Of a bag that is written, by the names that rosbag2 gives them."""
_SUFFIXES = (".mcap", ".db3", ".db3-journal")


class BagWriter:
    """A bag being written; serialized messages go in as they came."""

    def __init__(self, folder: Path, storage: str = "mcap") -> None:
        """Begin a bag in `folder`, replacing one that is there; PointPillarsError where something else is.

        `storage` is one of `STORAGES`. A writer that is killed leaves an MCAP that `open_bag` reads up to the last
        whole chunk (1 MiB); of sqlite3 it leaves nothing, for the whole bag is one transaction.
        """
        if folder.exists():
            # A recorder that was killed leaves no metadata.yaml.
            if not folder.is_dir() or any(
                path.name != "metadata.yaml" and path.suffix not in _SUFFIXES for path in folder.iterdir()
            ):
                raise PointPillarsError(f"{folder} exists and is no bag; it is left alone")
            shutil.rmtree(folder)
        self.writer = Writer(folder, version=9, storage_plugin=STORAGES[storage])
        """Of `rosbags`."""
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        """Open the file."""
        self.writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the index, also after an error: what was recorded can be read."""
        self.writer.close()

    def add_topic(self, topic: str, message_type: str, *, latched: bool) -> None:
        """Announce a topic before its first message; `message_type` as in 'sensor_msgs/msg/PointCloud2'."""
        self._connections[topic] = self.writer.add_connection(
            topic, message_type, typestore=typestore(), offered_qos_profiles=[_quality(latched)]
        )

    def write(self, topic: str | Connection, stamp_ns: int, data: bytes) -> None:
        """Append a serialized message on a topic announced by `add_topic`, or on a connection of `writer`."""
        self.writer.write(self._connections[topic] if isinstance(topic, str) else topic, stamp_ns, data)


@contextmanager
def new_bag(folder: Path, storage: str) -> Iterator[BagWriter]:
    """Write a bag that is at `folder` when it is whole, and not before; until then at `unfinished(folder)`."""
    check_new(folder)
    with BagWriter(unfinished(folder), storage) as bag:
        yield bag
    unfinished(folder).rename(folder)
    shutil.rmtree(unfinished(folder).parent)


def unfinished(folder: Path) -> Path:
    """Give where a bag is while it is written: files in it are named after its folder, so that stays the same."""
    return folder.with_name(f"{folder.name}.partial") / folder.name


def check_new(folder: Path) -> None:
    """Raise PointPillarsError where something is where a bag is to be written."""
    if folder.exists():
        raise PointPillarsError(f"{folder} exists, and is left alone: a bag is written to a new folder")


def _quality(latched: bool) -> Qos:
    """Give the QoS that a player of the bag should offer."""
    endless = QosTime(2147483647, 4294967295)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=endless,
        lifespan=endless,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=endless,
        avoid_ros_namespace_conventions=False,
    )


@contextmanager
def open_bag(path: Path) -> Iterator[AnyReader]:
    """Open a bag to read, of ROS 1 or 2; DatasetError where it, or what is read of it, is none.

    An MCAP whose writer was killed is read up to its last whole chunk, and a warning says so.
    """
    try:
        reader = AnyReader(files_of_bag(path), default_typestore=typestore())
        reader.open()
    # Broken files make rosbags raise whatever its parsers stumble over.
    except Exception as error:
        raise DatasetError(f"{path}: cannot be read as a bag ({first_line(error)})") from None
    try:
        yield reader
    except AnyReaderError as error:
        raise DatasetError(f"{path}: cannot be read as a bag ({first_line(error)})") from None
    finally:
        reader.close()


def read_messages(
    reader: AnyReader, path: Path, connections: Collection[Connection] = ()
) -> Iterator[tuple[Connection, int, bytes]]:
    """Give the messages of a bag in the order of their stamps (ns); DatasetError where the file is broken."""
    try:
        yield from reader.messages(connections=connections)
    except Exception as error:
        raise DatasetError(f"{path}: broken in the middle ({first_line(error)})") from None


def first_line(error: Exception) -> str:
    """Give what an exception says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def to_cdr(message: Any, message_type: str) -> bytes:
    """Serialize a message of rclpy, the same bytes every time: rclpy leaves between fields what was in memory there."""
    store = typestore()
    return bytes(store.serialize_cdr(store.deserialize_cdr(serialize_message(message), message_type), message_type))


@cache
def typestore() -> Typestore:
    """Give the one store of our types, which is not to be added to; see `make_typestore`."""
    return make_typestore()


def make_typestore() -> Typestore:
    """Give the definitions of Jazzy's messages and of vision_msgs, whose .msg files its package installs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    folder = Path(get_package_share_directory("vision_msgs")) / "msg"
    for path in sorted(folder.glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), f"vision_msgs/msg/{path.stem}"))
    return store

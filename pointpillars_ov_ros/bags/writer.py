# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of rosbag2 bags (MCAP or sqlite3), based on `rosbags`, which needs no DDS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

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

from pointpillars_ov_ros.bags.message_types import typestore
from pointpillars_ov_ros.config.errors import PointPillarsError

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
"""Storage plugins for writing, under the names that rosbag2 uses."""
_SUFFIXES = (".mcap", ".db3", ".db3-journal")


class BagWriter:
    """A bag being written; serialized messages are stored unchanged."""

    def __init__(self, folder: Path, storage: str = "mcap") -> None:
        """Create a bag in `folder`, replacing an existing one; PointPillarsError if something else is there.

        `storage` is one of `STORAGES`. A killed writer leaves an MCAP file that `open_bag` reads up to the last
        complete chunk (1 MiB). With sqlite3 it leaves nothing: the whole bag is one transaction.
        """
        if folder.exists():
            # A recorder that was killed leaves no metadata.yaml.
            if not folder.is_dir() or any(
                path.name != "metadata.yaml" and path.suffix not in _SUFFIXES for path in folder.iterdir()
            ):
                raise PointPillarsError(f"{folder} exists and is not a bag; it is left unchanged")
            shutil.rmtree(folder)
        self.writer = Writer(folder, version=9, storage_plugin=STORAGES[storage])
        """The writer of `rosbags`."""
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        """Open the file."""
        self.writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the index, also after an error, so that everything recorded so far can be read."""
        self.writer.close()

    def add_topic(self, topic: str, message_type: str, *, latched: bool) -> None:
        """Declare a topic before its first message; `message_type` as in 'sensor_msgs/msg/PointCloud2'."""
        self._connections[topic] = self.writer.add_connection(
            topic, message_type, typestore=typestore(), offered_qos_profiles=[_quality(latched)]
        )

    def write(self, topic: str | Connection, stamp_ns: int, data: bytes) -> None:
        """Append a serialized message on a topic declared by `add_topic`, or on a connection of `writer`."""
        self.writer.write(self._connections[topic] if isinstance(topic, str) else topic, stamp_ns, data)


@contextmanager
def new_bag(folder: Path, storage: str) -> Iterator[BagWriter]:
    """Write a bag that appears at `folder` only when complete; until then it is at `unfinished(folder)`."""
    check_new(folder)
    with BagWriter(unfinished(folder), storage) as bag:
        yield bag
    unfinished(folder).rename(folder)
    shutil.rmtree(unfinished(folder).parent)


def unfinished(folder: Path) -> Path:
    """Return the folder in which a bag is while it is written.

    Files in a bag are named after it, and the bag lists its files. Since it is called `bag` until it is complete, its
    bytes do not depend on its final name.
    """
    return folder.with_name(f"{folder.name}.partial") / "bag"


def check_new(folder: Path) -> None:
    """Raise PointPillarsError if the place of a new bag is taken."""
    if folder.exists():
        raise PointPillarsError(f"{folder} already exists and is left unchanged: choose a new folder for the bag")


def _quality(latched: bool) -> Qos:
    """Return the QoS that a player of the bag should offer."""
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

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading bags, and recording to a rosbag2 (MCAP), with `rosbags`, which needs no ROS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ament_index_python.packages import get_package_share_directory
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

from pointpillars_ov_ros.core.errors import DatasetError, PointPillarsError


class BagWriter:
    """A bag being written; serialized messages go in as they came."""

    def __init__(self, folder: Path) -> None:
        """Begin a bag in `folder`, replacing one that is there; PointPillarsError where something else is."""
        if folder.exists():
            # A recorder that was killed leaves no metadata.yaml.
            if not folder.is_dir() or any(p.name != "metadata.yaml" and p.suffix != ".mcap" for p in folder.iterdir()):
                raise PointPillarsError(f"{folder} exists and is no bag; it is left alone")
            shutil.rmtree(folder)
        self._typestore = typestore()
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        """Open the file."""
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the index, also after an error: what was recorded can be read."""
        self._writer.close()

    def add_topic(self, topic: str, message_type: str, *, latched: bool) -> None:
        """Announce a topic before its first message; `message_type` as in 'sensor_msgs/msg/PointCloud2'."""
        self._connections[topic] = self._writer.add_connection(
            topic, message_type, typestore=self._typestore, offered_qos_profiles=[_quality(latched)]
        )

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Append a serialized message."""
        self._writer.write(self._connections[topic], stamp_ns, data)


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
def open_bag(folder: Path) -> Iterator[AnyReader]:
    """Open a bag to read, of ROS 1 or 2; DatasetError where it, or what is read of it, is none."""
    try:
        with AnyReader([folder], default_typestore=typestore()) as reader:
            yield reader
    except (AnyReaderError, OSError) as error:
        raise DatasetError(f"{folder}: cannot be read as a bag ({error})") from None


def typestore() -> Typestore:
    """Give the definitions of Jazzy's messages and of vision_msgs, whose .msg files its package installs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    folder = Path(get_package_share_directory("vision_msgs")) / "msg"
    for path in sorted(folder.glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), f"vision_msgs/msg/{path.stem}"))
    return store

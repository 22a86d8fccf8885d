# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of clouds for `detect_bag`, and of everything else that goes into the bag it writes."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from rosbags.convert.converter import create_connections_converters
from rosbags.interfaces import Connection, ConnectionExtRosbag1, MessageDefinitionFormat

from pointpillars_ov_ros.bags.from_kitti import CLOUDS, TF, TYPES, kitti_messages, topics_of
from pointpillars_ov_ros.bags.message_types import IDL_SEPARATOR, make_typestore, typestore
from pointpillars_ov_ros.bags.reader import POINT_CLOUD, BagReader, choose_topic, first_line, is_bag, open_bag
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.clouds.files import AS_FOUND, FileReading
from pointpillars_ov_ros.config.errors import DatasetError, count_of
from pointpillars_ov_ros.kitti.frames import find_frames

_TF_STATIC = "/tf_static"
_TF_TOPICS = ("/tf", _TF_STATIC)
_RATE_HZ = 10.0
"""Rate of frames without times."""
_IDL = f"{IDL_SEPARATOR}IDL: "
"""Start of the definition of a type stored as IDL together with the types it contains."""


class SourceMessage(NamedTuple):
    """A message to be written."""

    channel: str | Connection
    """Topic or connection for `BagWriter.write`."""
    stamp_ns: int
    data: bytes | None
    """Serialized for ROS 2; None if the message could not be converted."""
    cloud: bytes | None
    """For a cloud, the bytes for `MessageSource.parse`; otherwise None."""
    transforms: bytes | None = None
    """For a TF message, the bytes for `MessageSource.parse_transforms`; otherwise None."""
    is_static: bool = False
    """Whether these transforms are static."""


class MessageSource(Protocol):
    """Source of messages, including clouds."""

    topics: set[str]
    cloud_topic: str
    clouds: int
    storage: str
    """Storage of the bag: mcap or sqlite3."""
    identity: str
    """Changes if the source is another one or was modified."""
    notes: list[str]
    """Remarks about the source, complete when all messages have been read."""
    coordinate_scale: float
    """Factor that converts the coordinates of its clouds to metres."""
    reads_tf: bool
    """Whether TF messages are yielded even if they are not copied to the bag that is written."""

    def announce(self, bag: BagWriter) -> None:
        """Declare the topics in the bag that is written."""

    def messages(self) -> Iterator[SourceMessage]:
        """Yield the messages in the order of their stamps."""

    def parse(self, data: bytes) -> Any:
        """Parse the bytes of a PointCloud2; raises whatever broken bytes make `rosbags` raise."""

    def parse_transforms(self, data: bytes) -> Any:
        """Parse the bytes of a TFMessage; raises as `parse` does."""

    def static_transforms(self) -> Iterator[bytes]:
        """Yield the static transforms, which may be stored after clouds that need them."""


class FrameSource:
    """A folder of frames, which is treated like the bag that `kitti_to_bag` makes from it."""

    def __init__(self, folder: Path, reading: FileReading = AS_FOUND) -> None:
        """Find the frames; DatasetError if there are none."""
        self._frames = find_frames(folder, reading)
        self._topics = topics_of(self._frames)
        self.topics, self.cloud_topic, self.clouds = set(self._topics), CLOUDS, len(self._frames)
        self.storage, self.coordinate_scale, self.reads_tf = "mcap", 1.0, False
        self.identity = f"{folder.resolve()}: {' '.join(frame.name for frame in self._frames)}"
        if reading != AS_FOUND:
            self.identity += f", read as {reading}"
        files = self._frames[0].files
        self.notes: list[str] = [] if files is None else files.notes()

    def announce(self, bag: BagWriter) -> None:
        """Declare the topics in the bag that is written."""
        for topic in self._topics:
            bag.add_topic(topic, TYPES[topic], latched=topic == TF)

    def messages(self) -> Iterator[SourceMessage]:
        """Yield the messages of all frames."""
        for topic, stamp_ns, data in kitti_messages(self._frames, _RATE_HZ, crop=False):
            is_static = topic == TF
            cloud, transforms = data if topic == CLOUDS else None, data if is_static else None
            yield SourceMessage(topic, stamp_ns, data, cloud, transforms, is_static)

    def parse(self, data: bytes) -> Any:
        """Parse the bytes of a PointCloud2."""
        return typestore().deserialize_cdr(data, POINT_CLOUD)

    def parse_transforms(self, data: bytes) -> Any:
        """Parse the bytes of a TFMessage."""
        return typestore().deserialize_cdr(data, TYPES[TF])

    def static_transforms(self) -> Iterator[bytes]:
        """Yield nothing: the transform of the sensor is the first message."""
        yield from ()


class BagSource:
    """A ROS 2 bag, whose messages and definitions stay unchanged, or a ROS 1 bag, which is converted."""

    def __init__(self, reader: BagReader, path: Path, topic: str | None, coordinate_scale: float = 1.0) -> None:
        """Find the clouds; DatasetError lists the topics if there is not exactly one."""
        self._reader, self._path = reader, path
        self.coordinate_scale, self.reads_tf = coordinate_scale, False
        self.cloud_topic = choose_topic(reader, path, POINT_CLOUD, topic)
        self.topics = {connection.topic for connection in reader.connections}
        self.clouds = sum(c.msgcount for c in reader.connections if c.topic == self.cloud_topic)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        self.storage = "sqlite3" if any(file.suffix == ".db3" for file in files) else "mcap"
        stats = [(file.name, file.stat()) for file in files]
        self.identity = f"{path.resolve()}: " + ", ".join(f"{n} {s.st_size} B {s.st_mtime_ns} ns" for n, s in stats)
        self.notes: list[str] = []
        self._channels: dict[tuple[int, object], Connection] = {}
        self._converters: Mapping[str, Callable[[bytes], memoryview]] = {}

    def announce(self, bag: BagWriter) -> None:
        """Declare the topics in the bag that is written; DatasetError if their types cannot be declared."""
        try:
            if self._reader.is_ros2:
                for connection in self._reader.connections:
                    self._announce(connection, bag)
            else:
                self._announce_converted(bag)
        # Odd definitions make rosbags raise any kind of exception.
        except Exception as error:
            raise DatasetError(f"{self._path}: a topic cannot be copied ({first_line(error)})") from None

    def _announce_converted(self, bag: BagWriter) -> None:
        # It prints to stdout which types differ in ROS 2.
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self._channels, self._converters = create_connections_converters(
                self._reader.connections, make_typestore(), cast(Any, self._reader), bag.writer
            )
        self.notes += said.getvalue().splitlines()

    def _announce(self, connection: Connection, bag: BagWriter) -> None:
        kind, (form, text) = connection.msgtype, connection.msgdef
        encoding = "ros1" if isinstance(connection.ext, ConnectionExtRosbag1) else connection.ext.serialization_format
        if encoding not in ("", "cdr"):
            count = f"{count_of(connection.msgcount)} on {connection.topic}"
            self.notes.append(f"skipped: {count}, since ROS 2 messages are not encoded as {encoding}")
            return
        store = typestore() if form is MessageDefinitionFormat.NONE else self._reader.typestore
        if kind not in store.fielddefs:
            count = f"{count_of(connection.msgcount)} on {connection.topic}"
            self.notes.append(f"skipped: {count}, since the bag does not define {kind}")
            return
        if form is MessageDefinitionFormat.NONE or (form is MessageDefinitionFormat.IDL and not text.startswith(_IDL)):
            text, _ = store.generate_msgdef(kind, ros_version=2)
        qualities = connection.ext.offered_qos_profiles  # type: ignore[union-attr]
        known = [c for c in bag.writer.connections if (c.topic, c.msgtype) == (connection.topic, kind)]
        same = [c for c in known if c.ext == connection.ext]
        self._channels[connection.id, connection.owner] = (
            same[0]
            if same
            else bag.writer.add_connection(
                connection.topic,
                kind,
                msgdef=text,
                rihs01=connection.digest or store.hash_rihs01(kind),
                offered_qos_profiles=qualities,
            )
        )

    def messages(self) -> Iterator[SourceMessage]:
        """Yield all messages that can be copied; only the clouds if no topics were declared."""
        is_copied, broken = bool(self._channels), Counter[str]()
        every = [(connection, (connection.id, connection.owner)) for connection in self._reader.connections]
        read = {self.cloud_topic, *(_TF_TOPICS if self.reads_tf else ())}
        wanted = [c for c, key in every if key in self._channels or c.topic in read]
        for connection, stamp_ns, raw in self._reader.messages(wanted):
            is_cloud = connection.topic == self.cloud_topic
            is_tf = self.reads_tf and connection.topic in _TF_TOPICS
            data = self._convert(connection.msgtype, raw) if is_copied else None
            if data is None and not (is_cloud or (is_tf and not is_copied)):
                broken[connection.topic] += 1
                continue
            channel = self._channels.get((connection.id, connection.owner), connection.topic)
            cloud, transforms = raw if is_cloud else None, raw if is_tf else None
            yield SourceMessage(channel, stamp_ns, data, cloud, transforms, connection.topic == _TF_STATIC)
        self.notes += [f"skipped: {count_of(n, 'broken message')} on {topic}" for topic, n in broken.items()]

    def _convert(self, kind: str, raw: bytes) -> bytes | None:
        if self._reader.is_ros2:
            return raw
        try:
            return bytes(self._converters[kind](raw))
        # Broken bytes make rosbags raise any kind of exception.
        except Exception:
            return None

    def parse(self, data: bytes) -> Any:
        """Parse the bytes of a PointCloud2."""
        return self._reader.deserialize(data, POINT_CLOUD)

    def parse_transforms(self, data: bytes) -> Any:
        """Parse the bytes of a TFMessage."""
        kinds = {c.msgtype for c in self._reader.connections if c.topic in _TF_TOPICS}
        return self._reader.deserialize(data, next(iter(kinds), TYPES[TF]))

    def static_transforms(self) -> Iterator[bytes]:
        """Yield all of /tf_static: recorders may write it after the first clouds, when they receive it."""
        wanted = [c for c in self._reader.connections if c.topic == _TF_STATIC]
        count = sum(c.msgcount for c in wanted)
        for _, _, data in islice(self._reader.messages(wanted), count) if count else ():
            yield data


@contextlib.contextmanager
def open_source(path: Path, topic: str | None, reading: FileReading = AS_FOUND) -> Iterator[MessageSource]:
    """Open a bag, or a folder of frames whose files are read as `reading` says; DatasetError if it is neither."""
    if is_bag(path):
        with open_bag(path) as reader:
            yield BagSource(reader, path, topic, reading.coordinate_scale)
    elif path.is_dir():
        yield FrameSource(path, reading)
    else:
        raise DatasetError(f"{path}: no such bag or folder of frames")

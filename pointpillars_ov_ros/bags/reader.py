# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 1 and ROS 2, read from what their storage files contain, whatever metadata.yaml says."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from rosbags import rosbag1, rosbag2
from rosbags.interfaces import Connection, ConnectionExtRosbag1
from rosbags.rosbag1.reader import decompressors

from pointpillars_ov_ros.bags.inflate import inflate, inflate_file, inflate_message
from pointpillars_ov_ros.bags.mcap_file import McapFile
from pointpillars_ov_ros.bags.merge import merge_by_time
from pointpillars_ov_ros.bags.message_types import collect_types
from pointpillars_ov_ros.config.documents import MOST_YAML_BYTES, one_line, parse_yaml, read_text
from pointpillars_ov_ros.config.errors import DatasetError, PointPillarsError, count_of, plain
from pointpillars_ov_ros.config.first_bytes import Content, identify

POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
METADATA = "metadata.yaml"
SUFFIXES = (".mcap", ".db3", ".bag")
_PACKED = ".zstd"
_SIDE_FILES = ("-wal", "-journal")
"""Files beside an SQLite database whose writer was killed, with data that belongs into it."""
_MOST_METADATA_BYTES = 40 * MOST_YAML_BYTES
"""Enough for the QoS of a thousand topics, and names of thousands of files."""

log = logging.getLogger(__name__)


class StorageFile(Protocol):
    """A storage file of a bag."""

    connections: list[Connection]
    start_ns: int
    """Lower bound of the stamp of the first message."""
    notes: list[str]

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, stamp (ns) and bytes of the messages of some connections, in the order of their stamps."""

    def close(self) -> None:
        """Close the file."""


class RosbagsFile:
    """A file that `rosbags` reads: a rosbag2 database, or a ROS 1 bag."""

    def __init__(self, reader: rosbag1.Reader | rosbag2.Reader) -> None:
        """Open the file of `reader`."""
        self._reader: Any = reader
        reader.open()
        self.notes: list[str] = []
        self.connections = [connection._replace(owner=self) for connection in self._reader.connections]
        self._originals = {connection.id: connection for connection in self._reader.connections}
        self._own = {connection.id: connection for connection in self.connections}
        self.start_ns = self._reader.start_time

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield messages in the order of their stamps; see `StorageFile`."""
        for connection, stamp_ns, data in self._reader.messages([self._originals[c.id] for c in connections]):
            yield self._own[connection.id], stamp_ns, inflate_message(bytes(data))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class BagReader:
    """The storage files of one bag, read as one."""

    def __init__(self, path: Path, files: list[StorageFile], stated: int | None) -> None:
        """Combine `files`, which it does not own; `stated` is the number of messages according to metadata.yaml."""
        self._path, self._files = path, files
        self.connections = [connection for file in files for connection in file.connections]
        self.is_ros2 = any(not isinstance(c.ext, ConnectionExtRosbag1) for c in self.connections)
        self.typestore = collect_types(self.connections, self.is_ros2)
        self.notes = [note for file in files for note in file.notes]
        """Remarks about the bag as it was opened."""
        found = sum(connection.msgcount for connection in self.connections)
        if stated is not None and stated != found:
            self.notes.append(f"{path}: {METADATA} counts {count_of(stated)}, but the files hold {found}")

    @property
    def is2(self) -> bool:
        """Whether it is a ROS 2 bag, under the name that `rosbags` uses."""
        return self.is_ros2

    def messages(self, connections: Collection[Connection] = ()) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, stamp (ns) and bytes of messages, sorted by stamp; by default of all connections.

        Raises DatasetError if a file is broken. At the end, the number of messages is compared with the index.
        """
        wanted = list(connections) or self.connections
        by_owner: dict[int, list[Connection]] = {}
        for connection in wanted:
            by_owner.setdefault(id(connection.owner), []).append(connection)
        parts = [(file.start_ns, file) for file in self._files if id(file) in by_owner]
        counts: Counter[tuple[int, int]] = Counter()
        try:
            for stamp_ns, (connection, data) in merge_by_time(parts, lambda file: _pairs(file, by_owner[id(file)])):
                counts[id(connection.owner), connection.id] += 1
                yield connection, stamp_ns, data
        except GeneratorExit:
            raise
        # Broken files make the libraries raise any kind of exception.
        except Exception as error:
            raise DatasetError(f"{self._path}: broken after its start ({first_line(error)})") from None
        for connection in wanted:
            came = counts[id(connection.owner), connection.id]
            if came != connection.msgcount:
                log.warning(
                    "%s: the index counts %d messages on %s, but only %d could be read",
                    *(self._path, connection.msgcount, connection.topic, came),
                )

    def deserialize(self, data: bytes, kind: str) -> Any:
        """Parse a message; raises whatever broken bytes make `rosbags` raise."""
        if self.is_ros2:
            return self.typestore.deserialize_cdr(data, kind)
        return self.typestore.deserialize_ros1(data, kind)


def _pairs(file: StorageFile, wanted: list[Connection]) -> Iterator[tuple[int, tuple[Connection, bytes]]]:
    for connection, stamp_ns, data in file.messages(wanted):
        yield stamp_ns, (connection, data)


@contextmanager
def open_bag(path: Path) -> Iterator[BagReader]:
    """Open a bag of ROS 1 or 2 for reading, as a folder or a file; DatasetError says what `path` is if it is not a bag.

    An MCAP file whose recorder was killed is read up to its last complete chunk, a database with the contents of its
    -wal. Anything odd about a bag is logged as a warning.
    """
    with ExitStack() as stack:
        try:
            files, stated = find_files(path)
            storage = [_open_file(file, stack) for file in files]
            reader = BagReader(path, storage, stated)
        except PointPillarsError as error:
            text = str(error)
            raise DatasetError(text if text.startswith(str(path)) else f"{path}: {text}") from None
        # Broken files make the libraries raise any kind of exception.
        except Exception as error:
            raise DatasetError(f"{path}: cannot be read as a bag ({first_line(error)})") from None
        for note in reader.notes:
            log.warning("%s", note)
        yield reader


def is_bag(path: Path) -> bool:
    """Whether a path is treated as a bag instead of a folder of frames."""
    if not path.is_dir():
        return path.is_file()
    return (path / METADATA).is_file() or bool(_storage_files(path))


def find_files(path: Path) -> tuple[list[Path], int | None]:
    """Return the storage files of a bag, and the number of messages according to metadata.yaml (None: not stated)."""
    if not path.exists():
        raise DatasetError(f"{path}: no such bag")
    if not path.is_dir():
        return [path], None
    names, stated = _read_metadata(path / METADATA)
    there = _storage_files(path)
    known = {file.name.removesuffix(_PACKED) for file in there}
    missing = [name for name in names if name.removesuffix(_PACKED) not in known]
    if missing:
        raise DatasetError(
            f"{path}: {METADATA} names {plain(missing[0])}, which is missing: copy it, too, or delete {METADATA} to "
            "read the files that exist"
        )
    if not there:
        raise DatasetError(f"{path}: it contains no bag file (.mcap, .db3, .bag)")
    return there, stated


def _storage_files(folder: Path) -> list[Path]:
    """Return the files of a bag in a folder; of files both compressed and uncompressed, the latter."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    plain_files = [file for file in files if file.suffix in SUFFIXES]
    packed = [file for file in files if file.suffix == _PACKED and file.with_suffix("").suffix in SUFFIXES]
    return [*plain_files, *(file for file in packed if file.with_suffix("") not in plain_files)]


def _read_metadata(path: Path) -> tuple[list[str], int | None]:
    """Return file names and number of messages; nothing for either that the document does not state."""
    if not path.is_file():
        return [], None
    try:
        document = parse_yaml(read_text(path, _MOST_METADATA_BYTES), str(path))
        bag = document["rosbag2_bagfile_information"]
        names = [Path(str(name)).name for name in bag.get("relative_file_paths") or []]
        stated = bag.get("message_count")
    except (PointPillarsError, OSError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        log.warning("%s cannot be read and is ignored (%s)", path, one_line(error))
        return [], None
    return names, stated if isinstance(stated, int) else None


def _open_file(path: Path, stack: ExitStack) -> StorageFile:
    """Open a storage file according to its contents; DatasetError says what it is instead."""
    content = identify(path)
    if content is Content.ZSTD:
        unpacked = _scratch(stack) / path.with_suffix("").name
        inflate_file(path, unpacked)
        path, content = unpacked, identify(unpacked)
    file: StorageFile
    if content is Content.MCAP:
        file = McapFile(path)
    elif content is Content.SQLITE:
        file = _open_database(path, stack)
    elif content is Content.ROSBAG1:
        file = _open_ros1(path)
    else:
        raise DatasetError(f"{path} is not a bag, but {content.value}")
    stack.callback(file.close)
    return file


def _open_ros1(path: Path) -> StorageFile:
    """Open a ROS 1 bag; DatasetError if its recorder was killed before it wrote the index."""
    reader = rosbag1.Reader(path)
    try:
        file = RosbagsFile(reader)
    except rosbag1.ReaderError as error:
        if "index" in str(error):
            raise DatasetError(
                f"{path} has no complete index, since its recorder was killed or the file was truncated: "
                f"`rosbag reindex {path.name}` of ROS 1 creates one"
            ) from None
        raise
    # The reader decompresses whatever a chunk holds; ours are limited.
    names = {function: name for name, function in decompressors.items()}
    for position, chunk in reader.chunks.items():
        name = names[chunk.decompressor]
        bounded = partial(inflate, compression="" if name == "none" else name)
        reader.chunks[position] = chunk._replace(decompressor=bounded)
    return file


def _open_database(path: Path, stack: ExitStack) -> StorageFile:
    """Open an SQLite database; what a killed recorder left beside it is merged in a copy."""
    beside = [side for end in _SIDE_FILES if (side := Path(f"{path}{end}")).is_file() and side.stat().st_size]
    notes = []
    if beside or path.suffix != ".db3":
        copy = _scratch(stack) / f"{path.stem}.db3"
        shutil.copyfile(path, copy)
        for side in beside:
            shutil.copyfile(side, f"{copy}{side.name.removeprefix(path.name)}")
        connection = sqlite3.connect(copy)
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            connection.close()
        if beside:
            notes.append(f"{path}: its recorder was killed; the data in {beside[0].name} is read, too")
        path = copy
    file = RosbagsFile(rosbag2.Reader(path))
    file.notes += notes
    return file


def _scratch(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix="pointpillars_bag_")))


def choose_topic(reader: BagReader, path: Path, kind: str, wanted: str | None, flag: str = "--topic") -> str:
    """Return the one topic with messages of type `kind`, or the one named `wanted`.

    `wanted` may be in any namespace unless it begins with /. DatasetError lists the topics if there is none, several,
    or one without messages.
    """
    counts: Counter[str] = Counter()
    for connection in reader.connections:
        if connection.msgtype == kind:
            counts[connection.topic] += connection.msgcount
    there = ", ".join(f"{topic} ({count_of(count)})" for topic, count in sorted(counts.items()))
    if not counts:
        others = ", ".join(sorted({f"{c.topic} ({_kind(c)})" for c in reader.connections})) or "nothing"
        raise DatasetError(f"{path}: no topic of {kind}; it has {others}")
    named = [topic for topic in counts if wanted is None or is_topic(topic, wanted)]
    if not named:
        raise DatasetError(f"{path}: no topic {wanted} of {kind}; it has {there}")
    chosen = [topic for topic in named if counts[topic]]
    if not chosen:
        raise DatasetError(
            f"{path}: no message on {', '.join(named)}; the recorder received nothing there (did the publisher run, "
            "and did its QoS match the recorder's?)"
        )
    if len(chosen) > 1:
        raise DatasetError(f"{path}: {kind} on {len(chosen)} topics, choose one with {flag}: {there}")
    return chosen[0]


def is_topic(topic: str, wanted: str) -> bool:
    """Whether a topic is the wanted one, in any namespace unless one is given."""
    return topic == wanted or (not wanted.startswith("/") and topic.endswith(f"/{wanted}"))


def _kind(connection: Connection) -> str:
    encoding = getattr(connection.ext, "serialization_format", "") or "cdr"
    return connection.msgtype if encoding == "cdr" else f"{connection.msgtype}, {encoding}, which ROS does not read"


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]

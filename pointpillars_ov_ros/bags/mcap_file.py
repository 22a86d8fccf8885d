# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An MCAP file of a bag, read with the package `mcap`: closed or truncated, with or without index, chunks and profile.

A file whose recorder was killed has no index. It is read from its start, up to its last complete record. Decompression
is limited, which the readers of `mcap` themselves leave to the file.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
    Qos,
)
from rosbags.rosbag2.metadata import parse_qos
from zstandard import ZstdError

from pointpillars_ov_ros.bags.inflate import MAX_INFLATED_BYTES, inflate, inflate_message
from pointpillars_ov_ros.bags.merge import merge_by_time
from pointpillars_ov_ros.config.errors import DatasetError

_MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
"""Opcode and length of a record."""
_READ = {Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK}
_ENDS = {0, Opcode.DATA_END, Opcode.FOOTER}
"""Opcodes after which there are no messages. No record has 0, which a file system leaves after a power failure."""
_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros1msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}
_ROS1, _ROS2 = "ros1", "cdr"
"""Encodings of messages."""
_BROKEN = (McapError, DatasetError, ZstdError, struct.error, ValueError, EOFError, OverflowError, RuntimeError)
"""Exceptions that a broken record causes in `mcap`, the decompressors and Python."""


class _Block(NamedTuple):
    """Unit that is read at once: a chunk, or a message outside chunks."""

    start_ns: int
    offset: int


class McapFile:
    """One file, and its connections."""

    def __init__(self, path: Path) -> None:
        """Read the index, or build one; DatasetError if the file is broken at its start."""
        self.notes: list[str] = []
        """Remarks about the file."""
        self._path, self._file = path, path.open("rb")
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        self._blocks: list[_Block] = []
        self._size = path.stat().st_size
        try:
            self._is_closed = self._ends_with_magic()
            if not (self._is_closed and self._read_index()):
                self._make_index()
            self.connections = [self._connection(channel) for channel in self._channels.values()]
        except BaseException:
            self.close()
            raise
        self._by_channel = {c.id: c for c in self.connections}
        self.start_ns = min((block.start_ns for block in self._blocks), default=0)
        """Lower bound of the stamp of the first message."""

    def messages(self, connections: Collection[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, stamp (ns) and bytes of the messages of some connections, in the order of their stamps."""
        wanted = {c.id for c in connections}
        blocks = [(block.start_ns, block) for block in self._blocks]
        for stamp_ns, message in merge_by_time(blocks, lambda block: self._read_block(block, wanted)):
            yield self._by_channel[message.channel_id], stamp_ns, inflate_message(message.data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _ends_with_magic(self) -> bool:
        self._file.seek(max(0, self._size - len(_MAGIC)))
        return self._size > len(_MAGIC) and self._file.read() == _MAGIC

    def _read_index(self) -> bool:
        """Use the summary; return False if there is none, or it does not list all messages."""
        self._file.seek(0)
        try:
            summary = SeekingReader(self._file, record_size_limit=MAX_INFLATED_BYTES).get_summary()
        except _BROKEN:
            return False
        statistics = None if summary is None else summary.statistics
        if summary is None or statistics is None or not summary.channels or not summary.chunk_indexes:
            return False
        in_chunks = sum(len(index.message_index_offsets) > 0 for index in summary.chunk_indexes)
        if statistics.chunk_count != len(summary.chunk_indexes) or in_chunks < len(summary.chunk_indexes):
            return False
        used = {channel.schema_id for channel in summary.channels.values()} - {0}
        if used - set(summary.schemas):
            return False
        self._schemas, self._channels = dict(summary.schemas), dict(summary.channels)
        self._counts.update(statistics.channel_message_counts)
        self._blocks = [_Block(index.message_start_time, index.chunk_start_offset) for index in summary.chunk_indexes]
        return True

    def _make_index(self) -> None:
        """Scan the file from its start, up to where it is complete."""
        whole = len(_MAGIC)
        try:
            for offset, record, end in self._records():
                if isinstance(record, Chunk):
                    parts = self._break_up(record)
                    stamps = [self._note(part) for part in parts if isinstance(part, Message)]
                    self._note_all(parts)
                    self._blocks += [_Block(min(stamps), offset)] if stamps else []
                elif isinstance(record, Message):
                    self._blocks.append(_Block(self._note(record), offset))
                else:
                    self._note_all([record])
                whole = end
        except _BROKEN as error:
            # The last record of a truncated file may be incomplete; an oversized one is so on purpose.
            if self._is_closed or isinstance(error, DatasetError):
                raise
        if not self._is_closed:
            self.notes.append(
                f"{self._path} was never closed; it is read up to its last complete chunk, "
                f"{whole / 1e6:.1f} of {self._size / 1e6:.1f} MB"
            )

    def _note(self, message: Message) -> int:
        self._counts[message.channel_id] += 1
        return message.log_time

    def _note_all(self, records: Collection[McapRecord]) -> None:
        for record in records:
            if isinstance(record, Schema):
                self._schemas[record.id] = record
            elif isinstance(record, Channel):
                self._channels.setdefault(record.id, record)

    def _records(self) -> Iterator[tuple[int, McapRecord, int]]:
        """Yield start, record and end of every record that messages depend on."""
        self._file.seek(0)
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise DatasetError("it does not begin like an MCAP file")
        at = len(_MAGIC)
        while at + _HEAD.size <= self._size:
            self._file.seek(at)
            opcode, length = _HEAD.unpack(self._file.read(_HEAD.size))
            end = at + _HEAD.size + length
            if opcode in _ENDS or end > self._size:
                return
            if opcode in _READ:
                yield at, self._read_record(at), end
            at = end

    def _read_record(self, offset: int) -> McapRecord:
        self._file.seek(offset)
        reader = StreamReader(self._file, skip_magic=True, emit_chunks=True, record_size_limit=MAX_INFLATED_BYTES)
        return next(reader.records)

    def _read_block(self, block: _Block, wanted: Collection[int]) -> Iterator[tuple[int, Message]]:
        record = self._read_record(block.offset)
        messages = self._break_up(record) if isinstance(record, Chunk) else [record]
        found = [m for m in messages if isinstance(m, Message) and m.channel_id in wanted]
        yield from sorted(((m.log_time, m) for m in found), key=lambda pair: pair[0])

    def _break_up(self, chunk: Chunk) -> list[McapRecord]:
        """Return the records in a chunk; DatasetError if it is larger than stated or than is sensible."""
        if chunk.uncompressed_size > MAX_INFLATED_BYTES:
            raise DatasetError(
                f"a chunk of it has {chunk.uncompressed_size / 2**20:.0f} MiB when decompressed, more than "
                f"{MAX_INFLATED_BYTES / 2**20:.0f} MiB"
            )
        data = inflate(chunk.data, chunk.compression, chunk.uncompressed_size)
        if len(data) != chunk.uncompressed_size:
            raise ValueError(f"a chunk of it has {len(data)} bytes, but should have {chunk.uncompressed_size}")
        plain = Chunk(
            "", data, chunk.message_end_time, chunk.message_start_time, chunk.uncompressed_crc, chunk.uncompressed_size
        )
        return breakup_chunk(plain, validate_crc=True)

    def _connection(self, channel: Channel) -> Connection:
        schema = self._schemas.get(channel.schema_id)
        name, text = ("", "") if schema is None else (schema.name, schema.data.decode(errors="replace"))
        form = _FORMATS.get(schema.encoding, MessageDefinitionFormat.NONE) if schema else MessageDefinitionFormat.NONE
        if form is MessageDefinitionFormat.NONE:
            text = ""
        extension: ConnectionExtRosbag1 | ConnectionExtRosbag2
        if channel.message_encoding == _ROS1:
            latching = channel.metadata.get("latching", "0") in ("1", "true")
            extension = ConnectionExtRosbag1(channel.metadata.get("callerid"), int(latching))
        else:
            extension = ConnectionExtRosbag2(channel.message_encoding or _ROS2, _qos(channel))
        return Connection(
            channel.id,
            channel.topic,
            # ROS 1 names types package/Name.
            re.sub(r"^([^/]+)/([^/]+)$", r"\1/msg/\2", name),
            MessageDefinition(form, text),
            channel.metadata.get("topic_type_hash", ""),
            self._counts[channel.id],
            extension,
            self,
        )


def _qos(channel: Channel) -> list[Qos]:
    text = channel.metadata.get("offered_qos_profiles", "")
    # It only affects what a player of the new bag offers.
    with suppress(Exception):
        return parse_qos(text) if text else []
    return []

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags are read as their storage files are, whatever metadata.yaml, names and recorders have made of them."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType, Writer
from rosbags import rosbag2

from pointpillars_ov_ros.bags.inflate import MAX_INFLATED_BYTES
from pointpillars_ov_ros.bags.merge import merge_by_time
from pointpillars_ov_ros.bags.reader import choose_topic, open_bag
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import DatasetError
from test.bags import recordings
from test.bags.bags import cloud, write_bag
from test.inference.toy_bundle import toy_cloud

POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
Message = recordings.Message
COMPRESSIONS = [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the same messages in both storages."""
    folder = tmp_path_factory.mktemp("bags")
    clouds = [cloud(toy_cloud(number), number) for number in range(6)]
    return {storage: write_bag(folder / storage / "bag", clouds, storage) for storage in ("mcap", "sqlite3")}


def read(bag: Path) -> list[Message]:
    with open_bag(bag) as reader:
        return [(c.topic, stamp, bytes(data)) for c, stamp, data in reader.messages()]


def copy(source: Path, target: Path, *, metadata: bool = True) -> Path:
    shutil.copytree(source, target)
    if not metadata:
        (target / "metadata.yaml").unlink()
    return target


def edit_metadata(bag: Path, *pairs: tuple[str, str]) -> None:
    text = (bag / "metadata.yaml").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (bag / "metadata.yaml").write_text(text)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(
    "pairs",
    [
        [("reliability: reliable", "reliability: best_effort")],
        [("depth: 10", "depth: 5"), ("durability: volatile", "durability: system_default")],
        [("serialization_format: cdr", "serialization_format: ''")],
        [("version: 9", "version: 4")],
        [("version: 9", "version: 99")],
        [("name: /points", "name: /other_points")],
    ],
    ids=lambda pairs: pairs[0][1],
)
def test_metadata_that_differs_changes_nothing(
    sources: dict[str, Path], storage: str, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    bag = copy(sources[storage], tmp_path / "bag")
    edit_metadata(bag, *pairs)
    assert read(bag) == recordings.contents(sources[storage])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_metadata_without_a_storage_or_none_at_all_will_do(
    sources: dict[str, Path], storage: str, tmp_path: Path
) -> None:
    wanted = recordings.contents(sources[storage])
    bag = copy(sources[storage], tmp_path / "empty")
    edit_metadata(bag, (f"storage_identifier: {storage}", "storage_identifier: ''"))
    assert read(bag) == wanted
    assert read(copy(sources[storage], tmp_path / "none", metadata=False)) == wanted


@pytest.mark.parametrize("text", ["", "{", "rosbag2_bagfile_information: nothing\n", "x: [1", "\xff"])
def test_broken_metadata_is_left_aside_and_said(
    sources: dict[str, Path], text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = copy(sources["mcap"], tmp_path / "bag")
    (bag / "metadata.yaml").write_text(text, encoding="latin1")
    assert read(bag) == recordings.contents(sources["mcap"])
    assert "metadata.yaml cannot be read and is ignored" in caplog.text


def test_what_metadata_counts_and_the_files_do_not_hold_is_said(
    sources: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = copy(sources["mcap"], tmp_path / "bag")
    edit_metadata(bag, ("  message_count: 18", "  message_count: 20"))
    assert len(read(bag)) == 18
    assert f"{bag}: metadata.yaml counts 20 messages, but the files hold 18" in caplog.text


def test_a_file_that_metadata_names_and_is_not_there_is_named(sources: dict[str, Path], tmp_path: Path) -> None:
    bag = copy(sources["mcap"], tmp_path / "bag")
    shutil.copyfile(bag / "bag.mcap", bag / "other.mcap")
    (bag / "bag.mcap").unlink()
    with pytest.raises(DatasetError, match=r"names bag\.mcap, which is missing: copy it, too, or delete"):
        read(bag)


@pytest.mark.parametrize("keep", [0, 7])
def test_what_a_killed_recorder_left_in_the_wal_is_read(
    sources: dict[str, Path], keep: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = recordings.leave_in_wal(sources["sqlite3"], tmp_path / "bag", keep)
    for path in bag.iterdir():
        path.chmod(0o444)
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    for path in (bag, bag / "bag.db3"):
        assert read(path) == recordings.contents(sources["sqlite3"])
        assert "its recorder was killed; the data in bag.db3-wal is read, too" in caplog.text
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before, "the bag itself is left as it is"
    # What this is about: read as it stands, the file lacks them.
    alone = sqlite3.connect(f"file:{bag / 'bag.db3'}?immutable=1", uri=True)
    assert alone.execute("SELECT count(*) FROM messages").fetchone() == (keep,)
    alone.close()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("metadata", [True, False])
def test_compressed_files_are_read(sources: dict[str, Path], storage: str, metadata: bool, tmp_path: Path) -> None:
    bag = copy(sources[storage], tmp_path / "bag", metadata=metadata)
    recordings.compress_files(bag)
    assert read(bag) == recordings.contents(sources[storage])
    assert read(next(bag.glob("*.zstd"))) == recordings.contents(sources[storage])


@pytest.mark.parametrize("metadata", [True, False])
def test_compressed_messages_are_read(sources: dict[str, Path], metadata: bool, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    with rosbag2.Reader(sources["mcap"]) as reader:
        writer = rosbag2.Writer(bag, version=9, storage_plugin=rosbag2.StoragePlugin.SQLITE3)
        writer.set_compression(rosbag2.CompressionMode.MESSAGE, rosbag2.CompressionFormat.ZSTD)
        with writer:
            channels = {
                c.id: writer.add_connection(c.topic, c.msgtype, msgdef=c.msgdef.data, rihs01="x")
                for c in reader.connections
            }
            for connection, stamp, data in reader.messages():
                writer.write(channels[connection.id], stamp, data)
    if not metadata:
        (bag / "metadata.yaml").unlink()
    assert read(bag) == recordings.contents(sources["mcap"])


@pytest.mark.parametrize("profile", ["", "ros2", "px4"])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_kind_of_mcap_is_read(
    sources: dict[str, Path],
    profile: str,
    chunked: bool,
    indexed: bool,
    compression: CompressionType,
    tmp_path: Path,
) -> None:
    path = recordings.write_mcap(
        sources["mcap"], tmp_path / "a.mcap", profile=profile, chunked=chunked, indexed=indexed, compression=compression
    )
    assert read(path) == recordings.contents(sources["mcap"])


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_cut_mcap_of_any_kind_is_read_up_to_there(
    sources: dict[str, Path], chunked: bool, compression: CompressionType, tmp_path: Path
) -> None:
    whole = recordings.write_mcap(sources["mcap"], tmp_path / "a.mcap", chunked=chunked, compression=compression)
    data, every, counts = whole.read_bytes(), recordings.contents(sources["mcap"]), []
    for size in range(9, len(data), 97):
        (tmp_path / "cut.mcap").write_bytes(data[:size])
        found = read(tmp_path / "cut.mcap")
        assert found == every[: len(found)]
        counts.append(len(found))
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == len(every)
    assert len(set(counts)) > 4, "it is read by chunks, and not all or nothing"


def test_ros_1_messages_in_an_mcap_are_those_of_ros_2(sources: dict[str, Path], tmp_path: Path) -> None:
    path = recordings.write_ros1_mcap(sources["mcap"], tmp_path / "ros1.mcap")
    with open_bag(path) as reader:
        assert not reader.is_ros2 and choose_topic(reader, path, POINT_CLOUD, None) == "/points"
        for number, (connection, _, data) in enumerate(reader.messages()):
            message = reader.deserialize(data, connection.msgtype)
            np.testing.assert_array_equal(read_cloud(message, "intensity", 1.0).points, toy_cloud(number))
    assert number == 5


def test_files_of_one_bag_are_merged_by_time(sources: dict[str, Path], tmp_path: Path) -> None:
    bag, wanted = tmp_path / "bag", [m for source in sources.values() for m in recordings.contents(source)]
    bag.mkdir()
    shutil.copyfile(sources["mcap"] / "bag.mcap", bag / "bag_10.mcap")
    shutil.copyfile(sources["sqlite3"] / "bag.db3", bag / "bag_9.db3")
    found = read(bag)
    assert [stamp for _, stamp, _ in found] == sorted(stamp for _, stamp, _ in wanted)
    assert sorted(found) == sorted(wanted)


def test_parts_are_opened_no_earlier_than_needed() -> None:
    opened: list[int] = []

    def opening(number: int):  # type: ignore[no-untyped-def]
        opened.append(number)
        yield from ((10 * number + k, (number, k)) for k in (0, 3, 12))

    stamps = []
    for stamp, _ in merge_by_time(((10 * number, number) for number in (2, 0, 1, 9)), opening):
        stamps.append(stamp)
        assert 9 not in opened or stamp >= 32
    assert stamps == sorted(stamps) and len(stamps) == 12 and opened == [0, 1, 2, 9]


def write_bomb(path: Path, closed: bool, stated: int) -> Path:
    """Write an MCAP of a hundred KB with a chunk that says that it has `stated` bytes, and is 2 GB of zeros."""
    compressor = zstandard.ZstdCompressor(level=3).compressobj(size=2**31)
    packed = b"".join(compressor.compress(bytes(2**24)) for _ in range(2**7)) + compressor.flush()
    chunk = struct.pack("<QQQII", 0, 1, stated, 0, 4) + b"zstd" + struct.pack("<Q", len(packed)) + packed
    header = struct.pack("<I", 4) + b"ros2" + struct.pack("<I", 0)
    end = struct.pack("<BQI", 0x0F, 4, 0) + struct.pack("<BQ", 0x02, 20) + bytes(20) + b"\x89MCAP0\r\n"
    records = struct.pack("<BQ", 1, len(header)) + header + struct.pack("<BQ", 6, len(chunk)) + chunk
    path.write_bytes(b"\x89MCAP0\r\n" + records + (end if closed else b""))
    return path


MEASURE = """
import resource, sys
from pathlib import Path
from pointpillars_ov_ros.bags.reader import open_bag
from pointpillars_ov_ros.config.errors import DatasetError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open_bag(Path(sys.argv[1])) as reader:
        list(reader.messages())
except DatasetError as error:
    print(error, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("stated", [2**31, 2**20])
def test_a_chunk_that_grows_without_bounds_is_refused(tmp_path: Path, closed: bool, stated: int) -> None:
    path = write_bomb(tmp_path / "bomb.mcap", closed, stated)
    assert path.stat().st_size < 300_000
    ended = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    print(f"a chunk that says {stated} bytes: {int(ended.stdout) / 1024:.0f} MiB more in use")
    assert int(ended.stdout) * 1024 < MAX_INFLATED_BYTES
    assert "when decompressed" in ended.stderr and ended.stderr.startswith(str(path))


def test_a_compressed_message_that_grows_without_bounds_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", "sqlite3") as bag:
        bag.add_topic("/points", POINT_CLOUD, latched=False)
        bag.write("/points", 0, zstandard.ZstdCompressor().compress(bytes(2**29)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError, match="larger than 256 MiB when decompressed"):
        read(tmp_path / "bag")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 2 * MAX_INFLATED_BYTES


def test_a_file_of_zeros_that_was_compressed_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bag.mcap.zstd"
    compressor = zstandard.ZstdCompressor().compressobj()
    path.write_bytes(b"".join(compressor.compress(bytes(2**20)) for _ in range(64)) + compressor.flush())
    with pytest.raises(DatasetError, match="decompressed, it does not fit into"):
        read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "run `git lfs pull`"),
        (b"\x08\x07\x12\x07pytorch\x1a\x031.9", "an ONNX network: `pointpillars_ov convert`"),
        (b"#ROSRECORD V1.1\n", "a bag of ROS before 1.0"),
        (b"", "an empty file"),
        (bytes(1000), "a file of zeros"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"years of work", "a text file"),
        (b"\x00\x9f\x92\x96" * 9, "unknown kind"),
    ],
    ids=["lfs", "onnx", "rosrecord", "empty", "zeros", "html", "gzip", "text", "noise"],
)
@pytest.mark.parametrize("name", ["drive.mcap", "drive.bag", "drive.db3", "drive"])
def test_what_is_no_bag_is_said_with_the_next_step(content: bytes, said: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path} is not a bag, but ") and said in str(raised.value)


def test_a_bag_is_what_its_bytes_say_whatever_it_is_called(sources: dict[str, Path], tmp_path: Path) -> None:
    for number, file in enumerate((sources["mcap"] / "bag.mcap", sources["sqlite3"] / "bag.db3")):
        for name in ("drive.bag", "drive.mcap", "drive.db3", "drive"):
            path = tmp_path / f"{number}_{name}"
            shutil.copyfile(file, path)
            assert read(path) == recordings.contents(file.parent)


def silent(folder: Path) -> Path:
    with BagWriter(folder) as bag:
        bag.add_topic("/points", POINT_CLOUD, latched=False)
        bag.add_topic("/said", "std_msgs/msg/String", latched=False)
        bag.write("/said", 0, b"\0\1\0\0\2\0\0\0a\0")
    return folder


def foreign(folder: Path) -> Path:
    folder.mkdir()
    with (folder / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start("", "test")
        schema = writer.register_schema("foxglove.PointCloud", "protobuf", b"\x0a\x00")
        writer.add_message(writer.register_channel("/lidar", "protobuf", schema), 1, b"\x0a\x00", 1)
        writer.finish()
    return folder


@pytest.mark.parametrize(
    ("make", "wanted", "said"),
    [
        (silent, None, "no message on /points; the recorder received nothing there"),
        (silent, "points", "no message on /points; the recorder received nothing there"),
        (silent, "lidar", "no topic lidar of sensor_msgs/msg/PointCloud2; it has /points (0 messages)"),
        (foreign, None, "it has /lidar (foxglove.PointCloud, protobuf, which ROS does not read)"),
    ],
)
def test_a_bag_without_clouds_says_what_it_has(
    make: Callable[[Path], Path], wanted: str | None, said: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "bag")
    with open_bag(path) as reader, pytest.raises(DatasetError) as raised:
        choose_topic(reader, path, POINT_CLOUD, wanted)
    assert said in str(raised.value)


def test_an_index_that_counts_more_than_comes_out_is_said(
    sources: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = recordings.write_mcap(sources["mcap"], tmp_path / "a.mcap", compression=CompressionType.NONE)
    data = bytearray(path.read_bytes())
    # The Statistics record: its last field is the count of each channel, of which the first is made a hundred.
    at = data.rindex(b"\x0b" + struct.pack("<Q", 46 + 30))
    at += 9 + 42 + 4
    channel, count = struct.unpack_from("<HQ", data, at)
    struct.pack_into("<HQ", data, at, channel, 100)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert len(read(path)) == 18
    assert f"the index counts 100 messages on /said, but only {count} could be read" in caplog.text


def test_nothing_is_left_in_the_temporary_folder(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    bag = copy(sources["sqlite3"], tmp_path / "bag")
    recordings.compress_files(bag)
    assert len(read(bag)) == 18 and os.listdir(scratch) == []

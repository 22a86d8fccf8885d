# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timing messages, there and back, and those of others."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from pointpillars_ov_ros.config.errors import CloudError
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageTimes
from pointpillars_ov_ros.ros.timing_message import (
    REFUSED,
    STATUS_NAME,
    FrameTiming,
    from_message,
    from_serialized,
    stage_durations,
    to_message,
)

FIELDS = dataclasses.fields(FrameTiming)
HEADER = Header(frame_id="velodyne")


def random_timing(seed: int) -> FrameTiming:
    """Return a timing whose every field differs from its default; durations in whole microseconds."""
    rng = np.random.default_rng(seed)
    values = {}
    for field in FIELDS:
        number = int(rng.integers(1, 10_000_000))
        values[field.name] = {int: number, float: number / 1000, str: f"{field.name} {number} µ"}[type(field.default)]
    return FrameTiming(**values)


def from_bytes(message: DiagnosticArray) -> FrameTiming:
    """Read a message as the diagnostics node does, as it comes over the wire."""
    return from_serialized(serialize_message(message))


READERS = pytest.mark.parametrize("read", [from_message, from_bytes])
Read = Callable[[DiagnosticArray], FrameTiming]


def message_with(**changes: str) -> DiagnosticArray:
    message = to_message(random_timing(0), HEADER)
    message.status[0].values += [KeyValue(key=key, value=value) for key, value in changes.items()]
    return message


@READERS
@pytest.mark.parametrize("seed", range(20))
def test_random_timings_come_back(read: Read, seed: int) -> None:
    timing = random_timing(seed)
    message = deserialize_message(serialize_message(to_message(timing, HEADER)), DiagnosticArray)
    assert read(message) == timing
    assert message.header == HEADER


@READERS
def test_defaults_come_back(read: Read) -> None:
    assert read(to_message(FrameTiming(), HEADER)) == FrameTiming()


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_a_field(stage: Stage) -> None:
    times = StageTimes()
    times.begin(stage, 1_000_000)
    times.end(stage, 3_500_000)
    timing = FrameTiming(**{**stage_durations(times), "total_ms": 0.0})
    assert getattr(timing, f"{stage.name.lower()}_ms") == 2.5
    others = [f"{other.name.lower()}_ms" for other in Stage if other is not stage]
    assert [getattr(timing, name) for name in others] == [0.0] * len(others)


def test_durations_of_the_stages_are_fields_and_the_host_is_the_sum_of_its_own() -> None:
    times = StageTimes()
    for stage in Stage:
        times.begin(stage, 10_000_000 * stage)
        times.end(stage, 10_000_000 * stage + 1_000_000 * (stage + 1))
    timing = FrameTiming(**stage_durations(times))
    assert timing.total_ms == 67.0
    assert timing.host_ms == times.host_ms == 1 + 3 + 5 + 7


@pytest.mark.parametrize(("error", "level"), [("", DiagnosticStatus.OK), ("cloud refused", DiagnosticStatus.WARN)])
def test_an_error_is_the_message_of_a_warning(error: str, level: bytes) -> None:
    (status,) = to_message(FrameTiming(error=error), HEADER).status
    assert (status.level, status.message, status.name) == (level, error, STATUS_NAME)


@pytest.mark.parametrize(
    ("error", "is_failure"), [("", False), (f"{REFUSED}no field x", False), ("RPN failed: gone", True)]
)
def test_a_refused_cloud_is_no_frame_that_failed(error: str, is_failure: bool) -> None:
    assert FrameTiming(error=error).is_failure is is_failure


@READERS
@pytest.mark.parametrize(
    "names", [[], ["ntp: offset"], [STATUS_NAME, STATUS_NAME], [STATUS_NAME, "ntp: offset"]], ids=str
)
def test_a_message_without_exactly_one_status_of_ours_is_refused(read: Read, names: list[str]) -> None:
    with pytest.raises(CloudError, match="status"):
        read(DiagnosticArray(status=[DiagnosticStatus(name=name) for name in names]))


@READERS
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("uptime", "3"), ("", ""), ("points", "many"), ("points", "1.5"), ("pfe_ms", "fast"), ("pfe_ms", ""),
        ("host_ms", "1.0"),
        ("error", "none"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_belong_is_refused_by_name(read: Read, key: str, value: str) -> None:
    with pytest.raises(CloudError) as refusal:
        read(message_with(**{key: value}))
    assert str(refusal.value).startswith(f"{key}: {value!r}")


@READERS
@pytest.mark.parametrize("field", [field for field in FIELDS if field.name != "error"], ids=lambda field: field.name)
def test_a_missing_value_is_its_default(read: Read, field: dataclasses.Field[object]) -> None:
    message = message_with()
    message.status[0].values = [pair for pair in message.status[0].values if pair.key != field.name]
    assert getattr(read(message), field.name) == field.default


@READERS
@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "9" * 5000, ""], ids=lambda text: text[:20])
def test_durations_that_are_no_numbers_are_refused(read: Read, value: str) -> None:
    status = DiagnosticStatus(name=STATUS_NAME, values=[KeyValue(key="total_ms", value=value)])
    with pytest.raises(CloudError, match=r"total_ms: .* is not part of a timing message"):
        read(DiagnosticArray(status=[status]))


def test_bytes_that_end_anywhere_are_refused_or_are_a_timing() -> None:
    whole = bytes(serialize_message(to_message(random_timing(1), Header(frame_id="of a length that is odd"))))
    for end in range(len(whole) - 1):
        with pytest.raises(CloudError):
            from_serialized(whole[:end])


@pytest.mark.parametrize("seed", range(50))
def test_spoilt_bytes_are_read_as_ros_reads_them_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(serialize_message(message_with()))
    for at in rng.integers(4, len(data), 3):
        data[at] ^= 1 << int(rng.integers(8))
    try:
        found = from_serialized(bytes(data))
    except CloudError as error:
        assert "\n" not in str(error)
    else:
        assert found == from_message(deserialize_message(bytes(data), DiagnosticArray))


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 5000])
def test_lengths_beyond_the_bytes_are_refused(length: int) -> None:
    data = bytearray(serialize_message(to_message(FrameTiming(), Header())))
    # After the encapsulation and the stamp: the length of the frame's name.
    data[12:16] = length.to_bytes(4, "little")
    with pytest.raises(CloudError):
        from_serialized(bytes(data))


def test_bytes_of_the_other_order_are_read() -> None:
    """As a sender with another processor has them: what is a number of four bytes is turned around."""
    words = ["velodyne", STATUS_NAME, "an error", "", "points", "42"]
    parts = [struct.pack(">4xII", 7, 8)]

    def add(text: str) -> None:
        at = sum(map(len, parts))
        parts.append(b"\0" * (-at % 4) + struct.pack(">I", len(text) + 1) + text.encode() + b"\0")

    add(words[0])
    parts.append(b"\0" * (-sum(map(len, parts)) % 4) + struct.pack(">IB", 1, 1))
    for word in words[1:4]:
        add(word)
    parts.append(b"\0" * (-sum(map(len, parts)) % 4) + struct.pack(">I", 1))
    for word in words[4:]:
        add(word)
    assert from_serialized(b"".join(parts)) == FrameTiming(error="an error", points=42)

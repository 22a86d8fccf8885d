# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timing messages, there and back, and those of others."""

from __future__ import annotations

import dataclasses

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
    stage_durations,
    to_message,
)

FIELDS = dataclasses.fields(FrameTiming)
HEADER = Header(frame_id="velodyne")


def random_timing(seed: int) -> FrameTiming:
    """Give a timing whose every field differs from its default; durations in whole microseconds."""
    rng = np.random.default_rng(seed)
    values = {}
    for field in FIELDS:
        number = int(rng.integers(1, 10_000_000))
        values[field.name] = {int: number, float: number / 1000, str: f"{field.name} {number} µ"}[type(field.default)]
    return FrameTiming(**values)


def message_with(**changes: str) -> DiagnosticArray:
    message = to_message(random_timing(0), HEADER)
    message.status[0].values += [KeyValue(key=key, value=value) for key, value in changes.items()]
    return message


@pytest.mark.parametrize("seed", range(20))
def test_random_timings_come_back(seed: int) -> None:
    timing = random_timing(seed)
    message = deserialize_message(serialize_message(to_message(timing, HEADER)), DiagnosticArray)
    assert from_message(message) == timing
    assert message.header == HEADER


def test_defaults_come_back() -> None:
    assert from_message(to_message(FrameTiming(), HEADER)) == FrameTiming()


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


@pytest.mark.parametrize(
    "names", [[], ["ntp: offset"], [STATUS_NAME, STATUS_NAME], [STATUS_NAME, "ntp: offset"]], ids=str
)
def test_a_message_without_exactly_one_status_of_ours_is_refused(names: list[str]) -> None:
    with pytest.raises(CloudError, match="status"):
        from_message(DiagnosticArray(status=[DiagnosticStatus(name=name) for name in names]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("uptime", "3"), ("", ""), ("points", "many"), ("points", "1.5"), ("pfe_ms", "fast"), ("pfe_ms", ""),
        ("host_ms", "1.0"),
        ("error", "none"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_belong_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(CloudError) as refusal:
        from_message(message_with(**{key: value}))
    assert str(refusal.value).startswith(f"{key}: {value!r}")


@pytest.mark.parametrize("field", [field for field in FIELDS if field.name != "error"], ids=lambda field: field.name)
def test_a_missing_value_is_its_default(field: dataclasses.Field[object]) -> None:
    message = message_with()
    message.status[0].values = [pair for pair in message.status[0].values if pair.key != field.name]
    assert getattr(from_message(message), field.name) == field.default


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "9" * 5000, ""], ids=lambda text: text[:20])
def test_durations_that_are_no_numbers_are_refused(value: str) -> None:
    status = DiagnosticStatus(name=STATUS_NAME, values=[KeyValue(key="total_ms", value=value)])
    with pytest.raises(CloudError, match=r"total_ms: .* is not part of a timing message"):
        from_message(DiagnosticArray(status=[status]))

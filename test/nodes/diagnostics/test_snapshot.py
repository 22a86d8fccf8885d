# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A diagnostics message as JSON."""

from __future__ import annotations

import json

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from pointpillars_ov_ros.nodes.diagnostics.snapshot import to_json

LEVELS = {
    "OK": DiagnosticStatus.OK,
    "WARN": DiagnosticStatus.WARN,
    "ERROR": DiagnosticStatus.ERROR,
    "STALE": DiagnosticStatus.STALE,
}


def message(*levels: bytes, **values: str) -> DiagnosticArray:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    statuses = [
        DiagnosticStatus(level=level, name=f"pointpillars_detector: task{k}", message=f"says {k}", values=pairs)
        for k, level in enumerate(levels)
    ]
    array = DiagnosticArray(status=statuses)
    array.header.stamp.sec, array.header.stamp.nanosec = 12, 500_000_000
    return array


@pytest.mark.parametrize("worst", LEVELS)
def test_it_is_one_line_with_the_worst_level(worst: str) -> None:
    text = to_json(message(LEVELS["OK"], LEVELS[worst], LEVELS["OK"]))
    assert "\n" not in text
    tree = json.loads(text)
    assert (tree["stamp"], tree["level"]) == (12.5, worst)
    assert tree["statuses"]["task1"] == {"level": worst, "message": "says 1", "values": {}}
    assert list(tree["statuses"]) == ["task0", "task1", "task2"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("17", 17), ("-3", -3), ("12.50", 12.5), ("GPU.0", "GPU.0"), ("", ""), ("nan", "nan"), ("inf", "inf"), ("µ", "µ")],
)
def test_values_are_numbers_where_json_has_them(text: str, value: object) -> None:
    tree = json.loads(to_json(message(LEVELS["OK"], key=text)), parse_constant=pytest.fail)
    found = tree["statuses"]["task0"]["values"]["key"]
    assert (found, type(found)) == (value, type(value))

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds that cannot be read as they describe themselves: refused by name, and before anything is allocated."""

from __future__ import annotations

import array
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from sensor_msgs.msg import PointCloud2

from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import CloudError
from test.ros.clouds import VELODYNE, cloud_message, over_the_wire

POINTS = [[1.5, -2.25, 0.5, 0.25], [-10.0, 20.5, -1.75, 1.0], [69.0, 0.125, 0.375, 0.75], [-3.0, 5.5, -0.5, 0.125]]


def without(name: str) -> Callable[[PointCloud2], None]:
    def change(message: PointCloud2) -> None:
        message.fields = [field for field in message.fields if field.name != name]

    return change


def with_values(**values: Any) -> Callable[[PointCloud2], None]:
    def change(message: PointCloud2) -> None:
        for name, value in values.items():
            setattr(message, name, value)

    return change


def with_field(index: int, **values: Any) -> Callable[[PointCloud2], None]:
    def change(message: PointCloud2) -> None:
        for name, value in values.items():
            setattr(message.fields[index], name, value)

    return change


def with_data(change_data: Callable[[bytes], bytes]) -> Callable[[PointCloud2], None]:
    def change(message: PointCloud2) -> None:
        message.data = array.array("B", change_data(message.data.tobytes()))

    return change


# What is wrong, the change to a good XYZIRT message of 4 points (88 bytes), and what its refusal has to name.
BAD = {
    "one byte short": (with_data(lambda data: data[:-1]), ("data", "87", "88")),
    "half of it": (with_data(lambda data: data[:44]), ("data", "44", "88")),
    "no data": (with_data(lambda data: b""), ("data", "0", "88")),
    "point_step too large": (with_values(point_step=32), ("point_step", "32")),
    "point_step too large, no row_step": (with_values(point_step=32, row_step=0), ("data", "88", "128", "32")),
    "point_step too small": (with_values(point_step=21), ("point_step", "21")),
    "point_step too small for a field": (with_values(point_step=15, row_step=60), ("intensity", "12", "15")),
    "point_step 0": (with_values(point_step=0), ("point_step", "0")),
    "no width, but data": (with_values(width=0), ("width", "0 x 1", "88")),
    "no height, but data": (with_values(height=0), ("height", "4 x 0", "88")),
    "no x": (without("x"), ("fields", "'x'", "intensity")),
    "no y": (without("y"), ("fields", "'y'")),
    "no z": (without("z"), ("fields", "'z'")),
    "no fields": (with_values(fields=[]), ("fields", "'x'", "none")),
    "datatype 0": (with_field(0, datatype=0), ("x", "datatype", "0")),
    "datatype 9": (with_field(2, datatype=9), ("z", "datatype", "9")),
    "datatype 255 of intensity": (with_field(3, datatype=255), ("intensity", "datatype", "255")),
    "count 2": (with_field(1, count=2), ("y", "count", "2")),
    "offset beyond the point": (with_field(1, offset=19), ("y", "offset", "19", "22")),
    "offset of 4 GB": (with_field(1, offset=2**32 - 1), ("y", "offset", "4294967295", "22")),
    "row_step less than a row, and data to spare": (
        with_values(height=2, width=1, row_step=21),
        ("row_step", "21", "22"),
    ),
    "row_step beyond data that have some to spare": (
        with_values(height=3, width=1, row_step=2**32 - 1),
        ("data", "88", "4294967295"),
    ),
    "row_step that agrees with the data against point_step": (with_values(width=3, row_step=88), ("point_step", "88")),
    "2 GB lie": (with_values(width=2**27, row_step=0), ("data", "88", "134217728")),
    "2 GB lie in rows": (with_values(width=2**14, height=2**13, row_step=2**14 * 22), ("data", "88", "16384 x 8192")),
    "lie of 2**64 points": (with_values(width=2**32 - 1, height=2**32 - 1), ("data", "88", "4294967295")),
    "lie with point_step 1": (with_values(width=2**32 - 1, point_step=1, row_step=0), ("data", "88", "4294967295")),
    "as many points as bytes": (with_values(width=88, point_step=1), ("x", "offset", "point_step 1")),
}


@pytest.mark.parametrize("wire", [False, True], ids=["as built", "after CDR"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_cloud_is_refused_in_one_line_that_names_field_and_value(case: str, wire: bool) -> None:
    change, names = BAD[case]
    message = cloud_message(VELODYNE["XYZIRT"], POINTS)
    change(message)
    with pytest.raises(CloudError) as refusal:
        read_cloud(over_the_wire(message) if wire else message, "intensity", 1.0)
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 200
    assert all(name in text for name in names), text


@pytest.mark.parametrize("case", BAD)
def test_a_bad_cloud_is_refused_before_anything_is_allocated(case: str) -> None:
    change, _ = BAD[case]
    message = cloud_message(VELODYNE["XYZIRT"], POINTS)
    change(message)
    tracemalloc.start()
    try:
        with pytest.raises(CloudError):
            read_cloud(message, "intensity", 1.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_good_cloud_is_read_after_every_bad_one() -> None:
    good = cloud_message(VELODYNE["XYZIRT"], POINTS)
    for change, _ in BAD.values():
        bad = cloud_message(VELODYNE["XYZIRT"], POINTS)
        change(bad)
        with pytest.raises(CloudError):
            read_cloud(bad, "intensity", 1.0)
        assert read_cloud(good, "intensity", 1.0).points.tolist() == POINTS

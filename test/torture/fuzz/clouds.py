# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: clouds as messages and as bytes, and what the detector's timing says."""

from __future__ import annotations

import array
import math
import struct
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField

from pointpillars_ov_ros.clouds.points import CloudReader, PointBuffers
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, SensorKind
from pointpillars_ov_ros.core.pillars import Pillars
from test.builders import tiny_grid
from test.ros.clouds import CODES, VELODYNE, cloud_message
from test.torture.fuzz.draws import TEXTS, Draws

_NAMES = ("x", "y", "z", "intensity", "reflectivity", "ring", "")
_SENSORS = tuple(SensorKind)
_UINT32 = 2**32 - 1
_BUFFERS = PointBuffers()
_PILLARS = Pillars(tiny_grid())


def draw_cloud(draws: Draws) -> PointCloud2:
    """Return a message that is mostly consistent."""
    fields, offset = [], 0
    for index in range(4 if not draws.one_in(4) else draws.below(8)):
        name = _NAMES[index % len(_NAMES)] if not draws.one_in(8) else draws.pick((*_NAMES, *TEXTS[:-3]))
        datatype = draws.pick(tuple(CODES)) if not draws.one_in(16) else draws.byte()
        if draws.one_in(16):
            offset = draws.integer(0, _UINT32)
        count = 1 if not draws.one_in(16) else draws.integer(0, _UINT32)
        fields.append(PointField(name=name, offset=offset % (_UINT32 + 1), datatype=datatype, count=count))
        offset += struct.calcsize(CODES.get(datatype, "B"))
    step = offset % 256 + draws.below(4) if not draws.one_in(16) else draws.integer(0, _UINT32)
    height, width = 1 + draws.below(3) * draws.below(2), draws.below(8)
    row_step = width * step % (_UINT32 + 1) if not draws.one_in(4) else draws.below(256)
    sizes = [size if not draws.one_in(32) else draws.integer(0, _UINT32) for size in (height, width, row_step)]
    length = height * max(row_step, width * step)
    data = draws.bytes(length) if length < 4096 and not draws.one_in(16) else draws.rest()
    return PointCloud2(
        height=sizes[0],
        width=sizes[1],
        fields=fields,
        is_bigendian=draws.one_in(2),
        point_step=step,
        row_step=sizes[2],
        data=array.array("B", data),
        is_dense=draws.one_in(2),
    )


def read_slowly(message: PointCloud2, intensity_field: str, scale: float) -> list[list[float]]:
    """Return the points of a message, value by value with `struct`."""
    fields = {field.name: field for field in reversed(message.fields)}
    names = ["x", "y", "z"] + [intensity_field] * (intensity_field in fields)
    order, row_step = "<>"[message.is_bigendian], message.row_step
    if message.height * message.width * message.point_step == len(message.data):
        row_step = message.width * message.point_step
    points = []
    for row in range(message.height):
        for column in range(message.width):
            at = row * row_step + column * message.point_step
            values = [
                struct.unpack_from(order + CODES[fields[name].datatype], message.data, at + fields[name].offset)[0]
                for name in names
            ]
            with np.errstate(all="ignore"):
                point = [float(np.float32(value)) for value in values] + [0.0] * (4 - len(names))
                point[3] = float(np.float32(point[3]) * np.float32(scale))
            point[3] = point[3] if math.isfinite(point[3]) else 0.0
            if all(map(math.isfinite, point[:3])) and any(point[:3]):
                points.append(point)
    return points


def check_pillars(points: np.ndarray) -> None:
    """Group the points, and see that pillars are cells of the grid that hold points."""
    _PILLARS.group(points)
    grid, size = _PILLARS.grid, _PILLARS.size
    coords, counts = _PILLARS.coords[:size], np.diff(_PILLARS.starts[: size + 1])
    assert size <= grid.max_pillars
    assert ((coords >= 0) & (coords < (grid.nx, grid.ny))).all()
    assert ((counts >= 1) & (counts <= grid.max_points_per_pillar)).all()
    assert np.isfinite(_PILLARS.points[: _PILLARS.starts[size] if size else 0]).all()


def read_twice(message: PointCloud2, runtime: RuntimeConfig) -> None:
    """Read a message as the first and as a later one of its layout, and compare both with the slow reading."""
    reader = CloudReader(runtime, _BUFFERS)
    first = reader.read(message)
    slow = read_slowly(message, reader.reading.intensity_field, reader.reading.intensity_scale)
    assert np.array_equal(first.points, np.array(slow, np.float32).reshape(-1, 4)), "read otherwise than value by value"
    again = reader.read(message)
    assert np.array_equal(first.points, again.points), "a later cloud is read otherwise than the first"
    assert math.isfinite(again.brightest)
    assert math.isclose(first.brightest, again.brightest, rel_tol=1e-6, abs_tol=1e-40)
    check_pillars(again.points)


def cloud(data: bytes) -> None:
    """Read a message of any shape, with any choice of the intensity."""
    draws = Draws(data)
    runtime = RuntimeConfig(
        sensor=draws.pick(_SENSORS),
        intensity_field="" if not draws.one_in(8) else draws.text(),
        intensity_scale=0.0 if not draws.one_in(8) else draws.pick((1e-300, 0.5, 1.0, 1e9)),
    )
    read_twice(draw_cloud(draws), runtime)


def cloud_bytes(data: bytes) -> None:
    """Read what comes over the wire, whatever the bytes are."""
    try:
        message: Any = deserialize_message(data, PointCloud2)
    except Exception:
        # Of rclpy, before the package sees anything.
        return
    if message.height * message.width < 1000:
        read_twice(message, RuntimeConfig())


def cloud_seeds() -> tuple[bytes, ...]:
    """Return serialized clouds of some layouts."""
    points = [[1.5, -0.25, 0.5, 0.25], [3.0, 0.5, -1.75, 1.0]]
    messages = [cloud_message(layout, points) for layout in VELODYNE.values()]
    messages.append(cloud_message(VELODYNE["XYZIRT"], points, height=2, row_padding=3, bigendian=True))
    return tuple(bytes(serialize_message(message)) for message in messages)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 messages put together byte by byte with `struct`, apart from the code under test."""

from __future__ import annotations

import array
import struct
from collections.abc import Sequence
from typing import NamedTuple

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField

CODES = {
    PointField.INT8: "b",
    PointField.UINT8: "B",
    PointField.INT16: "h",
    PointField.UINT16: "H",
    PointField.INT32: "i",
    PointField.UINT32: "I",
    PointField.FLOAT32: "f",
    PointField.FLOAT64: "d",
}
F32, F64, U8, U16 = PointField.FLOAT32, PointField.FLOAT64, PointField.UINT8, PointField.UINT16
GAP = b"\xaa"
"""Bytes between the fields; not zero, so that reading them by mistake shows."""


class Field(NamedTuple):
    """One field of a layout."""

    name: str
    offset: int
    datatype: int = F32
    count: int = 1


class Layout(NamedTuple):
    """Positions of the values of a point."""

    fields: tuple[Field, ...]
    step: int


VELODYNE = {
    "XYZI": Layout((Field("x", 0), Field("y", 4), Field("z", 8), Field("intensity", 12)), 16),
    "XYZI padded by PCL": Layout((Field("x", 0), Field("y", 4), Field("z", 8), Field("intensity", 16)), 32),
    "XYZIR": Layout((Field("x", 0), Field("y", 4), Field("z", 8), Field("intensity", 12), Field("ring", 16, U16)), 18),
    "XYZIR in 22 bytes": Layout(
        (Field("x", 0), Field("y", 4), Field("z", 8), Field("intensity", 12), Field("ring", 16, U16)), 22
    ),
    "XYZIR padded by PCL": Layout(
        (Field("x", 0), Field("y", 4), Field("z", 8), Field("intensity", 16), Field("ring", 20, U16)), 32
    ),
    "XYZIRT": Layout(
        (
            Field("x", 0),
            Field("y", 4),
            Field("z", 8),
            Field("intensity", 12),
            Field("ring", 16, U16),
            Field("time", 18),
        ),
        22,
    ),
}
XYZI = VELODYNE["XYZI"]


def pack_point(layout: Layout, values: Sequence[float], order: str = "<") -> bytes:
    """Return the bytes of one point; fields without a value of their own get 7."""
    point = bytearray(GAP * layout.step)
    for index, field in enumerate(layout.fields):
        value = values[index] if index < len(values) else 7
        whole = field.datatype not in (F32, F64)
        struct.pack_into(order + CODES[field.datatype], point, field.offset, int(value) if whole else value)
    return bytes(point)


def cloud_message(
    layout: Layout,
    points: Sequence[Sequence[float]],
    *,
    height: int = 1,
    row_padding: int = 0,
    bigendian: bool = False,
    dense: bool = True,
) -> PointCloud2:
    """Return a message of `points`, row by row where `height` is more than 1."""
    width = len(points) // height
    order = ">" if bigendian else "<"
    rows = [
        b"".join(pack_point(layout, point, order) for point in points[row * width : (row + 1) * width])
        for row in range(height)
    ]
    return PointCloud2(
        height=height,
        width=width,
        fields=[PointField(**field._asdict()) for field in layout.fields],
        is_bigendian=bigendian,
        point_step=layout.step,
        row_step=width * layout.step + row_padding,
        data=array.array("B", (GAP * row_padding).join(rows) + GAP * row_padding),
        is_dense=dense,
    )


def over_the_wire(message: PointCloud2) -> PointCloud2:
    """Return the message as a subscriber receives it."""
    return deserialize_message(serialize_message(message), PointCloud2)

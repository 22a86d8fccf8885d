# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Split of a cloud for the next node: the points within boxes, with the detections' values, and the others."""

from __future__ import annotations

import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.core.arrays import FloatArray, IntArray
from pointpillars_ov_ros.core.detections import Detections

_POINT = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4")]
BACKGROUND_POINT = np.dtype(_POINT)
OBJECT_POINT = np.dtype([*_POINT, ("label", "<i4"), ("score", "<f4"), ("box", "<i4")])
"""Point with the values of its box; `box` is the box's index in the Detection3DArray with the same header."""
_DATATYPES = {"<f4": PointField.FLOAT32, "<i4": PointField.INT32}


def to_objects(
    points: FloatArray,
    box_of_point: IntArray,
    detections: Detections,
    header: Header,
    T_header_points: Transform | None = None,
) -> PointCloud2:
    """Build the cloud of the `points` (N, 4) that lie in a box; see `OBJECT_POINT` for its fields.

    Points are in the frame of `header`, or are transformed to it; `box_of_point` (N,) is the result of `find_boxes`.
    """
    is_object = box_of_point >= 0
    boxes = box_of_point[is_object]
    values = np.empty(len(boxes), OBJECT_POINT)
    _fill(values, points[is_object], T_header_points)
    values["label"], values["score"], values["box"] = detections.labels[boxes], detections.scores[boxes], boxes
    return _to_message(values, header)


def to_background(
    points: FloatArray, box_of_point: IntArray, header: Header, T_header_points: Transform | None = None
) -> PointCloud2:
    """Build the cloud of the points that do not lie in any box; see `to_objects`."""
    others = points[box_of_point < 0]
    values = np.empty(len(others), BACKGROUND_POINT)
    _fill(values, others, T_header_points)
    return _to_message(values, header)


def _fill(values: npt.NDArray[np.void], points: FloatArray, T_header_points: Transform | None) -> None:
    """Write x y z intensity of `points` (N, 4), a copy that may be modified."""
    if T_header_points is not None:
        T_header_points.move(points)
    for index, (name, _) in enumerate(_POINT):
        values[name] = points[:, index]


def _to_message(values: npt.NDArray[np.void], header: Header) -> PointCloud2:
    assert values.dtype.names is not None and values.dtype.fields is not None
    fields = [
        PointField(name=name, offset=int(offset), datatype=_DATATYPES[kind.str], count=1)
        for name, (kind, offset, *_) in values.dtype.fields.items()
    ]
    return PointCloud2(
        header=header,
        height=1,
        width=len(values),
        fields=fields,
        point_step=values.dtype.itemsize,
        row_step=values.nbytes,
        # An array: rclpy checks every single element of bytes.
        data=array.array("B", values.tobytes()),
        is_dense=True,
    )

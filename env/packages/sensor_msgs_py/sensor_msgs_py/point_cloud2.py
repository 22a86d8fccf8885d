# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 messages to structured NumPy arrays and back, with the signatures of ROS 2 Jazzy."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.recfunctions import unstructured_to_structured
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

_BIG_ENDIAN_HOST = sys.byteorder == "big"
_SCALARS = {
    PointField.INT8: np.int8,
    PointField.UINT8: np.uint8,
    PointField.INT16: np.int16,
    PointField.UINT16: np.uint16,
    PointField.INT32: np.int32,
    PointField.UINT32: np.uint32,
    PointField.FLOAT32: np.float32,
    PointField.FLOAT64: np.float64,
}


def dtype_from_fields(fields: Iterable[PointField], point_step: int | None = None) -> np.dtype[Any]:
    """Structured dtype of one point, host byte order; a field of count n > 1 becomes name_0 to name_(n-1)."""
    layout: dict[str, tuple[np.dtype[Any], int]] = {}
    for index, field in enumerate(fields):
        assert field.count > 0, f"field {field.name!r} has count 0"
        scalar = np.dtype(_SCALARS[field.datatype])
        name = field.name or f"unnamed_field_{index}"
        for item in range(field.count):
            column = name if field.count == 1 else f"{name}_{item}"
            assert column not in layout, f"field {column!r} occurs twice"
            layout[column] = (scalar, field.offset + item * scalar.itemsize)
    spec: dict[str, Any] = {
        "names": list(layout),
        "formats": [scalar for scalar, _ in layout.values()],
        "offsets": [offset for _, offset in layout.values()],
    }
    if point_step is not None:
        spec["itemsize"] = point_step
    return np.dtype(spec)


def read_points(
    cloud: PointCloud2,
    field_names: list[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """Points of a cloud as a structured array over the message's own bytes, copied only where it has to be.

    skip_nans drops points with a NaN in a selected field unless the cloud says it is dense; uvs then selects
    by index; an organized cloud is reshaped on request, to (width, height) as upstream does.
    """
    assert isinstance(cloud, PointCloud2), f"not a sensor_msgs.msg.PointCloud2: {type(cloud)}"
    dtype = dtype_from_fields(cloud.fields, cloud.point_step)
    if cloud.is_bigendian != _BIG_ENDIAN_HOST:
        dtype = dtype.newbyteorder()
    points = np.frombuffer(cloud.data, dtype, count=cloud.width * cloud.height)
    if field_names is not None:
        missing = [name for name in field_names if name not in (dtype.names or ())]
        assert not missing, f"the cloud has no field {missing}"
        points = points[list(field_names)]
    if cloud.is_bigendian != _BIG_ENDIAN_HOST:
        points = points.astype(points.dtype.newbyteorder("="))
    if skip_nans and not cloud.is_dense:
        points = points[~_any_nan(points)]
    if uvs is not None:
        points = points[uvs if isinstance(uvs, np.ndarray) else np.fromiter(uvs, np.intp)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def _any_nan(points: np.ndarray) -> np.ndarray:
    """Mask of the points with a NaN in any field."""
    mask = np.zeros(len(points), dtype=bool)
    for name in points.dtype.names or ():
        mask |= np.isnan(points[name])
    return mask


def _structured(columns: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Array (..., C) to structured points (...); bytes between fields are zero, not what was in memory."""
    names = dtype.names or ()
    assert columns.shape[-1] == len(names), f"{columns.shape[-1]} columns for {len(names)} fields"
    if dtype.itemsize == sum(dtype[name].itemsize for name in names):
        return unstructured_to_structured(columns, dtype)
    points = np.zeros(columns.shape[:-1], dtype)
    for index, name in enumerate(names):
        points[name] = columns[..., index]
    return points


def create_cloud(
    header: Header,
    fields: Iterable[PointField],
    points: Iterable[Any],
    point_step: int | None = None,
) -> PointCloud2:
    """Cloud of points: a structured array of exactly this layout, or an array with one column per field.

    Such columns must be of one datatype. Any other iterable gives one sequence of values per point. A 2D
    array of points makes an organized cloud.
    """
    fields = list(fields)
    dtype = dtype_from_fields(fields, point_step)
    if not isinstance(points, np.ndarray):
        rows = [tuple(point) for point in points]
        points = np.zeros(len(rows), dtype)
        points[:] = rows
    elif points.dtype.names is None:
        assert len({field.datatype for field in fields}) == 1, "fields differ in datatype"
        points = _structured(points, dtype)
    assert points.dtype == dtype, f"points are {points.dtype}, the fields say {dtype}"
    assert points.ndim in (1, 2), f"points have {points.ndim} dimensions, a cloud has 1 or 2"
    width, height = points.shape if points.ndim == 2 else (len(points), 1)
    cloud = PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=fields,
        is_bigendian=_BIG_ENDIAN_HOST,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * width,
        is_dense=False,
    )
    # By the setter, as array.array: taken as it is, while other types are checked byte by byte.
    cloud.data = array.array("B", points.tobytes())
    return cloud

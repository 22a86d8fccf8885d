# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of points from messages, removal of invalid ones, scaling of intensities to 0..1, and memory for clouds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from pointpillars_ov_ros.clouds import layouts
from pointpillars_ov_ros.clouds.intensity import BRIGHT, BYTE, find_scale
from pointpillars_ov_ros.clouds.layouts import BY_VALUE, PRESETS, UNKNOWN, CloudLayout, choose_field, recognise
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import CloudError, count_of, list_names
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, SensorKind
from pointpillars_ov_ros.core.arrays import DoubleArray, FloatArray

_STEP = 8192
"""Step in which buffers grow (points), so that clouds of similar size share them."""
_MOST_SPARE = 8
"""A buffer is reused for a cloud only if it is at most this many times as large."""
_FIELD_TYPES = {
    layouts.INT8: "i1",
    layouts.UINT8: "u1",
    layouts.INT16: "i2",
    layouts.UINT16: "u2",
    layouts.INT32: "i4",
    layouts.UINT32: "u4",
    layouts.FLOAT32: "f4",
    layouts.FLOAT64: "f8",
}
_DIM = 2.0 / 255.0
"""If no intensity of a first cloud reaches this value, the range was hardly 0 to 255."""


class PointBuffers:
    """Memory for clouds, reused once nobody holds the cloud, or a view of it, any more.

    Clouds are created on one thread and released on another, when they are prepared or dropped. There are as many
    buffers as clouds were ever held at a time.
    """

    def __init__(self) -> None:
        """Start without buffers."""
        self._free: deque[FloatArray] = deque()

    def borrow(self, count: int) -> FloatArray:
        """Return an uninitialized array (count, 4) float32."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty((0, 4), np.float32)
        # A buffer left by a giant cloud is freed instead of kept for the lifetime of the process.
        if not count <= len(buffer) <= max(_MOST_SPARE * count, _STEP):
            buffer = np.empty((-(-count // _STEP) * _STEP, 4), np.float32)
        return np.asarray(_Loan(buffer, self._free))[:count]


class _Loan:
    """Keeps a lent buffer alive for its views, and returns it to the pool with the last of them."""

    def __init__(self, buffer: FloatArray, free: deque[FloatArray]) -> None:
        self.__array_interface__ = buffer.__array_interface__
        self._buffer, self._free = buffer, free

    def __del__(self) -> None:
        self._free.append(self._buffer)


def clean_points(points: FloatArray, intensity_scale: float) -> tuple[FloatArray, float]:
    """Move the points with finite x y z to the front of `points` (N, 4), in place and in order.

    Points at 0 0 0 are dropped too: Ouster's and Livox' drivers write beams without an echo that way. The intensity is
    multiplied by `intensity_scale`; one that is not finite becomes 0. Returns the view of the points kept, (M, 4), and
    the greatest intensity among them (0 if there are none).
    """
    kept, brightest = compact_finite(points, np.float32(intensity_scale))
    return points[:kept], float(brightest)


@njit(nogil=True, cache=True)
def compact_finite(points: FloatArray, scale: np.float32) -> tuple[int, np.float32]:
    """Implement `clean_points`; return the number of points kept and the greatest intensity."""
    kept = 0
    brightest = np.float32(0.0)
    for i in range(points.shape[0]):
        x, y, z, intensity = points[i, 0], points[i, 1], points[i, 2], points[i, 3] * scale
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
            continue
        if x == 0.0 and y == 0.0 and z == 0.0:
            continue
        if not np.isfinite(intensity):
            intensity = np.float32(0.0)
        brightest = max(brightest, intensity)
        points[kept, 0] = x
        points[kept, 1] = y
        points[kept, 2] = z
        points[kept, 3] = intensity
        kept += 1
    return kept, brightest


def drop_inside(points: FloatArray, box: Sequence[float], T_box_points: Transform) -> FloatArray:
    """Return the `points` (N, 4) outside a box (6,): minimum x y z, maximum x y z (m).

    They are moved to the front of `points`, in place and in order; `T_box_points` transforms them to the frame of the
    box. A box of zeros is none.
    """
    if not any(box):
        return points
    low, high = np.array(box[:3], np.float64), np.array(box[3:], np.float64)
    return points[: compact_outside(points, low, high, T_box_points.rotation, T_box_points.translation)]


@njit(nogil=True, cache=True)
def compact_outside(
    points: FloatArray, low: DoubleArray, high: DoubleArray, rotation: DoubleArray, translation: DoubleArray
) -> int:
    """Implement `drop_inside`; return the number of points kept."""
    kept = 0
    for i in range(points.shape[0]):
        x, y, z = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        is_inside = True
        for axis in range(3):
            moved = rotation[axis, 0] * x + rotation[axis, 1] * y + rotation[axis, 2] * z + translation[axis]
            is_inside &= low[axis] <= moved <= high[axis]
        if not is_inside:
            for k in range(4):
                points[kept, k] = points[i, k]
            kept += 1
    return kept


class CloudField(Protocol):
    """A sensor_msgs/PointField, of rclpy or of another library."""

    name: str
    offset: int
    datatype: int
    count: int


class CloudMessage(Protocol):
    """A sensor_msgs/PointCloud2, of rclpy or of another library."""

    height: int
    width: int
    fields: Sequence[Any]
    """Fields, each a `CloudField`."""
    is_bigendian: bool
    point_step: int
    row_step: int
    data: Any
    """Bytes, in any type with the buffer protocol."""


class SensorCloud(NamedTuple):
    """Points read from a PointCloud2."""

    points: FloatArray
    """(N, 4), finite x y z (m, frame of the message), intensity 0..1."""
    has_intensity: bool
    brightest: float
    """Greatest scaled intensity."""


def read_cloud(
    message: CloudMessage,
    intensity_field: str,
    intensity_scale: float,
    buffers: PointBuffers | None = None,
    coordinate_scale: float = 1.0,
) -> SensorCloud:
    """Read x, y, z and intensity wherever the message says they are.

    Supported are any numeric type and order of fields, any point_step and padding, organized clouds with any row_step,
    and either byte order. Of two fields with the same name the first is used, as ROS does. A row_step that does not fit
    is ignored if data, width, height and point_step agree. Points without an echo (not finite, or 0 0 0) are dropped; a
    missing intensity is 0. A cloud without points, or without an echo, is read as (0, 4). Coordinates are multiplied by
    `coordinate_scale`. The points are stored in memory of `buffers` if given. CloudError names the field and the value
    that make a message unreadable.
    """
    if is_empty(message):
        return SensorCloud(np.zeros((0, 4), np.float32), has_intensity=True, brightest=0.0)
    fields = {field.name: field for field in reversed(message.fields)}
    for name in ("x", "y", "z"):
        if name not in fields:
            names = [repr(field.name) for field in message.fields]
            raise CloudError(f"fields: there is no {name!r}; the fields are {list_names(names) or 'none'}")
    row_step = find_row_step(message)
    has_intensity = intensity_field in fields
    names = ["x", "y", "z", intensity_field] if has_intensity else ["x", "y", "z"]
    columns = [_field_view(message, fields[name], row_step) for name in names]
    # Nothing is allocated until it is clear that the message is as large as it says.
    count = message.height * message.width
    points = np.empty((count, 4), np.float32) if buffers is None else buffers.borrow(count)
    by_row = points.reshape(message.height, message.width, 4)
    # Values of a wider type that float32 cannot hold become infinite, and are dropped like other such points.
    with np.errstate(over="ignore", invalid="ignore"):
        for index, column in enumerate(columns):
            by_row[:, :, index] = column
        if coordinate_scale != 1.0:
            points[:, :3] *= np.float32(coordinate_scale)
    if not has_intensity:
        points[:, 3] = 0.0
    kept, brightest = clean_points(points, intensity_scale)
    return SensorCloud(kept, has_intensity, brightest)


def is_empty(message: CloudMessage) -> bool:
    """Whether a message says that it has no points, and holds none."""
    return message.width * message.height == 0 and not len(message.data)


def find_row_step(message: CloudMessage) -> int:
    """Return the number of bytes from one row to the next.

    This is row_step if the data are long enough for it. Otherwise it is width x point_step, provided that the data have
    exactly as many bytes as width, height and point_step say: drivers write 0, the size of all data, or that of a cloud
    before it was merged with another. Raises CloudError for any other contradiction between the sizes.
    """
    width, height, point_step, row_step = message.width, message.height, message.point_step, message.row_step
    size, row = len(message.data), width * point_step
    if width * height == 0:
        raise CloudError(f"width, height: {width} x {height} means no points, but data has {size} bytes")
    if point_step == 0:
        raise CloudError("point_step: 0 bytes cannot hold a point")
    if height * row == size:
        return row
    if size < height * row:
        raise CloudError(
            f"data: {size} bytes are fewer than the {height * row} needed for {width} x {height} points "
            f"of point_step {point_step}"
        )
    if height == 1:
        if row_step in (0, row):
            return row
        raise CloudError(f"point_step: {point_step} x width {width} is not row_step {row_step}")
    if row_step < row:
        raise CloudError(f"row_step: {row_step} is less than width {width} x point_step {point_step}")
    needed = (height - 1) * row_step + row
    if size < needed:
        raise CloudError(
            f"data: {size} bytes are fewer than the {needed} needed for {height} rows of row_step {row_step}"
        )
    return row_step


def _field_view(message: CloudMessage, field: CloudField, row_step: int) -> npt.NDArray[np.generic]:
    """Return the values of one field in place, (height, width), in the field's own type."""
    if field.datatype not in _FIELD_TYPES:
        raise CloudError(f"{field.name}: datatype {field.datatype} is not a datatype of PointField")
    if field.count > 1:
        raise CloudError(f"{field.name}: count is {field.count}, but one value per point is needed")
    dtype = np.dtype((">" if message.is_bigendian else "<") + _FIELD_TYPES[field.datatype])
    if field.offset + dtype.itemsize > message.point_step:
        raise CloudError(
            f"{field.name}: offset {field.offset} + {dtype.itemsize} bytes lie beyond point_step {message.point_step}"
        )
    return np.ndarray(
        (message.height, message.width),
        dtype,
        buffer=message.data,
        offset=field.offset,
        strides=(row_step, message.point_step),
    )


@dataclass(frozen=True)
class Reading:
    """How clouds of one layout are read."""

    names: tuple[str, ...]
    """Names of the fields, in order."""
    looks_like: str
    intensity_field: str
    intensity_scale: float
    is_dim: bool = False
    """Whether the first cloud had intensities so small that their range seems to be 0 to 1 instead of 0 to 255."""

    @property
    def sentence(self) -> str:
        """Description of the layout for the log."""
        return (
            f"clouds look like those of {self.looks_like} ({list_names(self.names, ' ')}): "
            f"intensity from {self.intensity_field!r} x {self.intensity_scale:.4g}"
        )


class CloudReader:
    """Reader that recognizes the layout of the first cloud, and again when it changes; used from one thread."""

    def __init__(
        self,
        runtime: RuntimeConfig,
        buffers: PointBuffers | None = None,
        on_layout: Callable[[Reading, bool], None] = lambda reading, is_change: None,
    ) -> None:
        """Read as `runtime` says, into `buffers`; `on_layout` is called with each layout and whether it is a change."""
        self._runtime, self._buffers, self._on_layout = runtime, buffers, on_layout
        self._is_by_value = False
        """Whether the scale is 1 only because no cloud has been bright so far."""
        self.reading = Reading((), "", "", 1.0)
        """How the last cloud was read."""

    def change(self, runtime: RuntimeConfig) -> bool:
        """Read as `runtime` says from now on; return whether intensities are read in another way than before."""
        before, self._runtime = self._runtime, runtime
        if _reading_settings(before) == _reading_settings(runtime):
            return False
        self.reading, self._is_by_value = Reading((), "", "", 1.0), False
        return True

    def is_new(self, message: CloudMessage) -> bool:
        """Whether a cloud has another layout than the last one read, or may tell more about its intensities."""
        return not is_empty(message) and (self._is_by_value or self.reading.names != field_names(message))

    def read(self, message: CloudMessage) -> SensorCloud:
        """Read a cloud; CloudError if it has more than `max_points`, or as raised by `read_cloud`."""
        count = message.height * message.width
        if count > self._runtime.max_points:
            raise CloudError(
                f"width x height: {count_of(count, 'point')}, more than max_points, {self._runtime.max_points}"
            )
        if is_empty(message) or self.reading.names == field_names(message):
            reading = self.reading
            cloud = self._read(message, reading.intensity_field, reading.intensity_scale)
            return self._look_again(cloud) if self._is_by_value and cloud.brightest > BRIGHT else cloud
        return self._read_first(message)

    def _read(self, message: CloudMessage, field: str, scale: float) -> SensorCloud:
        return read_cloud(message, field, scale, self._buffers, self._runtime.coordinate_scale)

    def _read_first(self, message: CloudMessage) -> SensorCloud:
        names = field_names(message)
        layout, runtime = recognise(names), self._runtime
        preset = PRESETS.get(runtime.sensor)
        known = preset.intensity_field if preset is not None else choose_field(layout, names)
        field, scale = runtime.intensity_field or known, runtime.intensity_scale
        cloud = self._read(message, field, 1.0)
        preset = preset or (UNKNOWN if layout is None else layout.preset)
        scale = scale or preset.intensity_scale or _scale_of_type(message, field)
        self._is_by_value = scale == BY_VALUE
        scale = scale or find_scale(cloud.points[:, 3])
        self._is_by_value = self._is_by_value and scale == 1.0
        # As `read_cloud` would have done, also for values too bright for float32.
        cloud = cloud._replace(brightest=clean_points(cloud.points, scale)[1])
        is_scaled = cloud.has_intensity and not runtime.intensity_scale and scale != 1.0
        is_change = bool(self.reading.names)
        is_dim = is_scaled and 0.0 < cloud.brightest < _DIM
        self.reading = Reading(names, describe(layout, runtime.sensor), field, scale, is_dim)
        self._on_layout(self.reading, is_change)
        return cloud

    def _look_again(self, cloud: SensorCloud) -> SensorCloud:
        """Rescale a cloud that shows what darker ones before did not: the intensities range from 0 to 255."""
        scale = find_scale(cloud.points[:, 3])
        if scale == 1.0:
            return cloud
        self._is_by_value = False
        self.reading = replace(self.reading, intensity_scale=scale)
        self._on_layout(self.reading, False)
        return cloud._replace(brightest=clean_points(cloud.points, scale)[1])


_reading_settings = attrgetter("sensor", "intensity_field", "intensity_scale")


def _scale_of_type(message: CloudMessage, field: str) -> float:
    """Return 1/255 for an intensity stored as a byte, else BY_VALUE."""
    datatype = next((one.datatype for one in message.fields if one.name == field), None)
    return BYTE if datatype == layouts.UINT8 else BY_VALUE


def describe(layout: CloudLayout | None, sensor: SensorKind) -> str:
    """Describe the driver of a layout, and how it is read if the user named the sensor."""
    looks_like = "no known driver" if layout is None else layout.drivers
    return looks_like if sensor is SensorKind.AUTO else f"{looks_like}, and are read as sensor {sensor.value!r} says"


def field_names(message: CloudMessage) -> tuple[str, ...]:
    """Return the names of the fields of a cloud, in order."""
    return tuple([field.name for field in message.fields])

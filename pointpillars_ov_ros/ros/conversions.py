# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 to points, detections to vision_msgs: the two ends of the road, without a loop over points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from pointpillars_ov_ros.clouds.intensity import BRIGHT, BYTE, find_scale
from pointpillars_ov_ros.clouds.points import PointBuffers, clean_points
from pointpillars_ov_ros.clouds.transform import Transform, multiply
from pointpillars_ov_ros.config.errors import CloudError, count_of, list_names
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, SensorKind
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.ros.layouts import BY_VALUE, PRESETS, UNKNOWN, CloudLayout, choose_field, recognise

FIELD_TYPES = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}
_DIM = 2.0 / 255.0
"""A first cloud that is nowhere brighter was hardly of 0 to 255."""


class SensorCloud(NamedTuple):
    """What was read from a PointCloud2."""

    points: FloatArray
    """(N, 4): finite x y z (m, frame of the message), intensity 0..1."""
    has_intensity: bool
    brightest: float
    """Greatest scaled intensity."""


def read_cloud(
    message: PointCloud2, intensity_field: str, intensity_scale: float, buffers: PointBuffers | None = None
) -> SensorCloud:
    """Read x, y, z and intensity wherever the message says they are.

    Any numeric type and order of fields, any point_step and padding, organised clouds with any row_step,
    either byte order; of two fields of one name the first, as ROS does it. A row_step that does not fit is left out of
    account where data, width, height and point_step fit each other. Points without an echo (not finite, or 0 0 0) are
    left out; a missing intensity is 0. A cloud without points, or without an echo, is read as (0, 4).
    The points lie in memory of `buffers` where those are given. CloudError names the field and the value for which a
    message cannot be read.
    """
    if is_empty(message):
        return SensorCloud(np.zeros((0, 4), np.float32), has_intensity=True, brightest=0.0)
    fields = {field.name: field for field in reversed(message.fields)}
    for name in ("x", "y", "z"):
        if name not in fields:
            names = [repr(field.name) for field in message.fields]
            raise CloudError(f"fields: no {name!r} among {list_names(names) or 'none'}")
    row_step = find_row_step(message)
    has_intensity = intensity_field in fields
    names = ["x", "y", "z", intensity_field] if has_intensity else ["x", "y", "z"]
    columns = [_field_view(message, fields[name], row_step) for name in names]
    # Nothing is allocated before the message has turned out to be as large as it says.
    count = message.height * message.width
    points = np.empty((count, 4), np.float32) if buffers is None else buffers.borrow(count)
    by_row = points.reshape(message.height, message.width, 4)
    # Values of a wider type that float32 cannot hold become infinite, and leave with the other such points.
    with np.errstate(over="ignore", invalid="ignore"):
        for index, column in enumerate(columns):
            by_row[:, :, index] = column
    if not has_intensity:
        points[:, 3] = 0.0
    kept, brightest = clean_points(points, intensity_scale)
    return SensorCloud(kept, has_intensity, brightest)


def is_empty(message: PointCloud2) -> bool:
    """Whether a message says that it has no points, and holds none."""
    return message.width * message.height == 0 and not len(message.data)


def find_row_step(message: PointCloud2) -> int:
    """Return the bytes from one row to the next.

    That is row_step where the data are long enough for it. Where it is not, it is width x point_step if the data have
    exactly as many bytes as width, height and point_step say: drivers write 0, the size of all data, or that of a cloud
    before it was joined with another. CloudError where the sizes contradict each other otherwise.
    """
    width, height, point_step, row_step = message.width, message.height, message.point_step, message.row_step
    size, row = len(message.data), width * point_step
    if width * height == 0:
        raise CloudError(f"width, height: {width} x {height} is no point at all, but data has {size} bytes")
    if point_step == 0:
        raise CloudError("point_step: 0 bytes cannot hold a point")
    if height * row == size:
        return row
    if size < height * row:
        raise CloudError(
            f"data: {size} bytes are fewer than the {height * row} that {width} x {height} points "
            f"of point_step {point_step} take"
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
            f"data: {size} bytes are fewer than the {needed} that {height} rows of row_step {row_step} take"
        )
    return row_step


def _field_view(message: PointCloud2, field: PointField, row_step: int) -> npt.NDArray[np.generic]:
    """Return the values of one field in place, (height, width), of the field's own type."""
    if field.datatype not in FIELD_TYPES:
        raise CloudError(f"{field.name}: datatype {field.datatype} is none of PointField's")
    if field.count > 1:
        raise CloudError(f"{field.name}: count {field.count}, one value a point is needed")
    dtype = np.dtype((">" if message.is_bigendian else "<") + FIELD_TYPES[field.datatype])
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
    """Of the fields, in their order."""
    looks_like: str
    intensity_field: str
    intensity_scale: float
    is_dim: bool = False
    """The first of them had such small intensities that they seem to be of 0 to 1 already, and not of 0 to 255."""

    @property
    def sentence(self) -> str:
        """Say it."""
        return (
            f"clouds look like those of {self.looks_like} ({list_names(self.names, ' ')}): "
            f"intensity from {self.intensity_field!r} x {self.intensity_scale:.4g}"
        )


class CloudReader:
    """Recognises the layout of the first cloud, and again where it changes; used from one thread."""

    def __init__(
        self,
        runtime: RuntimeConfig,
        buffers: PointBuffers | None = None,
        on_layout: Callable[[Reading, bool], None] = lambda reading, is_change: None,
    ) -> None:
        """Read as `runtime` says, into `buffers`; `on_layout` hears of each layout, and whether it follows another."""
        self._runtime, self._buffers, self._on_layout = runtime, buffers, on_layout
        self._is_by_value = False
        """The scale is 1 only since no cloud has been bright so far."""
        self.reading = Reading((), "", "", 1.0)
        """How the last cloud was read."""

    def change(self, runtime: RuntimeConfig) -> bool:
        """Read as `runtime` says from now on; return whether that is another way than before."""
        before, self._runtime = self._runtime, runtime
        if _reading_settings(before) == _reading_settings(runtime):
            return False
        self.reading, self._is_by_value = Reading((), "", "", 1.0), False
        return True

    def is_new(self, message: PointCloud2) -> bool:
        """Whether a cloud is of another layout than the last one read, or may tell more of its intensities."""
        return not is_empty(message) and (self._is_by_value or self.reading.names != field_names(message))

    def read(self, message: PointCloud2) -> SensorCloud:
        """Read a cloud; CloudError where it has more than `max_points`, and as `read_cloud` raises it."""
        count = message.height * message.width
        if count > self._runtime.max_points:
            raise CloudError(
                f"width x height: {count_of(count, 'point')}, more than max_points, {self._runtime.max_points}"
            )
        if is_empty(message) or self.reading.names == field_names(message):
            cloud = read_cloud(message, self.reading.intensity_field, self.reading.intensity_scale, self._buffers)
            return self._look_again(cloud) if self._is_by_value and cloud.brightest > BRIGHT else cloud
        return self._read_first(message)

    def _read_first(self, message: PointCloud2) -> SensorCloud:
        names = field_names(message)
        layout, runtime = recognise(names), self._runtime
        preset = PRESETS.get(runtime.sensor)
        known = preset.intensity_field if preset is not None else choose_field(layout, names)
        field, scale = runtime.intensity_field or known, runtime.intensity_scale
        cloud = read_cloud(message, field, 1.0, self._buffers)
        preset = preset or (UNKNOWN if layout is None else layout.preset)
        scale = scale or preset.intensity_scale or _scale_of_type(message, field)
        self._is_by_value = scale == BY_VALUE
        scale = scale or find_scale(cloud.points[:, 3])
        self._is_by_value = self._is_by_value and scale == 1.0
        # As `read_cloud` would have done, with what is too bright for float32, too.
        cloud = cloud._replace(brightest=clean_points(cloud.points, scale)[1])
        is_scaled = cloud.has_intensity and not runtime.intensity_scale and scale != 1.0
        is_change = bool(self.reading.names)
        is_dim = is_scaled and 0.0 < cloud.brightest < _DIM
        self.reading = Reading(names, describe(layout, runtime.sensor), field, scale, is_dim)
        self._on_layout(self.reading, is_change)
        return cloud

    def _look_again(self, cloud: SensorCloud) -> SensorCloud:
        """Scale a cloud that shows what darker ones before it did not: the intensities are of 0 to 255."""
        scale = find_scale(cloud.points[:, 3])
        if scale == 1.0:
            return cloud
        self._is_by_value = False
        self.reading = replace(self.reading, intensity_scale=scale)
        self._on_layout(self.reading, False)
        return cloud._replace(brightest=clean_points(cloud.points, scale)[1])


_reading_settings = attrgetter("sensor", "intensity_field", "intensity_scale")


def _scale_of_type(message: PointCloud2, field: str) -> float:
    """Return 1/255 for an intensity that is a byte, else BY_VALUE."""
    datatype = next((one.datatype for one in message.fields if one.name == field), None)
    return BYTE if datatype == PointField.UINT8 else BY_VALUE


def describe(layout: CloudLayout | None, sensor: SensorKind) -> str:
    """Say what a layout is the one of, and what it is read as where the user named the sensor."""
    looks_like = "no driver that is known" if layout is None else layout.drivers
    return looks_like if sensor is SensorKind.AUTO else f"{looks_like}, and are read as sensor {sensor.value!r} says"


def field_names(message: PointCloud2) -> tuple[str, ...]:
    """Return the names of the fields of a cloud, in their order."""
    return tuple([field.name for field in message.fields])


def to_detection_array(
    detections: Detections, class_ids: tuple[str, ...], header: Header, T_header_boxes: Transform | None = None
) -> Detection3DArray:
    """Build the message, with the `class_ids` of the labels; boxes are in the frame of `header` unless moved there."""
    array = Detection3DArray(header=header)
    for box, score, label in zip(
        detections.boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True
    ):
        detection = Detection3D(header=header)
        detection.bbox.center = to_pose(box, T_header_boxes)
        detection.bbox.size = Vector3(x=box[3], y=box[4], z=box[5])
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = class_ids[label]
        result.hypothesis.score = score
        result.pose.pose = detection.bbox.center
        detection.results = [result]
        array.detections.append(detection)
    return array


def to_pose(box: list[float], T_target_box: Transform | None = None) -> Pose:
    """Return the pose of a box: its geometric centre, turned by its yaw about z; in another frame if given."""
    yaw = (0.0, 0.0, math.sin(box[6] / 2), math.cos(box[6] / 2))
    if T_target_box is None:
        return make_pose(box[:3], yaw)
    center = T_target_box.rotation @ np.array(box[:3]) + T_target_box.translation
    return make_pose(center.tolist(), multiply(T_target_box.quaternion, yaw))


def make_pose(position: list[float], orientation: tuple[float, float, float, float]) -> Pose:
    """Return the message of a position (m) and a quaternion x y z w."""
    x, y, z, w = orientation
    return Pose(position=Point(x=position[0], y=position[1], z=position[2]), orientation=Quaternion(x=x, y=y, z=z, w=w))


def from_detection_array(array: Detection3DArray, classes: tuple[str, ...]) -> Detections:
    """Read a message back; CloudError for a class that is not one of `classes`."""
    boxes = np.zeros((len(array.detections), 7), np.float32)
    scores = np.zeros(len(boxes), np.float32)
    labels = np.zeros(len(boxes), np.int32)
    for i, detection in enumerate(array.detections):
        center, size = detection.bbox.center, detection.bbox.size
        yaw = 2 * math.atan2(center.orientation.z, center.orientation.w)
        yaw = (yaw + math.pi) % (2 * math.pi) - math.pi
        boxes[i] = (center.position.x, center.position.y, center.position.z, size.x, size.y, size.z, yaw)
        if not detection.results:
            raise CloudError(f"results: empty in detection {i}, one hypothesis is needed")
        hypothesis = detection.results[0].hypothesis
        if hypothesis.class_id not in classes:
            raise CloudError(f"class_id: {hypothesis.class_id!r} is none of {', '.join(classes)}")
        scores[i], labels[i] = hypothesis.score, classes.index(hypothesis.class_id)
    return Detections(boxes, scores, labels)


def to_label_info(classes: tuple[str, ...], score_threshold: float) -> LabelInfo:
    """Name the classes by their indices, which are the class_id of detections with `ClassIds.INDEX`."""
    return LabelInfo(
        class_map=[VisionClass(class_id=i, class_name=name) for i, name in enumerate(classes)],
        threshold=score_threshold,
    )


def stamp_to_ns(header: Header) -> int:
    """Return a stamp (ns); by hand, since rclpy's Time refuses the negative ones of drivers without a clock."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)

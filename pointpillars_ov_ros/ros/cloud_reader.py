# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the clouds of a topic, with the intensity of whatever sensor they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sensor_msgs.msg import PointCloud2, PointField

from pointpillars_ov_ros.clouds.intensity import BRIGHT, BYTE, find_scale
from pointpillars_ov_ros.clouds.points import PointBuffers, clean_points
from pointpillars_ov_ros.config.errors import list_names
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, Sensor
from pointpillars_ov_ros.ros.conversions import Cloud, is_empty, read_cloud
from pointpillars_ov_ros.ros.layouts import BY_VALUE, PRESETS, UNKNOWN, Layout, choose_field, recognise

_DIM = 2.0 / 255.0
"""A first cloud that is nowhere brighter was hardly of 0 to 255."""


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

    def is_new(self, message: PointCloud2) -> bool:
        """Whether a cloud is of another layout than the last one read, or may tell more of its intensities."""
        return not is_empty(message) and (self._is_by_value or self.reading.names != field_names(message))

    def read(self, message: PointCloud2) -> Cloud:
        """Read a cloud; see `read_cloud` for what it raises."""
        if is_empty(message) or self.reading.names == field_names(message):
            cloud = read_cloud(message, self.reading.intensity_field, self.reading.intensity_scale, self._buffers)
            return self._look_again(cloud) if self._is_by_value and cloud.brightest > BRIGHT else cloud
        return self._read_first(message)

    def _read_first(self, message: PointCloud2) -> Cloud:
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

    def _look_again(self, cloud: Cloud) -> Cloud:
        """Scale a cloud that shows what darker ones before it did not: the intensities are of 0 to 255."""
        scale = find_scale(cloud.points[:, 3])
        if scale == 1.0:
            return cloud
        self._is_by_value = False
        self.reading = replace(self.reading, intensity_scale=scale)
        self._on_layout(self.reading, False)
        return cloud._replace(brightest=clean_points(cloud.points, scale)[1])


def _scale_of_type(message: PointCloud2, field: str) -> float:
    """Return 1/255 for an intensity that is a byte, else BY_VALUE."""
    datatype = next((one.datatype for one in message.fields if one.name == field), None)
    return BYTE if datatype == PointField.UINT8 else BY_VALUE


def describe(layout: Layout | None, sensor: Sensor) -> str:
    """Say what a layout is the one of, and what it is read as where the user named the sensor."""
    looks_like = "no driver that is known" if layout is None else layout.drivers
    return looks_like if sensor is Sensor.AUTO else f"{looks_like}, and are read as sensor {sensor.value!r} says"


def field_names(message: PointCloud2) -> tuple[str, ...]:
    """Give the names of the fields of a cloud, in their order."""
    return tuple([field.name for field in message.fields])

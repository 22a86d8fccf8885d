# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How drivers lay out their PointCloud2: what a cloud is recognised by, and where its intensity is then.

Read in the sources of the drivers named, in 2026. A cloud is recognised by the names of its fields alone: where they
lie and of which type they are the message says itself, and both differ between versions of a driver.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sensor_msgs.msg import PointField

from pointpillars_ov_ros.config.runtime_config import Sensor

U8, U16, U32 = PointField.UINT8, PointField.UINT16, PointField.UINT32
F32, F64 = PointField.FLOAT32, PointField.FLOAT64

BY_VALUE = 0.0
"""Scale of an intensity that the layout does not tell: 1/255 where the first cloud has one above `BRIGHT`, else 1."""
BRIGHT = 1.5
"""Scaled intensities above this are not of the 0..1 that networks are trained with."""
_BYTE = 1.0 / 255.0

Field = tuple[str, int, int]
"""Name, datatype (of PointField), offset."""


class Preset(NamedTuple):
    """Where the intensity is, and the factor that brings it to 0..1."""

    intensity_field: str = "intensity"
    intensity_scale: float = _BYTE


class Layout(NamedTuple):
    """What a driver publishes."""

    drivers: str
    """For sentences and the documentation."""
    fields: tuple[Field, ...]
    point_step: int
    preset: Preset = Preset()


OUSTER = Preset("reflectivity")
"""'intensity' of ouster-ros is the signal in photons, which grows with the inverse of the range squared and has no
greatest value; reflectivity is corrected for range and, from firmware 2.1 on, 0..255."""
PLAIN = Preset(intensity_scale=BY_VALUE)
UNKNOWN = Preset(intensity_scale=1.0)
"""What is read of a cloud that looks like none of these."""

PRESETS = {
    Sensor.VELODYNE: Preset(),
    Sensor.OUSTER: OUSTER,
    Sensor.HESAI: Preset(),
    Sensor.ROBOSENSE: Preset(),
    Sensor.LIVOX: Preset(),
    Sensor.AUTOWARE: Preset(),
    Sensor.NUSCENES: Preset(),
    Sensor.KITTI: UNKNOWN,
}
"""What `sensor` stands for where it is not `auto`."""

_XYZ: tuple[Field, ...] = (("x", F32, 0), ("y", F32, 4), ("z", F32, 8))
_XYZI = (*_XYZ, ("intensity", F32, 12))
_OUSTER = (
    *_XYZ, ("intensity", F32, 16), ("t", U32, 20), ("reflectivity", U16, 24), ("ring", U16, 26), ("ambient", U16, 28),
    ("range", U32, 32),
)  # fmt: skip
_OUSTER_NATIVE = (
    *_XYZ, ("t", U32, 16), ("ring", U16, 20), ("range", U32, 24), ("signal", U16, 28), ("reflectivity", U8, 30),
    ("flags", U8, 31), ("near_ir", U16, 32), ("window", U8, 34),
)  # fmt: skip
_AUTOWARE = (*_XYZ, ("intensity", U8, 12), ("return_type", U8, 13), ("channel", U16, 14))
_AUTOWARE_POLAR = (
    *_AUTOWARE, ("azimuth", F32, 16), ("elevation", F32, 20), ("distance", F32, 24), ("time_stamp", U32, 28),
)  # fmt: skip

LAYOUTS = (
    # velodyne_pointcloud/src/lib/pointcloudXYZIRT.cpp and organized_cloudXYZIRT.cpp, branch ros2.
    Layout("velodyne_pointcloud", (*_XYZI, ("ring", U16, 16), ("time", F32, 18)), 22),
    # nuscenes2bag/src/LidarDirectoryConverterXYZIR.cpp, nuscenes2mcap/convert_to_mcap.py; Velodyne's driver of ROS 1
    # has ring as uint16, in 18, 22 or 32 bytes.
    Layout("nuscenes2bag, nuscenes2mcap or ROS 1's velodyne_pointcloud", (*_XYZI, ("ring", F32, 16)), 20),
    # ouster-ros/include/ouster_ros/os_point.h: point_type original, the default; a struct of PCL.
    Layout("ouster-ros", _OUSTER, 48, OUSTER),
    # sensor_point_types.h: point_type native with the default lidar profile, RNG19_RFL8_SIG16_NIR16.
    Layout("ouster-ros (point_type native)", _OUSTER_NATIVE, 48, OUSTER),
    # HesaiLidar_ROS_2.0/src/manager/source_driver_ros2.hpp; rslidar_sdk/src/source/source_pointcloud_ros.hpp when built
    # with POINT_TYPE XYZIRT.
    Layout("hesai_ros_driver or rslidar_sdk", (*_XYZI, ("ring", U16, 16), ("timestamp", F64, 18)), 26),
    # livox_ros_driver2/src/lddc.cpp, xfer_format 0: what its README calls PointXYZRTLT.
    Layout("livox_ros_driver2", (*_XYZI, ("tag", U8, 16), ("line", U8, 17), ("timestamp", F64, 18)), 26),
    # autoware_core/common/autoware_point_types: PointXYZIRC, and PointXYZIRCAEDT.
    Layout("Autoware (PointXYZIRC)", _AUTOWARE, 16),
    Layout("Autoware (PointXYZIRCAEDT)", _AUTOWARE_POLAR, 32),
    # kitti_player, and others who play KITTI's 0 to 1; rslidar_sdk as it comes (POINT_TYPE XYZI) and nuscenes2bag with
    # 0 to 255.
    Layout("no driver in particular", _XYZI, 16, PLAIN),
)
"""Fields and point_step as a current version publishes them."""

_BY_NAMES = {frozenset(name for name, _, _ in layout.fields): layout for layout in LAYOUTS}


def recognise(names: Iterable[str]) -> Layout | None:
    """Give the layout whose fields are called `names`, in any order; None where there is none."""
    return _BY_NAMES.get(frozenset(names))

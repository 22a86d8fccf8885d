# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 layouts of LiDAR drivers: how a cloud is recognized, and where its intensity is.

Taken from the sources of these drivers in 2026. A cloud is recognized by the names of the fields that it must have, so
a version of a driver that adds fields is still recognized. Offsets and types of the fields are in the message itself;
both differ between versions of a driver.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pointpillars_ov_ros.clouds import intensity
from pointpillars_ov_ros.clouds.intensity import BYTE, INTENSITY_NAMES
from pointpillars_ov_ros.config.runtime_config import SensorKind

INT8, UINT8, INT16, UINT16, INT32, UINT32, FLOAT32, FLOAT64 = range(1, 9)
"""The datatypes of sensor_msgs/PointField, by their names there."""
U8, U16, U32, F32, F64 = UINT8, UINT16, UINT32, FLOAT32, FLOAT64

BRIGHT = intensity.BRIGHT
BY_VALUE = 0.0
"""Scale of an intensity that does not follow from the layout: see `clouds.intensity`."""

Field = tuple[str, int, int]
"""Name, datatype (of PointField), offset."""


class IntensityPreset(NamedTuple):
    """Field of the intensity, and the factor that brings it to 0..1."""

    intensity_field: str = "intensity"
    intensity_scale: float = BYTE


class CloudLayout(NamedTuple):
    """Layout of a driver's clouds."""

    drivers: str
    """Names of the drivers, for messages and the documentation."""
    fields: tuple[Field, ...]
    point_step: int
    preset: IntensityPreset = IntensityPreset()
    telling: tuple[str, ...] = ()
    """Names that identify this driver, whatever other fields there are; empty: all names of `fields`."""

    @property
    def needed(self) -> frozenset[str]:
        """Names that a cloud with this layout must have."""
        return frozenset(self.telling or [name for name, _, _ in self.fields])


OUSTER = IntensityPreset("reflectivity")
"""Preset of Ouster sensors, whose reflectivity is corrected for range and, from firmware 2.1 on, 0..255.

The field 'intensity' of ouster-ros is the signal in photons, which falls with the square of the range and is unbounded.
"""
PLAIN = IntensityPreset(intensity_scale=BY_VALUE)
UNKNOWN = PLAIN
"""Preset for a cloud with an unknown layout."""

PRESETS = {
    SensorKind.VELODYNE: IntensityPreset(),
    SensorKind.OUSTER: OUSTER,
    SensorKind.HESAI: IntensityPreset(),
    SensorKind.ROBOSENSE: IntensityPreset(),
    SensorKind.LIVOX: IntensityPreset(),
    SensorKind.AUTOWARE: IntensityPreset(),
    SensorKind.NUSCENES: IntensityPreset(),
    SensorKind.KITTI: IntensityPreset(intensity_scale=1.0),
}
"""Presets of the values of `sensor` other than `auto`."""

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

_OUSTER_OLD = (
    *_XYZ, ("intensity", F32, 16), ("t", U32, 20), ("reflectivity", U16, 24), ("ring", U8, 26), ("noise", U16, 28),
    ("range", U32, 32),
)  # fmt: skip
_AUTOWARE_OLD = (
    *_XYZI, ("ring", U16, 16), ("azimuth", F32, 20), ("distance", F32, 24), ("return_type", U8, 28),
    ("time_stamp", F64, 32),
)  # fmt: skip
_SEYOND = (
    *_XYZ, ("timestamp", F64, 16), ("intensity", F32, 24), ("flags", U8, 28), ("elongation", U8, 29),
    ("scan_id", U16, 30), ("scan_idx", U16, 32), ("is_2nd_return", U8, 34),
)  # fmt: skip
_OUSTER_NAMES = ("x", "y", "z", "reflectivity", "t", "ring", "range")

LAYOUTS = (
    # velodyne_pointcloud/src/lib/pointcloudXYZIRT.cpp and organized_cloudXYZIRT.cpp, branch ros2.
    CloudLayout("velodyne_pointcloud", (*_XYZI, ("ring", U16, 16), ("time", F32, 18)), 22),
    # nuscenes2bag/src/LidarDirectoryConverterXYZIR.cpp, nuscenes2mcap/convert_to_mcap.py; Velodyne's driver of ROS 1
    # has ring as uint16, in 18, 22 or 32 bytes.
    CloudLayout("nuscenes2bag, nuscenes2mcap or velodyne_pointcloud of ROS 1", (*_XYZI, ("ring", F32, 16)), 20),
    # ouster-ros/include/ouster_ros/os_point.h: point_type original, the default; a struct of PCL.
    CloudLayout("ouster-ros", _OUSTER, 48, OUSTER, (*_OUSTER_NAMES, "ambient")),
    # sensor_point_types.h: point_type native with the default lidar profile, RNG19_RFL8_SIG16_NIR16.
    CloudLayout("ouster-ros (point_type native)", _OUSTER_NATIVE, 48, OUSTER, (*_OUSTER_NAMES, "signal")),
    # ouster_example, before ouster-ros became a repository of its own: noise, where later ones have ambient.
    CloudLayout("ouster_example", _OUSTER_OLD, 48, OUSTER, _OUSTER_NAMES),
    # HesaiLidar_ROS_2.0/src/manager/source_driver_ros2.hpp; rslidar_sdk/src/source/source_pointcloud_ros.hpp when built
    # with POINT_TYPE XYZIRT.
    CloudLayout("hesai_ros_driver or rslidar_sdk", (*_XYZI, ("ring", U16, 16), ("timestamp", F64, 18)), 26),
    # rslidar_sdk with POINT_TYPE XYZIRTF and XYZIF.
    CloudLayout("rslidar_sdk (XYZIRTF)", (*_XYZI, ("ring", U16, 16), ("timestamp", F64, 18), ("feature", U8, 26)), 27),
    CloudLayout("rslidar_sdk (XYZIF)", (*_XYZI, ("feature", U8, 16)), 17),
    # livox_ros_driver2/src/lddc.cpp, xfer_format 0: what its README calls PointXYZRTLT.
    CloudLayout("livox_ros_driver2", (*_XYZI, ("tag", U8, 16), ("line", U8, 17), ("timestamp", F64, 18)), 26),
    # livox_ros_driver/lddc.cpp: what its README calls PointXYZRTL.
    CloudLayout("livox_ros_driver", (*_XYZI, ("tag", U8, 16), ("line", U8, 17)), 18),
    # seyond_ros_driver: PointXYZIT; its predecessor of Innovusion has no elongation.
    CloudLayout("seyond_ros_driver", _SEYOND, 48, telling=("x", "y", "z", "intensity", "flags", "scan_id")),
    # autoware_core/common/autoware_point_types: PointXYZIRC, and PointXYZIRCAEDT; PointXYZIRADRT before those.
    CloudLayout("Autoware (PointXYZIRC)", _AUTOWARE, 16),
    CloudLayout("Autoware (PointXYZIRCAEDT)", _AUTOWARE_POLAR, 32),
    CloudLayout("Autoware (PointXYZIRADRT)", _AUTOWARE_OLD, 48),
    # kitti2bag's script: PCL's XYZI with a different name for the intensity, which is KITTI's.
    CloudLayout("kitti2bag", (*_XYZ, ("i", F32, 12)), 16, IntensityPreset("i", BY_VALUE)),
    # kitti_player and other players of KITTI with 0 to 1; rslidar_sdk by default (POINT_TYPE XYZI) and nuscenes2bag
    # with 0 to 255.
    CloudLayout("no driver in particular", _XYZI, 16, PLAIN),
)
"""Layouts with fields and point_step as published by a current version of each driver."""

_BY_NAMES = {frozenset(name for name, _, _ in layout.fields): layout for layout in LAYOUTS}
_MOST_TELLING_FIRST = sorted(LAYOUTS[:-1], key=lambda layout: -len(layout.needed))


def recognise(names: Iterable[str]) -> CloudLayout | None:
    """Return the layout with exactly the fields `names`, in any order, else the most specific one contained in them.

    Returns None if there is none: x y z intensity with fields of unknown meaning identify no driver.
    """
    there = frozenset(names)
    if there in _BY_NAMES:
        return _BY_NAMES[there]
    return next((layout for layout in _MOST_TELLING_FIRST if layout.needed <= there), None)


def choose_field(layout: CloudLayout | None, names: Iterable[str]) -> str:
    """Return the field with the intensity: that of the layout, else the first known name."""
    there = set(names)
    if layout is not None and layout.preset.intensity_field in there:
        return layout.preset.intensity_field
    return next((name for name in INTENSITY_NAMES if name in there), INTENSITY_NAMES[0])

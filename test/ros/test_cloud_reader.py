# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds of every driver in the table, packed byte by byte as its source says, read by auto."""

from __future__ import annotations

import array
import struct
import tracemalloc
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

from pointpillars_ov_ros.clouds.layouts import BY_VALUE, LAYOUTS, PRESETS, recognise
from pointpillars_ov_ros.clouds.points import CloudReader, Reading
from pointpillars_ov_ros.config.errors import CloudError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, SensorKind
from test.ros.clouds import CODES, U8, VELODYNE, Field, Layout, cloud_message, over_the_wire

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "sensors.md"
XYZ = [(1.5, -2.25, 0.5), (-10.0, 20.5, -1.75), (69.0, 0.125, 0.375)]
BYTES = (0, 51, 255)
"""Intensities of the points, of 255."""


class Sample(NamedTuple):
    """Three points of a driver: how `struct` packs one, the names, and the values of each beside x y z."""

    looks_like: str
    form: str
    names: str
    rest: tuple[tuple[float, ...], ...]
    scale: float = 1 / 255


# Pad bytes (x) are those of the driver's own struct; every format begins at offset 0 and is little-endian, unaligned.
SAMPLES = {
    "velodyne": Sample(
        "velodyne_pointcloud", "<fff fHf", "intensity ring time",
        tuple((i, ring, -0.05 + 0.01 * ring) for ring, i in enumerate(BYTES)),
    ),
    "velodyne of ROS 1": Sample(
        "nuscenes2bag, nuscenes2mcap or velodyne_pointcloud of ROS 1", "<fff4x fH10x", "intensity ring",
        tuple((i, ring) for ring, i in enumerate(BYTES)),
    ),
    "nuScenes": Sample(
        "nuscenes2bag, nuscenes2mcap or velodyne_pointcloud of ROS 1", "<fff ff", "intensity ring",
        tuple((i, ring) for ring, i in enumerate(BYTES)),
    ),
    "nuScenes without rings": Sample("no driver in particular", "<fff f", "intensity", tuple((i,) for i in BYTES)),
    "ouster": Sample(
        "ouster-ros", "<fff4x fIHHH2xI12x", "intensity t reflectivity ring ambient range",
        tuple((1234.5 * i, 100_000 * i, i, 7, 321, 4_000_000_000) for i in BYTES),
    ),
    "ouster native": Sample(
        "ouster-ros (point_type native)", "<fff4x IH2xIHBBHB13x",
        "t ring range signal reflectivity flags near_ir window",
        tuple((100_000, 7, 4_000_000_000, 60_000, i, 1, 321, 9) for i in BYTES),
    ),
    "ouster of old": Sample(
        "ouster_example", "<fff4x fIHB1xH2xI12x", "intensity t reflectivity ring noise range",
        tuple((1234.5 * i, 100_000 * i, i, 7, 321, 4_000_000_000) for i in BYTES),
    ),
    "hesai": Sample(
        "hesai_ros_driver or rslidar_sdk", "<fff fHd", "intensity ring timestamp",
        tuple((i, 127, 1.7e9 + i) for i in BYTES),
    ),
    "robosense": Sample("no driver in particular", "<fff f", "intensity", tuple((i,) for i in BYTES)),
    "robosense with features": Sample(
        "rslidar_sdk (XYZIF)", "<fff fB", "intensity feature", tuple((i, 2) for i in BYTES)
    ),
    "robosense with all": Sample(
        "rslidar_sdk (XYZIRTF)", "<fff fHdB", "intensity ring timestamp feature",
        tuple((i, 127, 1.7e9 + i, 2) for i in BYTES),
    ),
    "livox v1": Sample("livox_ros_driver", "<fff fBB", "intensity tag line", tuple((i, 16, 3) for i in BYTES)),
    "seyond": Sample(
        "seyond_ros_driver", "<fff4x dfBBHHB13x",
        "timestamp intensity flags elongation scan_id scan_idx is_2nd_return",
        tuple((1.7e9, i, 1, 2, 300, 400, 0) for i in BYTES),
    ),
    "kitti2bag": Sample("kitti2bag", "<fff f", "i", tuple((i / 255,) for i in BYTES), 1.0),
    "autoware of old": Sample(
        "Autoware (PointXYZIRADRT)", "<fff fH2xffB3xd8x", "intensity ring azimuth distance return_type time_stamp",
        tuple((i, 12, 3.1, 55.5, 1, 1.7e9) for i in BYTES),
    ),
    "livox": Sample(
        "livox_ros_driver2", "<fff fBBd", "intensity tag line timestamp", tuple((i, 16, 3, 1.7e18) for i in BYTES)
    ),
    "autoware": Sample(
        "Autoware (PointXYZIRC)", "<fff BBH", "intensity return_type channel", tuple((i, 1, 65_000) for i in BYTES)
    ),
    "autoware, polar too": Sample(
        "Autoware (PointXYZIRCAEDT)", "<fff BBHfffI",
        "intensity return_type channel azimuth elevation distance time_stamp",
        tuple((i, 1, 65_000, 3.1, -0.3, 55.5, 99_000_000) for i in BYTES),
    ),
    "kitti": Sample("no driver in particular", "<fff f", "intensity", tuple((i / 255,) for i in BYTES), 1.0),
}  # fmt: skip
DATATYPES = {code: datatype for datatype, code in CODES.items()}


def offsets(form: str) -> list[tuple[int, int]]:
    """Return offset and datatype of every value of a format, by packing ever longer beginnings of it."""
    found, at, number = [], 0, ""
    for character in form.replace(" ", "")[1:]:
        if character.isdigit():
            number += character
        elif character == "x":
            at, number = at + int(number), ""
        else:
            found.append((at, DATATYPES[character]))
            at += struct.calcsize("<" + character)
    return found


def message(name: str, height: int = 1) -> PointCloud2:
    sample = SAMPLES[name]
    data = b"".join(struct.pack(sample.form, *xyz, *rest) for xyz, rest in zip(XYZ, sample.rest, strict=True))
    step = struct.calcsize(sample.form)
    fields = [
        PointField(name=field, offset=offset, datatype=datatype, count=1)
        for field, (offset, datatype) in zip(("x y z " + sample.names).split(), offsets(sample.form), strict=True)
    ]
    width = len(XYZ) // height
    return PointCloud2(
        height=height, width=width, fields=fields, point_step=step, row_step=width * step, data=array.array("B", data)
    )


class Listener:
    def __init__(self, **settings: Any) -> None:
        self.heard: list[tuple[Reading, bool]] = []
        self.reader = CloudReader(RuntimeConfig(**settings), on_layout=lambda *news: self.heard.append(news))


def assert_is_read(reader: CloudReader, name: str) -> None:
    for wire in (False, True):
        cloud = reader.read(over_the_wire(message(name)) if wire else message(name))
        assert cloud.points[:, :3].tolist() == [list(xyz) for xyz in XYZ]
        np.testing.assert_allclose(cloud.points[:, 3], [i / 255 for i in BYTES], rtol=1e-6)
        assert cloud.has_intensity
        assert cloud.brightest == pytest.approx(1.0)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_and_later_clouds_of_every_driver_have_intensities_of_0_to_1(name: str) -> None:
    listener = Listener()
    assert_is_read(listener.reader, name)
    ((reading, is_change),) = listener.heard
    assert not is_change and not reading.is_dim
    assert reading.looks_like == SAMPLES[name].looks_like
    assert reading.intensity_scale == pytest.approx(SAMPLES[name].scale)


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_read_the_same(name: str) -> None:
    points = Listener().reader.read(message(name, height=3)).points
    assert points.tolist() == Listener().reader.read(message(name)).points.tolist()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.drivers)
def test_every_layout_of_the_table_is_the_one_of_a_sample(layout: Any) -> None:
    """Compared with what `struct` makes of the driver's own definition."""
    forms = [
        (names, offsets(sample.form), struct.calcsize(sample.form))
        for sample in SAMPLES.values()
        for names in [("x y z " + sample.names).split()]
    ]
    names = [name for name, _, _ in layout.fields]
    assert (names, [(offset, datatype) for _, datatype, offset in layout.fields], layout.point_step) in forms
    assert recognise(reversed(names)) is layout


@pytest.mark.parametrize("layout", LAYOUTS[:-1], ids=lambda layout: layout.drivers)
def test_a_layout_with_fields_that_nobody_knows_yet_is_still_that_driver_s(layout: Any) -> None:
    names = [name for name, _, _ in layout.fields]
    assert recognise([*names, "unheard_of"]) is layout
    assert recognise([*names, "unheard_of", "padding"]) is layout


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.drivers)
def test_every_layout_is_in_the_documentation(layout: Any) -> None:
    rows = [line for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    names = " ".join(name for name, _, _ in layout.fields)
    (row,) = (row for row in rows if f"`{names}`" in row)
    assert f" {layout.point_step} |" in row and f"`{layout.preset.intensity_field}`" in row
    assert "× 1/255" in row
    assert ("if a cloud" in row) == (layout.preset.intensity_scale == BY_VALUE)


def test_no_two_layouts_are_taken_for_each_other() -> None:
    assert all(recognise([name for name, _, _ in layout.fields]) is layout for layout in LAYOUTS)


@pytest.mark.parametrize("sensor", [sensor for sensor in SensorKind if sensor is not SensorKind.AUTO])
def test_every_sensor_has_a_preset_that_is_known_beforehand(sensor: SensorKind) -> None:
    assert PRESETS[sensor].intensity_scale != BY_VALUE


def test_a_sensor_that_is_named_counts_more_than_what_the_cloud_looks_like() -> None:
    listener = Listener(sensor=SensorKind.KITTI)
    assert listener.reader.read(message("velodyne")).points[:, 3].tolist() == list(BYTES)
    assert "velodyne_pointcloud, and are read as sensor 'kitti' says" in listener.heard[0][0].sentence


def test_a_field_and_a_scale_that_are_given_count_more_than_the_sensor() -> None:
    field = Listener(intensity_field="ambient", intensity_scale=0.5).reader.read(message("ouster"))
    assert field.points[:, 3].tolist() == [160.5] * 3
    only_field = Listener(intensity_field="ambient").reader.read(message("ouster"))
    np.testing.assert_allclose(only_field.points[:, 3], 321 / 255, rtol=1e-6)
    only_scale = Listener(intensity_scale=1.0).reader.read(message("ouster"))
    assert only_scale.points[:, 3].tolist() == list(BYTES)


BY_NOBODY = Layout((*VELODYNE["XYZI"].fields, Field("quality", 16)), 20)


@pytest.mark.parametrize("layout", [VELODYNE["XYZI"], BY_NOBODY], ids=["XYZI", "unknown"])
@pytest.mark.parametrize(("first", "scale"), [((0.7, 1.0, 0.2), 1.0), ((2.0, 0.0, 1.0), 1 / 255), ((0.0,) * 3, 1.0)])
def test_the_scale_that_a_layout_does_not_tell_is_that_of_the_first_cloud(
    layout: Layout, first: tuple[float, ...], scale: float
) -> None:
    reader = Listener().reader
    reader.read(cloud_message(layout, [(1, 2, 3, value) for value in first]))
    assert reader.reading.intensity_scale == pytest.approx(scale)
    later = reader.read(cloud_message(layout, [(1, 2, 3, 0.5), (1, 2, 3, 1.0)]))
    np.testing.assert_allclose(later.points[:, 3], np.array([0.5, 1.0]) * scale, rtol=1e-6)


@pytest.mark.parametrize("layout", [VELODYNE["XYZI"], BY_NOBODY], ids=["XYZI", "unknown"])
@pytest.mark.parametrize("dark", [(0.0, 0.0), (1.0, 0.0), (0.25, 1.3)])
def test_a_dark_first_cloud_does_not_fix_the_scale(layout: Layout, dark: tuple[float, ...]) -> None:
    listener = Listener()
    for _ in range(3):
        listener.reader.read(cloud_message(layout, [(1, 2, 3, value) for value in dark]))
    bright = listener.reader.read(cloud_message(layout, [(1, 2, 3, 51.0), (1, 2, 3, 255.0)]))
    np.testing.assert_allclose(bright.points[:, 3], [0.2, 1.0], rtol=1e-6)
    assert bright.brightest == pytest.approx(1.0)
    again = listener.reader.read(cloud_message(layout, [(1, 2, 3, 1.0), (1, 2, 3, 0.0)]))
    np.testing.assert_allclose(again.points[:, 3], [1 / 255, 0.0], rtol=1e-6)
    assert [(reading.intensity_scale, is_change) for reading, is_change in listener.heard] == [
        (1.0, False), (pytest.approx(1 / 255), False),
    ]  # fmt: skip


def test_one_outlier_does_not_make_intensities_of_0_to_1_those_of_a_byte() -> None:
    reader = Listener().reader
    reader.read(cloud_message(VELODYNE["XYZI"], [(1, 2, 3, 0.5)] * 500))
    cloud = reader.read(cloud_message(VELODYNE["XYZI"], [*[(1, 2, 3, 0.5)] * 500, (1, 2, 3, 2.5)]))
    assert reader.reading.intensity_scale == 1.0
    assert cloud.brightest == 2.5


def test_an_unknown_layout_s_byte_is_of_0_to_255_however_dark_it_is() -> None:
    layout = Layout((*VELODYNE["XYZI"].fields[:3], Field("reflectance", 12, U8), Field("quality", 13, U8)), 16)
    reader = Listener().reader
    cloud = reader.read(cloud_message(layout, [(1, 2, 3, 1, 9), (1, 2, 3, 0, 9)]))
    np.testing.assert_allclose(cloud.points[:, 3], [1 / 255, 0.0], rtol=1e-6)
    assert reader.reading.intensity_field == "reflectance"


def test_an_empty_cloud_says_nothing_of_the_layout() -> None:
    listener = Listener()
    assert listener.reader.read(PointCloud2()).points.shape == (0, 4)
    assert listener.heard == []
    assert_is_read(listener.reader, "velodyne")
    assert listener.reader.read(PointCloud2()).points.shape == (0, 4)
    assert_is_read(listener.reader, "velodyne")
    assert len(listener.heard) == 1


def test_a_layout_that_changes_in_mid_stream_is_recognised_again_and_said_once() -> None:
    listener = Listener()
    for name in ("velodyne", "velodyne", "ouster", "ouster", "livox"):
        assert_is_read(listener.reader, name)
    assert [(reading.looks_like, is_change) for reading, is_change in listener.heard] == [
        ("velodyne_pointcloud", False), ("ouster-ros", True), ("livox_ros_driver2", True),
    ]  # fmt: skip


def test_a_cloud_that_cannot_be_read_leaves_the_layout_as_it_was() -> None:
    listener = Listener()
    assert_is_read(listener.reader, "velodyne")
    bad = message("ouster")
    bad.data = bad.data[:-1]
    with pytest.raises(ValueError, match="data"):
        listener.reader.read(bad)
    assert listener.reader.reading.looks_like == "velodyne_pointcloud"
    assert len(listener.heard) == 1


def test_intensities_that_are_of_0_to_1_already_are_noticed() -> None:
    listener = Listener()
    simulated = [(1.0, 2.0, 3.0, 0.25 * number, number, 0.0) for number in range(5)]
    listener.reader.read(cloud_message(VELODYNE["XYZIRT"], simulated))
    assert listener.heard[0][0].is_dim
    told = Listener(intensity_scale=1.0)
    told.reader.read(cloud_message(VELODYNE["XYZIRT"], simulated))
    assert not told.heard[0][0].is_dim


def test_what_is_too_bright_for_float32_is_0_in_the_first_cloud_as_in_later_ones() -> None:
    reader = CloudReader(RuntimeConfig(intensity_scale=1e9))
    message = cloud_message(VELODYNE["XYZI"], [[1.0, 2.0, 3.0, 3e38], [4.0, 5.0, 6.0, 0.5]])
    first, later = reader.read(message), reader.read(message)
    assert first.points[:, 3].tolist() == later.points[:, 3].tolist() == [0.0, 5e8]
    assert first.brightest == later.brightest == 5e8


def test_a_cloud_of_more_points_than_wanted_is_refused_before_memory_is_taken_for_it() -> None:
    """The width of such a cloud says what it likes; data of one byte a point are enough to be believed."""
    message = PointCloud2(height=1, width=2**25, point_step=1, row_step=2**25)
    message.fields = [PointField(name=name, offset=0, datatype=PointField.UINT8, count=1) for name in "xyz"]
    message.data = bytes(2**25)
    tracemalloc.start()
    with pytest.raises(CloudError, match=r"width x height: 33554432 points, more than max_points, 2000000"):
        CloudReader(RuntimeConfig()).read(message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_coordinates_of_the_first_and_of_later_clouds_are_scaled_once() -> None:
    name = next(iter(SAMPLES))
    reader = CloudReader(RuntimeConfig(coordinate_scale=0.001))
    for _ in range(2):
        cloud = reader.read(message(name))
        np.testing.assert_allclose(cloud.points[:, :3], np.array(XYZ) * 0.001, rtol=1e-6)
        np.testing.assert_allclose(cloud.points[:, 3], [i / 255 for i in BYTES], rtol=1e-6)
    assert not reader.change(RuntimeConfig())
    assert reader.read(message(name)).points[:, :3].tolist() == [list(xyz) for xyz in XYZ]

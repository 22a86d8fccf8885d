# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds read from messages whose every byte is known."""

from __future__ import annotations

import array
import itertools
import math
import struct

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py.point_cloud2 import read_points

from pointpillars_ov_ros.clouds.points import SensorCloud, read_cloud
from test.ros.clouds import CODES, F32, F64, U8, U16, VELODYNE, XYZI, Field, Layout, cloud_message, over_the_wire

NAN, INF = math.nan, math.inf
# Every value is exact in float32, and no two are alike.
POINTS = [(1.5, -2.25, 0.5, 0.25), (-10.0, 20.5, -1.75, 1.0), (69.0, 0.125, 0.375, 0.75), (-3.0, 5.5, -0.5, 0.125)]


def read(message: PointCloud2, field: str = "intensity", scale: float = 1.0) -> SensorCloud:
    return read_cloud(message, field, scale)


@pytest.mark.parametrize("wire", [False, True], ids=["as built", "after CDR"])
@pytest.mark.parametrize("bigendian", [False, True], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("name", VELODYNE)
def test_velodyne_layouts_are_read(name: str, bigendian: bool, wire: bool) -> None:
    message = cloud_message(VELODYNE[name], POINTS, bigendian=bigendian)
    cloud = read(over_the_wire(message) if wire else message)
    assert cloud.points.tolist() == [list(point) for point in POINTS]
    assert cloud.points.dtype == np.float32
    assert cloud.has_intensity
    assert cloud.brightest == 1.0


def test_xyzirt_as_its_struct_says() -> None:
    data = b"".join(struct.pack("<ffffHf", *point, ring, 1e-6 * ring) for ring, point in enumerate(POINTS))
    assert len(data) == 22 * len(POINTS)
    message = cloud_message(VELODYNE["XYZIRT"], POINTS)
    message.data = array.array("B", data)
    assert read(message).points.tolist() == [list(point) for point in POINTS]


def test_the_data_of_a_received_message_are_an_array() -> None:
    assert isinstance(over_the_wire(cloud_message(XYZI, POINTS)).data, array.array)


def test_reading_leaves_the_message_as_it_was() -> None:
    message = cloud_message(XYZI, [*POINTS, (NAN, 1.0, 1.0, 1.0)])
    before = message.data.tobytes()
    points = read(message, scale=0.5).points
    points[:] = 0
    assert message.data.tobytes() == before


@pytest.mark.parametrize("row_padding", [0, 1, 22, 40])
@pytest.mark.parametrize("name", VELODYNE)
def test_rows_of_an_organized_cloud_are_read_in_order(name: str, row_padding: int) -> None:
    message = cloud_message(VELODYNE[name], POINTS, height=2, row_padding=row_padding)
    assert read(message).points.tolist() == [list(point) for point in POINTS]


def test_the_last_row_of_an_organized_cloud_needs_no_padding() -> None:
    message = cloud_message(XYZI, POINTS, height=2, row_padding=24)
    message.data = message.data[:-24]
    assert len(read(message).points) == 4


# What drivers write to row_step that is not width x point_step: of 4 points of 16 bytes in one row, and in two.
ROW_STEPS = {
    "nothing": (0, 0),
    "all bytes": (64, 64),
    "points": (4, 4),
    "first of two": (32, 16),
    "width": (4, 2),
    "2**32 - 1": (2**32 - 1, 2**32 - 1),
}


@pytest.mark.parametrize("wire", [False, True], ids=["as built", "after CDR"])
@pytest.mark.parametrize("height", [1, 2, 4])
@pytest.mark.parametrize("lie", ROW_STEPS)
def test_a_row_step_that_does_not_fit_is_outvoted_by_data_width_height_and_point_step(
    lie: str, height: int, wire: bool
) -> None:
    message = cloud_message(XYZI, POINTS, height=height)
    message.row_step = ROW_STEPS[lie][height > 1]
    assert read(over_the_wire(message) if wire else message).points.tolist() == [list(point) for point in POINTS]


def test_of_two_fields_of_one_name_the_first_counts_as_in_ros() -> None:
    layout = Layout((*XYZI.fields, Field("x", 16), Field("intensity", 20)), 24)
    message = cloud_message(layout, [(*point, 1000.0 + k, 2000.0) for k, point in enumerate(POINTS)])
    assert read(message).points.tolist() == [list(point) for point in POINTS]


@pytest.mark.parametrize("wire", [False, True], ids=["as built", "after CDR"])
@pytest.mark.parametrize("shape", [(0, 1), (1, 0), (0, 0), (0, 64)])
@pytest.mark.parametrize("has_fields", [True, False])
def test_a_cloud_without_points_is_an_empty_one(shape: tuple[int, int], has_fields: bool, wire: bool) -> None:
    message = PointCloud2(height=shape[0], width=shape[1])
    if has_fields:
        message.fields, message.point_step = cloud_message(XYZI, POINTS).fields, XYZI.step
    cloud = read(over_the_wire(message) if wire else message)
    assert cloud.points.shape == (0, 4) and cloud.points.dtype == np.float32
    assert cloud.brightest == 0.0


@pytest.mark.parametrize("nothing", [(NAN, NAN, NAN, NAN), (0.0, 0.0, 0.0, 1.0), (INF, 0.0, 1.0, 0.5)])
def test_a_cloud_without_an_echo_is_an_empty_one(nothing: tuple[float, ...]) -> None:
    assert read(cloud_message(XYZI, [nothing] * 4, height=2)).points.shape == (0, 4)


@pytest.mark.parametrize("dense", [False, True], ids=["honest", "is_dense lies"])
def test_points_without_an_echo_leave_an_organized_cloud(dense: bool) -> None:
    nothing = (NAN, NAN, NAN, 0.0)
    points = [POINTS[0], nothing, nothing, POINTS[1], nothing, POINTS[2]]
    message = cloud_message(VELODYNE["XYZIRT"], points, height=3, row_padding=2, dense=dense)
    assert read(message).points.tolist() == [list(point) for point in POINTS[:3]]


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_point_with_a_coordinate_that_is_not_finite_is_left_out(value: float, axis: int) -> None:
    bad = [1.0, 2.0, 3.0, 0.5]
    bad[axis] = value
    cloud = read(cloud_message(XYZI, [POINTS[0], bad, POINTS[1]]))
    assert cloud.points.tolist() == [list(POINTS[0]), list(POINTS[1])]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_an_intensity_that_is_not_finite_is_zero(value: float) -> None:
    cloud = read(cloud_message(XYZI, [(1.0, 2.0, 3.0, value), (4.0, 5.0, 6.0, 0.5)]))
    assert cloud.points.tolist() == [[1, 2, 3, 0], [4, 5, 6, 0.5]]
    assert cloud.brightest == 0.5


DOUBLES = Layout((Field("x", 0, F64), Field("y", 8, F64), Field("z", 16, F64), Field("intensity", 24, F64)), 32)


@pytest.mark.parametrize("bigendian", [False, True])
def test_double_coordinates_are_rounded_once(bigendian: bool) -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(0, 30, (20, 4))
    cloud = read(cloud_message(DOUBLES, points.tolist(), bigendian=bigendian))
    np.testing.assert_array_equal(cloud.points, points.astype(np.float32))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("value", [1e300, -1e300, 3.5e38])
def test_a_double_beyond_float32_leaves_its_point_out_without_a_warning(value: float, axis: int) -> None:
    bad = [1.0, 2.0, 3.0, 0.5]
    bad[axis] = value
    assert read(cloud_message(DOUBLES, [bad, POINTS[0]])).points.tolist() == [list(POINTS[0])]


@pytest.mark.parametrize(("datatype", "size"), [(U8, 1), (U16, 2)])
def test_integer_intensities_are_scaled(datatype: int, size: int) -> None:
    layout = Layout((*XYZI.fields[:3], Field("intensity", 12, datatype)), 12 + size)
    values = (0, 1, 128, 255)
    cloud = read(cloud_message(layout, [(1.0, 0.0, 0.0, value) for value in values]), scale=1 / 255)
    np.testing.assert_allclose(cloud.points[:, 3], np.array(values) / 255, rtol=1e-6)
    assert cloud.brightest == pytest.approx(1.0)


@pytest.mark.parametrize("datatype", CODES)
def test_every_datatype_serves_as_a_coordinate(datatype: int) -> None:
    size = struct.calcsize("<" + CODES[datatype])
    layout = Layout(tuple(Field(name, k * size, datatype) for k, name in enumerate("xyz")), 3 * size + 1)
    cloud = read(cloud_message(layout, [(1, 2, 3), (40, 50, 60)]))
    assert cloud.points[:, :3].tolist() == [[1, 2, 3], [40, 50, 60]]


@pytest.mark.parametrize("order", itertools.permutations(range(4)))
def test_fields_are_found_by_name_in_any_order(order: tuple[int, ...]) -> None:
    names = ("x", "y", "z", "intensity")
    layout = Layout(tuple(Field(names[k], 4 * place) for place, k in enumerate(order)), 17)
    message = cloud_message(layout, [[point[k] for k in order] for point in POINTS])
    assert read(message).points.tolist() == [list(point) for point in POINTS]


def test_the_order_of_the_field_list_need_not_be_that_of_the_bytes() -> None:
    message = cloud_message(VELODYNE["XYZIRT"], POINTS)
    message.fields = list(reversed(message.fields))
    assert read(message).points.tolist() == [list(point) for point in POINTS]


def test_the_intensity_may_have_another_name() -> None:
    fields = (*XYZI.fields, Field("reflectivity", 16, U16))
    message = cloud_message(Layout(fields, 18), [(*point, 100 + k) for k, point in enumerate(POINTS)])
    assert read(message, "reflectivity").points[:, 3].tolist() == [100, 101, 102, 103]


def test_a_missing_intensity_is_zero_and_said_to_be_missing() -> None:
    cloud = read(cloud_message(XYZI, POINTS), "reflectivity")
    assert not cloud.has_intensity
    assert cloud.brightest == 0
    assert cloud.points.tolist() == [[*point[:3], 0] for point in POINTS]


def test_bytes_after_the_last_point_do_no_harm() -> None:
    message = cloud_message(XYZI, POINTS)
    message.data.extend(b"\x00\xff\x7f")
    assert read(message).points.tolist() == [list(point) for point in POINTS]


def test_an_unorganized_cloud_may_leave_its_row_step_unset() -> None:
    message = cloud_message(XYZI, POINTS)
    message.row_step = 0
    assert len(read(message).points) == 4


def test_a_count_of_zero_means_one() -> None:
    message = cloud_message(XYZI, POINTS)
    message.fields[1].count = 0
    assert len(read(message).points) == 4


def random_layout(rng: np.random.Generator) -> Layout:
    """Return x, y, z, intensity and others, of any type, in any order, with gaps and at odd offsets."""
    names = ["x", "y", "z", "intensity", *("ring", "time", "tag")[: rng.integers(4)]]
    offset, fields = 0, []
    for name in rng.permutation(names):
        datatype = int(rng.choice(list(CODES)))
        offset += int(rng.integers(4))
        fields.append(Field(str(name), offset, datatype))
        offset += struct.calcsize("<" + CODES[datatype])
    return Layout(tuple(fields), offset + int(rng.integers(5)))


def random_message(rng: np.random.Generator) -> PointCloud2:
    """Return a message of random bytes, in which are NaNs, infinities and denormals of every type."""
    layout, height, width = random_layout(rng), int(rng.integers(1, 4)), int(rng.integers(60, 150))
    return PointCloud2(
        height=height,
        width=width,
        fields=[PointField(**field._asdict()) for field in layout.fields],
        is_bigendian=bool(rng.integers(2)),
        point_step=layout.step,
        row_step=width * layout.step,
        data=array.array("B", rng.bytes(height * width * layout.step)),
        is_dense=bool(rng.integers(2)),
    )


@pytest.mark.parametrize("seed", range(60))
def test_random_layouts_are_read_as_by_sensor_msgs_py(seed: int) -> None:
    message = random_message(np.random.default_rng(seed))
    rows = read_points(message, ["x", "y", "z", "intensity"]).reshape(-1)
    with np.errstate(all="ignore"):
        expected = np.stack([rows[name].astype(np.float32) for name in ("x", "y", "z", "intensity")], axis=1)
    expected = expected[np.isfinite(expected[:, :3]).all(axis=1) & (expected[:, :3] != 0).any(axis=1)]
    expected[~np.isfinite(expected[:, 3]), 3] = 0
    cloud = read(message)
    np.testing.assert_array_equal(cloud.points, expected)
    assert cloud.brightest == max(0.0, expected[:, 3].max())


def test_a_float_of_another_byte_order_is_not_taken_for_a_coordinate() -> None:
    message = cloud_message(XYZI, POINTS)
    message.is_bigendian = True
    swapped = np.frombuffer(message.data, ">f4").reshape(-1, 4)
    np.testing.assert_array_equal(read(message).points, swapped[np.isfinite(swapped).all(axis=1)])


def test_float32_coordinates_come_through_bit_by_bit() -> None:
    values = np.random.default_rng(9).normal(0, 30, (500, 4)).astype(np.float32)
    layout = Layout((Field("x", 1), Field("y", 5), Field("z", 9), Field("intensity", 13, F32)), 17)
    np.testing.assert_array_equal(read(cloud_message(layout, values.tolist())).points, values)

# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of the frames to play, without playing them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.frames import CROPPED, Frame, can_crop
from pointpillars_ov_ros.nodes.kitti_player.node import choose_frames
from pointpillars_ov_ros.ros.kitti_messages import FIELDS

FRAMES = [Frame(name, Path(f"/kitti/velodyne/{name}.bin")) for name in ("000001", "000002", "000134")]


@pytest.mark.parametrize("names", ["", " ", ",", " , ,"])
def test_without_names_all_frames_are_played(names: str) -> None:
    assert choose_frames(FRAMES, names) == FRAMES


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("000002", [1]),
        ("000134,000001", [2, 0]),
        (" 000001 , 000002 ", [0, 1]),
        ("000002,", [1]),
        ("000002,000002", [1, 1]),
    ],
)
def test_frames_are_played_by_name_in_the_order_given(names: str, expected: list[int]) -> None:
    assert choose_frames(FRAMES, names) == [FRAMES[k] for k in expected]


@pytest.mark.parametrize("names", ["1", "000003", "000001,000003", "000001 000002", "000001.bin"])
def test_a_frame_that_is_not_there_is_named(names: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        choose_frames(FRAMES, names)
    assert repr(names.split(",")[-1]) in str(refusal.value)
    assert "/kitti/velodyne" in str(refusal.value)


@pytest.mark.parametrize(
    ("folder", "calibration", "expected"),
    [
        ("velodyne", None, False),
        ("velodyne", Path("/kitti/calib/000001.txt"), True),
        (CROPPED, None, True),
        (CROPPED, Path("/kitti/calib/000001.txt"), True),
    ],
)
def test_a_frame_can_be_cropped_with_a_calibration_or_is_already(
    folder: str, calibration: Path | None, expected: bool
) -> None:
    assert can_crop(Frame("000001", Path("/kitti") / folder / "000001.bin", calibration=calibration)) is expected


def test_clouds_are_in_the_layout_of_velodyne_pointcloud() -> None:
    points = np.random.default_rng(3).normal(0, 20, (50, 4)).astype(np.float32)
    message = create_cloud(Header(frame_id="velodyne"), FIELDS, points)
    assert [(field.name, field.offset) for field in message.fields] == [("x", 0), ("y", 4), ("z", 8), ("intensity", 12)]
    assert bytes(message.data) == points.tobytes()
    np.testing.assert_array_equal(read_cloud(message, "intensity", 1.0).points, points)

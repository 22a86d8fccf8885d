# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov kitti_to_bag`: what is in the bag is what is in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.kitti.labels import lidar_boxes
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.bags.test_bag import rihs01
from test.kitti.files import calibration_text, label_line
from test.kitti.raw_drive import IMAGE_SIZE, PNG, write_drive

KINDS = {
    "/points": PointCloud2,
    "/ground_truth": Detection3DArray,
    "/tf_static": TFMessage,
    "/camera/camera_info": CameraInfo,
    "/camera/image_rect/compressed": CompressedImage,
}
STORAGES = ["mcap", "sqlite3"]


def write_objects(root: Path, frames: int) -> Path:
    """Write an object folder whose last frame has no labels, and another calibration."""
    for part in ("velodyne", "label_2", "calib"):
        (root / part).mkdir(parents=True)
    for number in range(frames):
        name, is_last = f"{number:06}", number == frames - 1
        points = np.random.default_rng(number).uniform((1, -5, -2, 0), (40, 5, 1, 1), (100, 4)).astype(np.float32)
        points.tofile(root / "velodyne" / f"{name}.bin")
        turned = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0], [1, 0, 0, 0.0]])
        (root / "calib" / f"{name}.txt").write_text(calibration_text(velo_to_cam=turned if is_last else None))
        if not is_last:
            lines = [label_line(), label_line("Pedestrian", location=(1.0, 1.7, 10.0)), label_line("DontCare")]
            (root / "label_2" / f"{name}.txt").write_text("\n".join(lines))
    return root


def kitti_to_bag(*arguments: object) -> int:
    return cli.main(["kitti_to_bag", *map(str, arguments)])


def read(bag: Path) -> list[tuple[str, int, Any]]:
    """Return topic, stamp (ns) and message of everything in a bag, after checking the hashes of its types."""
    with Reader(bag) as reader:
        for connection in reader.connections:
            assert connection.digest == rihs01(connection.msgtype)
        return [(c.topic, stamp, deserialize_message(raw, KINDS[c.topic])) for c, stamp, raw in reader.messages()]


def of(topic: str, messages: list[tuple[str, int, Any]]) -> list[Any]:
    return [message for name, _, message in messages if name == topic]


@pytest.mark.parametrize("storage", STORAGES)
def test_clouds_labels_and_stamps_of_an_object_folder(tmp_path: Path, storage: str) -> None:
    folder, bag = write_objects(tmp_path / "kitti", 3), tmp_path / "bag"
    assert kitti_to_bag("--data", folder, "--out", bag, "--storage", storage, "--rate", 4) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "kitti"], "something unfinished is left"
    messages, frames = read(bag), find_frames(folder)
    clouds = of("/points", messages)
    for cloud, frame in zip(clouds, frames, strict=True):
        np.testing.assert_array_equal(read_cloud(cloud, "intensity", 1.0).points, frame.read_points())
    stamps = [stamp for topic, stamp, _ in messages if topic == "/points"]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 250_000_000, 500_000_000]
    assert [cloud.header.stamp.sec * 10**9 + cloud.header.stamp.nanosec for cloud in clouds] == stamps
    truths = of("/ground_truth", messages)
    assert [truth.header for truth in truths] == [cloud.header for cloud in clouds[:2]]
    objects, calibration = frames[0].read_labels(), frames[0].read_calibration()
    assert objects is not None and calibration is not None
    boxes = from_detection_array(truths[0], ("Car", "Pedestrian"))
    np.testing.assert_allclose(boxes.boxes, lidar_boxes(objects[:2], calibration), atol=1e-5)
    np.testing.assert_array_equal(boxes.labels, [0, 1])


@pytest.mark.parametrize("raw", [False, True])
def test_transforms_and_camera_info_take_a_point_to_the_pixel_that_the_calibration_does(
    tmp_path: Path, raw: bool
) -> None:
    folder = write_drive(tmp_path / "day", 2) if raw else write_objects(tmp_path / "kitti", 3)
    assert kitti_to_bag("--data", folder, "--out", tmp_path / "bag") == 0
    messages, frames = read(tmp_path / "bag"), find_frames(folder)
    transforms = [message.transforms[0] for message in of("/tf_static", messages)]
    assert [t.child_frame_id for t in transforms] == ["velodyne", "camera_optical"] + ["camera_optical"] * (not raw)
    assert transforms[0].header.frame_id == "base_link" and transforms[0].transform.translation.z == 1.73
    points = np.array([(10.0, 1.0, -1.0), (20.0, -4.0, 0.5)])
    for transform, info, frame in zip(
        (transforms[1], transforms[-1]),
        np.take(of("/camera/camera_info", messages), [0, -1]),
        (frames[0], frames[-1]),
        strict=True,
    ):
        calibration = frame.read_calibration()
        assert calibration is not None
        pixels = (
            points @ calibration.T_camera_lidar[:3, :3].T + calibration.T_camera_lidar[:3, 3]
        ) @ calibration.projection[:, :3].T + calibration.projection[:, 3]
        seen = in_camera(points, transform.transform) @ info.k.reshape(3, 3).T
        np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], pixels[:, :2] / pixels[:, 2:], atol=1e-6)
        assert (info.width, info.height) == (IMAGE_SIZE if raw else (1242, 375))
        np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3].ravel(), info.k)


def in_camera(points: np.ndarray, transform: Any) -> np.ndarray:
    """Transform points from the parent frame to the child frame, by quaternions."""
    q, t = transform.rotation, transform.translation
    axis, moved = np.array([q.x, q.y, q.z]), points - (t.x, t.y, t.z)
    twice = 2 * np.cross(-axis, moved)
    return np.asarray(moved + q.w * twice + np.cross(-axis, twice))


def test_a_raw_drive_keeps_its_times_and_its_images_byte_for_byte(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / "day", 3)
    assert kitti_to_bag("--data", drive, "--out", tmp_path / "bag") == 0
    messages = read(tmp_path / "bag")
    start = 1_317_042_145 * 10**9
    expected = [start + k * 10**8 + 30_337 for k in (0, 2, 3)]
    assert [stamp for topic, stamp, _ in messages if topic == "/points"] == expected
    images = [(stamp, m) for topic, stamp, m in messages if topic == "/camera/image_rect/compressed"]
    assert [stamp for stamp, _ in images] == [stamp - 30_000 for stamp in expected]
    assert all(bytes(image.data) == PNG and image.format == "png" for _, image in images)
    assert [stamp for _, stamp, _ in messages] == sorted(stamp for _, stamp, _ in messages)


def test_times_that_end_too_early_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = write_drive(tmp_path / "day", 3)
    times = drive / "velodyne_points" / "timestamps.txt"
    times.write_text("".join(times.read_text().splitlines(keepends=True)[:3]))
    assert kitti_to_bag("--data", drive, "--out", tmp_path / "bag") == 1
    assert capsys.readouterr().err.endswith(f"error: {times}: none of the 3 lines is that of frame 0000000003\n")
    assert not (tmp_path / "bag").exists()


def test_a_bag_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_objects(tmp_path / "kitti", 1)
    (tmp_path / "bag").mkdir()
    assert kitti_to_bag("--data", folder, "--out", tmp_path / "bag") == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'bag'} already exists")
    assert list((tmp_path / "bag").iterdir()) == []


def test_crop_keeps_what_the_camera_sees_and_needs_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_objects(tmp_path / "kitti", 2)
    assert kitti_to_bag("--data", folder, "--out", tmp_path / "bag", "--crop") == 0
    (cloud, _), (frame, _) = of("/points", read(tmp_path / "bag")), find_frames(folder)
    assert 0 < cloud.width == len(frame.read_points(crop=True)) < len(frame.read_points())
    (folder / "calib" / "000001.txt").unlink()
    assert kitti_to_bag("--data", folder, "--out", tmp_path / "other", "--crop") == 1
    assert "000001.bin lacks a calibration" in capsys.readouterr().err


def test_frames_without_times_need_no_number_for_a_name(tmp_path: Path) -> None:
    points = np.ones((3, 4), np.float32)
    points.tofile(tmp_path / "a.bin")
    assert kitti_to_bag("--data", tmp_path, "--out", tmp_path / "bag") == 0
    assert [topic for topic, _, _ in read(tmp_path / "bag")] == ["/tf_static", "/points"]


def test_a_raw_frame_without_a_number_for_a_name_is_named(tmp_path: Path) -> None:
    from pointpillars_ov_ros.bags.from_kitti import kitti_messages

    drive = write_drive(tmp_path / "day", 1)
    data = drive / "velodyne_points" / "data"
    (data / "0000000000.bin").rename(data / "best.bin")
    with pytest.raises(DatasetError, match=r"none of the 2 lines is that of frame best$"):
        list(kitti_messages(find_frames(drive), 10.0, crop=False))

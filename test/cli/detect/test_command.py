# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect` as a newcomer calls it: on whatever file there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.detect.run import count_inside, move_boxes
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.synthetic import Drive
from test.bags.bags import cloud, write_bag
from test.clouds.cloud_files import pcd_bytes, ply_bytes
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

Capture = pytest.CaptureFixture[str]
WITHOUT_ROS = """
import sys
for name in ("rclpy", "ament_index_python", "builtin_interfaces", "geometry_msgs", "sensor_msgs", "sensor_msgs_py",
             "std_msgs", "tf2_msgs", "vision_msgs", "visualization_msgs"):
    sys.modules[name] = None
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("model"))


def detect(bundle: ModelBundle, out: Path, *arguments: object) -> dict[str, Any]:
    """Run the command, and return its JSON."""
    given = ("detect", *arguments, "--model", bundle.folder, "--score-threshold", 0.3, "--json", out / "boxes.json")
    assert cli.main([str(argument) for argument in given]) == 0
    report: dict[str, Any] = json.loads((out / "boxes.json").read_text())
    return report


def boxes_of(found: dict[str, Any]) -> list[list[float]]:
    return [[*one["center"], *one["size"], one["yaw"], one["score"]] for one in found["detections"]]


def write_files(folder: Path) -> dict[str, Path]:
    """Write one cloud as every kind of file; return the paths by kind."""
    points = toy_cloud(3)
    content = {
        "a.bin": points.tobytes(),
        "ascii.pcd": pcd_bytes(points.tolist()),
        "binary.pcd": pcd_bytes(points.tolist(), form="binary"),
        "compressed.pcd": pcd_bytes(points.tolist(), form="binary_compressed"),
        "a.ply": ply_bytes(points.tolist(), form="binary_little_endian"),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    np.save(folder / "a.npy", points)
    return {name: folder / name for name in (*content, "a.npy")}


def test_every_kind_of_file_has_the_same_boxes(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    files = write_files(tmp_path)
    report = detect(bundle, tmp_path, *files.values())
    assert [found["name"] for found in report["clouds"]] == [path.stem for path in files.values()]
    first = boxes_of(report["clouds"][0])
    assert first and all(row[-1] >= 0.3 for row in first)
    for found in report["clouds"][1:]:
        np.testing.assert_allclose(boxes_of(found), first, rtol=1e-5)
    printed = capsys.readouterr().out
    assert "60 points" in printed and "object" in printed and "points" in printed
    assert f"in {len(files)} clouds; " in printed


def test_a_bag_and_a_folder_are_read(bundle: ModelBundle, tmp_path: Path) -> None:
    folder = tmp_path / "clouds"
    folder.mkdir()
    for number in range(3):
        toy_cloud(number).tofile(folder / f"{number}.bin")
    bag = write_bag(tmp_path / "bag", [cloud(toy_cloud(number), number) for number in range(3)], "mcap")
    of_files, of_bag = (detect(bundle, tmp_path, path)["clouds"] for path in (folder, bag))
    assert len(of_files) == len(of_bag) == 3
    for one, other in zip(of_files, of_bag, strict=True):
        np.testing.assert_allclose(boxes_of(one), boxes_of(other), rtol=1e-4)
    assert len(detect(bundle, tmp_path, folder, "--frames", 2)["clouds"]) == 2


def test_clouds_of_a_bag_that_cannot_be_read_are_refused_by_name(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture
) -> None:
    short, flat = cloud(toy_cloud(0), 0), cloud(toy_cloud(1), 1)
    short.data = short.data[:-3]
    flat.fields = flat.fields[1:]
    bag = write_bag(tmp_path / "bag", [short, cloud(toy_cloud(2), 2), flat, b"\0\1\0\0"], "mcap")
    clouds = detect(bundle, tmp_path, bag)["clouds"]
    assert [bool(one["detections"]) for one in clouds] == [False, True, False, False]
    assert [one["notes"][0].partition(":")[0] for one in (clouds[0], clouds[2], clouds[3])] == ["refused"] * 3
    assert "there is no 'x'; the fields are" in capsys.readouterr().out


def test_files_of_nuscenes_are_turned_as_the_note_says(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    """With the pose, a cloud in nuScenes' axes yields the boxes of the cloud in ours, rotated to those axes."""
    points, turned = toy_cloud(3), toy_cloud(3)
    turned[:, 0], turned[:, 1] = -points[:, 1], points[:, 0]
    points.tofile(tmp_path / "ours.bin")
    turned.tofile(tmp_path / "theirs.pcd.bin")
    (ours,) = detect(bundle, tmp_path, tmp_path / "ours.bin")["clouds"]
    assert "--sensor-pose" not in capsys.readouterr().out
    pose = ("--sensor-pose", 0, 0, 0, 0, 0, -1.5707963)
    (theirs,) = detect(bundle, tmp_path, tmp_path / "theirs.pcd.bin", *pose)["clouds"]
    assert "--sensor-pose 0 0 0 0 0 -1.5708" in capsys.readouterr().out
    wanted, found = np.array(boxes_of(ours)), np.array(boxes_of(theirs))
    assert len(wanted) == len(found) > 0
    np.testing.assert_allclose(found[:, 0], -wanted[:, 1], atol=1e-3)
    np.testing.assert_allclose(found[:, 1], wanted[:, 0], atol=1e-3)
    np.testing.assert_allclose(np.cos(found[:, 6] - wanted[:, 6] - np.pi / 2), 1.0, atol=1e-5)


def test_pictures_of_one_cloud_and_of_many_are_drawn(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    files = write_files(tmp_path)
    detect(bundle, tmp_path, files["a.bin"], "--picture", tmp_path / "one.png")
    detect(bundle, tmp_path, files["a.bin"], files["ascii.pcd"], files["a.npy"], "--picture", tmp_path / "many")
    drawn = [tmp_path / "one.png", *sorted((tmp_path / "many").iterdir())]
    assert [path.name for path in drawn] == ["one.png", "a (3).png", "a.png", "ascii.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert f"picture  {tmp_path / 'one.png'}" in capsys.readouterr().out


def test_a_cloud_without_points_has_no_boxes_and_says_so(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty.bin").write_bytes(b"")
    np.full((20, 4), np.nan, np.float32).tofile(tmp_path / "nan.bin")
    report = detect(bundle, tmp_path, tmp_path / "empty.bin", tmp_path / "nan.bin")
    assert [found["detections"] for found in report["clouds"]] == [[], []]
    printed = capsys.readouterr().out
    assert printed.count("nothing found") == 2
    assert printed.count("no valid point") == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("missing.pcd",), "missing.pcd: no such file or folder"),
        (("notes.txt",), "notes.txt: clouds are read from .bin, .pcd, .npy, .ply, .mcap, .db3, .bag files"),
        (("pointer.pcd",), "pointer.pcd is a Git LFS pointer"),
        (("hollow",), "hollow: no cloud"),
        (("a.bin", "--classes", "Tram"), "classes: 'Tram' is not one of"),
        (("a.bin", "--class-names", "Tram=rail"), "class_names: 'Tram' is not one of the model's classes"),
        (("a.bin", "--class-names", "Car"), "class_names: 'Car' is not NAME=NEW_NAME"),
        (("a.bin", "--min-range", "9", "--max-range", "8"), "min_range: 9 is not below max_range, 8"),
        (("a.bin", "--ego-box", "1", "0", "0", "0", "1", "1"), "ego_box: [1.0, 0.0, 0.0, 0.0, 1.0, 1.0] is not"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], reason: str
) -> None:
    write_files(tmp_path)
    (tmp_path / "hollow").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "pointer.pcd").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n")
    given = ["detect", str(tmp_path / arguments[0]), *arguments[1:], "--model", str(bundle.folder)]
    assert cli.main(given) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert reason in line


@pytest.mark.parametrize("text", ["x,y", "2", "x;y;z"])
def test_columns_that_are_none_are_refused_with_the_flag(capsys: Capture, text: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["detect", "a.bin", "--columns", text])
    assert "--columns" in capsys.readouterr().err


def test_the_bundled_model_finds_cars_without_ros_and_says_what_is_odd(tmp_path: Path) -> None:
    """Run in a process that cannot import ROS: a simulated street, unchanged and in millimetres."""
    frame = next(iter(Drive("hdl_64e", 0, 1)))
    (tmp_path / "street.pcd").write_bytes(pcd_bytes(frame.points.tolist(), form="binary"))
    (frame.points * np.array([1000, 1000, 1000, 255], np.float32)).tofile(tmp_path / "millimetres.bin")
    code = f"{WITHOUT_ROS}from pointpillars_ov_ros.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    given = ["detect", "street.pcd", "millimetres.bin", "--json", "boxes.json"]
    command = [sys.executable, "-c", code, *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "as if they were in millimetres: set --coordinate-scale 0.001" in done.stdout
    assert "intensities range from 0 to 255" in done.stdout
    found, nothing = json.loads((tmp_path / "boxes.json").read_text())["clouds"]
    assert nothing["detections"] == []
    cars = np.array([one["center"] for one in found["detections"] if one["class"] == "Car"])
    labelled = frame.labels.boxes[np.array(frame.labels.names) == "Car"]
    labelled = labelled[(frame.labels.points[np.array(frame.labels.names) == "Car"] >= 50) & (labelled[:, 0] > 2.0)]
    near = labelled[np.hypot(labelled[:, 0], labelled[:, 1]) < 30.0]
    assert len(near)
    hits = [np.hypot(*(cars[:, :2] - box[:2]).T).min() < 1.0 for box in near]
    assert np.mean(hits) >= 0.5


def test_a_bag_needs_no_ros_and_its_scale_can_be_told(bundle: ModelBundle, tmp_path: Path) -> None:
    """In a process that cannot import ROS: MCAP and sqlite3 in millimetres, and the same cloud as a file."""
    points = toy_cloud(3)
    points.tofile(tmp_path / "a.bin")
    (folder := tmp_path / "of_file").mkdir()
    expected = boxes_of(detect(bundle, folder, tmp_path / "a.bin")["clouds"][0])
    scaled = points * np.array([1000, 1000, 1000, 1], np.float32)
    bags = [write_bag(tmp_path / storage, [cloud(scaled, 0)], storage) for storage in ("mcap", "sqlite3")]
    given = ["detect", *bags, "--coordinate-scale", 0.001, "--json", tmp_path / "boxes.json"]
    code = WITHOUT_ROS + "from pointpillars_ov_ros.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    flags = ["--model", bundle.folder, "--score-threshold", 0.3]
    command = [sys.executable, "-c", code, *map(str, (*given, *flags))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "boxes.json").read_text())["clouds"]
    assert [one["name"] for one in found] == ["mcap 0", "sqlite3 0"]
    for one in found:
        np.testing.assert_allclose(boxes_of(one), expected, atol=1e-3)


def test_classes_ranges_and_the_own_vehicle_are_as_the_flags_say(bundle: ModelBundle, tmp_path: Path) -> None:
    points = toy_cloud(5)
    points.tofile(tmp_path / "a.bin")
    (every,) = detect(bundle, tmp_path, tmp_path / "a.bin")["clouds"]
    distances = [float(np.hypot(*one["center"][:2])) for one in every["detections"]]
    nearest, farthest = np.quantile(distances, (0.3, 0.7)).tolist()
    flags = ("--class-names", "Car=vehicle, Pedestrian=vehicle", "--min-range", nearest, "--max-range", farthest)
    (some,) = detect(bundle, tmp_path, tmp_path / "a.bin", *flags)["clouds"]
    inside = [nearest <= distance <= farthest for distance in distances]
    assert 0 < sum(inside) < len(inside)
    assert [one["center"] for one in some["detections"]] == [
        one["center"] for one, is_inside in zip(every["detections"], inside, strict=True) if is_inside
    ]
    assert {one["class"] for one in some["detections"]} == {"vehicle"}
    box = (0.25, -0.75, -3.5, 1.5, 0.75, 1.5)
    is_own = ((points[:, :3] >= box[:3]) & (points[:, :3] <= box[3:])).all(axis=1)
    (cut,) = detect(bundle, tmp_path, tmp_path / "a.bin", "--ego-box", *box)["clouds"]
    assert cut["points"] == (~is_own).sum() < len(points)
    points[~is_own].tofile(tmp_path / "cut.bin")
    assert boxes_of(cut) == boxes_of(detect(bundle, tmp_path, tmp_path / "cut.bin")["clouds"][0])


def test_boxes_are_moved_to_another_frame_and_back() -> None:
    boxes = np.array([(10, 2, -1, 4, 1.6, 1.5, 0.3), (5, -3, -1, 0.8, 0.6, 1.7, -2.0)], np.float32)
    pose = Transform.from_pose(1.0, 2.0, 0.5, 0.0, 0.0, 2.0)
    there = move_boxes(boxes, pose)
    np.testing.assert_allclose(there[:, 6], [2.3, 0.0], atol=1e-6)
    np.testing.assert_allclose(move_boxes(there, pose.inverse), boxes, atol=1e-5)


def test_points_in_a_box_are_counted() -> None:
    box = np.array((10, 0, 0, 4, 2, 1, np.pi / 2), np.float32)
    points = [(10, 1.9, 0, 0), (10, 2.1, 0, 0), (10.9, 0, 0.4, 0), (11.1, 0, 0, 0), (10, 0, 0.6, 0)]
    assert count_inside(np.array(points, np.float32), np.array([box, box], np.float32)) == (2, 2)

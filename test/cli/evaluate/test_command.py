# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov evaluate` as a person calls it: on result files, a model, a bag; and on what is broken."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.evaluate.plot import draw_curves
from pointpillars_ov_ros.cli.evaluate.report import FEW_OBJECTS, few_objects, format_ap, format_counts
from pointpillars_ov_ros.cli.evaluate.sources import CameraView, read_cloud
from pointpillars_ov_ros.config.files import write_whole
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.calibration import read_calibration
from pointpillars_ov_ros.kitti.evaluation import Curve
from pointpillars_ov_ros.kitti.evaluation_rules import Metric
from pointpillars_ov_ros.kitti.frames import Frame
from pointpillars_ov_ros.kitti.labels import format_result
from pointpillars_ov_ros.ros.conversions import to_detection_array
from test.kitti.files import calibration_text, label_line
from test.kitti.scenes import an_object, random_frames
from test.reference import kitti_ap as slow
from test.shared_data import KITTI, KITTI_CAR, needs_shared_data

Capture = pytest.CaptureFixture[str]
Folders = tuple[Path, Path]
"""Folders of labels and of results."""


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_files(folder: Path, frames: Any, fields: int) -> Path:
    """Write label or result files 000000.txt, 000001.txt …"""
    for number, frame in enumerate(frames):
        lines = [" ".join(format_result(one).split()[:fields]) for one in frame]
        write(folder / f"{number:06d}.txt", "".join(f"{line}\n" for line in lines))
    return folder


def evaluate(*arguments: object) -> int:
    return cli.main(["evaluate", *map(str, arguments)])


def error_of(capture: Capture, *arguments: object) -> str:
    """Run a command that must fail; return its one line without the prefix."""
    assert evaluate(*arguments) == 1
    lines = [line for line in capture.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("error: ")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Return a folder of labels and one of results."""
    truth, found = random_frames(np.random.default_rng(0), 20)
    return write_files(tmp_path / "label_2", truth, 15), write_files(tmp_path / "results", found, 16)


def test_result_files_are_scored_printed_and_written(tmp_path: Path, folders: Folders, capsys: Capture) -> None:
    labels, results = folders
    report, picture = tmp_path / "new" / "report.json", tmp_path / "new" / "curves.png"
    assert evaluate("--results", results, "--labels", labels, "--json", report, "--picture", picture, "--loose") == 0
    printed = capsys.readouterr().out
    for words in ("R40 easy", "R11 hard", "Car 2D", "Pedestrian AOS", "Cyclist BEV", "Car 3D", "20 frames"):
        assert words in printed
    assert "warning: few objects (" in printed
    document = json.loads(report.read_text())
    assert (document["frames"], len(document["curves"])) == (20, 54)
    truth, found = random_frames(np.random.default_rng(0), 20)
    for curve in document["curves"]:
        expected = slow.precisions(
            truth, found, curve["class"], curve["metric"], curve["difficulty"], curve["IoU above"]
        )
        assert curve["AP R40 (%)"] == pytest.approx(slow.ap_r40(expected), abs=1e-6)
        assert curve["AP R11 (%)"] == pytest.approx(slow.ap_r11(expected), abs=1e-6)
        text = f"{curve['AP R40 (%)']:.2f}"
        assert text in printed
    assert [(one["class_name"], one["score"]) for one in document["found"]] == [
        (name, score) for name in ("Car", "Pedestrian", "Cyclist") for score in (0.3, 0.5)
    ]
    for one in document["found"]:
        numbers = " +".join(str(one[name]) for name in ("found", "missed", "false"))
        assert re.search(rf"{one['class_name']} at score {one['score']:g} or more +{numbers} ", printed)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert sorted(path.name for path in report.parent.iterdir()) == ["curves.png", "report.json"]


def test_labels_of_the_object_set_and_results_in_data_are_found(folders: Folders, tmp_path: Path) -> None:
    labels, results = folders
    shutil.move(results, tmp_path / "submission" / "data")
    assert labels.parent == tmp_path
    assert evaluate("--results", tmp_path / "submission", "--labels", tmp_path) == 0


def test_classes_without_a_detection_are_not_scored_and_named(tmp_path: Path, capsys: Capture) -> None:
    labels = write_files(tmp_path / "labels", [[an_object("Car"), an_object("Cyclist")]] * 3, 15)
    results = write_files(tmp_path / "results", [[an_object("car", score=0.5, size=(1.5, 1.6, 3.9))]] * 3, 16)
    assert evaluate("--results", results, "--labels", labels) == 0
    printed = capsys.readouterr().out
    assert "note: no detections of Pedestrian, Cyclist" in printed
    assert "Cyclist BEV" not in printed and "Car BEV" in printed


def test_frames_can_be_chosen_by_a_split_and_by_number(tmp_path: Path, folders: Folders, capsys: Capture) -> None:
    labels, results = folders
    split = write(tmp_path / "val.txt", "000003\n000001\n000007\n")
    assert evaluate("--results", results, "--labels", labels, "--split", split) == 0
    printed = capsys.readouterr().out
    assert "; 3 frames" in printed
    assert "note: 17 of 20 label files are not among the frames scored" in printed
    assert evaluate("--results", results, "--labels", labels, "--frames", 5) == 0
    assert "; 5 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--model"],
        ["--results"],
        ["--labels"],
        ["--model", "--labels"],
        ["--model", "--data", "--results"],
        ["--model", "--data", "--results", "--labels"],
        ["--results", "--labels", "--bag"],
    ],
    ids=" ".join,
)
def test_one_thing_to_score_is_asked_for(given: list[str], capsys: Capture) -> None:
    message = error_of(capsys, *(word for flag in given for word in (flag, "somewhere")))
    assert message.startswith("evaluate needs one thing to score: ")


def test_results_that_are_given_are_not_written_anew(capsys: Capture) -> None:
    message = error_of(capsys, "--results", "a", "--labels", "b", "--write-results", "c")
    assert message == "--write-results writes the detections of a model, so it needs --data"


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("label_2/000004.txt", label_line().rsplit(" ", 1)[0], "{path}:1: a label has 15 fields, but this line has 14"),
        (
            "label_2/000004.txt",
            label_line(rotation_y=float("nan")),
            "{path}:1: this line contains a number that is not finite ",
        ),
        (
            "label_2/000004.txt",
            label_line().replace("100", "left"),
            "{path}:1: this line contains something that is not a number",
        ),
        ("results/000004.txt", label_line(), "{path}:1: a result has 16 fields, but this line has 15"),
        ("results/000004.txt", label_line() + " nan", "{path}:1: this line contains a number that is not finite"),
    ],
)
def test_a_broken_line_is_named_with_its_file(
    tmp_path: Path, folders: Folders, capsys: Capture, file: str, line: str, message: str
) -> None:
    labels, results = folders
    path = write(tmp_path / file, line + "\n")
    report = tmp_path / "report.json"
    given = ("--results", results, "--labels", labels, "--json", report)
    assert error_of(capsys, *given).startswith(message.format(path=path))
    assert not report.exists()


@pytest.mark.parametrize(("missing", "what"), [("label_2", "label"), ("results", "result")])
def test_a_folder_without_files_is_named(
    tmp_path: Path, folders: Folders, capsys: Capture, missing: str, what: str
) -> None:
    labels, results = folders
    for path in (tmp_path / missing).iterdir():
        path.unlink()
    message = error_of(capsys, "--results", results, "--labels", labels)
    assert message.startswith(f"{tmp_path / missing}: no .txt {what} file there")


@pytest.mark.parametrize("side", ["label_2", "results"])
def test_a_frame_without_its_file_is_named(tmp_path: Path, folders: Folders, capsys: Capture, side: str) -> None:
    labels, results = folders
    split = write(tmp_path / "val.txt", "000001 000002")
    (tmp_path / side / "000002.txt").unlink()
    message = error_of(capsys, "--results", results, "--labels", labels, "--split", split)
    assert message == f"{tmp_path / side}: 000002.txt is missing, but it is one of 2 frames to score"


def test_results_without_a_class_of_kitti_are_refused(tmp_path: Path, capsys: Capture) -> None:
    labels = write_files(tmp_path / "labels", [[an_object("Car")]], 15)
    results = write_files(tmp_path / "results", [[an_object("Truck", score=0.5)]], 16)
    message = error_of(capsys, "--results", results, "--labels", labels)
    assert message == f"{results}: no Car, Pedestrian, Cyclist among the detections of 1 frame"


def dataset(folder: Path, label: str | None, calibration: str | None) -> Path:
    """Write a split with two clouds, the second without anything to it."""
    for name in ("000000", "000001"):
        write(folder / "velodyne" / f"{name}.bin", "\0" * 16)
    for place, text in (("label_2", label), ("calib", calibration)):
        if text is not None:
            write(folder / place / "000000.txt", text)
    return folder


@pytest.mark.parametrize(
    ("label", "calibration", "message"),
    [
        (None, calibration_text(), "{data}: none of 2 frames has labels (label_2/NAME.txt)"),
        (label_line(), None, "{data}/calib/000000.txt is missing, and frame 000000 cannot be scored without it"),
        ("Car 1 2", calibration_text(), "{data}/label_2/000000.txt:1: a label has 15 fields, but this line has 3"),
    ],
)
def test_a_dataset_that_cannot_be_scored_is_one_sentence(
    tmp_path: Path, capsys: Capture, label: str | None, calibration: str | None, message: str
) -> None:
    data = dataset(tmp_path / "data", label, calibration)
    assert error_of(capsys, "--model", tmp_path, "--data", data) == message.format(data=data)


def test_a_split_with_a_frame_that_is_not_labelled_is_refused(tmp_path: Path, capsys: Capture) -> None:
    data = dataset(tmp_path / "data", label_line(), calibration_text())
    for name in ("000001", "000009"):
        split = write(tmp_path / "val.txt", f"000000\n{name}\n")
        message = error_of(capsys, "--model", tmp_path, "--data", data, "--split", split)
        assert message == f"{data}: frame {name} of {split} lacks its cloud or its labels"


def test_labels_are_not_overwritten_with_results(tmp_path: Path, capsys: Capture) -> None:
    data = dataset(tmp_path / "data", label_line(), calibration_text())
    given = ("--model", tmp_path, "--data", data, "--write-results", data / "label_2")
    assert error_of(capsys, *given).endswith("holds 000000.txt, which is not a result file; it is left unchanged")


@needs_shared_data
def test_a_model_is_scored_on_labelled_frames_and_its_results_score_the_same(tmp_path: Path, capsys: Capture) -> None:
    results, report, again = tmp_path / "results", tmp_path / "report.json", tmp_path / "again.json"
    given = ("--model", KITTI_CAR, "--data", KITTI, "--precision", "f32", "--encoder", "host")
    assert evaluate(*given, "--write-results", results, "--json", report) == 0
    printed = capsys.readouterr().out
    for words in (
        "16 frames",
        "treated as smallmunich_car",
        "image size of 16 frames assumed to be 1242 x 375",
        "RPN f32",
    ):
        assert words in printed
    assert evaluate("--results", results, "--labels", KITTI, "--json", again) == 0
    first, second = (json.loads(path.read_text()) for path in (report, again))
    assert first["curves"] == second["curves"]
    by_name = {(c["metric"], c["difficulty"]): c for c in first["curves"]}
    assert [by_name["bev", level]["objects"] for level in ("easy", "moderate", "hard")] == [15, 39, 54]
    assert by_name["bev", "hard"]["AP R40 (%)"] > 65
    assert by_name["3d", "hard"]["AP R40 (%)"] > 50
    assert by_name["2d", "hard"]["AP R40 (%)"] > by_name["aos", "hard"]["AP R40 (%)"] > 60


@pytest.mark.parametrize(
    ("folder", "crop", "kept"),
    [("velodyne", True, [0]), ("velodyne", False, [0, 1, 2]), ("velodyne_reduced", True, [0, 1, 2])],
)
def test_whole_clouds_are_cropped_to_what_the_camera_sees(
    tmp_path: Path, folder: str, crop: bool, kept: list[int]
) -> None:
    """One of three points is ahead, one behind, one at the right border, visible only in a wider image."""
    points = np.array([(20, 0, 0, 0.5), (-20, 0, 0, 0.5), (20, -17, 0, 0.5)], np.float32)
    cloud, calibration = tmp_path / folder / "000000.bin", write(tmp_path / "calib.txt", calibration_text())
    cloud.parent.mkdir()
    cloud.write_bytes(points.tobytes())
    view = CameraView(Frame("000000", cloud), read_calibration(calibration), (1190, 375))
    np.testing.assert_array_equal(read_cloud(view, crop), points[kept])
    wider = view._replace(image_size=(1242, 375))
    assert len(read_cloud(wider, crop=True)) == (2 if folder == "velodyne" else 3)


def message_of(boxes: npt.NDArray[np.float32], names: list[str], stamp: int, score: float = 1.0) -> bytes:
    classes = tuple(dict.fromkeys(names))
    labels = np.array([classes.index(name) for name in names], np.int32)
    detections = Detections(boxes, np.full(len(boxes), score, np.float32), labels)
    return serialize_message(to_detection_array(detections, classes, Header(stamp=Time(sec=stamp))))


def write_bag(folder: Path, topics: dict[str, dict[int, bytes]]) -> Path:
    """Write a bag of Detection3DArrays, by topic and stamp."""
    with BagWriter(folder) as bag:
        for topic, messages in topics.items():
            bag.add_topic(topic, "vision_msgs/msg/Detection3DArray", latched=False)
            for stamp, data in messages.items():
                bag.write(topic, stamp, data)
    return folder


def test_a_bag_with_ground_truth_is_scored_from_above_and_in_volume(tmp_path: Path, capsys: Capture) -> None:
    """80 clouds with a car and a van: 60 cars are found, every van is too, and 20 false ones come first.

    By hand: at k / 40, k up to 30, 2k of 2k + 20 are right: 60 / 80 at the best. R40 is 30 * 0.75 / 40.
    """
    car, van, away = (np.array([[x, y, -0.8, 4.0, 1.6, 1.5, 0.3]], np.float32) for x, y in ((10, 0), (20, 5), (30, 9)))
    truth = {k: message_of(np.vstack([car, van]), ["Car", "Van"], k) for k in range(81)}
    found = {}
    for k in range(80):
        rows = [row for row, wanted in ((car, k < 60), (van, True)) if wanted]
        found[k] = message_of(np.vstack(rows), ["Car"] * len(rows), k, 0.5)
    for k in range(20):
        found[k] = message_of(np.vstack([car, away]), ["Car", "Car"], k, 0.5)
    bag = write_bag(tmp_path / "bag", {"/ground_truth": truth, "/detector/detections": found})
    report = tmp_path / "report.json"
    assert evaluate("--bag", bag, "--json", report) == 0
    printed = capsys.readouterr().out
    assert "a bag has no images: only BEV and 3D" in printed
    assert "1 of 81 labelled clouds are not among those scored" in printed
    curves = {curve["metric"]: curve for curve in json.loads(report.read_text())["curves"]}
    assert set(curves) == {"bev", "3d"}
    for curve in curves.values():
        assert (curve["objects"], curve["difficulty"]) == (80, "all")
        assert curve["AP R40 (%)"] == pytest.approx(30 * 0.75 / 40 * 100)


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        ({"/detections": ["Car"]}, "no topic ground_truth of vision_msgs/msg/Detection3DArray"),
        ({"/ground_truth": ["Car"]}, "no topic detections of vision_msgs/msg/Detection3DArray"),
        ({"/ground_truth": ["Car"], "/detections": ["Dog"]}, "no Car, Pedestrian, Cyclist among the detections of "),
    ],
)
def test_a_bag_that_cannot_be_scored_is_one_sentence(
    tmp_path: Path, capsys: Capture, topics: dict[str, list[str]], message: str
) -> None:
    box = np.array([[10, 0, -0.8, 4.0, 1.6, 1.5, 0.3]], np.float32)
    bag = write_bag(tmp_path / "bag", {topic: {7: message_of(box, names, 7)} for topic, names in topics.items()})
    assert error_of(capsys, "--bag", bag).startswith(f"{bag}: {message}")


def test_a_bag_whose_stamps_do_not_meet_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    box = np.array([[10, 0, -0.8, 4.0, 1.6, 1.5, 0.3]], np.float32)
    stamps = {"/ground_truth": 1, "/detections": 2}
    bag = write_bag(tmp_path / "bag", {topic: {s: message_of(box, ["Car"], s)} for topic, s in stamps.items()})
    assert error_of(capsys, "--bag", bag) == f"{bag}: no message on detections has the stamp of one on ground_truth"


@pytest.mark.parametrize("file", [None, "notes.md", "metadata.yaml"])
def test_what_is_no_bag_is_one_sentence(tmp_path: Path, capsys: Capture, file: str | None) -> None:
    folder = tmp_path / "bag"
    if file is not None:
        write(folder / file, "rosbag2_bagfile_information: nothing\n")
    wanted = "no such bag" if file is None else "it contains no bag file (.mcap, .db3, .bag)"
    assert error_of(capsys, "--bag", folder) == f"{folder}: {wanted}"


def a_curve(objects: int, level: str = "easy", metric: Metric = Metric.BOX_3D, value: float = 0.5) -> Curve:
    precision = np.zeros(41)
    precision[:21] = value
    return Curve("Car", metric, 0.7, level, objects, precision, np.linspace(0.9, 0.1, 21))


def test_what_has_no_object_has_no_ap_in_the_table() -> None:
    lines = format_ap([a_curve(0, "easy"), a_curve(200, "hard")]).splitlines()
    assert lines[0].split() == ["AP", "(%)", "IoU", ">", "R40", "easy", "R40", "hard", "R11", "easy", "R11", "hard"]
    assert lines[2].split() == ["Car", "3D", "0.7", "-", "25.00", "-", "27.27"]


@pytest.mark.parametrize(
    ("objects", "warned"), [(0, True), (FEW_OBJECTS - 1, True), (FEW_OBJECTS, False), (10**6, False)]
)
def test_few_objects_are_warned_of(objects: int, warned: bool) -> None:
    curves = [a_curve(500, "easy"), a_curve(objects, "hard")]
    assert (f"Car hard {objects}" in few_objects(curves)) == warned
    assert "easy" not in few_objects(curves)
    assert ("of perfect detections" in format_counts(curves)) == warned


def test_a_file_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    path = write(tmp_path / "report.json", "before")

    def fail(fresh: Path) -> None:
        fresh.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_picture_shows_each_difficulty_in_its_panel(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def green(*curves: Curve) -> int:
        path = tmp_path / "curves.png"
        draw_curves(path, curves, "a title")
        picture = np.asarray(pyplot.imread(path))[..., :3] * 255
        return int((np.abs(picture - (0x2A, 0xA5, 0x8A)).max(axis=-1) < 12).sum())

    easy, bev = a_curve(100), a_curve(100, metric=Metric.BEV)
    one = green(easy)
    assert one > 300
    assert green(easy, bev) > 1.5 * one
    assert green(a_curve(100, value=1.0), bev) > green(a_curve(100, value=0.1), bev)
